"""Start conformers: from the graph alone, with its stereo, with ring forms."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.errors import LigandError
from molgen.structure import Ligand
from molgen.structure.conformers import embed_conformers


def ligand(smiles: str) -> Ligand:
    return Ligand("made", Chem.MolFromSmiles(smiles))


def positions(mol: Chem.Mol) -> np.ndarray:
    return np.array([conformer.GetPositions() for conformer in mol.GetConformers()])


def test_the_same_seed_gives_the_same_conformers():
    runs = [positions(embed_conformers(ligand("CCOc1ccccc1N"), 3, seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])


def test_input_coordinates_are_not_used():
    mol = Chem.AddHs(Chem.MolFromSmiles("CCOc1ccccc1N"))
    AllChem.EmbedMolecule(mol, randomSeed=9)
    given = Ligand("given", Chem.RemoveHs(mol))
    assert given.has_coords
    fresh = embed_conformers(ligand("CCOc1ccccc1N"), 2, 0)
    np.testing.assert_array_equal(positions(embed_conformers(given, 2, 0)), positions(fresh))


def test_geometry_that_breaks_the_minimiser_is_no_conformer():
    with pytest.raises(LigandError, match="no 3D conformer could be embedded"):
        embed_conformers(ligand("[C@@]12(F)C[C@]1(Cl)C2"), 4, 0)


@pytest.mark.parametrize(
    "smiles", ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", r"C/C=C/Cl", r"C/C=C\Cl", "C[S@](=O)CC"]
)
def test_stereo_is_that_of_the_graph(smiles):
    source = ligand(smiles)
    embedded = embed_conformers(source, 4, 0)
    for conformer in embedded.GetConformers():
        single = Chem.Mol(embedded, confId=conformer.GetId())
        Chem.AssignStereochemistryFrom3D(single)
        assert Chem.MolToSmiles(Chem.RemoveHs(single)) == source.smiles


def test_heavy_atoms_come_first_and_in_order():
    source = ligand("OCc1ncccc1Cl")
    embedded = embed_conformers(source, 1, 0)
    symbols = [atom.GetSymbol() for atom in embedded.GetAtoms()]
    assert symbols[: source.num_atoms] == [atom.GetSymbol() for atom in source.mol.GetAtoms()]
    assert set(symbols[source.num_atoms :]) == {"H"}


@pytest.mark.parametrize(("smiles", "size"), [("CC1CCNCC1O", 6), ("C1CCCCCCCCCCC1", 12)])
def test_rings_come_in_several_forms(smiles, size):
    embedded = embed_conformers(ligand(smiles), 12, 1)
    ring = max(embedded.GetRingInfo().AtomRings(), key=len)
    assert len(ring) == size
    turns = [
        [AllChem.GetDihedralDeg(c, *(ring[(k + i) % size] for i in range(4))) for k in range(size)]
        for c in embedded.GetConformers()
    ]
    apart = [np.abs(np.exp(1j * np.radians(t)) - np.exp(1j * np.radians(turns[0]))) for t in turns]
    assert max(difference.max() for difference in apart) > 1.0  # some ring bond turned by > 57°


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**63 - 1])
def test_every_seed_gives_conformers_that_differ(seed):
    found = positions(embed_conformers(ligand("CCCCCC"), 3, seed))
    assert min(np.abs(found[0] - other).max() for other in found[1:]) > 0.1


def test_what_cannot_be_embedded_is_an_error():
    with pytest.raises(LigandError, match="made: no 3D conformer could be embedded; check stereo"):
        embed_conformers(ligand("C1#CC1"), 2, 0)


@pytest.mark.parametrize("smiles", ["C", "[Na+]", "CC"])
def test_the_smallest_ligands(smiles):
    found = positions(embed_conformers(ligand(smiles), 2, 0))
    assert len(found) >= 1 and np.isfinite(found).all()
