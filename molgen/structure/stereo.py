"""Stereo that a molecule leaves open, and what stands for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rdkit import Chem

from molgen.structure.conformers import embed_conformers
from molgen.structure.ligand import Ligand


def open_stereo(mol: Chem.Mol) -> list[Chem.StereoInfo]:
    """Return the stereo centres and bonds of a molecule that have no configuration."""
    found = Chem.FindPotentialStereo(Chem.Mol(mol))
    return [info for info in found if info.specified == Chem.StereoSpecified.Unspecified]


def open_places(mol: Chem.Mol) -> list[tuple[int, ...]]:
    """Return the atom, or the two of a double bond, of everything that has no configuration.

    Without imines C=NH, which turn over by themselves.
    """
    places: list[tuple[int, ...]] = []
    for info in open_stereo(mol):
        if info.type == Chem.StereoType.Atom_Tetrahedral:
            places.append((info.centeredOn,))
        elif info.type == Chem.StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            ends = bond.GetBeginAtom(), bond.GetEndAtom()
            if all(end.GetDegree() > 1 for end in ends):
                places.append(tuple(end.GetIdx() for end in ends))
    return places


def one_isomer(ligand: Ligand) -> Ligand:
    """Return a ligand with a configuration at everything that had none, one that can be built.

    It is that of a conformer, embedded from the canonical SMILES: the same compound gets the same
    however its atoms are ordered. A ligand that leaves nothing open, or comes with a conformer,
    is returned as it is.

    Raises:
        LigandError: no conformer can be embedded.
    """
    if ligand.has_coords or not open_places(ligand.mol):
        return ligand
    smiles = ligand.smiles
    order = list(ligand.mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])
    embedded = embed_conformers(Ligand(ligand.name, Chem.MolFromSmiles(smiles)), 1, 0)
    coords = np.empty((ligand.num_atoms, 3))
    coords[order] = embedded.GetConformer().GetPositions()[: ligand.num_atoms]
    mol = ligand.placed(coords)
    Chem.AssignStereochemistryFrom3D(mol)
    return replace(ligand, mol=mol).without_coords()
