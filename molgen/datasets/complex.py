"""One complex as a store holds it: numpy arrays and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from molgen.datasets.encoding import COLUMNS, COORD_STEP


@dataclass(frozen=True)
class StoredComplex:
    """A receptor's surroundings of a ligand, and the ligand; read-only arrays, Å.

    Codes are positions in the tables of `molgen.datasets.encoding`; elements are atomic numbers.

    Attributes:
        id: name of the entry.
        origin: (3,) float32, the point the receptor's coordinates are stored relative to.
        coords: (atoms, 3) float32 receptor heavy atoms, exact to 0.005 Å.
        elements, atom_names: (atoms,) uint8.
        residue_sizes: (residues,) uint16 atoms of each residue, in order.
        residue_types: (residues,) uint8.
        residue_chains: (residues,) uint8 ordinal of the chain (names: ``chains`` of the index).
        residue_numbers: (residues,) int32 author numbers.
        residue_insertions: (residues,) uint8 ASCII of the insertion code, 0 for none.
        residue_hetero: (residues,) uint8, 1 for metals, cofactors and other non-polymers.
        ligand_coords: (ligand_atoms, 3) float32.
        ligand_elements, ligand_isotopes: (ligand_atoms,) uint8; isotope 0 is the natural mixture.
        ligand_charges: (ligand_atoms,) int8 formal charges.
        ligand_aromatic: (ligand_atoms,) uint8 flag.
        ligand_hybridizations, ligand_chiralities: (ligand_atoms,) uint8; the chirality tag refers
            to the order of ``bond_atoms``, as in RDKit.
        ligand_rings: (ligand_atoms,) uint8 size of the smallest ring, 0 outside rings.
        ligand_hydrogens, ligand_radicals: (ligand_atoms,) uint8 hydrogens, unpaired electrons.
        bond_atoms: (bonds, 2) uint8.
        bond_types: (bonds,) uint8.
        bond_conjugated: (bonds,) uint8 flag.
        bond_rings: (bonds,) uint8 size of the smallest ring.
        bond_stereo, bond_stereo_atoms: (bonds,), (bonds, 2) uint8; the neighbours that E/Z or
            cis/trans refer to.
        ligand_conformers: (conformers, ligand_atoms, 3) float32, embedded from the graph alone,
            each about its own centre, exact to 0.005 Å; there may be none.
    """

    id: str
    origin: np.ndarray
    coords: np.ndarray
    elements: np.ndarray
    atom_names: np.ndarray
    residue_sizes: np.ndarray
    residue_types: np.ndarray
    residue_chains: np.ndarray
    residue_numbers: np.ndarray
    residue_insertions: np.ndarray
    residue_hetero: np.ndarray
    ligand_coords: np.ndarray
    ligand_elements: np.ndarray
    ligand_isotopes: np.ndarray
    ligand_charges: np.ndarray
    ligand_aromatic: np.ndarray
    ligand_hybridizations: np.ndarray
    ligand_chiralities: np.ndarray
    ligand_rings: np.ndarray
    ligand_hydrogens: np.ndarray
    ligand_radicals: np.ndarray
    bond_atoms: np.ndarray
    bond_types: np.ndarray
    bond_conjugated: np.ndarray
    bond_rings: np.ndarray
    bond_stereo: np.ndarray
    bond_stereo_atoms: np.ndarray
    ligand_conformers: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "id":
                getattr(self, field.name).setflags(write=False)

    @property
    def residue_index(self) -> np.ndarray:
        """(atoms,) int64, the ordinal of each receptor atom's residue."""
        return np.repeat(np.arange(len(self.residue_sizes)), self.residue_sizes)

    @property
    def num_atoms(self) -> int:
        """Receptor heavy atoms."""
        return len(self.coords)

    @property
    def num_ligand_atoms(self) -> int:
        """Ligand heavy atoms."""
        return len(self.ligand_coords)

    def packed(self, name: str) -> np.ndarray:
        """Return column ``name`` as it is written, some coordinates as int16 steps."""
        column = COLUMNS[name]
        value = getattr(self, name)
        if name == "coords":
            value = np.rint((value.astype(np.float64) - self.origin) / COORD_STEP)
        elif name == "ligand_conformers":
            value = np.rint(value.astype(np.float64) / COORD_STEP).reshape(-1, 3)
        return np.asarray(value, dtype=column.dtype)

    @classmethod
    def unpacked(cls, identifier: str, columns: dict[str, np.ndarray]) -> StoredComplex:
        """Return the complex of the arrays of one entry as written; the inverse of `packed`."""
        steps = columns["coords"].astype(np.float64)
        coords = (columns["origin"].astype(np.float64) + COORD_STEP * steps).astype(np.float32)
        shapes = (COORD_STEP * columns["ligand_conformers"].astype(np.float64)).astype(np.float32)
        shapes = shapes.reshape(-1, *columns["ligand_coords"].shape)
        return cls(id=identifier, **{**columns, "coords": coords, "ligand_conformers": shapes})
