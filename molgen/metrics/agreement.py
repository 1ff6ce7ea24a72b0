"""How well predicted model quality agrees with the truth, per target and pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MIN_MODELS = 5
"""A target with fewer models says nothing about ranking."""


class Correlation(NamedTuple):
    """Agreement over one set of models.

    Attributes:
        models: how many.
        pearson, spearman, kendall: correlation; NaN where either side does not vary.
        loss: true quality of the best model minus that of the top-ranked one.
        error: mean absolute difference.
    """

    models: int
    pearson: float
    spearman: float
    kendall: float
    loss: float
    error: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of a set of targets.

    Attributes:
        targets: by target, of those with `MIN_MODELS` models or more.
        mean: means over these targets (``models`` is their number of models).
        pooled: all models of all targets together; ``loss`` is NaN.
    """

    targets: dict[str, Correlation]
    mean: Correlation
    pooled: Correlation


def correlation(predicted: np.ndarray, true: np.ndarray) -> Correlation:
    """Return the agreement of predictions with the truth, both (models,)."""
    n = len(true)
    nan = float("nan")
    if n == 0:
        return Correlation(0, nan, nan, nan, nan, nan)
    from scipy import stats  # takes half a second to import, which most runs can save

    loss = float(true.max() - true[int(np.argmax(predicted))])
    error = float(np.abs(predicted - true).mean())
    if n < 3 or np.ptp(predicted) == 0 or np.ptp(true) == 0:
        return Correlation(n, nan, nan, nan, loss, error)
    return Correlation(
        n,
        float(stats.pearsonr(predicted, true).statistic),
        float(stats.spearmanr(predicted, true).statistic),
        float(stats.kendalltau(predicted, true).statistic),
        loss,
        error,
    )


def agreement(owner: Sequence[str], predicted: np.ndarray, true: np.ndarray) -> Agreement:
    """Return the agreement per target and pooled.

    Args:
        owner: (models,) target of every model.
        predicted, true: (models,) qualities.
    """
    names = np.asarray(owner)
    targets = {}
    for name in dict.fromkeys(owner):
        own = names == name
        if own.sum() >= MIN_MODELS:
            targets[name] = correlation(predicted[own], true[own])
    columns = list(zip(*targets.values(), strict=True))
    if columns:
        means = [float(np.nanmean(column)) if np.isfinite(column).any() else float("nan")
                 for column in columns[1:]]  # fmt: skip
        mean = Correlation(int(sum(columns[0])), *means)
    else:
        mean = correlation(np.zeros(0), np.zeros(0))
    return Agreement(targets, mean, correlation(predicted, true)._replace(loss=float("nan")))


class CalibrationBin(NamedTuple):
    """Models whose predicted quality falls between ``low`` and ``high``."""

    low: float
    high: float
    models: int
    predicted: float
    true: float


def calibration(predicted: np.ndarray, true: np.ndarray, *, bins: int = 10) -> list[CalibrationBin]:
    """Return mean predicted and true quality in equal bins of [0, 1], without empty bins."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.digitize(predicted, edges) - 1, 0, bins - 1)
    return [
        CalibrationBin(
            round(float(edges[k]), 3),
            round(float(edges[k + 1]), 3),
            int((place == k).sum()),
            round(float(predicted[place == k].mean()), 4),
            round(float(true[place == k].mean()), 4),
        )
        for k in range(bins)
        if (place == k).any()
    ]
