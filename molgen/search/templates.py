"""Ligand templates: start conformers on one torsion tree, comparable torsion by torsion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from rdkit import Chem

from molgen.geometry.dihedral import dihedral_of
from molgen.geometry.kabsch import rotations
from molgen.graphs.torsion_tree import TorsionTree, build_torsion_tree
from molgen.metrics.symmetry import symmetries
from molgen.search.preferences import TorsionPreferences
from molgen.structure import Ligand

_FLAT = 0.5  # Å³; three bonds in a plane span less
MAX_SYMMETRIES = 128
"""Maps of a ligand on itself by which its poses are compared, beside orders of leaves."""


@dataclass(frozen=True)
class LigandTemplate:
    """What a search needs of a ligand.

    Attributes:
        tree: rigid fragments and rotatable bonds.
        conformers: (conformers, atoms, 3) Å in tree order. All have the dihedrals of the first
            one, their root fragment at the origin, and lie on the first one as well as that
            allows, so a pose can swap the conformer (ring pucker, amide form, angles) and keep its
            placement and torsions.
        quads: four tree atoms that measure each torsion.
        symmetries: maps (maps, atoms) and groups of leaves (groups, 5) as in
            `molgen.metrics.symmetry.Symmetries`, in tree atoms; at most `MAX_SYMMETRIES` maps.
        alike: (pairs, 4) a centre, two leaves of one rank on it and another atom on it.
        preferences: what torsions cost.
        torsion_energy: (conformers, torsions, TORSION_BINS) preference of each torsion over its
            turn from the value of the conformer, kcal/mol scale, from 0 to `TORSION_CAP`.
    """

    tree: TorsionTree
    conformers: np.ndarray
    quads: list[tuple[int, int, int, int]]
    symmetries: tuple[np.ndarray, np.ndarray]
    alike: np.ndarray
    preferences: TorsionPreferences
    torsion_energy: np.ndarray

    def each_conformer(self) -> Iterator[LigandTemplate]:
        """Yield one template per conformer."""
        for index in range(len(self.conformers)):
            one = slice(index, index + 1)
            yield replace(
                self, conformers=self.conformers[one], torsion_energy=self.torsion_energy[one]
            )


def build_template(ligand: Ligand, embedded: Chem.Mol) -> LigandTemplate:
    """Return the template of a ligand from its embedded conformers (explicit hydrogens).

    Heavy atoms of ``embedded`` come first, in the order of ``ligand.mol``.
    """
    tree = build_torsion_tree(ligand.mol)
    conformers = np.array(
        [conformer.GetPositions()[tree.order] for conformer in embedded.GetConformers()]
    )
    neighbours = _tree_neighbours(ligand.mol, tree)
    quads = _quads(tree, neighbours)
    ranks = np.array(Chem.CanonicalRankAtoms(ligand.mol, breakTies=False))[tree.order]
    alike = _alike(neighbours, ranks)
    conformers = order_alike(conformers, conformers[0], alike)
    root_end = int(tree.span[0, 0]) if tree.num_torsions else tree.num_atoms
    reference = [dihedral_of(conformers[0], quad) for quad in quads]
    for coords in conformers:
        for torsion, quad in enumerate(quads):
            _turn(coords, tree, torsion, reference[torsion] - dihedral_of(coords, quad))
        coords -= coords[:root_end].mean(axis=0)
    # not by the root alone: where it is small or in a line, a good fit of it may throw all others
    for coords in conformers[1:]:
        coords[:] = coords @ superpose(coords, conformers[0])
    preferences = TorsionPreferences.of(ligand.mol, tree)
    return LigandTemplate(
        tree=tree,
        conformers=conformers,
        quads=quads,
        symmetries=_symmetries(ligand.mol, tree),
        alike=alike,
        preferences=preferences,
        torsion_energy=preferences.over_turns(conformers),
    )


def _symmetries(mol: Chem.Mol, tree: TorsionTree) -> tuple[np.ndarray, np.ndarray]:
    found, position = symmetries(mol, MAX_SYMMETRIES), np.argsort(tree.order)
    groups = np.where(found.groups < 0, -1, position[found.groups])
    return np.ascontiguousarray(position[found.maps[:, tree.order]]), groups


def _alike(neighbours: list[list[int]], ranks: np.ndarray) -> np.ndarray:
    found = []
    for centre, around in enumerate(neighbours):
        leaves = [atom for atom in around if len(neighbours[atom]) == 1]
        pairs = ((a, b) for a in leaves for b in leaves if a < b and ranks[a] == ranks[b])
        pair = next(pairs, ())
        others = [atom for atom in around if atom not in pair]
        if pair and others:
            found.append((centre, *pair, others[0]))
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def order_alike(coords: np.ndarray, reference: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Return poses (poses, atoms, 3) whose alike leaves stand as those of a reference (atoms, 3).

    The methyls of a gem-dimethyl group or the oxygens of a sulfonyl group are named at random;
    where a torsion is measured by one of them, the other name puts all else elsewhere.

    Args:
        alike: as in `LigandTemplate`.
    """
    coords = coords.copy()
    for centre, a, b, other in alike:
        side, wanted = (
            np.linalg.det(points[..., [a, b, other], :] - points[..., [centre], :])
            for points in (coords, reference)
        )
        swapped = (side * wanted < 0.0) & (np.minimum(abs(side), abs(wanted)) > _FLAT)
        coords[np.ix_(swapped, [a, b])] = coords[np.ix_(swapped, [b, a])]
    return coords


def _tree_neighbours(mol: Chem.Mol, tree: TorsionTree) -> list[list[int]]:
    position = np.argsort(tree.order)
    return [
        [int(position[n.GetIdx()]) for n in mol.GetAtomWithIdx(int(atom)).GetNeighbors()]
        for atom in tree.order
    ]


def _quads(tree: TorsionTree, neighbours: list[list[int]]) -> list[tuple[int, int, int, int]]:
    """Return one dihedral (tree atoms) for every torsion, across the whole of an alkyne."""
    quads = []
    for line in tree.lines:
        first = next(n for n in neighbours[line[0]] if n != line[1])
        last = next(n for n in neighbours[line[-1]] if n != line[-2])
        quads.append((first, line[0], line[-1], last))
    return quads


def _turn(coords: np.ndarray, tree: TorsionTree, torsion: int, angle: float) -> None:
    """Rotate the moving side of a torsion in place by ``angle`` radians."""
    a, b = tree.axis[torsion]
    begin, end = tree.span[torsion]
    axis = coords[b] - coords[a]
    axis = axis / np.linalg.norm(axis)
    arm = coords[begin:end] - coords[b]
    along = np.outer(arm @ axis, axis)
    coords[begin:end] = (
        coords[b] + along + math.cos(angle) * (arm - along) + math.sin(angle) * np.cross(axis, arm)
    )


def superpose(moving: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) to right-multiply centred ``moving`` with."""
    return np.asarray(rotations((moving.T @ target)[None])[0].T)
