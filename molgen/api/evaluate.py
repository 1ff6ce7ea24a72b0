"""Use case: compare poses with reference ligands and count successes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from molgen.api.evaluate_entry import (
    EntryResult,
    EntryTask,
    broken_entry,
    evaluate_entry,
    read_references,
    receptor_of,
)
from molgen.api.pose_folders import PoseEntry, Reference, find_poses, find_references
from molgen.datasets.workers import spawn_pool, usable_cpus
from molgen.errors import InputError
from molgen.io import read_structure
from molgen.metrics import Outcome, summarise
from molgen.metrics.success import PairedDifference, paired_difference

Progress = Callable[[int, int], None]

NOT_ATTEMPTED = "not in the run"
"""Reason of a reference for which the run has no folder; it counts as a failure."""


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
        receptor_of(references, read_references(references.ligand)[0])
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


def _pair(
    entries: list[PoseEntry], references: dict[str, Reference] | Reference, where: Path
) -> tuple[list[EntryTask], list[str]]:
    if isinstance(references, Reference):
        return [EntryTask(entry, references) for entry in entries], []
    if len(references) == 1 and len(entries) == 1:
        only = next(iter(references.values()))
        return [EntryTask(PoseEntry(only.name, *_rest(entries[0])), only)], []
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
    return [EntryTask(_called(named.get(n, missing), n), r) for n, r in references.items()], extra


def _rest(entry: PoseEntry) -> tuple[Path | None, str, float | None]:
    return entry.poses, entry.reason, entry.seconds


def _called(entry: PoseEntry, name: str) -> PoseEntry:
    return PoseEntry(name, *_rest(entry))


def _run(
    tasks: Sequence[EntryTask], check_all: bool, jobs: int, progress: Progress | None
) -> list[EntryResult]:
    report = progress or (lambda done, total: None)
    results: list[EntryResult] = []
    report(0, len(tasks))
    if jobs <= 1 or len(tasks) <= 2:
        for task in tasks:
            try:
                results.append(evaluate_entry(task, check_all, threads=0))
            except Exception as error:
                results.append(broken_entry(task, error))
            report(len(results), len(tasks))
        return results
    with spawn_pool(min(jobs, len(tasks))) as pool:
        waiting = {pool.submit(evaluate_entry, task, check_all): task for task in tasks}
        for future in as_completed(waiting):
            try:
                results.append(future.result())
            except Exception as error:  # a process that died must not take the others with it
                results.append(broken_entry(waiting[future], error))
            report(len(results), len(tasks))
    return results


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
