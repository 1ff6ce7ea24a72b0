"""How well predicted quality agrees with the reference: correlations, loss, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from molgen.api.score_records import TRUTHS, ModelRecord
from molgen.metrics.agreement import calibration, correlation


def agreement_record(records: Sequence[ModelRecord]) -> dict[str, Any]:
    """Return the agreement of the predictions with every measure, JSON-ready; {} without truth.

    ``loss`` is the quality of the best model minus that of the top-ranked one; ``residues`` is
    the Pearson correlation of local CAD-scores over all residues of all models.
    """
    known = [r for r in records if r.truth.get("true_cad") is not None]
    if not known:
        return {}
    predicted = np.array([r.predicted_cad for r in known], dtype=np.float64)
    measures = {}
    for name in TRUTHS:
        true = np.array([_number(r.truth.get(name)) for r in known])
        there = np.isfinite(true)
        if there.any():
            found = correlation(predicted[there], true[there])._asdict()
            if name != "true_cad":
                found.pop("error")  # of another scale
            measures[name] = {key: _rounded(value) for key, value in found.items()}
    true = np.array([r.truth["true_cad"] for r in known], dtype=np.float64)
    return {
        "models": len(known),
        "measures": measures,
        "residues": _residue_correlation(known),
        "calibration": [row._asdict() for row in calibration(predicted, true)],
    }


def _residue_correlation(records: Sequence[ModelRecord]) -> dict[str, Any]:
    sums = np.sum([r.moments for r in records if r.moments], axis=0)
    if not np.ndim(sums) or sums[0] < 2:
        return {"residues": 0, "pearson": None}
    n, p, t, pp, tt, pt = (float(value) for value in sums)
    spread = (n * pp - p * p) * (n * tt - t * t)
    pearson = (n * pt - p * t) / math.sqrt(spread) if spread > 0 else math.nan
    return {"residues": int(n), "pearson": _rounded(pearson)}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
