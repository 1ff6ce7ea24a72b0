"""SDF records with aromatic bonds (type 4) that RDKit reads as patterns or cannot kekulise."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.errors import LigandError
from molgen.io import read_ligand

XANTHINE = "Cn1cnc2c1c(=O)[nH]c(=O)[nH]2"


def aromatic_block(smiles: str, *, query: bool, flat: bool = False) -> str:
    """The heavy atoms of a molecule as an SDF with bond type 4 and, if asked, ring flags."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol = Chem.RemoveHs(mol)
    if flat:
        AllChem.Compute2DCoords(mol)
    lines = Chem.MolToMolBlock(mol, kekulize=False).splitlines()
    first, bonds = 4 + mol.GetNumAtoms(), mol.GetNumBonds()
    for i in range(first, first + bonds):
        lines[i] = lines[i][:9] + "  0  0" + ("  1" if lines[i][6:9] == "  4" and query else "")
    hints = []
    for number, atom in enumerate(mol.GetAtoms(), start=1):
        text = "{1-}" if atom.GetTotalNumHs() else "0"
        hints += [f"M  SAL{number:4d}  1{number:4d}"]
        hints += [f"M  SED{number:4d} [#{atom.GetAtomicNum()}&h{text}]"]
    groups = [f"M  STY  1{number:4d} DAT" for number in range(1, mol.GetNumAtoms() + 1)]
    end = lines.index("M  END")
    return "\n".join(lines[:end] + (groups + hints if query else []) + lines[end:]) + "\n"


def test_pattern_becomes_the_molecule_that_its_hints_tell(write):
    ligand = read_ligand(write(aromatic_block(XANTHINE, query=True), "q.sdf"))
    assert ligand.smiles == Chem.CanonSmiles(XANTHINE)
    assert "as the record hints" in ligand.notes[0]
    assert Chem.MolFromSmiles(ligand.smiles) is not None
    assert ligand.has_coords


@pytest.mark.parametrize("smiles", ["c1cc[nH]c1", "c1ccc2[nH]ccc2c1", "O=c1cc[nH]cc1"])
def test_lost_hydrogen_of_a_ring_nitrogen_is_guessed(write, smiles):
    ligand = read_ligand(write(aromatic_block(smiles, query=False), "a.sdf"))
    assert ligand.smiles == Chem.CanonSmiles(smiles)
    assert "by guess" in ligand.notes[0]


def test_stereo_comes_from_3d(write):
    smiles = "C[C@H](O)c1ccc[nH]1"
    ligand = read_ligand(write(aromatic_block(smiles, query=True), "q.sdf"))
    assert ligand.smiles == Chem.CanonSmiles(smiles)


def test_sound_aromatic_bonds_need_no_repair(write):
    ligand = read_ligand(write(aromatic_block("Cc1ccncc1", query=False), "a.sdf"))
    assert (ligand.smiles, ligand.notes) == ("Cc1ccncc1", ())


def test_flat_record_is_refused(write):
    with pytest.raises(LigandError, match="3D coordinates"):
        read_ligand(write(aromatic_block(XANTHINE, query=True, flat=True), "q.sdf"))


def test_ring_without_kekule_structure_is_refused(write):
    block = aromatic_block("c1ccccc1", query=True)
    lines = block.splitlines()
    pentadienyl = [ln if ln != lines[4] else ln.replace(" C ", " O ") for ln in lines]
    with pytest.raises(LigandError, match="no Kekulé structure"):
        read_ligand(write("\n".join(pentadienyl) + "\n", "q.sdf"))


def test_true_pattern_is_refused(write):
    block = aromatic_block("CCO", query=False)
    lines = block.splitlines()
    lines[4 + 3] = lines[4 + 3][:6] + "  5" + lines[4 + 3][9:]  # "single or double"
    with pytest.raises(LigandError, match="query atoms or bonds"):
        read_ligand(write("\n".join(lines) + "\n", "q.sdf"))


def test_flags_alone_change_nothing_but_are_said(write):
    ligand = read_ligand(write(aromatic_block("Cc1ccncc1", query=True), "q.sdf"))
    assert ligand.smiles == "Cc1ccncc1"
    assert ligand.notes == ("search flags on the bonds of the record ignored",)
    assert not any(bond.HasQuery() for bond in ligand.mol.GetBonds())
