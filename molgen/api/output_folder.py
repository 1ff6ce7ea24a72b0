"""The output folder of `molgen generate` and `relax`: opened, cleared, resumed; tables."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from molgen.api.provenance import sha256_of
from molgen.api.tables import write_csv
from molgen.errors import MolgenWarning, OutputError, first_few
from molgen.io import atomic_write, unique_name, write_sdf
from molgen.io.locks import held
from molgen.io.paths import is_file

POSES = "poses.sdf"
RAW_POSES = "raw_poses.sdf"
UNRELAXED_POSES = "unrelaxed_poses.sdf"
RELAXED_POSES = "relaxed_poses.sdf"
RAW = "raw.sdf"
RELAXED = "relaxed.sdf"
SUMMARY = "summary.csv"
STATUS = "status.csv"
RUN = "run.json"
REPORT = "report.html"
RECORD = "record.json"
"""Outcome of a ligand, beside its poses and written after them; ``--resume`` trusts only this."""
POSE_FILES = (POSES, RAW_POSES, UNRELAXED_POSES, RELAXED_POSES, RAW, RELAXED)
OUTPUTS = (*POSE_FILES, SUMMARY, STATUS, RUN, REPORT, RECORD)
STATUS_COLUMNS = (
    "name", "folder", "status", "reason", "poses", "best_score", "seconds", "smiles", "notes",
)  # fmt: skip

Record = tuple[Any, dict[str, Any]]
"""A molecule and its properties, as files of poses hold them."""


@dataclass(frozen=True)
class RunFiles:
    """What a command writes into the folder of its results.

    Attributes:
        names: of the files.
        trace: the file by which a run is known before it has written run.json.
    """

    names: tuple[str, ...] = OUTPUTS
    trace: str = RECORD


_POSES_RUN = RunFiles()


@dataclass(frozen=True)
class LigandResult:
    """The outcome of one ligand, one row of status.csv.

    Attributes:
        folder: where its poses are, relative to the output folder ("" for the folder itself).
        status: "ok" or "failed".
        reason: why it failed, one line.
        seconds: wall time.
        smiles: canonical isomeric SMILES of what was docked; "" when it could not be read.
        notes: what the reader changed.
        poses: rows of summary.csv, best first.
    """

    name: str
    folder: str
    status: str
    reason: str
    seconds: float
    smiles: str
    notes: tuple[str, ...]
    poses: tuple[dict[str, Any], ...] = ()


def check_folder(folder: Path, *, resume: bool, force: bool, files: RunFiles = _POSES_RUN) -> None:
    """Refuse a place that cannot take the results; changes nothing.

    Args:
        files: of the command.

    Raises:
        OutputError: a file, not writable, not empty without ``resume`` or ``force``, or with files
            of our names that no run of ours wrote.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file; expected a folder for the results")
    try:
        empty = not any(folder.iterdir())
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used for the results ({error.strerror})") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: cannot be written")
    if (resume or force) and not _holds_run(folder, files.trace):
        ours = [name for name in files.names if (folder / name).exists()]
        if ours:
            what = "nothing to resume" if resume else "not replaced; choose another folder"
            raise OutputError(f"{folder}: {ours[0]} is of no earlier run, {what}")
    if not (empty or resume or force):
        raise OutputError(
            f"{folder}: is not empty; --resume continues an earlier run, --force replaces it"
        )


def _is_pose_result(path: Path, folder: Path) -> bool:
    place = path.parent
    ours = place == folder or (place.parent == folder and _is_of_run(place))
    return path.name in OUTPUTS and ours


def refuse_own_input(
    folder: Path,
    files: Iterable[str | Path | None],
    is_result: Callable[[Path, Path], bool] = _is_pose_result,
) -> None:
    """Refuse input that lies where the results go.

    Args:
        is_result: tells whether a path has the place of a result in a folder, both resolved.

    Raises:
        OutputError: a file of ``files`` has the place of a result; other text and None are passed
            over.
    """
    here = folder.resolve()
    for file in filter(is_file, files):
        if is_result(Path(str(file)).resolve(), here):
            raise OutputError(
                f"{file}: lies in the folder of the results and would be replaced; choose another"
            )


def _clear_run(folder: Path) -> None:
    for place in [path for path in folder.iterdir() if _is_of_run(path)]:
        clear(place)
        if not any(place.iterdir()):
            place.rmdir()
    clear(folder)


@contextmanager
def opened(
    folder: Path,
    *,
    resume: bool,
    force: bool,
    files: RunFiles = _POSES_RUN,
    remove: Callable[[Path], None] = _clear_run,
) -> Iterator[None]:
    """Make the folder and hold it; with ``force`` remove the results of an earlier run, only those.

    Args:
        files: of the command.
        remove: takes the results of such a run out of the folder.

    Raises:
        OutputError: as `check_folder`, it cannot be made, or another run is writing there.
    """
    check_folder(folder, resume=resume, force=force, files=files)
    with told_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        if force:
            with told_of(folder):
                remove(folder)
        yield


@contextmanager
def told_of(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into one about the folder of the results."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used for the results ({error.strerror})") from None


def _holds_run(folder: Path, trace: str) -> bool:
    own = any((folder / name).is_file() for name in (RUN, trace))
    return own or any(map(_holds_record, folder.iterdir()))


def _is_of_run(path: Path) -> bool:
    """Tell whether a folder is that of a ligand, not the output of a run of its own."""
    own = any((path / name).exists() for name in (RUN, STATUS))
    return _holds_record(path) and not own


def _holds_record(path: Path) -> bool:
    return not path.is_symlink() and (path / RECORD).is_file()


def clear(place: Path) -> None:
    """Remove our files from a folder, with the temporary ones that a kill left behind."""
    for name in OUTPUTS:
        for path in [place / name, *place.glob(f".{name}.*")]:
            if path.is_file() or path.is_symlink():
                path.unlink()


Item = TypeVar("Item")


def run_ligands(
    folder: Path,
    items: Sequence[Item],
    *,
    name: Callable[[Item], str],
    key: Callable[[Item], str],
    make: Callable[[Item, str], LigandResult],
    several: bool,
    resume: bool,
    progress: bool,
) -> tuple[list[LigandResult], int]:
    """Return the outcome of every ligand and how many an earlier run had finished; write tables.

    Warns of ligands that are done again although an earlier run had finished them, and of what that
    run left of other ligands.

    Args:
        folder: of the results, open.
        key: what the outcome depends on.
        make: does a ligand, in the folder of that name within ``folder``, and writes its outcome.
        several: each ligand has a folder of its own; else the one is in ``folder`` itself.
        resume: keep what is finished.
        progress: show a bar on stderr.
    """
    from tqdm import tqdm

    taken = set(OUTPUTS)  # a ligand of that name must not stand where a table goes
    results, resumed, again = [], 0, 0
    for item in tqdm(items, unit="ligand", disable=not progress, dynamic_ncols=True):
        place = unique_name(name(item), taken) if several else ""
        done = finished_ligand(folder, place, key(item)) if resume else None
        resumed += done is not None
        again += done is None and resume and bool(_record(folder / place).get("key"))
        results.append(done or make(item, place))
    if again:
        why = "input, settings or models differ from the earlier run, or its files changed"
        _warn(f"{folder}: {again} of {len(results)} ligands done again: {why}")
    if others := _others(folder, {result.folder for result in results}) if resume else []:
        named = first_few(others)
        _warn(f"{folder}: holds results of other ligands, too ({named}); --force removes them")
    _write_summary(folder, results)
    _write_status(folder, results)
    return results, resumed


def begin_ligand(folder: Path, name: str) -> None:
    """Mark a ligand as started and remove what an earlier attempt at it left.

    The record of the run and its tables go as well: until they are written again the run is not
    finished.

    Args:
        folder: of the results.
        name: of the ligand's folder in it; "" for the folder itself.

    Raises:
        OutputError: the ligand's folder is a link.
    """
    place = folder / name
    if name and place.is_symlink():
        raise OutputError(f"{place}: is a link, which may lead out of {folder}; remove it")
    _write_record(place, {})  # first, so that ``--force`` knows the folder after a kill
    for table in (RUN, REPORT, STATUS, SUMMARY):
        (folder / table).unlink(missing_ok=True)
    for file in POSE_FILES:
        for path in [place / file, *place.glob(f".{file}.*")]:
            path.unlink(missing_ok=True)
    for path in place.glob(f".{RECORD}.*"):
        path.unlink(missing_ok=True)


def finish_ligand(
    place: Path,
    key: str,
    result: LigandResult,
    poses: Sequence[Record],
    crash: str = "",
    others: Mapping[str, Sequence[Record]] | None = None,
) -> None:
    """Write the poses (molecule, properties), then the outcome.

    ``others`` are further files of poses by name, written first.
    After a ``crash`` (traceback) the outcome is kept for reading, but ``--resume`` tries again.
    """
    for name, members in {**(others or {}), POSES: poses}.items():
        if members:
            write_sdf(place / name, members)
    record = {"key": key, "result": asdict(result), "sha256": _sums(place)}
    _write_record(place, {**record, "key": "", "traceback": crash} if crash else record)


def finished_ligand(folder: Path, name: str, key: str) -> LigandResult | None:
    """Return the recorded outcome when it is that of ``key``: same ligand, inputs, settings.

    Args:
        folder, name: as of `begin_ligand`.
    """
    place = folder / name
    if name and place.is_symlink():
        return None
    record = _record(place)
    try:
        if record["key"] != key:
            return None
        found = record["result"]
        if record["sha256"] != _sums(place):
            return None
        return LigandResult(
            **{**found, "notes": tuple(found["notes"]), "poses": tuple(found["poses"])}
        )
    except (OSError, KeyError, TypeError):
        return None


def _others(folder: Path, current: set[str]) -> list[str]:
    """Return where an earlier run left ligands that are not among the current folders."""
    found = sorted(path.name for path in folder.iterdir() if _is_of_run(path))
    root = [POSES] if "" not in current and (folder / RECORD).is_file() else []
    return [*root, *(name for name in found if name not in current)]


def _warn(text: str) -> None:
    warnings.warn(text, MolgenWarning, stacklevel=4)


def _record(place: Path) -> dict[str, Any]:
    """Return what stands beside the poses of a ligand; {} where that is nothing to read."""
    try:
        found = json.loads((place / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sums(place: Path) -> dict[str, str]:
    """Return the SHA-256 of the files of poses that are there."""
    there = [name for name in POSE_FILES if (place / name).is_file()]
    return {name: sha256_of(place / name) for name in there}


def _write_record(place: Path, record: dict[str, Any]) -> None:
    write_text(place / RECORD, json.dumps(record, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def _write_summary(folder: Path, results: Sequence[LigandResult]) -> None:
    """Write summary.csv: one row per pose of all ligands."""
    rows = [{"name": r.name, "folder": r.folder, **pose} for r in results for pose in r.poses]
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["name", "folder", "rank"]
    write_csv(folder / SUMMARY, rows, columns)


def _write_status(folder: Path, results: Sequence[LigandResult]) -> None:
    """Write status.csv: one row per ligand."""
    rows = [
        {
            **{column: getattr(r, column, "") for column in STATUS_COLUMNS},
            "poses": len(r.poses),
            "best_score": min((pose["score"] for pose in r.poses), default=""),
            "seconds": str(r.seconds),
            "notes": "; ".join(r.notes),
        }
        for r in results
    ]
    write_csv(folder / STATUS, rows, STATUS_COLUMNS)
