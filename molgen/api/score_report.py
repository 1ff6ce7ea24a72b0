"""The pictures and the page of a run of `molgen score`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molgen.api.score_files import OVERVIEW, PLOTS, REPORT, score_row
from molgen.api.score_records import RESIDUE_COLUMNS, ModelRecord, unpack_rows
from molgen.report.quality import MAX_MODELS, MAX_RESIDUES, write_quality_report
from molgen.report.quality_plots import MAX_ROWS, overview_plot, profile_plot
from molgen.report.quality_profile import Profile

AUTO_PLOTS = 20
"""Models whose profiles ``--plots auto`` draws; a plot takes about 0.1 s."""

Reader = Callable[[Sequence[str]], Iterable[ModelRecord]]
"""Models by name, with the rows of their residues."""


def write_score_report(
    folder: Path,
    ranked: Sequence[ModelRecord],
    failed: Sequence[ModelRecord],
    run: dict[str, Any],
    plots: str,
    read: Reader,
) -> None:
    """Write the plots and report.html; profiles of all models are never in memory at once.

    Args:
        ranked: models with a score, best first.
        failed: the others.
        run: content of run.json.
        plots: "auto", "all" or "none".
        read: the residues of models.
    """
    ranks = {record.model: rank for rank, record in enumerate(ranked, 1)}
    shown = _on_page(ranked)
    profiles = {
        record.model: _profile(record, ranks[record.model])
        for record in read([record.model for record in shown])
    }
    ordered = [profiles[record.model] for record in shown if record.model in profiles]
    overview = None
    _remove_old(folder)
    if plots != "none" and ranked:
        overview = folder / OVERVIEW
        overview_plot(
            overview,
            ordered[:MAX_ROWS],
            [record.predicted_cad or 0.0 for record in ranked],
            [record.truth.get("true_cad") for record in ranked],
        )
        _draw_profiles(folder, ranked if plots == "all" else ranked[:AUTO_PLOTS], ranks, read)
    write_quality_report(
        folder / REPORT,
        title=f"Quality of {len(ranked)} protein model{'' if len(ranked) == 1 else 's'}",
        run={key: value for key, value in run.items() if key != "agreement"},
        rows=[score_row(ranks[record.model], record) for record in ranked[:MAX_MODELS]],
        total=len(ranked),
        profiles=profiles,
        failed=[(record.model, record.reason) for record in failed],
        agreement=run.get("agreement"),
        overview=overview,
    )


def _on_page(ranked: Sequence[ModelRecord]) -> list[ModelRecord]:
    """Return the best models whose profiles fit the page."""
    shown: list[ModelRecord] = []
    residues = 0
    for record in ranked[:MAX_MODELS]:
        residues += record.residues
        if shown and residues > MAX_RESIDUES:
            break
        shown.append(record)
    return shown


def _remove_old(folder: Path) -> None:
    """Remove plots of an earlier run: what was drawn then may not be ranked now."""
    (folder / OVERVIEW).unlink(missing_ok=True)
    place = folder / PLOTS
    if place.is_dir() and not place.is_symlink():
        for path in place.glob("*.png"):
            path.unlink()


def _draw_profiles(
    folder: Path, wanted: Sequence[ModelRecord], ranks: dict[str, int], read: Reader
) -> None:
    (folder / PLOTS).mkdir(exist_ok=True)
    for record in read([record.model for record in wanted]):
        name = f"{record.model}.png"
        profile_plot(folder / PLOTS / name, _profile(record, ranks[record.model]))


def _profile(record: ModelRecord, rank: int) -> Profile:
    rows = csv.reader(io.StringIO(unpack_rows(record.residue_rows)))
    columns = dict(zip(RESIDUE_COLUMNS, zip(*rows, strict=True), strict=True))
    labels = [
        number + code
        for number, code in zip(columns["number"], columns["insertion_code"], strict=True)
    ]
    return Profile(
        name=record.model,
        rank=rank,
        value=record.predicted_cad or 0.0,
        true_value=record.truth.get("true_cad"),
        chains=columns["chain"],
        labels=tuple(labels),
        names=columns["residue"],
        predicted=_numbers(columns["predicted_cad"]),
        true=_numbers(columns["true_cad"]) if record.truth else None,
    )


def _numbers(column: Iterable[str]) -> np.ndarray:
    return np.array([float(text) if text else np.nan for text in column])
