"""From the arrays of a store back to the RDKit molecule they came from."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Geometry import Point3D

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encoding import BOND_STEREO, CHIRALITIES
from molgen.graphs.ligand_arrays import BOND_TYPES

AS_GEOMETRY = {"STEREOZ": "STEREOCIS", "STEREOE": "STEREOTRANS"}
"""Z and E are cis and trans of the two stored neighbours; RDKit turns only the latter back."""


def rebuild_ligand(entry: StoredComplex) -> Chem.Mol:
    """Return the ligand with its stereo and crystal coordinates, atoms in stored order."""
    mol = Chem.RWMol()
    for k in range(entry.num_ligand_atoms):
        atom = Chem.Atom(int(entry.ligand_elements[k]))
        atom.SetFormalCharge(int(entry.ligand_charges[k]))
        atom.SetIsotope(int(entry.ligand_isotopes[k]))
        atom.SetIsAromatic(bool(entry.ligand_aromatic[k]))
        atom.SetChiralTag(getattr(Chem.ChiralType, CHIRALITIES[entry.ligand_chiralities[k]]))
        atom.SetNumRadicalElectrons(int(entry.ligand_radicals[k]))
        atom.SetNumExplicitHs(int(entry.ligand_hydrogens[k]))
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for pair, code in zip(entry.bond_atoms, entry.bond_types, strict=True):
        first, second = (int(index) for index in pair)
        mol.AddBond(first, second, getattr(Chem.BondType, BOND_TYPES[code]))
        if BOND_TYPES[code] == "AROMATIC":
            mol.GetBondBetweenAtoms(first, second).SetIsAromatic(True)
    for index in np.flatnonzero(entry.bond_stereo).tolist():
        bond = mol.GetBondWithIdx(index)
        name = BOND_STEREO[entry.bond_stereo[index]]
        if name != "STEREOANY":
            bond.SetStereoAtoms(*entry.bond_stereo_atoms[index].tolist())
        bond.SetStereo(getattr(Chem.BondStereo, AS_GEOMETRY.get(name, name)))
    conformer = Chem.Conformer(entry.num_ligand_atoms)
    for k, point in enumerate(entry.ligand_coords):
        conformer.SetAtomPosition(k, Point3D(*(float(x) for x in point)))
    mol.AddConformer(conformer, assignId=True)
    Chem.SanitizeMol(mol)
    # Assigning reads the directions of the neighbouring bonds, not the marks just set.
    Chem.SetDoubleBondNeighborDirections(mol)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol.GetMol()
