"""How far a protein model is from ideal local geometry, and mirror images put right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from molgen.energy.openmm_topology import HeavyTerms
from molgen.structure.protein import Protein


class Strain(NamedTuple):
    """Deviations from ideal local geometry.

    Attributes:
        bond_rmsd: Å.
        angle_rmsd: degrees.
        worst_bond: largest deviation of a bond, Å.
        closest: smallest distance of atoms more than three bonds apart in different residues,
            pairs of cysteine sulphurs left out, Å.
        inverted: number of chiral centres of the wrong hand.
    """

    bond_rmsd: float
    angle_rmsd: float
    worst_bond: float
    closest: float
    inverted: int


_MOVED = {
    "LEU": ("CD1", "CD2"),
    "VAL": ("CG1", "CG2"),
    "THR": ("OG1", "CG2"),
    "ILE": ("CG1", "CG2", "CD1"),
}
"""Atoms to reflect when the centre within the side chain is inverted."""


class LocalGeometry:
    """Ideal local geometry of one protein, to compare coordinates with."""

    def __init__(self, protein: Protein, terms: HeavyTerms) -> None:
        self._atoms = len(protein)
        self._residue = protein.residue_index()
        self._sulphur = terms.sulphur > 0
        self._excluded = terms.excluded[:, 0] * self._atoms + terms.excluded[:, 1]
        bonded = terms.kind == 0
        self._bonds, self._lengths = terms.pairs[bonded], terms.lengths[bonded]
        rows = terms.centres >= 0
        self._ends, self._centres = terms.pairs[rows], terms.centres[rows]
        self._angles = self._ideal_angles(terms.lengths[rows])
        ideal = (terms.phase + 2 * np.pi) % (2 * np.pi) - np.pi
        degrees = np.abs(np.degrees(ideal))
        chiral = (terms.family == 0) & (degrees > 20.0) & (degrees < 60.0)
        self._chiral, self._hand = terms.torsions[chiral], np.sign(ideal[chiral])
        self._reflected = [self._side_chain(protein, quad) for quad in self._chiral.tolist()]

    def measure(self, coords: np.ndarray) -> Strain:
        """Return the strain of (atoms, 3) Å."""
        bonds = np.linalg.norm(coords[self._bonds[:, 0]] - coords[self._bonds[:, 1]], axis=1)
        bonds = np.abs(bonds - self._lengths)
        one, two = (coords[self._ends[:, side]] - coords[self._centres] for side in (0, 1))
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        cosine = (one * two).sum(1) / np.maximum(norms, 1e-9)
        angles = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)) - self._angles)
        return Strain(
            bond_rmsd=_rms(bonds),
            angle_rmsd=_rms(angles),
            worst_bond=float(bonds.max(initial=0.0)),
            closest=self._closest(coords),
            inverted=int(self._inverted(coords).sum()),
        )

    def mirror(self, coords: np.ndarray) -> np.ndarray:
        """Return coordinates with the substituents of inverted centres reflected.

        At CA the side chain goes through the plane of N, CA and C; within a side chain the two
        branches change places.
        """
        fixed = np.array(coords, dtype=np.float64)
        # a reflected side chain inverts its own centre: CA first, which stands first in a residue
        for row in np.flatnonzero(self._inverted(fixed)).tolist():
            self._reflect(fixed, row)
        for row in np.flatnonzero(self._inverted(fixed)).tolist():
            self._reflect(fixed, row)
        return fixed

    def _reflect(self, coords: np.ndarray, row: int) -> None:
        centre, a, b, c = self._chiral[row].tolist()
        moved = self._reflected[row]
        if c in moved and b in moved:
            normal = coords[b] - coords[c]
        else:
            normal = np.cross(coords[a] - coords[centre], coords[b] - coords[centre])
        length = float(np.linalg.norm(normal))
        if length < 1e-6:
            return
        normal /= length
        heights = (coords[moved] - coords[centre]) @ normal
        coords[moved] -= 2.0 * heights[:, None] * normal

    def _inverted(self, coords: np.ndarray) -> np.ndarray:
        a, b, c, d = (coords[self._chiral[:, column]] for column in range(4))
        volume = np.einsum("ni,ni->n", np.cross(b - a, c - a), d - a)
        return np.sign(volume) * self._hand < 0

    def _ideal_angles(self, across: np.ndarray) -> np.ndarray:
        length = {}
        for (i, j), value in zip(self._bonds.tolist(), self._lengths.tolist(), strict=True):
            length[i, j] = length[j, i] = value
        columns = (self._ends.tolist(), self._centres.tolist())
        sides = [(length[i, c], length[j, c]) for (i, j), c in zip(*columns, strict=True)]
        one, two = np.array(sides).reshape(-1, 2).T
        return np.arccos(np.clip((one**2 + two**2 - across**2) / (2 * one * two), -1.0, 1.0))

    def _closest(self, coords: np.ndarray) -> float:
        for reach in (2.8, 4.0, 8.0):
            pairs = cKDTree(coords).query_pairs(reach, output_type="ndarray").astype(np.int64)
            pairs.sort(axis=1)
            low, high = pairs[:, 0], pairs[:, 1]
            keep = self._residue[low] != self._residue[high]
            keep &= ~(self._sulphur[low] & self._sulphur[high])
            keep &= ~np.isin(low * self._atoms + high, self._excluded)
            if keep.any():
                return float(np.linalg.norm(coords[low[keep]] - coords[high[keep]], axis=1).min())
        return float("inf")

    def _side_chain(self, protein: Protein, quad: list[int]) -> np.ndarray:
        same = self._residue == self._residue[quad[0]]
        if protein.atom_names[quad[0]] == "CA":
            return np.flatnonzero(same & ~np.isin(protein.atom_names, ["N", "CA", "C", "O", "OXT"]))
        names = _MOVED[str(protein.residue_names[quad[0]])]
        return np.flatnonzero(same & np.isin(protein.atom_names, names))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean())) if len(values) else 0.0
