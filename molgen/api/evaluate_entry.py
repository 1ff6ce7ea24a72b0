"""One entry of an evaluation: its poses against its reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from molgen.api.pose_folders import PoseEntry, Reference
from molgen.errors import InputError, LigandError, MolgenError
from molgen.io import read_ligand, read_structure
from molgen.io.ligand_file import is_drawing, largest_fragment, split_records
from molgen.io.paths import file_suffix, read_text
from molgen.io.rdkit_log import quiet_rdkit
from molgen.metrics import Outcome, pose_distances
from molgen.structure import Protein


@dataclass(frozen=True)
class PoseRow:
    """One pose of one entry; distances in Å, NaN where they could not be measured."""

    entry: str
    rank: int
    score: float
    rmsd: float
    aligned_rmsd: float
    centroid_distance: float
    valid: bool | None
    failed_checks: tuple[str, ...] = ()
    check_problem: str = ""


@dataclass(frozen=True)
class EntryResult:
    """One attempted entry with its poses in rank order.

    ``notes`` say what a reader of the numbers should know (matched by connectivity only, ...).
    """

    name: str
    reason: str = ""
    seconds: float | None = None
    heavy_atoms: int = 0
    rotatable_bonds: int = -1
    poses: tuple[PoseRow, ...] = ()
    notes: tuple[str, ...] = ()

    def outcome(self) -> Outcome:
        """Return what the success rates are counted from."""
        return Outcome(
            self.name,
            tuple(pose.rmsd for pose in self.poses),
            tuple(pose.valid for pose in self.poses),
            self.reason,
            tuple(pose.aligned_rmsd for pose in self.poses),
            tuple(pose.centroid_distance for pose in self.poses),
            self.seconds,
            {"rotatable_bonds": float(self.rotatable_bonds)},
        )


@dataclass(frozen=True)
class EntryTask:
    """An entry of a run and what it is compared with."""

    entry: PoseEntry
    reference: Reference


def broken_entry(task: EntryTask, error: Exception) -> EntryResult:
    """Return the result of an entry that brought something unforeseen to light."""
    reason = " ".join(f"evaluation failed: {type(error).__name__}: {error}".split())
    return EntryResult(task.entry.name, reason, task.entry.seconds)


def evaluate_entry(task: EntryTask, check_all: bool = False, threads: int = 1) -> EntryResult:
    """Return the result of one entry; what goes wrong with it becomes its reason."""
    entry, facts = task.entry, {}
    try:
        with quiet_rdkit():
            try:
                truths, lost = read_references(task.reference.ligand)
                protein = receptor_of(task.reference, truths) if entry.poses is not None else None
            except MolgenError as error:
                raise InputError(f"reference not usable: {error}") from None
            facts = _facts(truths[0])
            if entry.poses is None:
                return EntryResult(entry.name, entry.reason, entry.seconds, **facts)
            records = _read_poses(entry.poses)
            mols = [mol for mol in records if mol is not None]
            rows, notes, truth = _measure(entry.name, truths, mols)
            notes += lost
            facts = _facts(truth)
            if protein is None:
                rows, taken = _as_recorded(rows, mols)
                notes += taken
            else:
                rows = _checked(rows, mols, truth, protein, check_all, threads)
            if len(mols) < len(records):
                rows = _with_unreadable(rows, records, entry.name)
                notes += ("poses that cannot be read count as misses",)
        return EntryResult(entry.name, "", entry.seconds, **facts, poses=rows, notes=notes)
    except MolgenError as error:
        return EntryResult(entry.name, str(error), entry.seconds, **facts)


def _facts(truth: Chem.Mol) -> dict[str, Any]:
    return {
        "heavy_atoms": truth.GetNumHeavyAtoms(),
        # hydrogens that are atoms would make rotors of methyl and hydroxyl groups
        "rotatable_bonds": int(rdMolDescriptors.CalcNumRotatableBonds(Chem.RemoveHs(truth))),
    }


def read_references(path: Path) -> tuple[list[Chem.Mol], tuple[str, ...]]:
    """Return every usable record, as a file may hold several copies of the ligand, and notes.

    Raises:
        LigandError: no record can be read, or none has 3D coordinates.
    """
    if file_suffix(path) == ".sdf":
        records = _records(path, sanitize=True)
        found = [mol for mol in records if mol and not is_drawing(mol)]
        if found:
            lost = len(records) - len(found)
            notes = (f"{lost} of {len(records)} records of the reference cannot be used",)
            return [largest_fragment(mol)[0] for mol in found], notes if lost else ()
    ligand = read_ligand(path)
    if not ligand.has_coords:
        raise LigandError(f"{path}: reference ligand has no 3D coordinates")
    return [ligand.mol], ()


def _records(path: Path, *, sanitize: bool) -> list[Chem.Mol | None]:
    """Return the records of an SDF or MOL2 file, None for those that RDKit cannot read."""
    mol2 = file_suffix(path) == ".mol2"
    text = read_text(path, LigandError)
    records = [record for record in split_records(text, mol2) if record.strip()]
    if mol2:
        return [Chem.MolFromMol2Block(r, sanitize=sanitize, removeHs=False) for r in records]
    supplier = Chem.SDMolSupplier()
    text = "".join(record.rstrip("\n") + "\n\n$$$$\n" for record in records)
    supplier.SetData(text, sanitize=sanitize, removeHs=False)
    return list(supplier) if records else []


def _read_poses(path: Path) -> list[Chem.Mol | None]:
    """Return the poses by rank, None for records without coordinates that are numbers."""
    try:
        records = _records(path, sanitize=False)
    except LigandError as error:
        raise LigandError(f"unreadable poses: {error}") from None
    found = [mol if mol and _has_place(mol) else None for mol in records]
    if not any(found):
        raise LigandError(f"unreadable poses: {path.name} holds no pose with coordinates")
    for mol in found:
        if mol and Chem.SanitizeMol(mol, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE:
            Chem.AssignStereochemistryFrom3D(mol)
    return found


def _has_place(mol: Chem.Mol) -> bool:
    if not mol.GetNumConformers():
        return False
    return bool(np.isfinite(mol.GetConformer().GetPositions()).all())


def _with_unreadable(
    rows: tuple[PoseRow, ...], records: Sequence[Chem.Mol | None], name: str
) -> tuple[PoseRow, ...]:
    """Return a row for every record, so that no pose moves up for one that cannot be read."""
    readable = iter(rows)
    far = math.inf
    return tuple(
        PoseRow(name, rank, math.nan, far, far, far, False, (), "record cannot be read")
        if mol is None
        else replace(next(readable), rank=rank)
        for rank, mol in enumerate(records, start=1)
    )


def _measure(
    name: str, truths: Sequence[Chem.Mol], mols: Sequence[Chem.Mol]
) -> tuple[tuple[PoseRow, ...], tuple[str, ...], Chem.Mol]:
    """Return rows with distances to the nearest reference copy, notes, and that of the top pose."""
    best = np.full((len(mols), 3), math.inf)
    notes: set[str] = set()
    problem: MolgenError | None = None
    nearest: Chem.Mol | None = None
    for truth in truths:
        try:
            found = pose_distances(truth, mols)
        except MolgenError as error:
            problem = error
            continue
        if found.matching == "connectivity":
            notes.add("matched by connectivity: bond orders or charges differ")
        if found.capped:
            notes.add("very symmetric ligand: RMSD is an upper bound")
        columns = np.stack([found.rmsd, found.aligned, found.centroid], axis=1)
        if nearest is None or columns[0, 0] < best[0, 0]:
            nearest = truth
        best = np.where((columns[:, :1] < best[:, :1]), columns, best)
    if nearest is None:
        raise problem or LigandError("no reference could be compared")
    rows = tuple(
        PoseRow(name, rank, _score(mol), values[0], values[1], values[2], None)
        for rank, (mol, values) in enumerate(zip(mols, best.tolist(), strict=True), start=1)
    )
    return rows, tuple(sorted(notes)), nearest


def _score(mol: Chem.Mol) -> float:
    try:
        return float(mol.GetProp("score"))
    except (KeyError, ValueError):
        return math.nan


def receptor_of(reference: Reference, truths: Sequence[Chem.Mol]) -> Protein | Path | None:
    """Return the receptor without the reference ligand.

    A ``<id>_protein.pdb`` without it is a prepared receptor: the checks read it as `posebusters`
    does.
    """
    path = reference.protein
    if path is None:
        return None
    structure = read_structure(path)
    known = np.concatenate([truth.GetConformer().GetPositions() for truth in truths])
    itself = structure.standing_at(known)
    if not itself and path.name.endswith("_protein.pdb"):
        return path
    return structure.receptor(without=itself)


def _as_recorded(
    rows: tuple[PoseRow, ...], mols: Sequence[Chem.Mol]
) -> tuple[tuple[PoseRow, ...], tuple[str, ...]]:
    """Take over the verdicts of the run that made the poses, where it wrote any."""
    taken = []
    for row, mol in zip(rows, mols, strict=True):
        if not mol.HasProp("posebusters_pass"):
            return rows, ()
        passed = mol.GetProp("posebusters_pass").strip().lower() in ("true", "1", "yes")
        text = mol.GetProp("posebusters_failed") if mol.HasProp("posebusters_failed") else ""
        failed = tuple(name for name in text.replace(",", " ").split() if name != "-")
        taken.append(replace(row, valid=passed, failed_checks=failed))
    return tuple(taken), ("validity as recorded by the run: no receptor given",)


def _checked(
    rows: tuple[PoseRow, ...],
    mols: Sequence[Chem.Mol],
    truth: Chem.Mol,
    protein: Protein | Path,
    check_all: bool,
    threads: int,
) -> tuple[PoseRow, ...]:
    from molgen.scoring.validity import check_poses

    count = len(rows) if check_all else 1
    verdicts = check_poses(mols[:count], protein, truth, threads=threads)
    checked = [
        replace(row, valid=v.passed, failed_checks=v.failed, check_problem=v.reason)
        for row, v in zip(rows, verdicts, strict=False)
    ]
    return (*checked, *rows[count:])
