"""Walking a folder of complexes in PDBBind layout, and what its index files say about them.

``RAW/<id>/<id>_protein.pdb`` with ``<id>_ligand.sdf`` and/or ``<id>_ligand.mol2``, at most two
folders deeper (recent PDBBind releases group entries by years). Facts come from a ``index.csv``
(columns id, and optionally year, affinity) or from PDBBind's ``INDEX_*`` text files.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

from molgen.errors import InputError

PROTEIN_SUFFIXES = (".pdb", ".pdb.gz", ".cif", ".cif.gz")
LIGAND_SUFFIXES = (".sdf", ".mol2", ".mol")
MAX_DEPTH = 3
NOT_ENTRIES = ("index", "readme", "splits")

_INDEX_LINE = re.compile(
    r"^(?P<id>[0-9][A-Za-z0-9]{3})\s+(?P<resolution>\S+)\s+(?P<year>(?:19|20)\d\d)"
    r"(?:\s+(?P<affinity>-?\d+\.\d+))?"
)


@dataclass(frozen=True)
class RawEntry:
    """One complex on disk.

    Attributes:
        id: name of its folder, unique in the collection.
        protein, ligand: its files; None for one that is missing.
        year: release year if known.
        affinity: −log10 of Kd, Ki or IC50 if known.
    """

    id: str
    protein: Path | None = None
    ligand: Path | None = None
    year: int | None = None
    affinity: float | None = None


def find_entries(raw: str | Path) -> list[RawEntry]:
    """Return every entry of a collection, by id; those named only in ``index.csv`` have no files.

    Raises:
        InputError: no such folder, nothing in it, an id twice, or an index that cannot be read.
    """
    root = Path(raw)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected RAW/<id>/<id>_protein.pdb")
    facts = _read_index_files(root)
    folders: dict[str, Path] = {}
    for folder in entry_folders(root):
        if folder.name in folders:
            raise InputError(f"{root}: entry {folder.name} twice: {folders[folder.name]}, {folder}")
        folders[folder.name] = folder
    if not folders:
        raise InputError(f"{root}: no entries found; expected RAW/<id>/<id>_protein.pdb")
    listed = _read_csv(root / "index.csv") if (root / "index.csv").is_file() else {}
    entries: list[RawEntry] = []
    for name in sorted(folders.keys() | listed.keys()):
        year, affinity = facts.get(name.lower(), (None, None))
        own_year, own_affinity = listed.get(name, (None, None))
        place = folders.get(name)
        entries.append(
            RawEntry(
                id=name,
                protein=_pick(place, name, "protein", PROTEIN_SUFFIXES),
                ligand=_pick(place, name, "ligand", LIGAND_SUFFIXES),
                year=year if own_year is None else own_year,
                affinity=affinity if own_affinity is None else own_affinity,
            )
        )
    return entries


def entry_folders(folder: Path, depth: int = MAX_DEPTH) -> list[Path]:
    """Return the entry folders below ``folder``: those with files of an entry, or without folders.

    A folder with other files beside its folders, such as the notes of a year, is looked into.
    """
    found = []
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or child.name.startswith(".") or child.name.lower() in NOT_ENTRIES:
            continue
        inside = [path for path in child.iterdir() if not path.name.startswith(".")]
        parts = tuple(f"{child.name}_{kind}" for kind in ("protein", "ligand"))
        entry = any(path.is_file() and path.name.startswith(parts) for path in inside)
        if not entry and depth > 1 and any(path.is_dir() for path in inside):
            found += entry_folders(child, depth - 1)
        else:
            found.append(child)
    return found


def _pick(folder: Path | None, name: str, kind: str, suffixes: tuple[str, ...]) -> Path | None:
    """Return the first of ``<name>_<kind><suffix>`` that is there."""
    candidates = [folder / f"{name}_{kind}{suffix}" for suffix in suffixes] if folder else []
    return next((path for path in candidates if path.is_file()), None)


Facts = dict[str, tuple[int | None, float | None]]


def _read_csv(path: Path) -> Facts:
    """Return {id: (year, affinity)} of an ``index.csv``."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "id" not in (reader.fieldnames or ()):
                raise InputError(f"{path}: no column 'id' in its first line")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    facts: Facts = {}
    for number, row in enumerate(rows, start=2):
        name, year, affinity = ((row.get(key) or "").strip() for key in ("id", "year", "affinity"))
        if not name:
            continue
        if Path(name).name != name:
            raise InputError(f"{path}: line {number}: id {name!r} is no name of a folder")
        if name in facts:
            raise InputError(f"{path}: line {number}: id {name!r} stands twice")
        try:
            facts[name] = (int(year) if year else None, float(affinity) if affinity else None)
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from error
        if not math.isfinite(facts[name][1] or 0.0):
            raise InputError(f"{path}: line {number}: affinity {affinity} is no finite number")
    return facts


def _read_index_files(root: Path) -> Facts:
    """Return {lower-case id: (year, affinity)} of PDBBind's ``INDEX_*`` files.

    Their lines read: code, resolution, release year, −log Kd/Ki, and so on. Where several files
    name an entry, one with an affinity is preferred.
    """
    facts: Facts = {}
    for path in sorted([*root.glob("INDEX*"), *root.glob("index/INDEX*")]):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = _INDEX_LINE.match(line)
            if match is None:
                continue
            key = match["id"].lower()
            affinity = float(match["affinity"]) if match["affinity"] else None
            if key not in facts or facts[key][1] is None:
                facts[key] = (int(match["year"]), affinity)
    return facts
