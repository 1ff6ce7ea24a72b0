"""Use case: compare poses with reference ligands and count successes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from scipy.spatial import cKDTree

from molgen.api.pose_folders import PoseEntry, Reference, find_poses, find_references
from molgen.datasets.workers import spawn_pool, usable_cpus
from molgen.errors import InputError, LigandError, MolgenError
from molgen.io import read_ligand, read_structure
from molgen.io.rdkit_log import quiet_rdkit
from molgen.metrics import Outcome, pose_distances, summarise
from molgen.metrics.success import PairedDifference, paired_difference
from molgen.structure import Protein

Progress = Callable[[int, int], None]

NOT_ATTEMPTED = "not in the run"
"""Reason of a reference for which the run has no folder; it counts as a failure."""

_ITSELF = 1.0  # Å; a group of the receptor whose atoms lie this near is the reference ligand


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
class Evaluation:
    """All entries of one run.

    Attributes:
        label: name of the run in tables.
        entries: one per attempted entry, by name.
        summary: counts, rates and medians, see `molgen.metrics.summarise`.
        extra: entries of the run without a reference; they are counted nowhere.
    """

    label: str
    entries: tuple[EntryResult, ...]
    summary: dict[str, Any]
    extra: tuple[str, ...] = ()

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes in the order of ``entries``."""
        return [entry.outcome() for entry in self.entries]


@dataclass(frozen=True)
class Comparison:
    """Two runs over the entries that both attempted."""

    first: str
    second: str
    entries: int
    differences: dict[str, PairedDifference] = field(default_factory=dict)


def evaluate(
    poses: Path,
    reference: Path,
    *,
    protein: Path | None = None,
    label: str | None = None,
    check_all: bool = False,
    attempted_only: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Return the evaluation of one run.

    Args:
        poses: output of ``molgen generate`` or a folder of such outputs, see `find_poses`.
        reference: ligand file, or folder of references; every reference in a folder counts as
            attempted, with or without poses.
        protein: receptor for the PoseBusters checks; by default the one beside the reference.
            The reference ligand itself is taken out of it. Without any receptor the verdicts
            that the run wrote into its poses are taken over, and said so in the notes.
        check_all: check every pose, not only the first of each entry.
        attempted_only: leave out references for which the run has no folder at all.
        jobs: processes; default one per core.
        progress: called with (done, all).

    Raises:
        InputError: a file or folder is missing or holds nothing usable. In a folder of references
            a broken one only fails its entry.
    """
    poses, reference = Path(poses), Path(reference)
    entries, references = find_poses(poses), find_references(reference, protein)
    if isinstance(references, Reference):  # nothing can be said without it
        _receptor(references, _read_references(references.ligand))
    elif protein is not None:
        read_structure(protein)
    tasks, extra = _pair(entries, references, poses)
    if attempted_only:
        tasks = [task for task in tasks if task.entry.reason != NOT_ATTEMPTED]
    results = _run(tasks, check_all, jobs or usable_cpus(), progress)
    done = tuple(sorted(results, key=lambda result: result.name))
    summary = summarise([entry.outcome() for entry in done])
    return Evaluation(label or poses.resolve().name, done, summary, tuple(extra))


def compare(
    runs: Sequence[Evaluation], measures: Sequence[str] = ("top1_2A", "oracle_2A", "joint_2A")
) -> list[Comparison]:
    """Return every run against the first: paired differences with 95 % intervals.

    Intervals come from a paired bootstrap over entries, p values from McNemar's exact test.
    """
    if len(runs) < 2:
        return []
    comparisons = []
    base = {outcome.name: outcome for outcome in runs[0].outcomes}
    for run in runs[1:]:
        other = {outcome.name: outcome for outcome in run.outcomes}
        shared = sorted(base.keys() & other.keys())
        known = [m for m in measures if m in runs[0].summary["rates"] and m in run.summary["rates"]]
        differences = {
            measure: paired_difference(
                [_solved(other[name], measure) for name in shared],
                [_solved(base[name], measure) for name in shared],
            )
            for measure in known
            if shared
        }
        comparisons.append(Comparison(run.label, runs[0].label, len(shared), differences))
    return comparisons


def _solved(outcome: Outcome, measure: str) -> bool:
    kind, _, limit = measure.partition("_")
    threshold = float(limit.removesuffix("A"))
    if kind == "joint":
        return outcome.joint(threshold)
    return outcome.best({"top1": 1, "top5": 5, "oracle": None}[kind]) <= threshold


@dataclass(frozen=True)
class _Task:
    entry: PoseEntry
    reference: Reference


def _pair(
    entries: list[PoseEntry], references: dict[str, Reference] | Reference, where: Path
) -> tuple[list[_Task], list[str]]:
    if isinstance(references, Reference):
        return [_Task(entry, references) for entry in entries], []
    if len(references) == 1 and len(entries) == 1:
        only = next(iter(references.values()))
        return [_Task(PoseEntry(only.name, *_rest(entries[0])), only)], []
    named = {entry.name: entry for entry in entries}
    extra = sorted(named.keys() - references.keys())
    if len(extra) == len(named):
        raise InputError(
            f"{where}: none of its {len(named)} entries (e.g. {extra[0]!r}) has a reference of "
            f"that name (e.g. {next(iter(references))!r})"
        )
    # one ligand against a library of references: the others were never attempted
    if len(entries) == 1:
        references = {entries[0].name: references[entries[0].name]}
    missing = PoseEntry("", None, NOT_ATTEMPTED)
    return [_Task(_called(named.get(n, missing), n), r) for n, r in references.items()], extra


def _rest(entry: PoseEntry) -> tuple[Path | None, str, float | None]:
    return entry.poses, entry.reason, entry.seconds


def _called(entry: PoseEntry, name: str) -> PoseEntry:
    return PoseEntry(name, *_rest(entry))


def _run(
    tasks: Sequence[_Task], check_all: bool, jobs: int, progress: Progress | None
) -> list[EntryResult]:
    report = progress or (lambda done, total: None)
    results: list[EntryResult] = []
    report(0, len(tasks))
    if jobs <= 1 or len(tasks) <= 2:
        for task in tasks:
            try:
                results.append(evaluate_entry(task, check_all, threads=0))
            except Exception as error:
                results.append(_broken(task, error))
            report(len(results), len(tasks))
        return results
    with spawn_pool(min(jobs, len(tasks))) as pool:
        waiting = {pool.submit(evaluate_entry, task, check_all): task for task in tasks}
        for future in as_completed(waiting):
            try:
                results.append(future.result())
            except Exception as error:  # a process that died must not take the others with it
                results.append(_broken(waiting[future], error))
            report(len(results), len(tasks))
    return results


def _broken(task: _Task, error: Exception) -> EntryResult:
    """Return the result of an entry that brought something unforeseen to light."""
    reason = " ".join(f"evaluation failed: {type(error).__name__}: {error}".split())
    return EntryResult(task.entry.name, reason, task.entry.seconds)


def evaluate_entry(task: _Task, check_all: bool = False, threads: int = 1) -> EntryResult:
    """Return the result of one entry; what goes wrong with it becomes its reason."""
    entry, facts = task.entry, {}
    try:
        with quiet_rdkit():
            try:
                truths = _read_references(task.reference.ligand)
                protein = _receptor(task.reference, truths) if entry.poses is not None else None
            except MolgenError as error:
                raise InputError(f"reference not usable: {error}") from None
            facts = _facts(truths[0])
            if entry.poses is None:
                return EntryResult(entry.name, entry.reason, entry.seconds, **facts)
            mols = _read_poses(entry.poses)
            rows, notes, truth = _measure(entry.name, truths, mols)
            facts = _facts(truth)
            if protein is None:
                rows, taken = _as_recorded(rows, mols)
                notes += taken
            else:
                rows = _checked(rows, mols, truth, protein, check_all, threads)
        return EntryResult(entry.name, "", entry.seconds, **facts, poses=rows, notes=notes)
    except MolgenError as error:
        return EntryResult(entry.name, str(error), entry.seconds, **facts)


def _facts(truth: Chem.Mol) -> dict[str, Any]:
    return {
        "heavy_atoms": truth.GetNumHeavyAtoms(),
        "rotatable_bonds": int(rdMolDescriptors.CalcNumRotatableBonds(truth)),
    }


def _read_references(path: Path) -> list[Chem.Mol]:
    """Return every usable record: a reference file may hold several copies of the ligand."""
    if path.suffix.lower() == ".sdf":
        found = [mol for mol in _records(path, removeHs=False) if mol.GetNumConformers()]
        if found:
            return found
    ligand = read_ligand(path)
    if not ligand.has_coords:
        raise LigandError(f"{path}: reference ligand has no 3D coordinates")
    return [ligand.mol]


def _records(path: Path, **options: bool) -> list[Chem.Mol]:
    """Return the records of an SDF that RDKit can read."""
    if not path.stat().st_size:  # which RDKit calls an invalid file
        return []
    return [mol for mol in Chem.SDMolSupplier(str(path), **options) if mol is not None]


def _read_poses(path: Path) -> list[Chem.Mol]:
    found = _records(path, sanitize=False, removeHs=False)
    mols = [mol for mol in found if mol.GetNumConformers()]
    if not mols:
        raise LigandError(f"unreadable poses: {path.name} holds no pose with coordinates")
    for mol in mols:
        if Chem.SanitizeMol(mol, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE:
            Chem.AssignStereochemistryFrom3D(mol)
    return mols


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


def _receptor(reference: Reference, truths: Sequence[Chem.Mol]) -> Protein | Path | None:
    """Return the receptor without the reference ligand.

    A ``<id>_protein.pdb`` without it is a prepared receptor: the checks read it as `posebusters`
    does.
    """
    path = reference.protein
    if path is None:
        return None
    structure = read_structure(path)
    known = np.concatenate([truth.GetConformer().GetPositions() for truth in truths])
    tree = cKDTree(known)
    itself = tuple(
        group
        for group in structure.groups
        if np.median(tree.query(structure.atoms.coords[group.atoms])[0]) <= _ITSELF
    )
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


def unique_labels(poses: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """Return one distinct label a run: the given ones, else folder names with parents as needed."""
    if given:
        if len(set(given)) < len(given):
            raise InputError(f"run labels must differ, got {', '.join(given)}")
        return list(given)
    paths = [Path(path).resolve() for path in poses]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        labels = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(labels)) == len(labels):
            return labels
    raise InputError(f"the same poses were given twice: {poses[0]}")
