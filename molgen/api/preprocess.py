"""The use case `molgen preprocess`: a folder of complexes to a store and its splits."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from molgen.datasets.builder import SPLITS, BuildOptions, build_store
from molgen.datasets.pdbbind import find_entries
from molgen.datasets.shard import Row
from molgen.datasets.splits import SplitOptions, split_ids
from molgen.datasets.workers import usable_cpus
from molgen.errors import ConfigError, InputError, OutputError
from molgen.io import atomic_write


@dataclass(frozen=True)
class PreprocessResult:
    """What a run of `preprocess` made.

    Attributes:
        folder: the store.
        entries: entries in the collection.
        usable: entries with arrays.
        outcomes: entries by ``ok`` or reason of failure.
        splits: ids in each part, empty without a split.
        split_folder: where the id lists are, None without a split.
        size_mb: all files of the store together, 10⁶ bytes.
        seconds: wall time.
    """

    folder: Path
    entries: int
    usable: int
    outcomes: dict[str, int]
    splits: dict[str, int]
    split_folder: Path | None
    size_mb: float
    seconds: float


def preprocess(
    raw: str | Path,
    out: str | Path,
    *,
    options: BuildOptions | None = None,
    split: SplitOptions | None = None,
    workers: int | None = None,
    limit: int | None = None,
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> PreprocessResult:
    """Turn a collection in PDBBind layout into a store.

    Args:
        raw: the collection, see `molgen.datasets.pdbbind`.
        out: folder of the store; must be empty unless ``resume`` or ``force``.
        options: what goes in; the defaults are those of `BuildOptions`.
        split: writes ``splits/<kind>[-seed<n>]/{train,val,test}.txt`` too.
        workers: processes; default: the CPUs this process may use.
        limit: only the first entries by id.
        resume: keep finished shards of an earlier run with the same entries and options.
        force: start over.
        progress: show a bar on stderr.

    Raises:
        InputError: the collection cannot be read, or a split needs facts it lacks.
        OutputError: the folder is not empty or cannot be written.
        StoreError: ``resume`` on a store of other entries or options.
    """
    from tqdm import tqdm

    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, got {limit}")
    start = time.perf_counter()
    if Path(raw).resolve() in Path(out).resolve().parents:
        raise OutputError(f"{out}: lies within {raw}, where it would be taken for complexes")
    entries = find_entries(raw)[:limit]
    if split and split.kind == "time" and all(entry.year is None for entry in entries):
        raise InputError(  # said before the work, not after it
            f"time split: no entry of {raw} has a year; give a column 'year' in RAW/index.csv or "
            "PDBBind's INDEX file"
        )
    with tqdm(total=len(entries), unit="complex", disable=not progress) as bar:
        rows = build_store(
            entries,
            out,
            options,
            workers=workers or usable_cpus(),
            resume=resume,
            force=force,
            progress=lambda count: bar.update(count) and None,
        )
    folder = Path(out)
    parts, split_folder = _write_split(rows, folder, split) if split else ({}, None)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return PreprocessResult(
        folder=folder,
        entries=len(rows),
        usable=sum(row["status"] == "ok" for row in rows),
        outcomes=dict(Counter(row["reason"] or row["status"] for row in rows).most_common()),
        splits={name: len(ids) for name, ids in parts.items()},
        split_folder=split_folder,
        size_mb=sum(path.stat().st_size for path in files) / 1e6,
        seconds=time.perf_counter() - start,
    )


def _write_split(
    rows: list[Row], folder: Path, options: SplitOptions
) -> tuple[dict[str, list[str]], Path]:
    """Write the id lists, one id a line; return them and their folder."""
    parts = split_ids(rows, options)
    name = options.kind if options.kind == "time" else f"{options.kind}-seed{options.seed}"
    target = folder / SPLITS / name
    for part, ids in parts.items():
        with atomic_write(target / f"{part}.txt") as temporary:
            temporary.write_text("".join(f"{entry}\n" for entry in ids), encoding="utf-8")
    return parts, target
