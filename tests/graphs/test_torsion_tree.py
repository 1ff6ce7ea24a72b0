"""Torsion trees of small molecules, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import LigandError
from molgen.graphs.torsion_tree import TorsionTree, build_torsion_tree


def tree_of(smiles: str) -> TorsionTree:
    return build_torsion_tree(Chem.MolFromSmiles(smiles))


def turned(smiles: str) -> set[frozenset[int]]:
    """Return the rotatable bonds as atoms of the SMILES."""
    tree = tree_of(smiles)
    return {frozenset(int(atom) for atom in tree.order[ends]) for ends in tree.axis}


@pytest.mark.parametrize(
    ("smiles", "bonds"),
    [
        ("CCCC", [(1, 2)]),  # butane: the end bonds turn methyls only
        ("c1ccccc1-c1ccccc1", [(5, 6)]),  # biphenyl
        ("CC(=O)NC", []),  # secondary amide
        ("CCC(=O)NCC", [(1, 2), (4, 5)]),  # its neighbours turn
        ("CCN(C)C(=O)CC", [(1, 2), (2, 4), (4, 6)]),  # tertiary, different substituents
        ("CC(=O)N(C)C", []),  # tertiary, equal substituents
        ("CC(=O)OCC", [(1, 3), (3, 4)]),  # an ester turns on both sides of its oxygen
        ("CCCC#N", [(1, 2)]),  # nitrile: nothing next to a triple bond
        ("CCC#CCC", [(1, 2)]),  # the ends of an alkyne turn against each other
        ("CCC#CC", []),  # but no methyls
        ("CCC#CC#CCC", [(1, 2)]),
        ("C1CCC#CCCCCCC1", []),
        ("CC=CC", []),  # double bond
        ("C1CCCCCCCCCCC1", []),  # a macrocycle is one ring
        ("C1CCCCCCCCCCC1CC", [(11, 12)]),
        ("OCCO", [(1, 2)]),  # hydroxyls turn a hydrogen, no heavy atom
        ("C", []),
        ("[Na+]", []),
        ("CC", []),
    ],
)
def test_rotatable_bonds(smiles, bonds):
    assert turned(smiles) == {frozenset(bond) for bond in bonds}


@pytest.mark.parametrize(
    ("smiles", "rotors"),
    # an end counts one half when its atom has other heavy neighbours
    [
        ("CCCC", 1.0),
        ("CCC#CCC", 0.0),
        ("OCCO", 2.0),
        ("CO", 0.0),
        ("c1ccccc1O", 0.5),
        ("CC(=O)NC", 0.0),
    ],
)
def test_rotors(smiles, rotors):
    assert tree_of(smiles).rotors == rotors


@pytest.mark.parametrize(
    "smiles", ["CCCCCC", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "OCc1ccc(CC(=O)NCC2CCCCC2)cc1"]
)
def test_every_moving_part_is_a_range_behind_its_axis(smiles):
    mol = Chem.MolFromSmiles(smiles)
    tree = build_torsion_tree(mol)
    assert sorted(tree.order.tolist()) == list(range(mol.GetNumAtoms()))
    for (fixed, moving), (begin, end) in zip(tree.axis, tree.span, strict=True):
        assert begin <= moving < end and not begin <= fixed < end
        # cutting the bond leaves exactly the range on the moving side
        cut = Chem.RWMol(mol)
        cut.RemoveBond(int(tree.order[fixed]), int(tree.order[moving]))
        parts = [set(part) for part in Chem.GetMolFrags(cut)]
        assert set(tree.order[begin:end].tolist()) in parts


def test_the_root_is_the_largest_rigid_part():
    tree = tree_of("CCCc1ccccc1")
    # six ring atoms and the carbon on them, which no torsion moves
    assert set(tree.order[: tree.span[0, 0]].tolist()) >= set(range(3, 9))


def test_moving_pairs_are_four_bonds_apart():
    tree = tree_of("CCCCC")  # pentane: the two ends only
    (pair,) = tree.pairs
    assert set(tree.order[pair].tolist()) == {0, 4}
    assert len(tree_of("CCCC").pairs) == 0 and len(tree_of("c1ccccc1").pairs) == 0
    chain = tree_of("CCCCCC")
    ends = {frozenset(chain.order[pair].tolist()) for pair in chain.pairs}
    assert ends == {frozenset(pair) for pair in ((0, 4), (0, 5), (1, 5))}


def test_no_pair_moves_within_the_line_of_an_alkyne():
    tree = tree_of("CCC#CCC")
    (line,) = tree.lines
    assert set(tree.order[list(line)].tolist()) == {1, 2, 3, 4} and set(tree.axis[0]) < set(line)
    assert {frozenset(tree.order[pair].tolist()) for pair in tree.pairs} == {frozenset((0, 5))}


def test_types_follow_the_order_of_the_tree():
    mol = Chem.MolFromSmiles("OCCCl")
    tree = build_torsion_tree(mol)
    whole = build_torsion_tree(Chem.MolFromSmiles("OCC"))
    assert len(tree.types) == len(tree.contacts) == 4
    place = tree.order.tolist().index(0)
    assert tree.types[place] == whole.types[whole.order.tolist().index(0)]


def test_an_unknown_element_is_an_error():
    with pytest.raises(LigandError, match="element Xe of atom 2 has no docking type"):
        tree_of("F[Xe]F")


def test_arrays_of_a_rigid_ligand_keep_their_shape():
    tree = tree_of("c1ccccc1")
    assert tree.axis.shape == tree.span.shape == tree.pairs.shape == (0, 2)
    assert tree.num_atoms == 6 and tree.num_torsions == 0 and tree.order.dtype == np.int64


def test_a_chain_may_be_longer_than_python_recurses():
    tree = build_torsion_tree(Chem.MolFromSmiles("C" * 1500))
    assert tree.num_torsions == 1497 and sorted(tree.order) == list(range(1500))
