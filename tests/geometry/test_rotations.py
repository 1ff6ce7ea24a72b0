"""Rotations: hand values, round trips, gradients."""

import math

import pytest
import torch

from molgen.geometry import rotations

F64 = torch.float64


def random_vectors(count=50, largest=3.1):
    generator = torch.Generator().manual_seed(1)
    vectors = torch.nn.functional.normalize(
        torch.randn(count, 3, generator=generator, dtype=F64), dim=-1
    )
    return vectors * largest * torch.rand(count, 1, generator=generator, dtype=F64)


def test_quarter_turn_about_z_takes_x_to_y():
    matrix = rotations.matrix_from_rotation_vector(torch.tensor([0.0, 0.0, math.pi / 2], dtype=F64))
    x = torch.tensor([1.0, 0.0, 0.0], dtype=F64)
    torch.testing.assert_close(matrix @ x, torch.tensor([0.0, 1.0, 0.0], dtype=F64))


def test_matrices_are_proper_rotations():
    matrix = rotations.matrix_from_rotation_vector(random_vectors())
    eye = torch.eye(3, dtype=F64).expand(50, 3, 3)
    torch.testing.assert_close(matrix @ matrix.mT, eye)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(50, dtype=F64))


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 0.0])
def test_vector_matrix_vector_round_trip(scale):
    vectors = random_vectors() * scale
    back = rotations.rotation_vector_from_matrix(rotations.matrix_from_rotation_vector(vectors))
    torch.testing.assert_close(back, vectors, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_survive_the_round_trip(axis):
    vector = torch.zeros(3, dtype=F64)
    vector[axis] = math.pi
    matrix = rotations.matrix_from_rotation_vector(vector)
    quaternion = rotations.quaternion_from_matrix(matrix)
    torch.testing.assert_close(rotations.matrix_from_quaternion(quaternion), matrix)


def test_product_of_quaternions_is_the_product_of_matrices():
    a = rotations.quaternion_from_rotation_vector(random_vectors())
    b = a.flip(0)
    product = rotations.matrix_from_quaternion(rotations.multiply_quaternions(a, b))
    expected = rotations.matrix_from_quaternion(a) @ rotations.matrix_from_quaternion(b)
    torch.testing.assert_close(product, expected)


def test_gradients_hold_at_zero_and_away_from_it():
    for vector in (torch.zeros(2, 3, dtype=F64), random_vectors(2)):
        vector = vector.requires_grad_()
        assert torch.autograd.gradcheck(rotations.matrix_from_rotation_vector, (vector,))
    matrix = rotations.matrix_from_rotation_vector(random_vectors(3)).requires_grad_()
    assert torch.autograd.gradcheck(rotations.rotation_vector_from_matrix, (matrix,))


def test_random_quaternions_are_uniform_and_follow_the_seed():
    draws = [
        rotations.random_quaternions(20000, torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    # mean of a uniform rotation matrix is zero; its entries have variance 1/3
    matrices = rotations.matrix_from_quaternion(draws[0])
    assert matrices.mean(0).abs().max() < 5 * math.sqrt(1 / 3 / 20000)
