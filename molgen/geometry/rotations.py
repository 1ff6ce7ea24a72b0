"""Rotations as unit quaternions (w first), rotation vectors (radians) and matrices.

Matrices act on column vectors: ``rotated = matrix @ vector``. Every function is batched over the
leading dimensions and differentiable.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_SMALL = 1e-8
"""Squared angles below this use the Taylor series; its error there is below 1e-17."""


def matrix_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation matrices of unit quaternions."""
    w, x, y, z = quaternion.unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_from_matrix(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Return the unit quaternions with w >= 0 of rotation matrices.

    Of the four equivalent formulas the one with the largest pivot is taken (Shepperd 1978), so
    half turns lose no digits.
    """
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    trace = m[0][0] + m[1][1] + m[2][2]
    pivots = torch.stack([trace, m[0][0], m[1][1], m[2][2]], dim=-1)
    x, y, z = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    candidates = torch.stack(
        [
            torch.stack([1 + trace, x, y, z], dim=-1),
            torch.stack([x, 1 + 2 * m[0][0] - trace, xy, xz], dim=-1),
            torch.stack([y, xy, 1 + 2 * m[1][1] - trace, yz], dim=-1),
            torch.stack([z, xz, yz, 1 + 2 * m[2][2] - trace], dim=-1),
        ],
        dim=-2,
    )
    best = pivots.argmax(-1)[..., None, None].expand(*pivots.shape[:-1], 1, 4)
    quaternion = candidates.gather(-2, best).squeeze(-2)
    quaternion = quaternion / torch.linalg.norm(quaternion, dim=-1, keepdim=True)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def quaternion_from_rotation_vector(
    vector: Float[Tensor, "*batch 3"],
) -> Float[Tensor, "*batch 4"]:
    """Return unit quaternions; smooth at zero, where the series of sin(a/2)/a is used."""
    squared = vector.square().sum(-1, keepdim=True)
    small = squared < _SMALL
    angle = torch.where(small, 1.0, squared).sqrt()
    scale = torch.where(small, 0.5 - squared / 48, torch.sin(angle / 2) / angle)
    w = torch.where(small, 1 - squared / 8, torch.cos(angle / 2))
    return torch.cat([w, scale * vector], dim=-1)


def rotation_vector_from_quaternion(
    quaternion: Float[Tensor, "*batch 4"],
) -> Float[Tensor, "*batch 3"]:
    """Return rotation vectors of length at most pi from unit quaternions of either sign."""
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, axis = quaternion[..., :1], quaternion[..., 1:]
    squared = axis.square().sum(-1, keepdim=True)
    small = squared < _SMALL
    length = torch.where(small, 1.0, squared).sqrt()
    scale = torch.where(small, 2 + squared / 3, 2 * torch.atan2(length, w) / length)
    return scale * axis


def matrix_from_rotation_vector(
    vector: Float[Tensor, "*batch 3"],
) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation matrices of rotation vectors (the exponential map)."""
    return matrix_from_quaternion(quaternion_from_rotation_vector(vector))


def rotation_vector_from_matrix(
    matrix: Float[Tensor, "*batch 3 3"],
) -> Float[Tensor, "*batch 3"]:
    """Return rotation vectors of length at most pi (the logarithm)."""
    return rotation_vector_from_quaternion(quaternion_from_matrix(matrix))


def multiply_quaternions(
    left: Float[Tensor, "*batch 4"], right: Float[Tensor, "*batch 4"]
) -> Float[Tensor, "*batch 4"]:
    """Return the quaternions of ``right`` followed by ``left``."""
    a, b, c, d = left.unbind(-1)
    w, x, y, z = right.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        dim=-1,
    )


def random_quaternions(
    count: int,
    generator: torch.Generator,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, "count 4"]:
    """Return uniformly distributed rotations drawn from a CPU generator.

    The draw happens on the CPU in float64, so a seed means the same on every device and dtype.
    """
    normal = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    normal = normal / torch.linalg.norm(normal, dim=-1, keepdim=True)
    return normal.to(device=device, dtype=dtype)
