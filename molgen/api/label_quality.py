"""The use case `molgen label quality`: protein models and their natives to a training store."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from molgen.datasets.quality import SPLITS
from molgen.datasets.quality_builder import (
    SUFFIXES,
    ShardTask,
    build_quality_store,
    find_tasks,
    prepare_folder,
)
from molgen.datasets.quality_labels import sequence_of
from molgen.datasets.quality_shard import Row, read_header
from molgen.datasets.quality_splits import similar_targets, split_targets
from molgen.datasets.splits import SplitOptions
from molgen.datasets.workers import run_tasks, usable_cpus
from molgen.errors import ConfigError, InputError, MolgenError
from molgen.io import atomic_write, read_structure

FRACTIONS = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class LabelQualityResult:
    """What a run of `molgen label quality` made.

    Attributes:
        folder: the store.
        models: attempted, natives included.
        usable: in the store.
        outcomes: models by "ok" or reason of failure.
        kinds: usable models of every kind.
        targets: in the store.
        excluded: targets left out because they are similar to excluded sequences.
        splits: targets in every part.
    """

    folder: Path
    models: int
    usable: int
    outcomes: dict[str, int]
    kinds: dict[str, int]
    targets: int
    excluded: int
    splits: dict[str, int] = field(default_factory=dict)
    size_mb: float = 0.0
    seconds: float = 0.0


def label_quality(
    roots: Sequence[str | Path],
    out: str | Path,
    *,
    split: bool = False,
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
    exclude: Sequence[str | Path] = (),
    weights: str | Path | None = None,
    jobs: int | None = None,
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> LabelQualityResult:
    """Label the models below ``roots`` against their natives and write a store.

    Args:
        roots: folders of ``<target>/target.pdb`` and ``<target>/models/*.pdb``.
        out: folder of the store.
        split: write ``splits/sequence-seed<n>/{train,val,test}.txt``, lists of targets; clusters
            of similar sequences are not divided.
        seed, fractions: of the split.
        exclude: FASTA files, structures or folders of structures; targets in a cluster with one
            of their sequences are left out.
        weights: CSV file with columns target and weight, for training; 0 leaves a target out.
        jobs: processes; default: the CPUs this process may use.
        resume: keep shards of the same files that an earlier run finished.
        force: start over.
        progress: show a bar on stderr.

    Raises:
        InputError: no targets, or a file that cannot be read as asked.
        OutputError: ``out`` is not empty and neither ``resume`` nor ``force`` is set.
        StoreError: a worker process died.
    """
    from tqdm import tqdm

    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs must be at least 1, got {jobs}")
    SplitOptions("sequence", seed, fractions)  # refuse what cannot be before the work
    start = time.perf_counter()
    folder = Path(out)
    workers = jobs or usable_cpus()
    tasks = find_tasks([Path(root) for root in roots], folder, read_weights(weights))
    tasks, excluded = _without_similar(tasks, exclude, workers)
    prepare_folder(folder, resume=resume, force=force)
    total = sum(len(task.models) for task in tasks)
    with tqdm(total=total, unit="model", disable=not progress, dynamic_ncols=True) as bar:
        rows = build_quality_store(
            tasks,
            folder,
            workers=workers,
            resume=True,
            progress=lambda count: bar.update(count) and None,
        )
    splits = _write_split(tasks, folder, seed, fractions) if split else {}
    usable = [row for row in rows if row["status"] == "ok"]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return LabelQualityResult(
        folder=folder,
        models=len(rows),
        usable=len(usable),
        outcomes=dict(Counter(row["reason"] or row["status"] for row in rows).most_common()),
        kinds=_kinds(usable),
        targets=len({row["target"] for row in usable}),
        excluded=excluded,
        splits=splits,
        size_mb=sum(path.stat().st_size for path in files) / 1e6,
        seconds=time.perf_counter() - start,
    )


def read_weights(path: str | Path | None) -> dict[str, float]:
    """Return target to weight from a CSV file with these columns; raise `InputError` if not."""
    if path is None:
        return {}
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            found = {row["target"]: float(row["weight"]) for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected columns target and weight ({error!r})") from None
    if wrong := [name for name, weight in found.items() if not 0 <= weight < 1e6]:
        raise InputError(f"{path}: the weight of {wrong[0]} must be 0 or more")
    return found


def read_sequences(sources: Sequence[str | Path]) -> list[str]:
    """Return the distinct sequences in FASTA files, structures and folders of structures.

    Raises:
        InputError: a source is not there or yields no sequence.
    """
    found: list[str] = []
    for source in map(Path, sources):
        before = len(found)
        if source.is_dir():
            paths = sorted(p for p in source.rglob("*") if p.name.lower().endswith(SUFFIXES))
            found += filter(None, map(_sequence, paths))
        elif source.name.lower().endswith(SUFFIXES):
            found += filter(None, [_sequence(source)])
        else:
            found += _fasta(source)
        if len(found) == before:
            raise InputError(f"{source}: no protein sequence to exclude found there")
    return sorted(set(found))


def _fasta(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as FASTA ({error})") from None
    records: list[str] = []
    for line in map(str.strip, lines):
        if line.startswith(">"):
            records.append("")
        elif records:
            records[-1] += line.upper()
    return [record for record in records if record]


def _sequence(path: Path) -> str:
    """Return the sequence of a structure file, "" if it has none."""
    try:
        return sequence_of(read_structure(path).atoms)
    except (MolgenError, OSError):
        return ""


def _without_similar(
    tasks: list[ShardTask], exclude: Sequence[str | Path], workers: int
) -> tuple[list[ShardTask], int]:
    """Return the tasks of targets unlike the excluded sequences, and how many targets went."""
    if not exclude:
        return tasks, 0
    others = read_sequences(exclude)
    natives = {task.target: task.native for task in tasks}
    sequences = dict(run_tasks(_named_sequence, list(natives.items()), min(workers, 8)))
    similar = set(similar_targets(sequences, others))
    kept = [task for task in tasks if task.target not in similar]
    if not kept:
        raise InputError("every target is similar to an excluded sequence")
    return kept, len(similar)


def _named_sequence(item: tuple[str, Path]) -> tuple[str, str]:
    return item[0], _sequence(item[1])


def _kinds(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(row["kind"] for row in rows).most_common())


def _write_split(
    tasks: Sequence[ShardTask], folder: Path, seed: int, fractions: tuple[float, float, float]
) -> dict[str, int]:
    """Write the lists of targets, one a line; return how many there are in each."""
    sequences: dict[str, str] = {}
    for task in tasks:
        header = read_header(task.path)
        if header.sequence and any(row["status"] == "ok" for row in header.rows):
            sequences[header.target] = header.sequence
    parts = split_targets(sequences, seed=seed, fractions=fractions)
    for part, names in parts.items():
        with atomic_write(folder / SPLITS / f"sequence-seed{seed}" / f"{part}.txt") as temporary:
            temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return {part: len(names) for part, names in parts.items()}
