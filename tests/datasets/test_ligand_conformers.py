"""Conformers to label: what each kind moves and what it leaves, and united charges."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.datasets.ligand_conformers import (
    ConformerRefusedError,
    make_conformers,
    united_charges,
)


def crystal(smiles: str = "CC(=O)Nc1ccc(OCC)cc1") -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=3)
    return Chem.RemoveHs(mol)


def distances(coords: np.ndarray) -> np.ndarray:
    return np.linalg.norm(coords[:, None] - coords[None], axis=-1)


def test_kinds_and_what_they_move():
    mol = crystal()
    full, made = make_conformers(mol, 4, seed=1)
    heavy = mol.GetNumAtoms()
    assert [c.kind for c in made] == ["crystal", "embedded", "shaken", "twisted"]
    assert all(c.coords.shape == (full.GetNumAtoms(), 3) for c in made)
    native, embedded, shaken, twisted = made
    np.testing.assert_allclose(native.coords[:heavy], mol.GetConformer().GetPositions())
    # a shaken conformer is its embedded one plus the noise that it names
    moved = shaken.coords[:heavy] - embedded.coords[:heavy]
    assert moved.std() == pytest.approx(shaken.noise, rel=0.35)
    assert 0.02 <= shaken.noise <= 0.10 and native.noise == twisted.noise == 0.0
    # a twisted one keeps bond lengths and angles and has moved
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    first, second = np.array(bonds).T
    before, after = distances(embedded.coords[:heavy]), distances(twisted.coords[:heavy])
    np.testing.assert_allclose(after[first, second], before[first, second], atol=1e-6)
    assert np.abs(after - before).max() > 0.2
    # minimised with all atoms free: the lowest
    assert embedded.mmff < min(native.mmff, shaken.mmff, twisted.mmff)


def test_hydrogens_are_relaxed_around_fixed_heavy_atoms():
    mol = crystal("OCCN")
    full, made = make_conformers(mol, 2, seed=0)
    properties = AllChem.MMFFGetMoleculeProperties(full, mmffVariant="MMFF94s")
    copy = Chem.Mol(full)
    copy.GetConformer().SetPositions(made[0].coords)
    field = AllChem.MMFFGetMoleculeForceField(copy, properties)
    assert field.CalcEnergy() == pytest.approx(made[0].mmff, abs=1e-6)
    force = np.array(field.CalcGrad()).reshape(-1, 3)[mol.GetNumAtoms() :]
    assert np.abs(force).max() < 0.1  # kcal/mol/Å


def test_the_seed_decides():
    same = [make_conformers(crystal(), 4, seed=s)[1] for s in (5, 5, 6)]
    np.testing.assert_array_equal(same[0][3].coords, same[1][3].coords)
    assert not np.array_equal(same[0][3].coords, same[2][3].coords)


def test_united_charges_add_up_to_the_formal_charge():
    for smiles, charge in (("CC(=O)[O-]", -1), ("C[NH3+]", 1), ("c1ccccc1O", 0)):
        mol = crystal(smiles)
        found = united_charges(mol, Chem.AddHs(mol))
        assert found.shape == (mol.GetNumAtoms(),)
        assert found.sum() == pytest.approx(charge, abs=1e-6)
    # phenol: the ring carbon that carries the oxygen is positive, the hydroxyl group negative
    assert found[5] > 0.05 and found[6] < -0.1


def test_radicals_and_unknown_types_are_refused():
    radical = crystal("C[CH2]")
    with pytest.raises(ConformerRefusedError) as error:
        make_conformers(radical, 4, 0)
    assert error.value.reason == "radical"
    boron = crystal("OB(O)c1ccccc1")
    with pytest.raises(ConformerRefusedError) as error:
        make_conformers(boron, 4, 0)
    assert error.value.reason == "no_mmff_type"
