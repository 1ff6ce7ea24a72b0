"""Finding poses, their references and their receptors on disk."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molgen.errors import InputError
from molgen.io import safe_name
from molgen.io.paths import file_stem, file_suffix

LIGAND_SUFFIXES = (".sdf", ".mol2", ".mol")
PROTEIN_SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".pdb.gz", ".cif.gz")


@dataclass(frozen=True)
class PoseEntry:
    """One attempted ligand.

    Attributes:
        name: identifier, equal to that of its reference.
        poses: SDF file with the ranked poses; None when the run produced none.
        reason: why there are none.
        seconds: wall time recorded by the run.
    """

    name: str
    poses: Path | None
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Reference:
    """The known pose of one entry and its receptor."""

    name: str
    ligand: Path
    protein: Path | None = None


def find_poses(folder: Path) -> list[PoseEntry]:
    """Return every entry below ``folder``.

    Args:
        folder: an SDF or MOL2 file (plain or gzip), an output folder of ``molgen generate`` (one
            ligand or many), or a folder of such outputs, one sub-folder per entry. Of ligands
            with one name each is called after its folder.

    Raises:
        InputError: nothing of the kind is there.
    """
    if folder.is_file():
        if file_suffix(folder) not in LIGAND_SUFFIXES:
            raise InputError(
                f"{folder}: expected poses as {', '.join(LIGAND_SUFFIXES)} (also .gz), or the "
                "output folder of molgen generate"
            )
        return [PoseEntry(file_stem(folder), folder)]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the output of molgen generate")
    if _is_output(folder):
        return _one_output(folder)
    entries: list[PoseEntry] = []
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        if _is_output(child):
            found = _one_output(child)
            entries += found if len(found) > 1 else [_renamed(found[0], child.name)]
    if not entries:
        raise InputError(
            f"{folder}: no poses.sdf, status.csv or run.json here or one level below; expected "
            "the output of molgen generate"
        )
    _require_distinct(folder, entries)
    return entries


def find_references(path: Path, protein: Path | None) -> dict[str, Reference] | Reference:
    """Return one reference for a file, or name -> reference for a folder.

    A folder holds ``<id>/<id>_ligand.sdf`` with ``<id>/<id>_protein.pdb``, or the same files (or
    plain ``<id>.sdf``) without sub-folders. ``protein`` replaces the receptor of every entry.

    Raises:
        InputError: missing, or a folder without reference ligands.
    """
    if protein is not None and not protein.is_file():
        raise InputError(f"{protein}: no such protein file")
    if path.is_file():
        return Reference(path.stem, path, protein or _protein_beside(path))
    if not path.is_dir():
        raise InputError(f"{path}: no such reference file or folder")
    found: dict[str, Reference] = {}
    for child in sorted(path.iterdir()):
        ligand: Path | None = None
        name = child.name
        if child.is_dir():
            names = [child / f"{name}_ligand{suffix}" for suffix in LIGAND_SUFFIXES]
            ligand = next((candidate for candidate in names if candidate.is_file()), None)
        elif child.suffix.lower() in LIGAND_SUFFIXES and "start_conf" not in child.stem:
            name, ligand = child.stem.removesuffix("_ligand"), child
        if ligand is not None and name not in found:
            found[name] = Reference(name, ligand, protein or _protein_beside(ligand))
    if not found:
        raise InputError(f"{path}: no reference ligands; expected <id>/<id>_ligand.sdf or <id>.sdf")
    return found


def _protein_beside(ligand: Path) -> Path | None:
    stem = ligand.stem.removesuffix("_ligand")
    names = [ligand.with_name(f"{stem}_protein{suffix}") for suffix in PROTEIN_SUFFIXES]
    return next((candidate for candidate in names if candidate.is_file()), None)


def _is_output(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("poses.sdf", "status.csv", "run.json"))


def _renamed(entry: PoseEntry, name: str) -> PoseEntry:
    return PoseEntry(name, entry.poses, entry.reason, entry.seconds)


def _one_output(folder: Path) -> list[PoseEntry]:
    rows = _status_rows(folder / "status.csv")
    total = _run_seconds(folder / "run.json")
    direct = folder / "poses.sdf"
    if direct.is_file() or not rows or (len(rows) == 1 and not rows[0].get("folder")):
        row = rows[0] if rows else {}
        poses = direct if direct.is_file() else _poses_below(folder, row)
        seconds = _number(row.get("seconds"))
        return [_entry(folder.name, poses, row, total if seconds is None else seconds)]
    entries = []
    labels = [row.get("name") or row.get("ligand") or "" for row in rows]
    for row, name in zip(rows, labels, strict=True):
        if labels.count(name) > 1 or "/" in name:  # no reference can be called so
            name = row.get("folder") or name
        entries.append(_entry(name, _poses_below(folder, row), row, _number(row.get("seconds"))))
    _require_distinct(folder, entries)
    return entries


def _require_distinct(folder: Path, entries: list[PoseEntry]) -> None:
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{folder}: entry {twice[0]!r} occurs more than once")


def _entry(name: str, poses: Path | None, row: dict[str, str], seconds: float | None) -> PoseEntry:
    if poses is not None and poses.stat().st_size == 0:
        poses = None
    reason = "" if poses else (row.get("reason") or "not produced")
    return PoseEntry(name, poses, reason, seconds)


def _poses_below(folder: Path, row: dict[str, str]) -> Path | None:
    """Find the poses of one row: in the folder that it names, else that of its name made safe."""
    labels = [row.get("folder"), row.get("directory")]
    if not any(labels):
        labels = [safe_name(row.get("name") or "")]
    for label in labels:
        # a label from a file must not lead out of the output folder
        if label and Path(label).name == label and (folder / label / "poses.sdf").is_file():
            return folder / label / "poses.sdf"
    return None


def _status_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            {str(key).strip().lower(): (value or "") for key, value in row.items() if key}
            for row in csv.DictReader(stream)
        ]


def _run_seconds(path: Path) -> float | None:
    if not path.is_file():
        return None
    try:
        record: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable run record: {error}") from error
    if not isinstance(record, dict):
        return None
    timings = record.get("timings")
    inner = timings.get("total") if isinstance(timings, dict) else None
    return _number(record.get("seconds", inner))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
