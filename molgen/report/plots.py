"""Plots of an evaluation as PNG: one look for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molgen.metrics import Outcome, Proportion
from molgen.metrics.success import proportion
from molgen.report.figures import PALETTE, drawing, literal

ROTATABLE_BINS = ((0, 3), (4, 6), (7, 9), (10, 999))
"""Bins of rotatable bonds, ends included."""
_BIN_NAMES = tuple(f"{low}–{high}" if high < 999 else f"≥ {low}" for low, high in ROTATABLE_BINS)


def cumulative_rmsd(path: Path, runs: Mapping[str, Sequence[Outcome]], limit: float = 6.0) -> None:
    """Draw the share of all attempted entries within an RMSD: top-1 full, oracle dashed."""
    with drawing(path, 6.4, 4.2) as figure:
        axes = figure.add_subplot()
        for (label, outcomes), colour in zip(runs.items(), _colours(len(runs)), strict=True):
            for top, style, name in ((1, "-", "top-1"), (None, "--", "oracle")):
                best = np.sort([outcome.best(top) for outcome in outcomes])
                share = 100 * np.arange(1, len(best) + 1) / max(1, len(best))
                inside = best <= limit
                x = np.concatenate([[0.0], best[inside], [limit]])
                y = np.concatenate(
                    [[0.0], share[inside], [share[inside][-1] if inside.any() else 0]]
                )
                axes.step(
                    x,
                    y,
                    style,
                    where="post",
                    color=colour,
                    label=f"{literal(label)} {name}",
                    lw=1.9,
                )
        axes.axvline(2.0, color="#8592a1", lw=1, ls=":")
        axes.set(xlim=(0, limit), ylim=(0, 100), xlabel="RMSD / Å", ylabel="entries within / %")
        axes.set_title("Distance to the reference pose", loc="left", fontweight="bold")
        axes.legend(loc="lower right", fontsize=9, frameon=False)


def success_bars(path: Path, rates: Mapping[str, Mapping[str, Proportion]]) -> None:
    """Draw the main success rates of every run with 95 % Wilson intervals."""
    wanted = {
        "top1_2A": "top-1\n≤ 2 Å",
        "top5_2A": "top-5\n≤ 2 Å",
        "oracle_2A": "oracle\n≤ 2 Å",
        "valid": "PoseBusters\nvalid",
        "joint_2A": "joint",
    }
    keys = [key for key in wanted if any(key in table for table in rates.values())]
    with drawing(path, 6.8, 4.2) as figure:
        axes = figure.add_subplot()
        for at, (label, table) in enumerate(rates.items()):
            _bars(axes, at, len(rates), label, [table.get(key) for key in keys])
        axes.set_xticks(range(len(keys)), [wanted[key] for key in keys])
        _finish_bars(axes, "Success with 95 % Wilson intervals", len(rates))


def rotatable_bars(path: Path, runs: Mapping[str, Sequence[Outcome]]) -> None:
    """Draw top-1 success (2 Å) by the number of rotatable bonds."""
    tables = {label: by_rotatable_bonds(outcomes) for label, outcomes in runs.items()}
    names = [n for n in _BIN_NAMES if any(table[n].total for table in tables.values())]
    with drawing(path, 6.8, 4.2) as figure:
        axes = figure.add_subplot()
        for at, (label, table) in enumerate(tables.items()):
            _bars(axes, at, len(tables), label, [table[name] for name in names])
        most = {name: max(table[name].total for table in tables.values()) for name in names}
        axes.set_xticks(range(len(names)), [f"{name}\n(n = {most[name]})" for name in names])
        axes.set_xlabel("rotatable bonds")
        _finish_bars(axes, "Top-1 within 2 Å by ligand flexibility", len(tables))


def reliability(
    path: Path, predictions: Mapping[str, tuple[Sequence[float], Sequence[bool]]], bins: int = 10
) -> None:
    """Draw how often what was given a probability came true, with 95 % Wilson intervals.

    Args:
        predictions: label to probabilities and outcomes.
        bins: of equal width; those with nothing in them are left out.
    """
    with drawing(path, 5.2, 4.6) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color="#8592a1", lw=1, ls=":")
        for (label, (chance, right)), colour in zip(
            predictions.items(), _colours(len(predictions)), strict=True
        ):
            said, true = np.asarray(chance, dtype=float), np.asarray(right, dtype=bool)
            place = np.minimum((said * bins).astype(int), bins - 1)
            there = np.unique(place)
            rates = [proportion(true[place == k].tolist()) for k in there]
            values = np.array([rate.value for rate in rates])
            bounds = np.array([[rate.low, rate.high] for rate in rates]).T
            axes.errorbar(
                [100 * said[place == k].mean() for k in there],
                100 * values,
                yerr=100 * np.abs(bounds - values),
                color=colour,
                fmt="o-",
                ms=4,
                lw=1.6,
                capsize=2,
                label=f"{literal(label)} ({len(said):,})",
            )
        axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="confidence / %", ylabel="within 2 Å / %")
        axes.set_title("What a confidence is worth", loc="left", fontweight="bold")
        axes.legend(loc="lower right", fontsize=9, frameon=False)


def by_rotatable_bonds(outcomes: Sequence[Outcome]) -> dict[str, Proportion]:
    """Return top-1 success at 2 Å for each bin of ``extra["rotatable_bonds"]``."""
    table = {}
    for name, (low, high) in zip(_BIN_NAMES, ROTATABLE_BINS, strict=True):
        inside = [o for o in outcomes if low <= o.extra.get("rotatable_bonds", -1) <= high]
        table[name] = proportion([o.best(1) <= 2.0 for o in inside])
    return table


def _bars(axes: Any, at: int, runs: int, label: str, rates: Sequence[Proportion | None]) -> None:
    width = 0.8 / runs
    colour = _colours(runs)[at]
    named = False
    for group, rate in enumerate(rates):
        if rate is None or not rate.total:
            continue
        x = group - 0.4 + width * (at + 0.5)
        value, low, high = (100 * v for v in (rate.value, rate.low, rate.high))
        axes.bar(x, value, width * 0.92, color=colour, label="" if named else literal(label))
        named = True
        axes.errorbar(x, value, [[value - low], [high - value]], color="#1b2430", capsize=3, lw=1.1)
        axes.annotate(
            f"{value:.0f}", (x, high), (0, 3), textcoords="offset points", ha="center", fontsize=9
        )


def _finish_bars(axes: Any, title: str, runs: int) -> None:
    axes.set(ylim=(0, 108), ylabel="entries / %")
    axes.set_yticks(range(0, 101, 20))
    axes.grid(axis="x", visible=False)
    axes.set_title(title, loc="left", fontweight="bold")
    if runs > 1:
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.2),
            ncols=min(runs, 3),
            fontsize=9,
            frameon=False,
        )


def _colours(count: int) -> list[str]:
    return [PALETTE[at % len(PALETTE)] for at in range(count)]
