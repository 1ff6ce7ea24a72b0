"""Ligand templates: conformers that differ in shape only, and torsion preferences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rdkit import Chem
from scipy.spatial.transform import Rotation

from molgen.search.templates import TORSION_BINS, build_template, dihedral, superpose
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
    found = float(dihedral(coords.astype(float), 0, 1, 2, 3))
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
            difference = dihedral(coords, *quad) - dihedral(conformers[0], *quad)
            assert math.cos(float(difference)) == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(conformers[1][:root], conformers[0][:root], atol=0.15)


def test_rings_keep_several_forms():
    template = template_of("CC1CCCCN1C(=O)c1ccccc1", 8)
    first, *others = template.conformers
    assert max(np.sqrt(((c - first) ** 2).sum(-1).mean()) for c in others) > 0.3


def test_preferences_of_butane_and_biphenyl():
    energy = template_of("CCCC", 1)
    (table,) = energy.torsion_energy
    assert table.shape == (TORSION_BINS,) and table.min() == 0.0
    phi = float(dihedral(energy.conformers[0], *energy.quads[0]))
    trans = round((math.pi - phi) / (2 * math.pi) * TORSION_BINS) % TORSION_BINS
    eclipsed = round(-phi / (2 * math.pi) * TORSION_BINS) % TORSION_BINS
    assert table[trans] < 0.2 * table.max() and table[eclipsed] > 0.5 * table.max()


def test_a_rigid_ligand_has_no_torsion():
    template = template_of("c1ccccc1", 2)
    assert template.tree.num_torsions == 0 and template.quads == []
    assert template.torsion_energy.shape == (0, TORSION_BINS)


def test_single_conformers_come_one_by_one(made):
    singles = list(made.template.each_conformer())
    assert [len(single.conformers) for single in singles] == [1] * len(made.template.conformers)


@pytest.mark.parametrize("smiles", ["CCCCCCCC", "OCCOCCOCCOCCO", "CCN(CC)CCOCCN"])
def test_a_swapped_conformer_stays_where_it_was_where_the_root_is_a_line(smiles):
    """Two atoms leave the turn about them open, which threw the others about 5 Å."""
    template = template_of(smiles, 6)
    assert template.tree.span[0, 0] == 2
    first, *others = template.conformers
    assert max(np.sqrt(((c - first) ** 2).sum(-1).mean()) for c in others) < 1.2
