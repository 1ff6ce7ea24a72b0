"""The models that `molgen score` is asked for: files, folders and patterns to named files."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from molgen.errors import InputError
from molgen.io import unique_name
from molgen.io.atom_table import CIF_SUFFIXES, PDB_SUFFIXES
from molgen.io.paths import file_suffix

_PATTERN = re.compile(r"[*?\[]")
_SERVER_FILE = (b"PFRMAT", b"ATOM  ", b"MODEL ", b"HEADER", b"REMARK", b"PARENT")
"""How a model without a suffix starts, as CASP distributes them."""


@dataclass(frozen=True)
class InputFile:
    """One file to score.

    Attributes:
        name: unique among the files, safe as a file name.
        path: where it is.
        problem: why it is none; "" for a file to read.
    """

    name: str
    path: Path
    problem: str = ""


def find_models(models: Sequence[str | Path]) -> list[InputFile]:
    """Return the files that ``models`` stand for, each once, in the order given.

    A folder stands for the structure files in it (.pdb, .ent, .cif, .mmcif, also .gz, and server
    models without suffix), a pattern for the files that it matches. What stands for nothing is a
    file with its problem, unless nothing stands for anything.

    Raises:
        InputError: no file at all.
    """
    found: list[tuple[Path, str]] = []
    seen: set[Path] = set()
    for given in models:
        for path, problem in _expand(given):
            real = _resolved(path)
            if real not in seen:
                seen.add(real)
                found.append((path, problem))
    if not found:
        raise InputError("no models given; expected structure files, folders or patterns")
    if all(problem for _, problem in found):
        more = f" (and {len(found) - 1} more without models)" if len(found) > 1 else ""
        raise InputError(f"{found[0][0]}: {found[0][1]}{more}")
    taken: set[str] = set()
    return [InputFile(unique_name(_stem(path), taken), path, problem) for path, problem in found]


def _expand(given: str | Path) -> Iterable[tuple[Path, str]]:
    path = Path(given)
    try:
        if path.is_dir():
            inside = _inside(path)
            return [(file, "") for file in inside] or [(path, _EMPTY_FOLDER)]
        if path.exists():
            return [(path, "" if path.is_file() else "is no regular file")]
        if not _PATTERN.search(str(given)):
            return [(path, "no such file or folder")]
        matches = sorted(glob.glob(str(given), recursive=True))
    except (OSError, ValueError) as error:
        return [(path, f"cannot be used ({error})")]
    if not matches:
        return [(path, "the pattern matches no file")]
    return [pair for match in matches for pair in _expand_match(Path(match))]


_EMPTY_FOLDER = (
    "the folder holds no model; expected .pdb, .ent, .cif or .mmcif files (also .gz), or server "
    "models without suffix"
)


def _expand_match(path: Path) -> Iterable[tuple[Path, str]]:
    return [(file, "") for file in _inside(path)] if path.is_dir() else [(path, "")]


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_model(path))


def _is_model(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if file_suffix(path) in PDB_SUFFIXES + CIF_SUFFIXES:
        return True
    try:
        with path.open("rb") as stream:
            start = stream.read(6)
    except OSError:
        return False
    return start == b"PFRMAT" or ("." not in path.name and start in _SERVER_FILE)


def _stem(path: Path) -> str:
    """Return the file name without a suffix of structures, and without ``.gz``."""
    name = path.name
    for suffixes in ((".gz",), PDB_SUFFIXES + CIF_SUFFIXES):
        for suffix in suffixes:
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
    return name if any(c.isalnum() for c in name) else "model"


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
