"""Parameters of MMFF94 for one molecule as plain arrays, taken from RDKit's typing of it.

Halgren, J. Comput. Chem. 1996, 17, 490-641 (five papers); RDKit's implementation: Tosco, Stiefl &
Landrum, J. Cheminform. 2014, 6, 37. The energies over these arrays are in
`molgen.energy.openmm_mmff`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from molgen.errors import LigandError

LINEAR_TYPES = frozenset({4, 53, 61})
"""MMFF94 atom types with two neighbours on a line: =C= and #C-, =N=, #N+- (MMFFPROP.PAR)."""


@dataclass(frozen=True)
class MmffTerms:
    """Terms of one molecule; indices are its atoms, hydrogens included. MMFF94's own units.

    Attributes:
        bonds: (bonds, 2).
        bond_params: (bonds, 2) force constant, md/Å; ideal length, Å.
        angles: (angles, 3) bent angles, the centre in the middle.
        angle_params: (angles, 2) force constant, md Å/rad²; ideal angle, degrees.
        linear: (lines, 3) angles whose centre is linear.
        linear_params: (lines,) force constant, md Å/rad².
        stretch_bends: (coupled, 3) angles that couple to their two bonds.
        stretch_bend_params: (coupled, 5) force constants of the first and the second bond,
            md/rad; ideal lengths, Å; ideal angle, degrees.
        planes: (planes, 4) three neighbours round the second atom; the last leaves the plane of
            the others.
        plane_params: (planes,) force constant, md Å/rad².
        torsions: (torsions, 4).
        torsion_params: (torsions, 3) V1, V2, V3, kcal/mol.
        pairs: (pairs, 2) atoms three or more bonds apart.
        pair_params: (pairs, 2) distance of the minimum, Å; depth, kcal/mol.
        fourth: (pairs,) bool, exactly three bonds apart: their charges count by 0.75.
        charges: (atoms,) partial charges, e.
        alike: (atoms, 2) distance, Å, and depth, kcal/mol, of the minimum of two such atoms.
    """

    bonds: np.ndarray
    bond_params: np.ndarray
    angles: np.ndarray
    angle_params: np.ndarray
    linear: np.ndarray
    linear_params: np.ndarray
    stretch_bends: np.ndarray
    stretch_bend_params: np.ndarray
    planes: np.ndarray
    plane_params: np.ndarray
    torsions: np.ndarray
    torsion_params: np.ndarray
    pairs: np.ndarray
    pair_params: np.ndarray
    fourth: np.ndarray
    charges: np.ndarray
    alike: np.ndarray

    @property
    def num_atoms(self) -> int:
        """Number of atoms, hydrogens included."""
        return len(self.charges)


def mmff_terms(mol: Chem.Mol) -> MmffTerms:
    """Return the terms of a sanitised molecule with explicit hydrogens; its conformer is not read.

    Raises:
        LigandError: hydrogens are implicit, or MMFF94 has no type for an atom.
    """
    name = mol.GetProp("_Name") if mol.HasProp("_Name") else "ligand"
    if any(atom.GetNumImplicitHs() for atom in mol.GetAtoms()):
        raise LigandError(f"{name}: hydrogens are implicit; expected explicit ones (Chem.AddHs)")
    typed = Chem.Mol(mol)  # RDKit's typing changes the aromaticity of what it is given
    found = rdForceFieldHelpers.MMFFGetMoleculeProperties(typed)
    if found is None:
        raise LigandError(f"{name}: MMFF94 has no parameters for {_untyped(mol)}")
    graph = _Graph(mol)
    types = [int(found.GetMMFFAtomType(i)) for i in range(mol.GetNumAtoms())]
    bonds = {pair: found.GetMMFFBondStretchParams(mol, *pair)[1:] for pair in graph.bonds}
    angles, linear, coupled = {}, {}, {}
    for i, j, k in graph.angles():
        _, force, ideal = found.GetMMFFAngleBendParams(mol, i, j, k)
        if types[j] in LINEAR_TYPES:
            linear[i, j, k] = force
            continue
        angles[i, j, k] = (force, ideal)
        both = found.GetMMFFStretchBendParams(mol, i, j, k)
        if both is not None:
            lengths = (bonds[min(i, j), max(i, j)][1], bonds[min(j, k), max(j, k)][1])
            coupled[i, j, k] = (*both[1:], *lengths, ideal)
    planes = {}
    for one, centre, two, three in graph.centres():
        force = found.GetMMFFOopBendParams(mol, one, centre, two, three)
        if force is not None:
            for a, b, c in ((one, two, three), (one, three, two), (two, three, one)):
                planes[a, centre, b, c] = force
    torsions = {}
    for quad in graph.torsions():
        params = found.GetMMFFTorsionParams(mol, *quad)
        if params is not None:
            torsions[quad] = params[1:]
    pairs, fourth = graph.pairs()
    every = range(mol.GetNumAtoms())
    return MmffTerms(
        bonds=_rows(bonds, 2),
        bond_params=_values(bonds, 2),
        angles=_rows(angles, 3),
        angle_params=_values(angles, 2),
        linear=_rows(linear, 3),
        linear_params=_values(linear, 1)[:, 0],
        stretch_bends=_rows(coupled, 3),
        stretch_bend_params=_values(coupled, 5),
        planes=_rows(planes, 4),
        plane_params=_values(planes, 1)[:, 0],
        torsions=_rows(torsions, 4),
        torsion_params=_values(torsions, 3),
        pairs=pairs,
        pair_params=_minima(found, pairs),
        fourth=fourth,
        charges=np.array([found.GetMMFFPartialCharge(i) for i in every]),
        alike=_minima(found, np.array([(i, i) for i in every])),
    )


def _minima(found: object, pairs: np.ndarray) -> np.ndarray:
    """Return distance and depth of the minimum of atom pairs, (pairs, 2) Å and kcal/mol."""
    get = found.GetMMFFVdWParams  # type: ignore[attr-defined]
    return np.array([get(i, j)[2:] for i, j in pairs.tolist()], dtype=np.float64).reshape(-1, 2)


class _Graph:
    """What is bonded to what, and what follows from it."""

    def __init__(self, mol: Chem.Mol) -> None:
        self.bonds = sorted(
            (
                min(b.GetBeginAtomIdx(), b.GetEndAtomIdx()),
                max(b.GetBeginAtomIdx(), b.GetEndAtomIdx()),
            )
            for b in mol.GetBonds()
        )
        self.near = [sorted(n.GetIdx() for n in atom.GetNeighbors()) for atom in mol.GetAtoms()]
        self._apart = Chem.GetDistanceMatrix(mol)

    def angles(self) -> list[tuple[int, int, int]]:
        return [
            (i, j, k)
            for j, near in enumerate(self.near)
            for i, k in itertools.combinations(near, 2)
        ]

    def centres(self) -> list[tuple[int, int, int, int]]:
        return [(n[0], j, n[1], n[2]) for j, n in enumerate(self.near) if len(n) == 3]

    def torsions(self) -> list[tuple[int, int, int, int]]:
        return [
            (i, j, k, end)
            for j, k in self.bonds
            for i in self.near[j]
            for end in self.near[k]
            if i != k and end != j and i != end
        ]

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs three or more bonds apart, and which of them exactly three."""
        first, second = np.triu_indices(len(self.near), 1)
        apart = self._apart[first, second]
        far = apart >= 3
        pairs = np.stack([first[far], second[far]], axis=1).astype(np.int64)
        return pairs, apart[far] == 3


def _rows(table: dict, width: int) -> np.ndarray:
    return np.array(list(table), dtype=np.int64).reshape(-1, width)


def _values(table: dict, width: int) -> np.ndarray:
    return np.array(list(table.values()), dtype=np.float64).reshape(-1, width)


def _untyped(mol: Chem.Mol) -> str:
    """Name the atoms that keep MMFF94 from typing a molecule, by element."""
    known = {1, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53}
    rare = [a for a in mol.GetAtoms() if a.GetAtomicNum() not in known]
    if not rare:
        return "the bonds around one of its atoms"
    return ", ".join(f"atom {a.GetIdx() + 1} ({a.GetSymbol()})" for a in rare[:3])
