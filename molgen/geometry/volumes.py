"""Signed volumes at tetrahedral atoms: which of two mirror images a molecule is."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def unit_bonds(
    coords: Float[Tensor, "molecules poses atoms 3"], centres: Int[Tensor, "molecules centres 4"]
) -> Float[Tensor, "molecules poses centres 3 3"]:
    """Return the unit vectors from a centre to three neighbours, one a row, of different molecules.

    Args:
        centres: numbers of the centre and of its neighbours.
    """
    count, poses, number = *coords.shape[:2], centres.shape[1]
    index = centres.reshape(count, 1, 4 * number, 1).expand(-1, poses, -1, 3)
    points = coords.gather(2, index).reshape(count, poses, number, 4, 3)
    return torch.nn.functional.normalize(points[..., 1:, :] - points[..., :1, :], dim=-1, eps=1e-6)


def volume_slopes(
    bonds: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch 3 3"]]:
    """Return the triple product of three vectors, and its derivative by each of them.

    An ideal tetrahedron has ± 0.77, a planar atom 0; a mirror image has the other sign.
    """
    slopes = torch.linalg.cross(bonds.roll(-1, -2), bonds.roll(-2, -2), dim=-1)
    return (bonds[..., 0, :] * slopes[..., 0, :]).sum(-1), slopes


def unit_volume(
    coords: Float[Tensor, "poses atoms 3"], centres: Int[Tensor, "centres 4"]
) -> Float[Tensor, "poses centres"]:
    """Return the triple product of the unit vectors from a centre to three neighbours."""
    return volume_slopes(unit_bonds(coords[None], centres[None]))[0][0]
