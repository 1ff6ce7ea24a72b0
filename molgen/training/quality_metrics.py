"""How well predicted quality follows the true one; numpy only, as training needs no more.

Per-target numbers are means over targets with at least five models whose true scores differ;
the rest cannot be ranked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MIN_MODELS = 5
MIN_SPREAD = 0.02
"""Standard deviation of the true scores below which a target says nothing about ranking."""

PER_TARGET = ("pearson", "spearman", "top1_loss")


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two series; NaN if either is constant or they are too short."""
    if len(a) < 2:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / scale) if scale > 1e-12 else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 0, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[inverse])


def target_metrics(
    targets: Sequence[str] | np.ndarray, predicted: np.ndarray, true: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return {target: {pearson, spearman, top1_loss}} of the targets that can be ranked.

    ``top1_loss`` is the true score of the best model minus that of the one predicted best.
    """
    targets = np.asarray(targets)
    found = {}
    for name in np.unique(targets).tolist():
        inside = targets == name
        p, t = predicted[inside], true[inside]
        if len(t) < MIN_MODELS or t.std() < MIN_SPREAD:
            continue
        found[name] = {
            "pearson": pearson(p, t),
            "spearman": pearson(ranks(p), ranks(t)),
            "top1_loss": float(t.max() - t[p.argmax()]),
        }
    return found


def mean_metrics(
    targets: Sequence[str] | np.ndarray, predicted: np.ndarray, true: np.ndarray
) -> dict[str, float]:
    """Return the means over targets, the pooled correlation and the mean squared error."""
    table = target_metrics(targets, predicted, true)
    mean = {
        name: float(np.nanmean([row[name] for row in table.values()])) if table else float("nan")
        for name in PER_TARGET
    }
    return {
        "target_pearson": mean["pearson"],
        "target_spearman": mean["spearman"],
        "top1_loss": mean["top1_loss"],
        "pooled_pearson": pearson(predicted, true),
        "score_mse": float(((predicted - true) ** 2).mean()),
        "targets": float(len(table)),
    }


def bootstrap_intervals(
    targets: Sequence[str] | np.ndarray,
    predicted: np.ndarray,
    true: np.ndarray,
    rng: np.random.Generator,
    *,
    rounds: int = 1000,
) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals of `mean_metrics` by drawing targets with replacement."""
    targets = np.asarray(targets)
    members = [np.flatnonzero(targets == name) for name in np.unique(targets)]
    table = target_metrics(targets, predicted, true)
    rows = np.array([[row[name] for name in PER_TARGET] for row in table.values()])
    sums = np.array([_moments(predicted[m], true[m]) for m in members])
    per_target = ("target_pearson", "target_spearman", "top1_loss")
    draws: dict[str, list[float]] = {name: [] for name in (*per_target, "pooled_pearson")}
    for _ in range(rounds):
        if len(rows):
            mean = np.nanmean(rows[rng.integers(0, len(rows), len(rows))], axis=0)
            for name, value in zip(per_target, mean.tolist(), strict=True):
                draws[name].append(value)
        drawn = sums[rng.integers(0, len(sums), len(sums))].sum(axis=0)
        draws["pooled_pearson"].append(_correlation(drawn))
    return {
        name: (float(np.nanpercentile(v, 2.5)), float(np.nanpercentile(v, 97.5)))
        for name, v in draws.items()
        if len(v) and np.isfinite(v).any()
    }


def _moments(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Return count and sums from which a correlation follows, so that parts can be added."""
    return [len(a), a.sum(), b.sum(), (a * a).sum(), (b * b).sum(), (a * b).sum()]


def _correlation(moments: np.ndarray) -> float:
    n, a, b, aa, bb, ab = moments
    scale = np.sqrt(max(n * aa - a * a, 0.0) * max(n * bb - b * b, 0.0))
    return float((n * ab - a * b) / scale) if scale > 1e-12 else float("nan")
