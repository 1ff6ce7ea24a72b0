"""Plots of predicted model quality as PNG: a profile per model, an overview of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molgen.report.figures import PALETTE, drawing, literal
from molgen.report.quality_profile import COLOURS, Profile, on_common_residues

MAX_ROWS = 60
"""Models in the heat map."""
MAX_BARS = 30
"""Models with a bar each; of more the distribution is shown."""
_INK, _DIM, _LINE = "#1b2430", "#66717f", "#e1e5ea"
_TRUE = PALETTE[1]


def profile_plot(path: Path, profile: Profile) -> None:
    """Draw local quality along the chains; the truth, where known, over it."""
    width = float(np.clip(4.5 + 0.022 * len(profile), 7.0, 16.0))
    with drawing(path, width, 2.9, dpi=130) as figure:
        axes = figure.add_subplot()
        x = np.arange(len(profile))
        _bands(axes, profile)
        axes.plot(x, profile.predicted, color=PALETTE[0], lw=1.7, label="predicted", zorder=3)
        known = ~np.isnan(profile.predicted)
        axes.fill_between(x, 0, profile.predicted, where=known, color=PALETTE[0], alpha=0.13, lw=0)
        if profile.true is not None:
            axes.plot(x, profile.true, color=_TRUE, lw=1.4, ls=(0, (4, 1.6)), label="true")
            axes.legend(loc="upper right", ncols=2, fontsize=9, frameon=False,
                        bbox_to_anchor=(1.0, 1.19), borderaxespad=0.0)  # fmt: skip
        if (~known).any():
            axes.plot(x[~known], np.full((~known).sum(), 0.015), "|", color=_DIM, ms=6, mew=1.2)
        axes.set(xlim=(-0.5, len(profile) - 0.5), ylim=(0, 1), ylabel="local CAD-score")
        axes.set_xlabel("residue" + ("   ( | not scored )" if (~known).any() else ""))
        positions, labels = _ticks(profile, width)
        axes.set_xticks(positions, labels)
        axes.grid(axis="x", visible=False)
        axes.set_title(_title(profile), loc="left", fontsize=11, fontweight="bold")


def overview_plot(
    path: Path,
    profiles: Sequence[Profile],
    scores: Sequence[float],
    true: Sequence[float | None],
) -> None:
    """Draw the scores of all models and the heat map of the best.

    Args:
        profiles: the best models, best first; up to `MAX_ROWS` are drawn.
        scores: predicted CAD-scores of all models, best first.
        true: their CAD-scores against the reference, None where there is none.
    """
    shown = list(profiles[:MAX_ROWS])
    known = [(p, t) for p, t in zip(scores, true, strict=True) if t is not None]
    bars = len(scores) <= MAX_BARS
    height = float(np.clip(1.7 + 0.23 * len(shown), 3.6, 9.0))
    if known:
        height = max(height, 7.4)
    with drawing(path, 12.6, height, dpi=130) as figure:
        grid = figure.add_gridspec(2 if known else 1, 2, width_ratios=(3.8, 8.0))
        left = figure.add_subplot(grid[0, 0])
        _bars(left, shown, true) if bars else _histogram(left, scores)
        title = "Along the chain" + (f", best {len(shown)}" if len(shown) < len(scores) else "")
        _heat_map(figure, figure.add_subplot(grid[:, 1]), shown, title, names=not bars)
        if known:
            _scatter(figure.add_subplot(grid[1, 0]), np.array(known))


def _bars(axes: Any, profiles: Sequence[Profile], true: Sequence[float | None]) -> None:
    at = np.arange(len(profiles))
    values = [profile.value for profile in profiles]
    axes.barh(at, values, 0.72, color=[colour_map()(value) for value in values])
    marked = [(y, t) for y, t in zip(at, true, strict=False) if t is not None]
    if marked:
        y, t = zip(*marked, strict=True)
        axes.plot(t, y, "D", color=_INK, ms=4, label="true", zorder=3)
        axes.legend(loc="lower right", fontsize=9, frameon=True, framealpha=0.9, edgecolor=_LINE)
    axes.set_yticks(at, [_short(profile.name) for profile in profiles], fontsize=_small(len(at)))
    axes.set(xlim=(0, 1), ylim=(len(at) - 0.5, -0.5), xlabel="predicted CAD-score")
    axes.grid(axis="y", visible=False)
    axes.set_title("Ranking", loc="left", fontweight="bold")


def _histogram(axes: Any, scores: Sequence[float]) -> None:
    low, high = max(0.0, min(scores) - 0.02), min(1.0, max(scores) + 0.02)
    edges = np.linspace(low, high, 29)
    counts, _ = np.histogram(scores, edges)
    middles = (edges[1:] + edges[:-1]) / 2
    axes.bar(middles, counts, 0.94 * (edges[1] - edges[0]), edgecolor="#8592a1", linewidth=0.4,
             color=[colour_map()(middle) for middle in middles])  # fmt: skip
    axes.set(xlim=(low, high), xlabel="predicted CAD-score", ylabel="models")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="x", visible=False)
    axes.set_title(f"{len(scores)} models", loc="left", fontweight="bold")


def _heat_map(
    figure: Any, axes: Any, profiles: Sequence[Profile], title: str, *, names: bool
) -> None:
    residues, values = on_common_residues(profiles)
    axes.set_facecolor("#eef0f3")
    image = axes.imshow(values, aspect="auto", cmap=colour_map(), vmin=0, vmax=1,
                        interpolation="nearest")  # fmt: skip
    bar = figure.colorbar(image, ax=axes, pad=0.012, fraction=0.025, aspect=45)
    bar.outline.set_visible(False)
    bar.set_label("local CAD-score")
    axes.grid(visible=False)
    chains = [chain for chain, _ in residues]
    starts = [0, *(at for at in range(1, len(chains)) if chains[at] != chains[at - 1])]
    for start in starts[1:]:
        axes.axvline(start - 0.5, color="white", lw=1.6)
    several = len(starts) > 1
    ticks = _round_numbers([number for _, number in residues], starts, len(residues) / 9)
    axes.set_xticks(ticks, [_residue(residues[at], several) for at in ticks], fontsize=9)
    if names:
        labels = [_short(profile.name, 22) for profile in profiles]
        axes.set_yticks(range(len(labels)), labels, fontsize=_small(len(labels)))
    else:  # beside the bars, which have the names
        axes.set_yticks([])
    axes.set_xlabel("residue")
    axes.set_title(title, loc="left", fontweight="bold")


def _scatter(axes: Any, known: np.ndarray) -> None:
    low = max(0.0, float(known.min()) - 0.06)
    high = min(1.0, float(known.max()) + 0.06)
    axes.plot((low, high), (low, high), color="#8592a1", lw=1, ls=":")
    size = 26 if len(known) < 200 else 9
    axes.scatter(known[:, 0], known[:, 1], size, color=PALETTE[0], alpha=0.6, linewidths=0)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="predicted CAD-score")
    axes.set_ylabel("true CAD-score")
    axes.set_box_aspect(1)
    title = "Predicted and true"
    if len(known) > 2 and (np.ptp(known, axis=0) > 0).all():
        title += f", R = {np.corrcoef(known.T)[0, 1]:.2f}"
    axes.set_title(title, loc="left", fontweight="bold")


def _bands(axes: Any, profile: Profile) -> None:
    """Mark the chains: a line between them and a name on top of each."""
    runs = profile.chain_runs()
    if len(runs) < 2:
        return
    for number, (chain, start, end) in enumerate(runs):
        if number % 2:
            axes.axvspan(start - 0.5, end - 0.5, color="#f1f3f6", lw=0, zorder=0)
        if start:
            axes.axvline(start - 0.5, color="#8592a1", lw=0.8)
        if len(runs) <= 30:
            axes.annotate(
                f"chain {chain}" if len(runs) <= 6 else chain, ((start + end - 1) / 2, 0.93),
                ha="center", fontsize=9, color=_DIM,
            )  # fmt: skip


def _ticks(profile: Profile, width: float) -> tuple[list[int], list[str]]:
    """Return round residue numbers, not too near each other, and the first of every chain."""
    starts = [start for _, start, _ in profile.chain_runs()]
    ticks = _round_numbers(profile.labels, starts, len(profile) / (width * 1.7))
    return ticks, [profile.labels[at] for at in ticks]


def _round_numbers(labels: Sequence[str], starts: Sequence[int], gap: float) -> list[int]:
    """Return places of round residue numbers and of chain starts, about ``gap`` apart."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if s >= gap)
    ticks: list[int] = []
    for at, number in enumerate(labels):
        is_round = number.lstrip("-").isdecimal() and int(number) % step == 0
        if at in starts or is_round:
            if not ticks or at - ticks[-1] >= 0.7 * gap:
                ticks.append(at)
    return ticks


def _residue(residue: tuple[str, str], several: bool) -> str:
    return f"{residue[0]}:{residue[1]}" if several and residue[0] else residue[1]


def _title(profile: Profile) -> str:
    text = f"{_short(profile.name, 48)}: predicted CAD-score {profile.value:.3f}"
    return text if profile.true_value is None else f"{text}, true {profile.true_value:.3f}"


def _short(name: str, most: int = 30) -> str:
    shown = name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2 - 1) :]}"
    return literal(shown)


def _small(rows: int) -> float:
    return 9.0 if rows <= 20 else 7.5 if rows <= 40 else 6.5


def colour_map() -> Any:
    """Return the colours of local quality as a matplotlib colour map."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("quality", list(COLOURS))
