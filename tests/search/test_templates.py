"""Ligand templates: conformers that differ in shape only, and torsion preferences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rdkit import Chem
from scipy.spatial.transform import Rotation

from molgen.geometry.dihedral import dihedral_of
from molgen.search import kernels
from molgen.search.preferences import TORSION_BINS
from molgen.search.refine import project
from molgen.search.templates import build_template, superpose
from molgen.structure import Ligand
from molgen.structure.conformers import embed_conformers


def template_of(smiles: str, count: int = 4):
    ligand = Ligand("made", Chem.MolFromSmiles(smiles))
    return build_template(ligand, embed_conformers(ligand, count, 1))


@pytest.mark.parametrize("degrees", [0.0, 60.0, 120.0, -90.0, 180.0])
def test_dihedrals_have_the_sign_of_iupac(degrees):
    # looking along the axis j-k, turning i clockwise onto m is positive
    angle = math.radians(degrees)
    coords = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1], [math.cos(angle), math.sin(angle), 1]])
    found = float(dihedral_of(coords.astype(float), (0, 1, 2, 3)))
    assert math.cos(found - angle) == pytest.approx(1.0, abs=1e-12)


def test_superposition_finds_the_rotation():
    points = np.random.default_rng(0).standard_normal((6, 3))
    turn = Rotation.from_rotvec([0.3, -1.0, 0.5])
    np.testing.assert_allclose(points @ superpose(points, turn.apply(points)), turn.apply(points))
    mirrored = points * [1, 1, -1]
    assert np.linalg.det(superpose(points, mirrored)) == pytest.approx(1.0)  # never a mirror


def test_conformers_share_root_and_dihedrals(made):
    conformers, tree = made.template.conformers, made.tree
    root = int(tree.span[0, 0])
    for coords in conformers:
        np.testing.assert_allclose(coords[:root].mean(axis=0), 0.0, atol=1e-9)
        for quad in made.template.quads:
            difference = dihedral_of(coords, quad) - dihedral_of(conformers[0], quad)
            assert math.cos(float(difference)) == pytest.approx(1.0, abs=1e-9)
        # none lies better on the first one turned about the middle of its root
        np.testing.assert_allclose(superpose(coords, conformers[0]), np.eye(3), atol=1e-6)


def test_rings_keep_several_forms():
    template = template_of("CC1CCCCN1C(=O)c1ccccc1", 8)
    first, *others = template.conformers
    assert max(np.sqrt(((c - first) ** 2).sum(-1).mean()) for c in others) > 0.3


def test_preferences_of_butane_and_biphenyl():
    energy = template_of("CCCC", 1)
    ((table,),) = energy.torsion_energy
    assert table.shape == (TORSION_BINS,) and table.min() == 0.0
    phi = float(dihedral_of(energy.conformers[0], energy.quads[0]))
    trans = round((math.pi - phi) / (2 * math.pi) * TORSION_BINS) % TORSION_BINS
    eclipsed = round(-phi / (2 * math.pi) * TORSION_BINS) % TORSION_BINS
    assert table[trans] < 0.2 * table.max() and table[eclipsed] > 0.5 * table.max()


def test_a_rigid_ligand_has_no_torsion():
    template = template_of("c1ccccc1", 2)
    assert template.tree.num_torsions == 0 and template.quads == []
    assert template.torsion_energy.shape == (2, 0, TORSION_BINS)


def test_single_conformers_come_one_by_one(made):
    singles = list(made.template.each_conformer())
    assert [len(single.conformers) for single in singles] == [1] * len(made.template.conformers)
    for number, single in enumerate(singles):
        np.testing.assert_array_equal(
            single.torsion_energy[0], made.template.torsion_energy[number]
        )


@pytest.mark.parametrize(
    ("smiles", "root"),
    [
        ("CCCCCCCC", 2),  # two atoms leave the turn about them open
        ("OCCOCCOCCOCCO", 2),
        ("CCN(CC)CCOCCN", 2),
        ("CCCCC(C)(C)CCCC", 3),  # the methyls of one conformer may be the chains of another
        ("CCCCS(=O)(=O)CCCC", 3),
    ],
)
def test_a_swapped_conformer_stays_where_it_was(smiles, root):
    """A fit of the root alone threw the others by 5 Å."""
    template = template_of(smiles, 6)
    assert template.tree.span[0, 0] == root
    first, *others = template.conformers
    assert max(np.sqrt(((c - first) ** 2).sum(-1).mean()) for c in others) < 1.2


def test_every_conformer_has_preferences_of_its_own():
    """Dihedrals about one bond differ by the angles of the conformer."""
    template = template_of("O=C(NC1CCCCC1)c1ccc(OCC2CCCN2C)cc1", 6)
    tables = template.torsion_energy
    assert np.abs(tables - tables[:1]).max() > 0.1
    rng = np.random.default_rng(0)
    tree = template.tree
    for conformer, table in enumerate(tables):
        bins = rng.integers(0, TORSION_BINS, tree.num_torsions)
        state = np.concatenate([np.zeros(3), [1.0, 0.0, 0.0, 0.0], bins * 2 * np.pi / TORSION_BINS])
        posed = kernels.place_all(
            state[None], np.array([conformer]), (template.conformers, tree.axis, tree.span)
        )
        cost = table[np.arange(len(bins)), bins].sum()
        assert template.preferences(posed)[0] == pytest.approx(cost, abs=0.05)


def test_an_alkyne_is_measured_across():
    template = template_of("Cc1ccccc1C#Cc1ccccc1C", 2)
    (quad,) = template.quads
    mol_atoms = [int(template.tree.order[atom]) for atom in quad]
    assert {mol_atoms[1], mol_atoms[2]} == {6, 9}  # the ring atoms beside the triple bond


@pytest.mark.parametrize(
    ("smiles", "maps", "groups"),
    [
        ("CCO", 1, []),
        ("OC(=O)c1ccc(cc1)C(=O)O", 4, [2, 2]),  # terephthalic acid: of the ring; the acids
        ("Cc1ccccc1", 2, []),
        ("FC(F)(F)c1ccccc1", 2, [3]),
        ("CC(C)(C)c1cc(C(C)(C)C)cc(C(C)(C)C)c1", 6, [3, 3, 3]),
        ("OP(O)(=O)OCC", 1, [3]),
    ],
)
def test_symmetries(smiles, maps, groups):
    template = template_of(smiles, 1)
    found, leaves = template.symmetries
    assert found.shape == (maps, template.tree.num_atoms)
    assert found[0].tolist() == list(range(template.tree.num_atoms))
    assert sorted((leaves >= 0).sum(axis=1).tolist()) == groups
    adjacent = Chem.GetAdjacencyMatrix(Chem.MolFromSmiles(smiles))
    adjacent = adjacent[np.ix_(template.tree.order, template.tree.order)]
    for permutation in found:
        assert (adjacent[np.ix_(permutation, permutation)] == adjacent).all()
    for group in leaves:
        around = adjacent[group[group >= 0]]
        assert (around == around[0]).all() and around[0].sum() == 1


@pytest.mark.parametrize(
    "smiles", ["CC(C)CC(N)C(=O)NCc1ccccc1", "CN(C)CCc1ccccc1", "CCCCS(=O)(=O)CC"]
)
def test_names_of_alike_atoms_cost_nothing(smiles):
    """ETKDG names one methyl of two; a torsion costs the same whichever it is."""
    template = template_of(smiles, 4)
    assert len(template.alike)
    renamed = template.conformers.copy()
    for _, a, b, _ in template.alike:
        renamed[:, [a, b]] = renamed[:, [b, a]]
    np.testing.assert_allclose(
        template.preferences.over_turns(renamed), template.torsion_energy, atol=1e-9
    )


@pytest.mark.parametrize(
    "smiles", ["CCCCS(=O)(=O)CCCC", "CC(C)(Cc1ccccc1)NCC(O)c1ccccc1", "CCCCOP([O-])([O-])=O"]
)
def test_poses_fit_whatever_the_names_of_their_alike_atoms(smiles):
    ligand = Ligand("made", Chem.MolFromSmiles(smiles))
    embedded = embed_conformers(ligand, 8, 1)
    template = build_template(ligand, embedded)
    own = np.array([c.GetPositions()[template.tree.order] for c in embedded.GetConformers()])
    assert project(own, template)[2].max() < 0.05


def test_no_bonds_of_unlike_length_change_places():
    assert not len(template_of("CCOP(O)(=O)OCC", 1).alike)  # P=O and P-OH
    (pair,) = template_of("CCOP([O-])([O-])=O", 1).alike
    assert len(set(pair.tolist())) == 4
