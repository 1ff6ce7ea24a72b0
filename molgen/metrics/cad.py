"""CAD-score: how much of the reference's contact area a model reproduces.

For residue pairs with area T in the target and M in the model

    CAD = 1 − Σ min(|T − M|, T) / Σ T

(Olechnovič, Kulberkytė and Venclovas, Proteins 2013, 81, 149, eq. 1 and 2; all atoms against all
atoms, "A–A"). All pairs of different residues count, those joined by the peptide bond included.
Pairs that only the model has add nothing, so extra residues of a model cost nothing by themselves;
residues that the model lacks count as areas of zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from molgen.config import limited
from molgen.errors import ConfigError, StructureError


@dataclass(frozen=True)
class ContactAreas:
    """Contact areas between the residues of one structure.

    Rows of one pair add up whichever residue stands first; a residue's contacts with itself are
    left out.

    Attributes:
        pairs: (edges, 2) int64 residue numbers, counted from 0, the smaller one first.
        areas: (edges,) float64, Å².

    Raises:
        StructureError: shapes that do not fit, a negative or non-finite number.
    """

    pairs: np.ndarray
    areas: np.ndarray

    def __post_init__(self) -> None:
        pairs = np.asarray(self.pairs, dtype=np.int64)
        areas = np.asarray(self.areas, dtype=np.float64)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or areas.shape != (len(pairs),):
            raise StructureError(
                f"contact areas: pairs have shape {pairs.shape} and areas {areas.shape}, expected "
                "(edges, 2) and (edges,)"
            )
        if len(pairs) and (pairs.min() < 0 or not np.isfinite(areas).all() or areas.min() < 0):
            raise StructureError("contact areas: residue numbers and areas must be 0 or more")
        pairs = np.sort(pairs, axis=1)
        keep = (pairs[:, 0] != pairs[:, 1]) & (areas > 0)
        key, row = np.unique(_key(pairs[keep]), return_inverse=True)
        object.__setattr__(self, "pairs", np.stack([key >> 32, key & 0xFFFFFFFF], axis=1))
        object.__setattr__(self, "areas", np.bincount(row, areas[keep], minlength=len(key)))

    def __len__(self) -> int:
        return len(self.areas)

    def renumbered(self, numbers: np.ndarray) -> ContactAreas:
        """Return the areas with residue i called ``numbers[i]``, dropped where that is negative.

        Raises:
            StructureError: ``numbers`` is too short.
        """
        if len(self) and self.pairs.max() >= len(numbers):
            raise StructureError(
                f"contact areas: residue {self.pairs.max()} has no new number; expected "
                f"{self.pairs.max() + 1} numbers, got {len(numbers)}"
            )
        pairs = np.asarray(numbers, dtype=np.int64)[self.pairs]
        keep = (pairs >= 0).all(axis=1)
        return ContactAreas(pairs[keep], self.areas[keep])


@dataclass(frozen=True)
class CadConfig:
    """How local CAD-scores are pooled.

    Attributes:
        depth: a residue pools the pairs that touch it (0) or a residue within ``depth`` contacts.
        smoothing: weights along the chain at distance 0, 1, …; the defaults are those of a
            smoothing window of 2 in the program voronota-cadscore, 1 − (distance / 2)².
    """

    depth: int = limited(1, min=0, max=3)
    smoothing: tuple[float, ...] = limited((1.0, 0.75), min=0.0)


@dataclass(frozen=True)
class CadScore:
    """CAD-scores of a model.

    Attributes:
        value: over the whole structure, 0 to 1.
        local: (residues,) float64 per target residue, smoothed; NaN for a residue without any
            target contact area in its neighbourhood.
    """

    value: float
    local: np.ndarray


def global_cad_score(target: ContactAreas, model: ContactAreas) -> float:
    """Return the CAD-score of the whole structure, 0 to 1; both on one residue numbering.

    Raises:
        StructureError: the target has no contact area.
    """
    _, reference, lost = _compared(target, model)
    return _score(reference, lost)


def cad_score(
    target: ContactAreas,
    model: ContactAreas,
    chains: np.ndarray,
    config: CadConfig | None = None,
) -> CadScore:
    """Return the CAD-score of the structure and of every residue.

    The local score pools the pairs in which a residue or one of its contact neighbours takes part
    and divides as the global score does. Neighbours are those of the target or of the model, as in
    voronota-cadscore (``--neighborhood``). Smoothing averages over the residues of the same chain
    that have a score, in the order of their numbers, across gaps of the chain.

    Args:
        target: areas of the reference.
        model: areas of the model on the numbering of the reference; pairs with a number that the
            reference does not have are ignored.
        chains: (residues,) chain of every reference residue, any labels.

    Raises:
        ConfigError: the smoothing weights are empty or start with 0.
        StructureError: the target has no contact area, or residues that ``chains`` lacks.
    """
    config = config or CadConfig()
    if not config.smoothing or config.smoothing[0] <= 0:
        raise ConfigError("smoothing: must start with a weight above 0")
    residues = len(chains)
    if len(target) and target.pairs.max() >= residues:
        raise StructureError(
            f"target areas name residue {target.pairs.max()}, but {residues} residues are given"
        )
    pairs, reference, lost = _compared(target, model)
    value = _score(reference, lost)
    inside = (pairs < residues).all(axis=1)
    pooled = _pool(pairs[inside], np.stack([reference, lost])[:, inside], residues, config.depth)
    touched = pooled[0] > 1e-9
    local = np.full(residues, np.nan)
    local[touched] = 1.0 - pooled[1, touched] / pooled[0, touched]
    return CadScore(value, smooth_along_chains(local, chains, config.smoothing))


def smooth_along_chains(
    values: np.ndarray, chains: np.ndarray, weights: tuple[float, ...]
) -> np.ndarray:
    """Return the weighted mean over the neighbours along each chain, (residues,) float64.

    ``weights[d]`` is the weight at distance d to either side. NaN stays NaN and is passed over as
    if the residue were not there. A chain is a run of equal labels.
    """
    smooth = np.array(values, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(smooth))
    given = smooth[known]
    label = np.cumsum(np.append(False, np.asarray(chains)[1:] != np.asarray(chains)[:-1]))[known]
    total, weight = weights[0] * given, np.full(len(given), float(weights[0]))
    for distance, share in enumerate(weights[1:], 1):
        same = share * (label[distance:] == label[:-distance])
        total[distance:] += same * given[:-distance]
        weight[distance:] += same
        total[:-distance] += same * given[distance:]
        weight[:-distance] += same
    smooth[known] = total / weight
    return smooth


def _key(pairs: np.ndarray) -> np.ndarray:
    """(edges,) int64, one number a pair; residues are well below 2³¹."""
    return (pairs[:, 0] << 32) | pairs[:, 1]


def _compared(
    target: ContactAreas, model: ContactAreas
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all pairs of either side, their target area and the part of it that is lost."""
    key = np.concatenate([_key(target.pairs), _key(model.pairs)])
    union, row = np.unique(key, return_inverse=True)
    reference, found = np.zeros(len(union)), np.zeros(len(union))
    reference[row[: len(target)]] = target.areas
    found[row[len(target) :]] = model.areas
    lost = np.minimum(np.abs(reference - found), reference)
    return np.stack([union >> 32, union & 0xFFFFFFFF], axis=1), reference, lost


def _score(reference: np.ndarray, lost: np.ndarray) -> float:
    total = reference.sum()
    if total <= 0:
        raise StructureError("the reference has no contact area between residues to compare with")
    return float(1.0 - lost.sum() / total)


def _pool(pairs: np.ndarray, values: np.ndarray, residues: int, depth: int) -> np.ndarray:
    """Return the sums of ``values`` (kinds, pairs) over each residue's pairs, (kinds, residues).

    A pair belongs to residue r where one of its ends lies within ``depth`` contacts of r. Summing
    what touches each neighbour counts pairs inside the neighbourhood twice; these are taken off:
    with A the (residues, residues) neighbourhoods and W the values of the pairs,
    S = A Σ_b W_ab − ½ Σ_b (A W)_rb A_rb.
    """
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    touching = np.stack(
        [np.bincount(ends[:, 0], np.tile(value, 2), minlength=residues) for value in values]
    )
    if depth == 0:
        return touching
    near = _neighbourhoods(ends, residues, depth)
    sums = (near @ touching.T).T
    for kind, value in enumerate(values):
        weights = coo_array((np.tile(value, 2), (ends[:, 0], ends[:, 1])), (residues, residues))
        sums[kind] -= 0.5 * (near @ weights.tocsr()).multiply(near).sum(axis=1)
    return sums


def _neighbourhoods(ends: np.ndarray, residues: int, depth: int) -> csr_array:
    """Return a (residues, residues) sparse matrix of ones within ``depth`` contacts, self in."""
    itself = np.arange(residues)
    rows, columns = np.append(ends[:, 0], itself), np.append(ends[:, 1], itself)
    step = coo_array((np.ones(len(rows)), (rows, columns)), (residues, residues)).tocsr()
    near = step
    for _ in range(depth - 1):
        near = near @ step
        near.data[:] = 1.0
    return near
