"""Features of ligands and targets, from small molecules whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.datasets.encode import describe_complex
from molgen.graphs.pose_graph import (
    FAR,
    PAIR_KINDS,
    ligand_of,
    stack_ligands,
    stack_targets,
    target_of,
)
from molgen.structure import Protein


def topology(smiles):
    return ligand_of(describe_complex(made_protein(), embedded(smiles), np.zeros(3)))


def embedded(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    return Chem.RemoveHs(mol)


def made_protein():
    names = np.array(["N", "CA", "C", "O", "N", "CA", "C", "O"])
    coords = np.array(
        [
            [0, 0, 0], [1.46, 0, 0], [2.0, 1.4, 0], [1.3, 2.4, 0],
            [3.3, 1.5, 0], [4.0, 2.8, 0], [5.5, 2.6, 0], [6.1, 1.5, 0],
        ],
        dtype=float,
    )  # fmt: skip
    count = len(names)
    return Protein(
        name="made",
        coords=coords,
        elements=np.array([n[0] for n in names]),
        atom_names=names,
        residue_names=np.repeat(["GLY", "ALA"], 4),
        residue_numbers=np.repeat([1, 2], 4),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, "A"),
        hetero=np.zeros(count, dtype=bool),
    )


@pytest.mark.parametrize(
    "smiles, torsions",
    [
        ("CCC", 0),
        ("CCCC", 1),
        ("c1ccccc1-c1ccccc1", 1),
        ("CC(=O)NCC", 1),  # N-CH2 turns, the amide does not
        ("CC(=O)OCC", 2),
        ("CC=CC", 0),
        ("C1CCCCC1", 0),
        ("CCCCCC", 3),
        ("c1ccccc1C#Cc1ccccc1", 1),  # one axis from ring to ring
        ("c1ccccc1C#CC#Cc1ccccc1", 1),
        ("c1ccccc1CC#C", 1),
        ("c1ccccc1C#N", 0),
    ],
)
def test_rotatable_bonds(smiles, torsions):
    assert len(topology(smiles).torsions) == torsions


def test_the_smaller_side_moves_and_the_axis_stays():
    found = topology("CCCCCO").torsions
    for quad, moving in zip(found.quads, found.moving, strict=True):
        assert 2 * moving.sum() <= len(moving)
        assert moving[quad[2]] and not moving[quad[1]]


def test_a_torsion_across_a_straight_chain_has_a_value():
    """Of three atoms in line none has: what is measured there is noise."""
    found = topology("c1ccccc1C#Cc1ccccc1")
    (quad,) = found.torsions.quads
    xyz = embedded("c1ccccc1C#Cc1ccccc1").GetConformer().GetPositions()
    for a, b, c in (quad[:3], quad[1:]):
        one, two = xyz[a] - xyz[b], xyz[c] - xyz[b]
        angle = np.degrees(np.arccos(one @ two / np.linalg.norm(one) / np.linalg.norm(two)))
        assert 90 < angle < 150
    moving = found.torsions.moving[0]
    assert moving[quad[2]] and moving[quad[3]] and not moving[quad[:2]].any()
    assert found.rigid[quad[0], quad[2]] and not found.rigid[quad[0], quad[3]]


def test_pairs_of_butane():
    found = topology("CCCC")
    names = np.array(PAIR_KINDS)[found.pair_kind]
    assert names[0].tolist() == ["none", "single", "1-3", "1-4"]
    assert not found.rigid[0, 3]
    assert found.rigid[0, 2] and found.rigid[1, 3]


@pytest.mark.parametrize(
    "smiles, centres",
    [
        ("CC(C)C", 1),
        ("C[C@H](O)F", 1),
        ("CN(C)C", 0),  # inverts
        ("C[N+](C)(C)C", 1),
        ("CC(=O)C", 0),
        ("C[S@](=O)CC", 1),
        ("CC(C)(C)C(C)O", 2),
    ],
)
def test_atoms_that_have_a_left_and_a_right(smiles, centres):
    found = topology(smiles).centres
    assert len(found) == centres
    assert all(len(set(row)) == 4 for row in found.tolist())


def test_mirror_images_have_the_other_handedness():
    left, right = (embedded(smiles) for smiles in ("C[C@H](O)F", "C[C@@H](O)F"))
    graphs = [
        ligand_of(describe_complex(made_protein(), mol, np.zeros(3))) for mol in (left, right)
    ]
    coords = [mol.GetConformer().GetPositions() for mol in (left, right)]
    found = stack_ligands([*graphs, topology("CCC")], [*coords, coords[0][:3]]).handedness
    assert found[0, 0] == -found[1, 0] != 0 and found[2, 0] == 0
    mirrored = stack_ligands(graphs, [one * [1, 1, -1] for one in coords]).handedness
    assert torch.equal(mirrored, -found[:2])
    flat = stack_ligands(graphs, [one * [1, 1, 0] for one in coords]).handedness
    assert not flat.any() and not stack_ligands(graphs).handedness.any()


def test_open_side_points_away_from_the_bonded_neighbours():
    target = target_of(describe_complex(made_protein(), embedded("C"), np.zeros(3)))
    # the carbonyl oxygen continues the C=O bond
    bond = target.coords[3] - target.coords[2]
    assert target.open_side[3] @ bond / np.linalg.norm(bond) == pytest.approx(1.0, abs=1e-4)
    assert len(target.coords) == 8 + 2
    np.testing.assert_allclose(target.coords[8], target.coords[:4].mean(0), atol=1e-5)
    assert not target.open_side[8:].any()


def test_stacks_are_padded_out_of_reach():
    short, long = topology("CCC"), topology("CCCCCC")
    graph = stack_ligands([short, long])
    assert graph.mask.sum(1).tolist() == [3, 6]
    assert not graph.moving[0].any()
    target = target_of(describe_complex(made_protein(), embedded("C"), np.zeros(3)))
    near = target.within(np.zeros(3), 2.0)
    stacked = stack_targets([target, near])
    assert stacked.mask[1].sum() == len(near.coords) < 10
    assert (stacked.coords[1, ~stacked.mask[1]] == FAR).all()
    assert stacked.to("cpu").features.dtype == torch.int64
