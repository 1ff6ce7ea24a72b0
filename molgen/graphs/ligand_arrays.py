"""The atoms and bonds of a ligand as arrays of codes: what stores hold and pose graphs read.

Numbers stand for positions in the tables below, which are part of the format of a store: entries
may be appended, never moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rdkit import Chem

HYBRIDIZATIONS = ("OTHER", "S", "SP", "SP2", "SP3", "SP2D", "SP3D", "SP3D2")
BOND_TYPES = ("OTHER", "SINGLE", "DOUBLE", "TRIPLE", "AROMATIC", "QUADRUPLE", "DATIVE")


@dataclass(frozen=True)
class LigandArrays:
    """A ligand without its coordinates; heavy atoms in the order of the molecule.

    Attributes:
        ligand_elements: (atoms,) uint8 atomic numbers.
        ligand_charges: (atoms,) int8 formal charges.
        ligand_aromatic: (atoms,) uint8 flag.
        ligand_hybridizations: (atoms,) uint8, position in `HYBRIDIZATIONS`.
        ligand_rings: (atoms,) uint8 size of the smallest ring, 0 outside rings.
        ligand_hydrogens: (atoms,) uint8 hydrogens.
        bond_atoms: (bonds, 2) uint8; int64 where there are more atoms than stores take.
        bond_types: (bonds,) uint8, position in `BOND_TYPES`.
        bond_rings: (bonds,) uint8 size of the smallest ring.
    """

    ligand_elements: np.ndarray
    ligand_charges: np.ndarray
    ligand_aromatic: np.ndarray
    ligand_hybridizations: np.ndarray
    ligand_rings: np.ndarray
    ligand_hydrogens: np.ndarray
    bond_atoms: np.ndarray
    bond_types: np.ndarray
    bond_rings: np.ndarray


def ligand_arrays(mol: Chem.Mol) -> LigandArrays:
    """Return the arrays of a molecule without explicit hydrogens."""
    atoms, bonds = list(mol.GetAtoms()), list(mol.GetBonds())
    rings = mol.GetRingInfo()

    def of_atoms(values: list[int], dtype: str = "uint8") -> np.ndarray:
        return np.array(values, dtype=dtype).reshape(len(atoms))

    def of_bonds(values: list[int]) -> np.ndarray:
        return np.array(values, dtype=np.uint8).reshape(len(bonds))

    pairs = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]
    return LigandArrays(
        ligand_elements=of_atoms([a.GetAtomicNum() for a in atoms]),
        ligand_charges=of_atoms([a.GetFormalCharge() for a in atoms], "int8"),
        ligand_aromatic=of_atoms([int(a.GetIsAromatic()) for a in atoms]),
        ligand_hybridizations=of_atoms([code(HYBRIDIZATIONS, a.GetHybridization()) for a in atoms]),
        ligand_rings=of_atoms([min(rings.MinAtomRingSize(a.GetIdx()), 255) for a in atoms]),
        ligand_hydrogens=of_atoms([a.GetTotalNumHs() for a in atoms]),
        bond_atoms=np.array(pairs, dtype=index_type(len(atoms))).reshape(len(bonds), 2),
        bond_types=of_bonds([code(BOND_TYPES, b.GetBondType()) for b in bonds]),
        bond_rings=of_bonds([min(rings.MinBondRingSize(b.GetIdx()), 255) for b in bonds]),
    )


def index_type(atoms: int) -> type[np.integer]:
    """Return the type of indices into ``atoms`` atoms: uint8 as in stores, int64 beyond them."""
    return np.uint8 if atoms <= 256 else np.int64


def code(table: tuple[str, ...], value: object) -> int:
    """Return the position of an RDKit enumeration value; 0 for one that the table lacks."""
    name = str(value)
    return table.index(name) if name in table else 0
