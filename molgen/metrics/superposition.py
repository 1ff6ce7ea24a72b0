"""GDT-TS and TM-score: how much of a model can be laid onto the reference at once.

Both maximise over rigid superpositions a sum over residues that correspond (one point each, Cα);
which residues correspond is known, only the superposition is sought:

    TM  = max 1/L Σ 1 / (1 + (d / d0)²),   d0 = 1.24 (L − 15)^(1/3) − 1.8, at least 0.5 Å
    GDT = max 1/L Σ [d ≤ c],               GDT-TS = mean over c = 1, 2, 4, 8 Å, each c on its own

with L the length of the reference (Zhang and Skolnick, Proteins 2004, 57, 702; Zemla, Nucleic Acids
Res. 2003, 31, 3370). Neither has a closed solution. As in the programs TM-score and LGA,
superpositions start from fragments of the chain and are refined on the residues that come close;
what is found is a lower bound of the maximum, in practice within a few thousandths of it.

All superpositions are handled at once. With the moments of each point pair (x, y, x yᵀ, squares)
as columns, the covariances of many subsets and the distances under many superpositions are both
one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from molgen.config import limited
from molgen.errors import StructureError
from molgen.geometry.kabsch import rotations

GDT_CUTOFFS = (1.0, 2.0, 4.0, 8.0)
"""Distances of GDT-TS in Å."""

_REACHES = (0.8, 1.0, 1.25, 1.6)  # of a cutoff: points that the next superposition is made on


@dataclass(frozen=True)
class SuperpositionConfig:
    """How hard superpositions are searched.

    Attributes:
        starts: fragments of each length tried at first, spread evenly over the chain.
        refined: superpositions kept in each round, for the TM-score and for each cutoff of GDT.
        rounds: refinements at most.
    """

    starts: int = limited(64, min=1, max=10_000)
    refined: int = limited(12, min=1, max=10_000)
    rounds: int = limited(10, min=0, max=1000)


@dataclass(frozen=True)
class SuperpositionScore:
    """TM-score and GDT of a model.

    Attributes:
        tm_score: 0 to 1.
        gdt: share of the reference within 1, 2, 4 and 8 Å, each 0 to 1.
    """

    tm_score: float
    gdt: tuple[float, float, float, float]

    @property
    def gdt_ts(self) -> float:
        """Mean share over the four cutoffs, 0 to 1."""
        return float(np.mean(self.gdt))


def tm_score(
    target: np.ndarray,
    model: np.ndarray,
    length: int | None = None,
    config: SuperpositionConfig | None = None,
) -> float:
    """Return the TM-score; arguments as in `superposition_scores`."""
    return superposition_scores(target, model, length, config).tm_score


def gdt_ts(
    target: np.ndarray,
    model: np.ndarray,
    length: int | None = None,
    config: SuperpositionConfig | None = None,
) -> float:
    """Return GDT-TS as a share, 0 to 1; arguments as in `superposition_scores`."""
    return superposition_scores(target, model, length, config).gdt_ts


def superposition_scores(
    target: np.ndarray,
    model: np.ndarray,
    length: int | None = None,
    config: SuperpositionConfig | None = None,
) -> SuperpositionScore:
    """Return TM-score and GDT from one search.

    Fewer than three corresponding points can be superposed in many ways and score 0.

    Args:
        target: (points, 3) Cα of the reference, Å, in the order of the chain.
        model: (points, 3) the corresponding Cα of the model.
        length: residues of the reference, those without a partner included; ``points`` by default.

    Raises:
        StructureError: shapes that differ, non-finite numbers, a length below the points given.
    """
    config = config or SuperpositionConfig()
    target, model = _checked(target), _checked(model)
    points = len(target)
    length = points if length is None else length
    if model.shape != target.shape or length < points:
        raise StructureError(
            f"superposition: {points} points of the reference against {len(model)} of the model "
            f"and a length of {length}; expected pairs, and at least as many residues"
        )
    if points < 3:
        return SuperpositionScore(0.0, (0.0, 0.0, 0.0, 0.0))
    search = _Search(target, model, tm_distance(length))
    search.run(config)
    one, two, four, eight = (float(count) / length for count in search.within)
    return SuperpositionScore(float(search.tm / length), (one, two, four, eight))


def tm_distance(length: int) -> float:
    """Return d0 of the TM-score in Å for a reference of ``length`` residues."""
    return max(0.5, 1.24 * (length - 15) ** (1 / 3) - 1.8) if length > 15 else 0.5


class _Search:
    """Best sums found so far for one pair of point sets.

    Attributes:
        tm: largest Σ 1 / (1 + (d / d0)²).
        within: (4,) largest number of points within each cutoff.
    """

    def __init__(self, target: np.ndarray, model: np.ndarray, d0: float) -> None:
        y, x = target - target.mean(axis=0), model - model.mean(axis=0)
        products = (x[:, :, None] * y[:, None, :]).reshape(-1, 9)
        squares = np.square(x).sum(axis=1) + np.square(y).sum(axis=1)
        # (points, 17): 1, x, y, x yᵀ, |x|² + |y|²
        self.moments = np.column_stack([np.ones(len(x)), x, y, products, squares])
        self.d0 = d0
        self.near = min(8.0, max(4.5, d0))
        self.tm = 0.0
        self.within = np.zeros(len(GDT_CUTOFFS))

    def run(self, config: SuperpositionConfig) -> None:
        """Superpose on fragments, then on what came close, then refine the best for each goal."""
        first = self.distances(_fragments(len(self.moments), config.starts))
        self.note(first)
        second = self.distances(np.unique(_close(first, self.near - 1.0), axis=0))
        self.note(second)
        starts = np.concatenate([first, second])
        self._refine(starts, self._tm, (self.near - 1.0, self.near + 1.0), config)
        for cutoff in GDT_CUTOFFS:
            reaches = tuple(share * cutoff for share in _REACHES)
            self._refine(starts, partial(_crowd, cutoff=cutoff), reaches, config)

    def _refine(
        self,
        distances: np.ndarray,
        merit: Callable[[np.ndarray], np.ndarray],
        reaches: tuple[float, ...],
        config: SuperpositionConfig,
    ) -> None:
        """Beam search: superpose on the points within each reach, keep the best, repeat.

        It ends when no new subset of points appears, or twice in a row no better one.
        """
        seen: set[bytes] = set()
        best, idle = -np.inf, 0
        distances, _ = _best(distances, merit, config.refined)
        for _ in range(config.rounds):
            chosen = np.concatenate([_close(distances, reach) for reach in reaches])
            keys = [row.tobytes() for row in np.packbits(chosen, axis=1)]
            fresh = {key: at for at, key in enumerate(keys) if key not in seen}
            if not fresh or idle == 2:
                return
            seen.update(fresh)
            distances = self.distances(chosen[list(fresh.values())])
            self.note(distances)
            distances, found = _best(distances, merit, config.refined)
            idle = 0 if found > best + 1e-9 else idle + 1
            best = max(best, found)

    def _tm(self, distances: np.ndarray) -> np.ndarray:
        """Return Σ 1 / (1 + (d / d0)²) of (sets, points) squared distances, (sets,)."""
        return (1 / (1 + distances / self.d0**2)).sum(axis=1)

    def note(self, distances: np.ndarray) -> None:
        """Remember the best sums of (sets, points) squared distances."""
        self.tm = max(self.tm, float(self._tm(distances).max()))
        for at, cutoff in enumerate(GDT_CUTOFFS):
            self.within[at] = max(self.within[at], _within(distances, cutoff).max())

    def distances(self, chosen: np.ndarray) -> np.ndarray:
        """Return squared distances of all points, (sets, points), superposed on each subset.

        Args:
            chosen: (sets, points) bool.
        """
        sums = chosen.astype(np.float64) @ self.moments
        sums /= sums[:, :1]
        from_centre, to_centre = sums[:, 1:4], sums[:, 4:7]
        covariance = sums[:, 7:16].reshape(-1, 3, 3)
        covariance = covariance - from_centre[:, :, None] * to_centre[:, None, :]
        turn = rotations(covariance)
        shift = to_centre - np.einsum("sij,sj->si", turn, from_centre)
        # |R x + t − y|² = |x|² + |y|² + |t|² + 2 x·Rᵀt − 2 y·t − 2 Σ x_i y_j R_ji
        weights = np.empty((len(chosen), 17))
        weights[:, 0] = np.square(shift).sum(axis=1)
        weights[:, 1:4] = 2 * np.einsum("sij,si->sj", turn, shift)
        weights[:, 4:7] = -2 * shift
        weights[:, 7:16] = -2 * turn.transpose(0, 2, 1).reshape(-1, 9)
        weights[:, 16] = 1.0
        return np.maximum(weights @ self.moments.T, 0.0)


def _within(distances: np.ndarray, cutoff: float) -> np.ndarray:
    """Return how many points lie within the cutoff, (sets,), forgiving rounding."""
    return (distances <= cutoff**2 + 1e-9).sum(axis=1)


def _crowd(distances: np.ndarray, cutoff: float) -> np.ndarray:
    """Return the count within the cutoff, with a soft count that decides between equal ones."""
    soft = (1 / (1 + distances / cutoff**2)).sum(axis=1) / (distances.shape[1] + 1)
    return _within(distances, cutoff) + soft


def _best(
    distances: np.ndarray, merit: Callable[[np.ndarray], np.ndarray], number: int
) -> tuple[np.ndarray, float]:
    """Return the rows of highest merit, best first, and the merit of the best."""
    merits = merit(distances)
    order = np.argsort(-merits, kind="stable")[:number]
    return distances[order], float(merits[order[0]])


def _checked(points: np.ndarray) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise StructureError(
            f"superposition: coordinates have shape {points.shape} or are not finite, expected "
            "(points, 3)"
        )
    return points


def _fragments(points: int, starts: int) -> np.ndarray:
    """(fragments, points) bool: runs of all, 1/2, 1/4, … of the points, down to four."""
    shortest = min(4, points)
    lengths = {shortest, points}
    lengths |= {points >> halvings for halvings in range(1, 6) if points >> halvings > shortest}
    at = np.arange(points)
    rows = []
    for length in sorted(lengths, reverse=True):
        last = points - length
        begins = np.unique(np.linspace(0, last, min(starts, last + 1)).round())[:, None]
        rows.append((at >= begins) & (at < begins + length))
    return np.concatenate(rows)


def _close(distances: np.ndarray, reach: float) -> np.ndarray:
    """Return which points are within ``reach`` Å, widened by 0.5 Å until there are three each."""
    third = np.partition(distances, 2, axis=1)[:, 2]
    steps = np.ceil(np.maximum(np.sqrt(third) - reach, 0.0) / 0.5)
    return distances <= np.square(reach + 0.5 * steps)[:, None] + 1e-9
