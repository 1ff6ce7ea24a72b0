"""Superposition: known motions, reflections, gradients, scipy as the other program."""

import torch
from scipy.spatial.transform import Rotation

from molgen.geometry.alignment import superpose, superposed_rmsd, superposition
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions

F64 = torch.float64


def points(batch=5, count=7, seed=0):
    return torch.randn(batch, count, 3, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_a_moved_copy_comes_back_exactly():
    target = points()
    rotation = matrix_from_quaternion(random_quaternions(5, torch.Generator().manual_seed(2)))
    moving = (target - 3.0) @ rotation
    found, shift = superposition(moving, target)
    torch.testing.assert_close(found, rotation)
    torch.testing.assert_close(moving @ found.mT + shift[:, None], target)
    assert superposed_rmsd(moving, target).max() < 1e-12


def test_mirror_images_are_not_laid_onto_each_other():
    target = points()
    mirrored = target * torch.tensor([-1.0, 1.0, 1.0], dtype=F64)
    rotation, _ = superposition(mirrored, target)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(5, dtype=F64))
    assert superposed_rmsd(mirrored, target).min() > 0.1


def test_rotation_is_that_of_scipy():
    moving, target = points(1, 9, 1)[0], points(1, 9, 2)[0]
    rotation, _ = superposition(moving, target)
    a, b = (target - target.mean(0)).numpy(), (moving - moving.mean(0)).numpy()
    expected = Rotation.align_vectors(a, b)[0].as_matrix()
    torch.testing.assert_close(rotation, torch.as_tensor(expected), atol=1e-9, rtol=0)


def test_points_of_weight_zero_do_not_count():
    moving, target = points(seed=1), points(seed=2)
    weights = torch.tensor([1.0, 1, 1, 1, 0, 0, 0], dtype=F64)
    rotation, shift = superposition(moving, target, weights)
    expected = superposition(moving[:, :4], target[:, :4])
    torch.testing.assert_close(rotation, expected[0])
    torch.testing.assert_close(shift, expected[1])


def test_gradient():
    moving = points(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: superpose(x, points(2, seed=5)), (moving,))
