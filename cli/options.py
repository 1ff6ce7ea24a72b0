"""Options that several commands share, so that they mean and read the same everywhere.

No option carries a default value: an option that was not given is ``None`` and the config
dataclass decides (`given` drops those before `molgen.config.load` merges the rest).
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

FILE = click.Path(path_type=Path)
"""A path that may or may not exist: the readers explain a missing file better than click."""


def out(help: str = "Folder for the results.", *, required: bool = True) -> Decorator:
    """Add ``--out DIR`` (argument ``out``: Path)."""
    return click.option("--out", type=FILE, metavar="DIR", required=required, help=help)


def seed(function: Function) -> Function:
    """Add ``--seed`` (argument ``seed``: int or None)."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        help="Seed of every random number: same seed, same machine, same result. Default 0.",
    )(function)


def device(function: Function) -> Function:
    """Add ``--device`` (argument ``device``: str or None; whether it is there is checked later)."""
    return click.option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        help="Where to compute. Default auto: a GPU when there is one.",
    )(function)


def config(function: Function) -> Function:
    """Add ``--config FILE`` (argument ``config``: Path or None)."""
    return click.option(
        "--config",
        type=FILE,
        metavar="FILE",
        help="YAML file with settings; options on the command line go before it.",
    )(function)


def exclude(help: str) -> Decorator:
    """Add ``--exclude LIST``, which may be repeated (argument ``exclude``: tuple of str)."""
    return _entry_list("--exclude", help)


def only(help: str) -> Decorator:
    """Add ``--only LIST``, which may be repeated (argument ``only``: tuple of str)."""
    return _entry_list("--only", help)


def _entry_list(name: str, help: str) -> Decorator:
    return click.option(
        name,
        multiple=True,
        metavar="LIST",
        help=f"{help}: a file with a name or PDB code a line, a folder of entries, or "
        "'benchmarks' (PoseBusters, Astex, PDBBind time split). May be repeated.",
    )


_REPORTING = {
    "as_json": click.option(
        "--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout."
    ),
    "resume": click.option(
        "--resume", is_flag=True, help="Continue in a folder of an earlier run; skip what is done."
    ),
    "force": click.option(
        "--force", is_flag=True, help="Replace the results of an earlier run in the folder."
    ),
    "quiet": click.option(
        "--quiet", "-q", is_flag=True, help="No progress and no report, only warnings and errors."
    ),
}


@dataclass(frozen=True)
class Run:
    """How a long command runs and speaks.

    Attributes:
        as_json: print the result as JSON.
        resume: continue in the folder of an earlier run.
        force: replace its results.
        quiet: print nothing but warnings and errors.
    """

    as_json: bool = False
    resume: bool = False
    force: bool = False
    quiet: bool = False

    @property
    def progress(self) -> bool:
        """Whether a progress bar is welcome: on a terminal, unless quiet or JSON is asked for."""
        try:
            terminal = os.isatty(2)
        except OSError:
            return False
        return terminal and not self.quiet and not self.as_json

    @property
    def how(self) -> dict[str, bool]:
        """The arguments that resumable use cases take."""
        return {"resume": self.resume, "force": self.force, "progress": self.progress}


def run(*, resume: bool = True, force: bool = True) -> Decorator:
    """Add ``--json``, ``--quiet`` and where wanted ``--resume`` and ``--force`` (argument ``run``).

    Of the processes of a distributed run only the first one speaks.
    """
    left_out = {"resume": not resume, "force": not force}
    names = [name for name in _REPORTING if not left_out.get(name)]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def command(**arguments: Any) -> Any:
            from molgen.api.processes import first_process

            asked = Run(**{name: arguments.pop(name) for name in names})
            if asked.resume and asked.force:
                raise click.UsageError("--resume and --force exclude each other")
            if not first_process():
                asked = replace(asked, quiet=True, as_json=False)
            return function(**arguments, run=asked)

        wrapped: Any = command
        for name in reversed(names):
            wrapped = _REPORTING[name](wrapped)
        made: Function = wrapped
        return made

    return decorate


def given(**values: Any) -> dict[str, Any]:
    """Return the options that the user gave: those that are not None.

    A double underscore stands for the dot of a nested key: ``given(search__rounds=4)`` is
    ``{"search.rounds": 4}``.
    """
    return {key.replace("__", "."): value for key, value in values.items() if value is not None}


def command_line() -> str:
    """Return the command as the user gave it, for run records and model cards."""
    return shlex.join(["molgen", *sys.argv[1:]])


def print_json(result: Any) -> None:
    """Print ``result``, a dataclass or what JSON knows, as one JSON object on stdout."""
    if is_dataclass(result) and not isinstance(result, type):
        result = asdict(result)
    from molgen.api.tables import json_ready

    text = json.dumps(
        json_ready(result), indent=2, ensure_ascii=False, allow_nan=False, default=str
    )
    # a file name that is no UTF-8 has lone surrogates, which JSON can only escape
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def require_some(worked: int, failed: int, table: Path) -> None:
    """Refuse a batch of which nothing worked.

    Raises:
        InputError: names the table that says why.
    """
    if failed and not worked:
        from molgen.errors import InputError

        raise InputError(f"none of {failed} worked; {table} says why")


def plain(text: str) -> str:
    """Return text from a file without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)
