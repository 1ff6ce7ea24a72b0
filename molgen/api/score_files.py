"""The output folder of `molgen score`: opened, cleared, resumed; its tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from molgen.api.output_folder import RunFiles, opened, refuse_own_input, told_of
from molgen.api.score_job import MODELS
from molgen.api.score_records import (
    RESIDUE_COLUMNS,
    TRUTHS,
    FileResult,
    ModelRecord,
    unpack_rows,
)
from molgen.api.tables import write_csv
from molgen.io import atomic_write

SCORES = "scores.csv"
RESIDUES = "residues.csv"
STATUS = "status.csv"
RUN = "run.json"
REPORT = "report.html"
OVERVIEW = "overview.png"
JOURNAL = "records.jsonl"
"""Finished files, one a line; ``--resume`` trusts only this."""
PLOTS = "plots"
SCORE_RUN = RunFiles((SCORES, RESIDUES, STATUS, RUN, REPORT, OVERVIEW, JOURNAL), trace=JOURNAL)
_OUR_SUFFIXES = {MODELS: (".pdb", ".cif"), PLOTS: (".png",)}


@contextmanager
def opened_for_models(folder: Path, *, resume: bool, force: bool) -> Iterator[None]:
    """Open the folder as `opened` does, with a place for the models in it."""
    with opened(folder, resume=resume, force=force, files=SCORE_RUN, remove=_clear):
        with told_of(folder):
            (folder / MODELS).mkdir(exist_ok=True)
        yield


def refuse_own_models(folder: Path, files: Iterable[str | Path | None]) -> None:
    """Refuse models, or a reference, that lie where the results go.

    Raises:
        OutputError: as `refuse_own_input`.
    """
    refuse_own_input(folder, files, _is_result)


def _is_result(path: Path, folder: Path) -> bool:
    tables = path.parent == folder and path.name in SCORE_RUN.names
    return tables or path.parent == folder / MODELS


def _clear(folder: Path) -> None:
    ours = [folder / name for name in SCORE_RUN.names]
    ours += [path for name in SCORE_RUN.names for path in folder.glob(f".{name}.*")]
    if (folder / JOURNAL).is_file():  # else the sub-folders are not of a run of ours
        for name, suffixes in _OUR_SUFFIXES.items():
            place = folder / name
            if place.is_dir() and not place.is_symlink():
                ours += [path for path in place.iterdir() if _is_ours(path, suffixes)]
    for path in ours:
        if path.is_file() or path.is_symlink():
            path.unlink()
    for name in _OUR_SUFFIXES:
        place = folder / name
        if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
            place.rmdir()


def _is_ours(path: Path, suffixes: Sequence[str]) -> bool:
    """Tell our results, and the temporary files that a kill left behind, from other files."""
    return path.suffix in suffixes or path.name.startswith(".")


def models_are_there(folder: Path, result: FileResult) -> bool:
    """Return whether every model of a finished file has its structure on disk."""
    places = [folder / record.output for record in result.records if record.output]
    return all(place.is_file() and place.stat().st_size for place in places)


def write_tables(
    folder: Path,
    ranked: Sequence[ModelRecord],
    results: Sequence[FileResult],
    whole: Iterable[FileResult],
) -> None:
    """Write scores.csv (best first), status.csv and residues.csv (both in input order).

    Args:
        ranked: models with a score, best first.
        results: all files in input order.
        whole: the same with the rows of residues, one after the other.
    """
    truth = any(record.truth for record in ranked)
    lddt = any(record.predicted_lddt is not None for record in ranked)
    write_csv(folder / SCORES, (score_row(at, r) for at, r in enumerate(ranked, 1)),
              score_columns(lddt=lddt, truth=truth))  # fmt: skip
    write_csv(
        folder / STATUS,
        (status_row(record, result.sha256) for result in results for record in result.records),
        ("model", "file", "number", "status", "reason", "output", "seconds", "sha256", "notes"),
    )
    _write_residues(folder / RESIDUES, whole, lddt=lddt, truth=truth)


def score_columns(*, lddt: bool, truth: bool) -> list[str]:
    """Return the columns of scores.csv."""
    columns = ["rank", "model", "file", "predicted_cad"]
    columns += ["predicted_lddt"] if lddt else []
    columns += TRUTHS if truth else []
    return [*columns, "residues", "scored_residues", "flags"]


def score_row(rank: int, record: ModelRecord) -> dict[str, Any]:
    """Return a row of scores.csv; columns that are not wanted are left out."""
    row: dict[str, Any] = {
        "rank": rank,
        "model": record.model,
        "file": record.file,
        "predicted_cad": record.predicted_cad,
    }
    if record.predicted_lddt is not None:
        row["predicted_lddt"] = record.predicted_lddt
    return {
        **row,
        **record.truth,
        "residues": record.residues,
        "scored_residues": record.scored,
        "flags": "; ".join(record.flags),
    }


def status_row(record: ModelRecord, sha256: str) -> dict[str, Any]:
    """Return a row of status.csv."""
    return {
        "model": record.model,
        "file": record.file,
        "number": record.number,
        "status": record.status,
        "reason": record.reason or record.mismatch,
        "output": record.output,
        "seconds": record.seconds,
        "sha256": sha256,
        "notes": "; ".join(record.notes),
    }


def _write_residues(path: Path, results: Iterable[FileResult], *, lddt: bool, truth: bool) -> None:
    """Write residues.csv; the workers formatted the rows, columns without content are cut."""
    drop = {"predicted_lddt"} if not lddt else set()
    drop |= {"true_cad", "true_lddt"} if not truth else set()
    kept = [at for at, name in enumerate(RESIDUE_COLUMNS) if name not in drop]
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([RESIDUE_COLUMNS[at] for at in kept])
        for result in results:
            for record in result.records:
                text = unpack_rows(record.residue_rows)
                if drop:
                    rows = csv.reader(io.StringIO(text))
                    writer.writerows([row[at] for at in kept] for row in rows)
                else:
                    stream.write(text)
