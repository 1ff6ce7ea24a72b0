"""How well a model rates poses: which pose it takes, and whether its probabilities hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from molgen.training.confidence import Rated, auroc

MEASURES = {
    "top1": "top-1 ≤ 2 Å by confidence",
    "top1_energy": "top-1 ≤ 2 Å by energy",
    "gain": "difference of the two",
    "oracle": "best of all poses ≤ 2 Å",
    "auroc": "AUROC over poses",
    "ece": "expected calibration error over poses",
    "top_ece": "expected calibration error of top poses",
    "confident": "top-1 ≤ 2 Å among the most confident third",
}
DRAWS = 1000
BINS = 10


def probability(logit: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Return the calibrated probability of a logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-(slope * logit + offset))))


def calibration_error(chance: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error: mean |frequency - probability| over equal bins.

    Naeini et al., AAAI 2015; bins are weighted by how much falls into them.
    """
    place = np.minimum((chance * bins).astype(int), bins - 1)
    error = [
        abs(right[place == k].mean() - chance[place == k].mean()) * (place == k).mean()
        for k in np.unique(place)
    ]
    return float(np.sum(error))


def measured(rated: Sequence[Rated], slope: float, offset: float) -> dict[str, dict[str, float]]:
    """Return value and 95 % interval (bootstrap over complexes) of every measure.

    A complex that was searched several times is drawn with all its searches.
    """
    rng = np.random.default_rng(0)
    value = _measures(rated, slope, offset)
    searches: dict[str, list[Rated]] = {}
    for one in rated:
        searches.setdefault(one.id, []).append(one)
    groups = list(searches.values())
    draws = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(groups), size=len(groups))
        draws.append(_measures([one for k in chosen for one in groups[k]], slope, offset))
    table = {}
    for name in MEASURES:
        known = [draw[name] for draw in draws if np.isfinite(draw[name])]
        low, high = np.percentile(known, [2.5, 97.5]) if known else (np.nan, np.nan)
        table[name] = {"value": value[name], "low": float(low), "high": float(high)}
    return table


def _measures(rated: Sequence[Rated], slope: float, offset: float) -> dict[str, float]:
    top = np.array([one.right[one.logit.argmax()] for one in rated])
    best = probability(np.array([one.logit.max() for one in rated]), slope, offset)
    energy = np.array([one.right[one.energy.argmin()] for one in rated])
    right = np.concatenate([one.right for one in rated])
    logit = np.concatenate([one.logit for one in rated])
    third = np.argsort(-best, kind="stable")[: max(1, len(rated) // 3)]
    measure: dict[str, Callable[[], float]] = {
        "top1": lambda: float(top.mean()),
        "top1_energy": lambda: float(energy.mean()),
        "gain": lambda: float(top.mean() - energy.mean()),
        "oracle": lambda: float(np.mean([one.right.any() for one in rated])),
        "auroc": lambda: auroc(logit, right),
        "ece": lambda: calibration_error(probability(logit, slope, offset), right),
        "top_ece": lambda: calibration_error(best, top),
        "confident": lambda: float(top[third].mean()),
    }
    return {name: found() for name, found in measure.items()}
