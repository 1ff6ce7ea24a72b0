"""Keeping RDKit's log off the terminal and, on failure, learning what it said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rdkit import rdBase


@contextmanager
def quiet_rdkit() -> Iterator[None]:
    """Silence RDKit's own log inside the block."""
    block = rdBase.BlockLogs()
    try:
        yield
    finally:
        del block


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def rdkit_complaint(call: Callable[[], object]) -> str:
    """Run a failing RDKit call again and return its log as one line ("" when it said nothing).

    RDKit parsers report through their log and return None, so the log is the only reason there
    is. It is redirected only for the time of the call.
    """
    logger = logging.getLogger("rdkit")
    collector = _Collector()
    handlers, propagate, level = logger.handlers, logger.propagate, logger.level
    logger.handlers = [collector]
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    rdBase.LogToPythonLogger()
    try:
        call()
    except Exception as problem:  # the reason is all that is wanted here
        collector.lines.append(str(problem))
    finally:
        rdBase.LogToCppStreams()
        logger.handlers = handlers
        logger.propagate = propagate
        logger.setLevel(level)
    return clean_complaint("\n".join(collector.lines))


def clean_complaint(text: str) -> str:
    """Return RDKit's message as one short line without time stamps, echoes and stack traces."""
    lines: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and "]" in line and line[1:3].isdigit():
            line = line.split("]", 1)[1].strip()
        line = line.removeprefix("SMILES Parse Error:").strip()
        if line.startswith(("Violation occurred", "Failed Expression", "Stacktrace")):
            break
        noise = line.startswith(("check for mistakes", "Failed parsing SMILES")) or (
            line.endswith(("Violation", ":")) or set(line) <= set("~^-* ")
        )
        echo = bool(lines) and lines[-1].endswith(line)
        if line and not noise and not echo and line not in lines:
            lines.append(line)
    return " ".join("; ".join(lines).split())[:200]
