"""lDDT: which of the reference's interatomic distances a model keeps, without superposition.

Pairs of atoms in different residues that lie within 15 Å in the reference are looked at; a pair is
kept at a threshold when its distance in the model differs by less than that. lDDT is the mean over
the thresholds 0.5, 1, 2 and 4 Å of the share kept (Mariani, Biasini, Barbato and Schwede,
Bioinformatics 2013, 29, 2722). Atoms that the model lacks keep nothing; atoms that only the model
has are ignored. Bond lengths and clashes of the model are not judged (no stereochemistry check).

Where the names of two atoms are a matter of convention, each residue of the model takes the naming
that keeps more of its distances to atoms with a name of their own, as in OpenStructure: Asp OD1/2,
Glu OE1/2, Phe and Tyr CD1/2 with CE1/2, Arg NH1/2, and also the prochiral Val CG1/2 and Leu CD1/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from molgen.config import limited
from molgen.errors import StructureError

EXCHANGEABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "ARG": (("NH1", "NH2"),),
    "ASP": (("OD1", "OD2"),),
    "GLU": (("OE1", "OE2"),),
    "LEU": (("CD1", "CD2"),),
    "PHE": (("CD1", "CD2"), ("CE1", "CE2")),
    "TYR": (("CD1", "CD2"), ("CE1", "CE2")),
    "VAL": (("CG1", "CG2"),),
}
"""Atoms whose names may be exchanged, all pairs of a residue together."""


@dataclass(frozen=True)
class LddtConfig:
    """What lDDT looks at.

    Attributes:
        radius: largest distance of a pair in the reference, Å.
        thresholds: tolerated changes of a distance, Å; equal weights.
    """

    radius: float = limited(15.0, above=0.0, max=100.0)
    thresholds: tuple[float, ...] = limited((0.5, 1.0, 2.0, 4.0), above=0.0)


@dataclass(frozen=True)
class LddtScore:
    """lDDT of a model.

    Attributes:
        value: share of all distances kept, 0 to 1.
        local: (residues,) float64 per reference residue; NaN without a distance to judge.
    """

    value: float
    local: np.ndarray


class LddtReference:
    """The distances of a reference, found once and compared with any number of models.

    Args:
        coords: (atoms, 3) Å.
        residues: (atoms,) ordinal of each atom's residue, not decreasing.
        count: number of residues; one more than the largest ordinal by default.
        partner: (atoms,) index of the atom with which each may exchange its name, its own index
            where there is none (`exchange_partners`); none by default.

    Raises:
        StructureError: shapes that do not fit, or no pair of atoms within the radius.
    """

    def __init__(
        self,
        coords: np.ndarray,
        residues: np.ndarray,
        count: int | None = None,
        partner: np.ndarray | None = None,
        config: LddtConfig | None = None,
    ) -> None:
        config = config or LddtConfig()
        coords = np.asarray(coords, dtype=np.float64)
        if coords.ndim != 2 or coords.shape[1] != 3 or len(residues) != len(coords):
            raise StructureError(
                f"lDDT: coordinates have shape {coords.shape} and {len(residues)} atoms have a "
                "residue, expected (atoms, 3) and one residue an atom"
            )
        self.config = config
        self.residues = np.asarray(residues, dtype=np.int64)
        self.count = count if count is not None else int(self.residues.max(initial=-1)) + 1
        self.pairs = _pairs(coords, self.residues, config.radius)
        self.lengths = _lengths(coords, self.pairs)
        self.ends = self.residues[self.pairs]
        if not self.pairs.size:
            raise StructureError(
                f"lDDT: the reference has no two residues within {config.radius:g} Å"
            )
        self.partner = np.arange(len(coords)) if partner is None else np.asarray(partner)
        named = self.partner == np.arange(len(coords))
        # pairs of one exchangeable atom with one that has a name of its own
        self.deciding = np.flatnonzero(named[self.pairs[0]] != named[self.pairs[1]])
        as_is = self.pairs[:, self.deciding]
        self.exchanged = np.where(named[as_is], as_is, self.partner[as_is])
        self.deciding_residue = self.residues[np.where(named[as_is[0]], as_is[1], as_is[0])]
        self.total = np.bincount(self.ends.ravel(), minlength=self.count)

    def score(self, coords: np.ndarray) -> LddtScore:
        """Return the lDDT of a model.

        Args:
            coords: (atoms, 3) Å in the atom order of the reference, NaN where the model has none.

        Raises:
            StructureError: another number of atoms.
        """
        coords = np.asarray(coords, dtype=np.float64)
        if coords.shape != (len(self.residues), 3):
            raise StructureError(
                f"lDDT: the model has coordinates of shape {coords.shape}, expected "
                f"({len(self.residues)}, 3) as the reference"
            )
        coords = self._renamed(coords)
        kept = self._kept(coords, self.pairs, self.lengths)
        first, second = self.ends
        sums = np.bincount(first, kept, self.count) + np.bincount(second, kept, self.count)
        most = len(self.config.thresholds)
        local = np.full(self.count, np.nan)
        np.divide(sums, most * self.total, out=local, where=self.total > 0)
        return LddtScore(float(kept.mean() / most), local)

    def _renamed(self, coords: np.ndarray) -> np.ndarray:
        """Return the coordinates with names exchanged in the residues that gain by it."""
        if not len(self.deciding):
            return coords
        lengths = self.lengths[self.deciding]
        gain = self._kept(coords, self.exchanged, lengths).astype(np.float64)
        gain -= self._kept(coords, self.pairs[:, self.deciding], lengths)
        gains = np.bincount(self.deciding_residue, gain, self.count)[self.residues] > 0
        return coords[np.where(gains, self.partner, np.arange(len(coords)))]

    def _kept(self, coords: np.ndarray, pairs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return under how many thresholds each distance is kept, (pairs,) uint8."""
        change = np.abs(_lengths(coords, pairs) - lengths)
        kept = np.zeros(len(change), dtype=np.uint8)
        for threshold in self.config.thresholds:
            kept += change < threshold  # False for NaN
        return kept


def lddt_score(
    target: np.ndarray,
    model: np.ndarray,
    residues: np.ndarray | None = None,
    partner: np.ndarray | None = None,
    config: LddtConfig | None = None,
) -> LddtScore:
    """Return the lDDT of a model given as atoms in the order of the reference.

    Args:
        target: (atoms, 3) Å.
        model: (atoms, 3) Å, NaN where the model lacks the atom.
        residues: (atoms,) ordinal of each atom's residue; each atom its own by default (Cα only).
        partner: see `LddtReference`.

    Raises:
        StructureError: see `LddtReference`.
    """
    residues = np.arange(len(target)) if residues is None else residues
    return LddtReference(target, residues, partner=partner, config=config).score(model)


def exchange_partners(
    atom_names: np.ndarray, residue_names: np.ndarray, residues: np.ndarray
) -> np.ndarray:
    """Return for each atom the one it may exchange its name with, itself if there is none.

    All arguments and the result are (atoms,); `EXCHANGEABLE` lists the names.
    """
    partner = np.arange(len(atom_names))
    for residue, pairs in EXCHANGEABLE.items():
        of_kind = residue_names == residue
        for one, other in pairs:
            first = np.flatnonzero(of_kind & (atom_names == one))
            second = np.flatnonzero(of_kind & (atom_names == other))
            _, at_first, at_second = np.intersect1d(
                residues[first], residues[second], return_indices=True
            )
            partner[first[at_first]] = second[at_second]
            partner[second[at_second]] = first[at_first]
    return partner


def _pairs(coords: np.ndarray, residues: np.ndarray, radius: float) -> np.ndarray:
    """Return atom pairs of different residues closer than ``radius`` Å, (2, pairs) int64."""
    pairs = cKDTree(coords).query_pairs(radius, output_type="ndarray")
    first, second = np.ascontiguousarray(pairs.T)
    apart = residues[first] != residues[second]
    return np.stack([first[apart], second[apart]])


def _lengths(coords: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the distance of each of (2, pairs) in Å, (pairs,)."""
    first, second = pairs
    squared = np.zeros(len(first))
    for axis in np.ascontiguousarray(coords.T):
        change = axis[first]
        change -= axis[second]
        change *= change
        squared += change
    return np.sqrt(squared, out=squared)
