"""Words for the confidence of a pose."""

from __future__ import annotations

BANDS = ((0.8, "likely right"), (0.5, "uncertain"), (0.0, "likely wrong"))
"""Least confidence of a band and its name; docs/ranking.md says how often each is right."""


def band(confidence: float, valid: bool = True) -> str:
    """Return the word for a confidence, a probability of RMSD ≤ 2 Å.

    Args:
        valid: whether the pose passes PoseBusters; a confidence is worth nothing where it does not.
    """
    if not valid:
        return "not valid"
    return next((word for least, word in BANDS if confidence >= least), BANDS[-1][1])
