"""One isomer for a ligand whose stereo is open."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molgen.structure import Ligand
from molgen.structure.conformers import embed_conformers
from molgen.structure.stereo import one_isomer, open_stereo


def ligand(smiles: str) -> Ligand:
    return Ligand("made", Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    "smiles", ["CC(N)c1ccc(Cl)cc1", "CC(F)C(N)O", "CC(=Cc1ccccc1)C(N)=O", "OC1CCC(O)CC1"]
)
def test_all_conformers_are_of_one_compound(smiles):
    chosen = one_isomer(ligand(smiles))
    assert not open_stereo(chosen.mol)
    conformers = embed_conformers(chosen, 8, 1)
    found = set()
    for conformer in conformers.GetConformers():
        one = Chem.Mol(conformers, confId=conformer.GetId())
        Chem.AssignStereochemistryFrom3D(one, confId=conformer.GetId())
        found.add(Chem.MolToSmiles(Chem.RemoveHs(one)))
    assert found == {chosen.smiles}


@pytest.mark.parametrize("smiles", ["CC(F)C(N)O", "NC(C)C(=O)NC(CO)C(=O)O", "CC(O)CC(N)C(F)C"])
def test_the_order_of_atoms_is_nothing(smiles):
    mol, rng = Chem.MolFromSmiles(smiles), np.random.default_rng(0)
    orders = [rng.permutation(mol.GetNumAtoms()).tolist() for _ in range(8)]
    assert len({one_isomer(Ligand("x", Chem.RenumberAtoms(mol, o))).smiles for o in orders}) == 1


def test_what_is_given_stays_and_what_cannot_be_is_not_chosen():
    given = ligand("C[C@H](N)C(=O)O")
    assert one_isomer(given) is given
    half = one_isomer(ligand("C[C@H](N)C(O)CC"))
    assert Chem.MolFromSmiles(half.smiles).HasSubstructMatch(
        Chem.MolFromSmiles("C[C@H](N)C(O)CC"), useChirality=True
    )
    camphor = one_isomer(ligand("CC1(C)C2CCC1(C)C(=O)C2"))
    assert not open_stereo(camphor.mol)
    assert embed_conformers(camphor, 1, 0).GetNumConformers() == 1
