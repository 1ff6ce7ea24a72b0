"""The small molecule: a sanitised RDKit graph of heavy atoms, with or without a conformer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rdkit import Chem
from rdkit.Geometry import Point3D

from molgen.errors import LigandError


@dataclass(frozen=True)
class Ligand:
    """A ligand as given: graph, stereo and, if the source had one, its 3D conformer.

    Attributes:
        name: label from the file, CSV or SMILES title; never used as a path unescaped.
        mol: sanitised molecule without explicit hydrogens; at most one conformer.
        notes: what the reader changed (largest fragment kept, MOL2 used, ...).
    """

    name: str
    mol: Chem.Mol
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mol.GetNumHeavyAtoms() == 0:
            raise LigandError(f"{self.name}: ligand has no heavy atoms")
        if self.mol.GetNumConformers() and not np.isfinite(self.coords).all():
            raise LigandError(f"{self.name}: ligand coordinates hold NaN or infinity")

    @property
    def num_atoms(self) -> int:
        """Number of heavy atoms."""
        return int(self.mol.GetNumAtoms())

    @property
    def has_coords(self) -> bool:
        """True when the source gave 3D coordinates."""
        return bool(self.mol.GetNumConformers())

    @property
    def coords(self) -> np.ndarray:
        """(atoms, 3) float64 Å; raises `LigandError` when the source had no 3D coordinates."""
        if not self.has_coords:
            raise LigandError(f"{self.name}: ligand has no 3D coordinates")
        return np.asarray(self.mol.GetConformer().GetPositions())

    @property
    def smiles(self) -> str:
        """Canonical isomeric SMILES."""
        return str(Chem.MolToSmiles(self.mol))

    def without_coords(self) -> Ligand:
        """Return the ligand as a graph: chirality and double-bond stereo, no conformer."""
        graph = Chem.Mol(self.mol)
        graph.RemoveAllConformers()
        return replace(self, mol=graph)

    def placed(self, coords: np.ndarray) -> Chem.Mol:
        """Return the molecule with ``coords`` (atoms, 3) Å as its only conformer."""
        mol = Chem.Mol(self.mol)
        mol.RemoveAllConformers()
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.Set3D(True)
        for index, (x, y, z) in enumerate(coords):
            conformer.SetAtomPosition(index, Point3D(float(x), float(y), float(z)))
        mol.AddConformer(conformer)
        return mol
