"""Right-handed frames: of three points of each body, and of a cloud of points."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_SHORT = 1e-8
"""Å; vectors below this have no direction."""


def backbone_frames(backbone: Float[Tensor, "nodes points 3"]) -> Float[Tensor, "nodes 3 3"]:
    """Return the local frame of every residue; its rows are the unit vectors x, y, z.

    x points from CA to N, y is the part of CA→C orthogonal to x, z = x × y (Igashov et al.,
    arXiv 2011.07980). ``frame @ vector`` gives a vector in local coordinates. Where the points
    coincide or lie on a line, the missing axes are zero.

    Args:
        backbone: N, CA, C and further points that are not used, Å.
    """
    n, ca, c = backbone[:, 0], backbone[:, 1], backbone[:, 2]
    x = _unit(n - ca)
    to_c = c - ca
    y = _unit(to_c - (to_c * x).sum(-1, keepdim=True) * x)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=1)


def principal_axes(points: Float[Tensor, "points 3"]) -> Float[Tensor, "3 3"]:
    """Return the principal axes of a cloud, longest first, as rows of a rotation matrix.

    ``axes @ vector`` gives a vector in local coordinates, which do not change when the cloud turns.
    The first two axes point to the side where the cloud reaches farther (third moment).
    """
    if len(points) < 2:
        return torch.eye(3, dtype=points.dtype)
    cloud = points - points.mean(0)
    axes = torch.linalg.eigh(cloud.T @ cloud).eigenvectors.T.flip(0)
    side = (cloud @ axes.T).pow(3).sum(0) < 0
    axes = torch.where(side[:, None], -axes, axes)
    axes[2] = torch.linalg.cross(axes[0], axes[1])
    return axes


def _unit(vector: Float[Tensor, "nodes 3"]) -> Float[Tensor, "nodes 3"]:
    # the root is taken of a number that is never 0, so that its gradient is finite
    squared = vector.square().sum(-1, keepdim=True)
    long = squared > _SHORT**2
    return torch.where(long, vector / torch.where(long, squared, 1.0).sqrt(), 0.0)
