"""The course of a training run as a plot: losses and validation, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from molgen.report.figures import PALETTE, drawing


class Line(NamedTuple):
    """One curve of a validation: column of the history, and its name in the legend."""

    column: str
    name: str


def training_curves(
    path: Path, history: Sequence[Mapping[str, Any]], lines: Sequence[Line]
) -> None:
    """Draw the training loss (left axis) and curves of the validation (right axis)."""
    with drawing(path, 6.8, 4.2) as figure:
        axes = figure.add_subplot()
        epochs = [row["epoch"] + 1 for row in history]
        losses = [row.get("train_loss") for row in history]
        axes.plot(
            epochs, [_number(v) for v in losses], color="#66717f", lw=1.6, label="training loss"
        )
        axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
        right = axes.twinx()
        right.grid(visible=False)
        for colour, (key, name) in zip(PALETTE, lines, strict=False):
            values = [_number(row.get(key)) for row in history]
            right.plot(epochs, values, color=colour, lw=1.9, marker="o", ms=2.5, label=name)
        right.set_ylabel("validation")
        axes.set_title("Training", loc="left", fontweight="bold")
        handles = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
        right.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9,
            frameon=False,
        )  # fmt: skip


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
