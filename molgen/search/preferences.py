"""What the torsions of a ligand cost by the crystal-structure statistics that ETKDG carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from molgen.geometry.dihedral import dihedral_of
from molgen.graphs.energy_topology import torsion_preferences
from molgen.graphs.torsion_tree import TorsionTree, build_torsion_tree
from molgen.structure import Ligand

TORSION_BINS = 72
"""Resolution of the torsion-preference tables over a full turn (5 degrees)."""
TORSION_CAP = 10.0
"""Most that one torsion can cost; the statistics behind the preferences are thin beyond."""


@dataclass(frozen=True)
class TorsionPreferences:
    """Torsion preferences of a ligand on its torsion tree.

    Riniker & Landrum, J. Chem. Inf. Model. 2015, 55, 2562: V(phi) = sum_k V_k (1 + s_k cos k phi).

    Attributes:
        torsion: (terms,) torsion of the tree that each term belongs to.
        quads: of each term (variants, 4) tree atoms; where alike atoms could be named, all of
            them are, and the one that costs least counts.
        heights: (terms, 6) V_k, kcal/mol scale.
        signs: (terms, 6) s_k.
        num_torsions: of the tree.
    """

    torsion: np.ndarray
    quads: list[np.ndarray]
    heights: np.ndarray
    signs: np.ndarray
    num_torsions: int

    @classmethod
    def of(cls, mol: Chem.Mol, tree: TorsionTree) -> TorsionPreferences:
        """Return the preferences of a molecule whose heavy atoms come first."""
        position = np.argsort(tree.order)
        with_h = Chem.AddHs(mol)
        quads, heights, signs = torsion_preferences(with_h, tree.num_atoms)
        ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False))
        variants = [position[_variants(mol, ranks, quad.tolist())] for quad in quads]
        # across an alkyne nothing is known, and a dihedral at one of its bonds is undefined
        torsion_of = {
            frozenset(line): torsion for torsion, line in enumerate(tree.lines) if len(line) == 2
        }
        axes = [frozenset(quads[0, 1:3].tolist()) for quads in variants]
        torsion = np.array([torsion_of.get(axis, -1) for axis in axes], dtype=np.int64)
        known = torsion >= 0
        named = [quads for quads, used in zip(variants, known, strict=True) if used]
        return cls(torsion[known], named, heights[known], signs[known], tree.num_torsions)

    def over_turns(self, coords: np.ndarray, bins: int = TORSION_BINS) -> np.ndarray:
        """Return what each torsion costs as it turns on from poses (poses, atoms, 3) Å.

        Returns:
            (poses, torsions, bins) kcal/mol scale over a full turn that begins with the pose as it
            is; each torsion from its own minimum on, at most `TORSION_CAP`.
        """
        turn = np.arange(bins) * (2 * np.pi / bins)
        multiple = np.arange(1, self.heights.shape[1] + 1)
        energy = np.zeros((len(coords), self.num_torsions, bins))
        for torsion, quads, height, sign in zip(
            self.torsion, self.quads, self.heights, self.signs, strict=True
        ):
            costs = []
            for quad in quads.tolist():
                phi = dihedral_of(coords, tuple(quad))[:, None] + turn
                costs.append((1.0 + sign * np.cos(multiple * phi[..., None])) @ height)
            energy[:, torsion] += np.min(costs, axis=0)
        return np.minimum(energy - energy.min(axis=2, keepdims=True), TORSION_CAP)

    def __call__(self, coords: np.ndarray) -> np.ndarray:
        """Return the summed preference of poses (poses, atoms, 3) Å in tree order, (poses,)."""
        return np.asarray(self.over_turns(coords)[:, :, 0].sum(axis=1))


def _variants(mol: Chem.Mol, ranks: list[int], quad: list[int]) -> np.ndarray:
    """Return a dihedral (1, 4) and those of atoms alike to its ends on the same centres."""
    first, j, k, last = quad
    ends = [
        [n.GetIdx() for n in mol.GetAtomWithIdx(centre).GetNeighbors()
         if ranks[n.GetIdx()] == ranks[end] and n.GetIdx() != across]
        for end, centre, across in ((first, j, k), (last, k, j))
    ]  # fmt: skip
    return np.array([[i, j, k, m] for i in ends[0] for m in ends[1]])


def torsion_strain(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
    """Return the summed torsion preference of poses (poses, atoms, 3) in molecule order."""
    tree = build_torsion_tree(ligand.mol)
    if not len(coords) or not tree.num_torsions:
        return np.zeros(len(coords))
    return TorsionPreferences.of(ligand.mol, tree)(coords[:, tree.order])
