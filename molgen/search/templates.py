"""Ligand templates: start conformers on one torsion tree, comparable torsion by torsion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.geometry.kabsch import rotations
from molgen.graphs.torsion_tree import TorsionTree, build_torsion_tree
from molgen.structure import Ligand

TORSION_BINS = 72
"""Resolution of the torsion-preference tables over a full turn (5 degrees)."""


TORSION_CAP = 10.0
"""Most that one torsion can cost; the statistics behind the preferences are thin beyond."""

_LINE = 0.3  # Å; atoms spread less than this across an axis lie in a line


@dataclass(frozen=True)
class LigandTemplate:
    """What a search needs of a ligand.

    Attributes:
        tree: rigid fragments and rotatable bonds.
        conformers: (conformers, atoms, 3) Å in tree order. All have the dihedrals of the first
            one and their root fragment at the origin in the same orientation, so a pose can swap
            the conformer (ring pucker, amide form, angles) and keep its placement and torsions.
        quads: four tree atoms that measure each torsion.
        torsion_energy: (torsions, TORSION_BINS) preference of each torsion over its turn from the
            template value, kcal/mol scale, from 0 to `TORSION_CAP`.
    """

    tree: TorsionTree
    conformers: np.ndarray
    quads: list[tuple[int, int, int, int]]
    torsion_energy: np.ndarray

    def strain(self, coords: np.ndarray) -> np.ndarray:
        """Return the summed torsion preference of poses (poses, atoms, 3) in tree order."""
        total = np.zeros(len(coords))
        for torsion, quad in enumerate(self.quads):
            turn = dihedral(coords, *quad) - dihedral(self.conformers[0], *quad)
            place = turn * (TORSION_BINS / (2 * np.pi))
            low = np.floor(place).astype(np.int64)
            table = self.torsion_energy[torsion]
            e0, e1 = table[low % TORSION_BINS], table[(low + 1) % TORSION_BINS]
            total += e0 + (place - low) * (e1 - e0)
        return total

    def each_conformer(self) -> Iterator[LigandTemplate]:
        """Yield one template per conformer."""
        for index in range(len(self.conformers)):
            yield replace(self, conformers=self.conformers[index : index + 1])


def build_template(ligand: Ligand, embedded: Chem.Mol) -> LigandTemplate:
    """Return the template of a ligand from its embedded conformers (explicit hydrogens).

    Heavy atoms of ``embedded`` come first, in the order of ``ligand.mol``.
    """
    tree = build_torsion_tree(ligand.mol)
    conformers = np.array(
        [conformer.GetPositions()[tree.order] for conformer in embedded.GetConformers()]
    )
    quads = _quads(tree, _tree_neighbours(ligand.mol, tree))
    root_end = int(tree.span[0, 0]) if tree.num_torsions else tree.num_atoms
    reference = [dihedral(conformers[0], *quad) for quad in quads]
    for coords in conformers:
        for torsion, quad in enumerate(quads):
            _turn(coords, tree, torsion, reference[torsion] - dihedral(coords, *quad))
        coords -= coords[:root_end].mean(axis=0)
    # atoms in a line leave the turn about it open: then the other atoms decide on it
    flat = np.linalg.svd(conformers[0][:root_end], compute_uv=False)[1:2].sum() < _LINE
    fixed = slice(None) if flat else slice(root_end)
    for coords in conformers[1:]:
        coords[:] = coords @ superpose(coords[fixed], conformers[0][fixed])
    return LigandTemplate(tree, conformers, quads, _torsion_energy(embedded, tree, conformers[0]))


def torsion_strain(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
    """Return the summed torsion preference of poses (poses, atoms, 3) in molecule order."""
    tree = build_torsion_tree(ligand.mol)
    if not len(coords) or not tree.num_torsions:
        return np.zeros(len(coords))
    ordered = coords[:, tree.order]
    quads = _quads(tree, _tree_neighbours(ligand.mol, tree))
    energy = _torsion_energy(Chem.AddHs(ligand.mol), tree, ordered[0])
    return LigandTemplate(tree, ordered[:1], quads, energy).strain(ordered)


def _tree_neighbours(mol: Chem.Mol, tree: TorsionTree) -> list[list[int]]:
    position = np.argsort(tree.order)
    return [
        [int(position[n.GetIdx()]) for n in mol.GetAtomWithIdx(int(atom)).GetNeighbors()]
        for atom in tree.order
    ]


def _quads(tree: TorsionTree, neighbours: list[list[int]]) -> list[tuple[int, int, int, int]]:
    """Return one dihedral (tree atoms) for every torsion."""
    quads = []
    for a, b in tree.axis:
        first = next(n for n in neighbours[a] if n != b)
        last = next(n for n in neighbours[b] if n != a)
        quads.append((first, int(a), int(b), last))
    return quads


def dihedral(coords: np.ndarray, i: int, j: int, k: int, m: int) -> Any:
    """Return the dihedral i-j-k-m of coords (..., atoms, 3) in radians (...,), IUPAC sign."""
    axis = coords[..., k, :] - coords[..., j, :]
    axis = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    left = coords[..., i, :] - coords[..., j, :]
    right = coords[..., m, :] - coords[..., k, :]
    left = left - (left * axis).sum(-1, keepdims=True) * axis
    right = right - (right * axis).sum(-1, keepdims=True) * axis
    return np.arctan2((np.cross(axis, left) * right).sum(-1), (left * right).sum(-1))


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


def _torsion_energy(embedded: Chem.Mol, tree: TorsionTree, coords: np.ndarray) -> np.ndarray:
    """Tabulate the crystal-structure torsion preferences that ETKDG carries.

    Riniker & Landrum, J. Chem. Inf. Model. 2015, 55, 2562: V(phi) = sum_k V_k (1 + s_k cos k phi).
    """
    position = {int(atom): place for place, atom in enumerate(tree.order)}
    torsion_of = {frozenset(map(int, ends)): t for t, ends in enumerate(tree.axis)}
    turn = np.arange(TORSION_BINS) * (2 * np.pi / TORSION_BINS)
    energy = np.zeros((tree.num_torsions, TORSION_BINS))
    params = rdDistGeom.ETKDGv3()
    for entry in rdDistGeom.GetExperimentalTorsions(embedded, params):
        atoms = [position.get(int(atom), -1) for atom in entry["atomIndices"]]
        torsion = torsion_of.get(frozenset(atoms[1:3]))
        if torsion is None or min(atoms) < 0:
            continue
        if atoms[1] != tree.axis[torsion, 0]:
            atoms.reverse()
        phi = dihedral(coords, *atoms) + turn
        for k, (height, sign) in enumerate(zip(entry["V"], entry["signs"], strict=True), start=1):
            energy[torsion] += height * (1.0 + sign * np.cos(k * phi))
    if not len(energy):
        return energy
    return np.minimum(energy - energy.min(axis=1, keepdims=True), TORSION_CAP)
