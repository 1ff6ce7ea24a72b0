"""The predicted quality along a protein model, as the plots and the page of a report show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

COLOURS = ("#b3431e", "#e39a55", "#f1e3c4", "#7dbdb2", "#0f5f59")
"""From wrong to right, evenly spaced from 0 to 1; told apart without red and green."""


@dataclass(frozen=True)
class Profile:
    """One model, residue by residue.

    Attributes:
        name: of the model.
        rank: 1 is best.
        value: predicted CAD-score of the model.
        true_value: its CAD-score against the reference, None without one.
        chains: (residues,) chain of each residue.
        labels: (residues,) number with insertion code.
        names: (residues,) residue names.
        predicted: (residues,) local CAD-score, NaN where not scored.
        true: (residues,) against the reference, NaN where unknown; None without one.
    """

    name: str
    rank: int
    value: float
    true_value: float | None
    chains: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    predicted: np.ndarray
    true: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.predicted)

    def chain_runs(self) -> list[tuple[str, int, int]]:
        """Return (chain, first residue, residue after the last) of every stretch of a chain."""
        runs, start = [], 0
        for chain, members in groupby(self.chains):
            end = start + len(list(members))
            runs.append((chain, start, end))
            start = end
        return runs


def mean_in_bins(values: np.ndarray, most: int) -> np.ndarray:
    """Return ``values`` shortened to at most ``most`` means of equal stretches; NaN is left out."""
    if len(values) <= most:
        return values
    place = np.arange(len(values)) * most // len(values)
    known = np.isfinite(values)
    count = np.bincount(place[known], minlength=most)
    total = np.bincount(place[known], values[known], minlength=most)
    means = np.full(most, np.nan)
    means[count > 0] = total[count > 0] / count[count > 0]
    return means


def on_common_residues(profiles: Sequence[Profile]) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Return the residues (chain, number) of all profiles and (profiles, residues) qualities.

    Residues are those of the longest profile, and in their order of appearance whatever the others
    have on top; NaN where a model lacks or does not score one.
    """
    ordered = sorted(profiles, key=len, reverse=True)
    place: dict[tuple[str, str], int] = {}
    for profile in ordered:
        for residue in zip(profile.chains, profile.labels, strict=True):
            place.setdefault(residue, len(place))
    values = np.full((len(profiles), len(place)), np.nan)
    for row, profile in enumerate(profiles):
        columns = [place[r] for r in zip(profile.chains, profile.labels, strict=True)]
        values[row, columns] = profile.predicted
    return list(place), values
