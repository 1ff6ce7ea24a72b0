"""Dihedrals and turning of tree parts: hand values, round trips, gradients."""

import math

import numpy as np
import torch

from molgen.geometry import torsions
from molgen.geometry.rotations import matrix_from_rotation_vector

F64 = torch.float64
QUAD = torch.tensor([[0, 1, 2, 3]])


def bent(angle):
    """Return a chain whose dihedral is ``angle`` by construction (IUPAC sign)."""
    return torch.tensor(
        [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0],
         [math.cos(angle), math.sin(angle), 1.0]], dtype=F64,
    )[None]  # fmt: skip


def test_dihedral_of_built_chains():
    # looking along the axis (towards +z) a clockwise turn from the first bond is positive, and
    # that is the turn from x to y
    for angle in (0.0, 0.5, math.pi / 2, 3.0, -0.5, -3.0):
        assert abs(torsions.dihedrals(bent(angle), QUAD).item() - angle) < 1e-12


def test_dihedral_agrees_with_rdkit():
    from rdkit import Chem
    from rdkit.Chem import AllChem, rdMolTransforms

    mol = Chem.AddHs(Chem.MolFromSmiles("CCCO"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    conformer = mol.GetConformer()
    coords = torch.as_tensor(conformer.GetPositions())[None]
    expected = rdMolTransforms.GetDihedralRad(conformer, 0, 1, 2, 3)
    assert abs(float(torsions.dihedrals(coords, QUAD)) - expected) < 1e-9


def test_straight_chain_gives_zero_and_no_nan():
    line = torch.arange(4, dtype=F64)[:, None].expand(4, 3)[None].clone().requires_grad_()
    cosine, sine = torsions.dihedral_cosine_sine(line, QUAD)
    (cosine + sine).sum().backward()
    assert cosine.item() == 0.0 and torch.equal(line.grad, torch.zeros_like(line))


AXIS = np.array([[1, 2], [3, 4], [2, 6]])
SPAN = np.array([[2, 8], [4, 6], [6, 8]])
"""Atoms 2-7 turn about 1-2, of these 4-5 about 3-4 and 6-7 about 2-6."""


def template(poses=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(poses, 8, 3, generator=generator, dtype=F64)


def one_by_one(coords, angles):
    """Turn with explicit rotations, leaves first."""
    out = coords.clone()
    for torsion in reversed(range(len(AXIS))):
        a, b = AXIS[torsion]
        begin, end = SPAN[torsion]
        axis = torch.nn.functional.normalize(out[:, b] - out[:, a], dim=-1)
        rotation = matrix_from_rotation_vector(axis * angles[:, torsion, None])
        pivot = out[:, b : b + 1]
        out[:, begin:end] = (out[:, begin:end] - pivot) @ rotation.mT + pivot
    return out


def turned(coords, angles):
    """Turn one molecule."""
    tree = torsions.stack_trees([(AXIS, SPAN, 8)])
    return torsions.turn_torsions(coords[None], angles[None], tree)[0]


def test_turning_all_at_once_is_turning_one_by_one():
    angles = torch.linspace(-3, 3, 9, dtype=F64).reshape(3, 3)
    coords = template()
    found = turned(coords, angles)
    torch.testing.assert_close(found, one_by_one(coords, angles))
    torch.testing.assert_close(found[:, :2], coords[:, :2])


def test_molecules_of_different_size_turn_together():
    coords, angles = template(), torch.linspace(-3, 3, 9, dtype=F64).reshape(3, 3)
    small = (np.array([[0, 1]]), np.array([[1, 4]]), 4)  # one torsion, four atoms
    none = (np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2), dtype=np.int64), 3)
    tree = torsions.stack_trees([small, (AXIS, SPAN, 8), none])
    stacked = torch.stack([coords, coords, coords])
    padded = torch.zeros(3, 3, 3, dtype=F64)
    padded[0, :, 0], padded[1] = angles[:, 0], angles
    found = torsions.turn_torsions(stacked, padded, tree)
    torch.testing.assert_close(found[1], one_by_one(coords, angles))
    torch.testing.assert_close(found[2], coords)
    alone = torsions.turn_torsions(
        coords[None, :, :4], angles[None, :, :1], torsions.stack_trees([small])
    )
    torch.testing.assert_close(found[0, :, :4], alone[0])
    torch.testing.assert_close(found[0, :, 4:], coords[:, 4:])  # padding stays


def test_turning_changes_its_dihedral_by_the_angle():
    coords, angles = template(1), torch.tensor([[0.3, -0.7, 1.1]], dtype=F64)
    quads = torch.tensor([[0, 1, 2, 3], [2, 3, 4, 5], [1, 2, 6, 7]])
    change = torsions.dihedrals(turned(coords, angles), quads) - torsions.dihedrals(coords, quads)
    wrapped = torch.remainder(change - angles + math.pi, 2 * math.pi) - math.pi
    assert wrapped.abs().max() < 1e-9


def test_no_torsions_leaves_the_template():
    coords = template()[None]
    none = np.zeros((0, 2), dtype=np.int64)
    tree = torsions.stack_trees([(none, none, 8)])
    assert torsions.turn_torsions(coords, torch.zeros(1, 3, 0, dtype=F64), tree) is coords


def test_gradients():
    coords = template(2).requires_grad_()
    angles = torch.tensor([[0.3, -0.7, 1.1], [0.0, 2.0, 0.1]], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(turned, (coords, angles))
    assert torch.autograd.gradcheck(lambda x: torsions.dihedrals(x, QUAD), (coords,))
