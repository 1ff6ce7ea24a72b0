"""Lists of entries: those of benchmarks, that must not be trained on, or those to work on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from importlib.resources import files
from pathlib import Path

from molgen.datasets.pdbbind import entry_folders
from molgen.errors import InputError

BENCHMARKS = "benchmarks"
"""Names the list that ships with molgen, ``data/splits/benchmarks.txt``."""

_CODE = re.compile(r"[0-9][a-z0-9]{3}(?![a-z0-9])")


def read_entry_list(sources: Iterable[str | Path]) -> frozenset[str]:
    """Return the names on some lists, those of PDB entries as their codes in lower case.

    Args:
        sources: each `BENCHMARKS`; a text file with a name at the start of every line, up to a
            blank, comma or semicolon (``#`` begins a comment); or a folder with entries in it.

    Raises:
        InputError: a source cannot be read, or names nothing.
    """
    found: set[str] = set()
    for source in sources:
        names = set(_names(source))
        if not names:
            raise InputError(f"{source}: names no entry")
        found |= names
    return frozenset(found)


def is_listed(identifier: str, names: Set[str]) -> bool:
    """Tell whether an entry is among the names of `read_entry_list`."""
    return bool(names) and entry_key(identifier) in names


def entry_key(name: str) -> str:
    """Return the PDB code that a name begins with, else all of it, in lower case."""
    name = name.lower()
    code = _CODE.match(name)
    return code.group() if code else name


def _names(source: str | Path) -> list[str]:
    path = Path(source)
    try:
        if str(source) == BENCHMARKS:
            text = files("molgen.data").joinpath("splits/benchmarks.txt").read_text("utf-8")
        elif path.is_dir():
            return [entry_key(folder.name) for folder in entry_folders(path)]
        else:
            text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{source}: expected a list of entries, a folder of entries or {BENCHMARKS!r} ({error})"
        ) from None
    lines = (re.split(r"[\s,;]", line.split("#")[0].strip())[0] for line in text.splitlines())
    return [entry_key(name.strip("\"'")) for name in lines if name]
