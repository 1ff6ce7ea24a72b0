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


def measured(
    rated: Sequence[Rated], probability: Callable[[np.ndarray], np.ndarray]
) -> dict[str, dict[str, float]]:
    """Return value and 95 % interval (bootstrap over complexes) of every measure.

    A complex that was searched several times is drawn with all its searches.

    Args:
        probability: of the logits of the poses of a ligand, calibrated.
    """
    rng = np.random.default_rng(0)
    every = [(one, probability(one.logit)) for one in rated]
    value = _measures(every)
    searches: dict[str, list[tuple[Rated, np.ndarray]]] = {}
    for one, chance in every:
        searches.setdefault(one.id, []).append((one, chance))
    groups = list(searches.values())
    draws = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(groups), size=len(groups))
        draws.append(_measures([one for k in chosen for one in groups[k]]))
    table = {}
    for name in MEASURES:
        known = [draw[name] for draw in draws if np.isfinite(draw[name])]
        low, high = np.percentile(known, [2.5, 97.5]) if known else (np.nan, np.nan)
        table[name] = {"value": value[name], "low": float(low), "high": float(high)}
    return table


def _measures(every: Sequence[tuple[Rated, np.ndarray]]) -> dict[str, float]:
    rated, chances = zip(*every, strict=True)
    top = np.array([one.right[one.logit.argmax()] for one in rated])
    best = np.array([chance[one.logit.argmax()] for one, chance in every])
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
        "ece": lambda: calibration_error(np.concatenate(chances), right),
        "top_ece": lambda: calibration_error(best, top),
        "confident": lambda: float(top[third].mean()),
    }
    return {name: found() for name, found in measure.items()}
