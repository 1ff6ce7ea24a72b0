"""Dihedral angles, and rotation of the parts of a tree about its bonds."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def dihedral_cosine_sine(
    coords: Float[Tensor, "poses atoms 3"], quads: Int[Tensor, "quads 4"]
) -> tuple[Float[Tensor, "poses quads"], Float[Tensor, "poses quads"]]:
    """Return cosine and sine of the dihedrals i-j-k-l; 0 is cis, signs as in IUPAC.

    Where three of the atoms are in line the dihedral has no value: both are then 0 with zero
    gradient.
    """
    i, j, k, m = (coords[:, quads[:, column]] for column in range(4))
    first, axis, last = j - i, k - j, m - k
    left = torch.linalg.cross(first, axis)
    right = torch.linalg.cross(axis, last)
    squared = left.square().sum(-1) * right.square().sum(-1)
    defined = squared > 1e-12
    scale = torch.where(defined, torch.where(defined, squared, 1.0).rsqrt(), 0.0)
    length = axis.square().sum(-1).clamp_min(1e-12).sqrt()
    cosine = (left * right).sum(-1) * scale
    sine = length * (first * right).sum(-1) * scale
    return cosine, sine


def dihedrals(
    coords: Float[Tensor, "poses atoms 3"], quads: Int[Tensor, "quads 4"]
) -> Float[Tensor, "poses quads"]:
    """Return the dihedral angles i-j-k-l in radians, (-pi, pi]."""
    cosine, sine = dihedral_cosine_sine(coords, quads)
    return torch.atan2(sine, cosine)


def turn_torsions(
    template: Float[Tensor, "poses atoms 3"],
    angles: Float[Tensor, "poses torsions"],
    axis: np.ndarray,
    span: np.ndarray,
) -> Float[Tensor, "poses atoms 3"]:
    """Return ``template`` with the tail of every torsion turned about its bond.

    A rotation about a template bond does not depend on the other torsions as long as children
    turn before parents. All torsions therefore become rotations at once, are composed from the
    root outwards and act once on the atoms.

    Args:
        template: coordinates at zero angles, Å.
        angles: turns in radians, right-handed about the bond direction.
        axis: (torsions, 2) atoms of each bond, the second on the moving side.
        span: (torsions, 2) half-open range of the atoms that move; ranges nest, parents first.
    """
    count = len(axis)
    if count == 0:
        return template
    start, end = template[:, axis[:, 0]], template[:, axis[:, 1]]
    direction = torch.nn.functional.normalize(end - start, dim=-1)
    local = _axis_rotations(direction, angles)
    rotations: list[Tensor] = []
    shifts: list[Tensor] = []
    for torsion, parent in enumerate(parent_torsions(span)):
        # x -> R (x - p) + p, then whatever the parent does
        rotation, pivot = local[:, torsion], end[:, torsion, :, None]
        shift = pivot - rotation @ pivot
        if parent >= 0:
            shift = rotations[parent] @ shift + shifts[parent]
            rotation = rotations[parent] @ rotation
        rotations.append(rotation)
        shifts.append(shift)
    identity = torch.eye(3, dtype=template.dtype, device=template.device)
    identity = identity.expand(len(template), 3, 3)
    rotation = torch.stack([identity, *rotations], dim=1)
    shift = torch.stack([torch.zeros_like(shifts[0]), *shifts], dim=1)
    owner = torch.as_tensor(innermost_torsion(span, template.shape[1]) + 1, device=template.device)
    turned = rotation[:, owner] @ template[..., None] + shift[:, owner]
    return turned.squeeze(-1)


def turn_in_order(
    coords: Float[Tensor, "molecules poses atoms 3"],
    angles: Float[Tensor, "molecules poses torsions"],
    quads: Int[Tensor, "molecules torsions 4"],
    moving: Bool[Tensor, "molecules torsions atoms"],
) -> Float[Tensor, "molecules poses atoms 3"]:
    """Return coordinates with every torsion turned, one after the other, for different molecules.

    Args:
        coords: Å.
        angles: turns in radians; the dihedral of the quad grows by as much.
        quads: atoms i-j-k-l of each torsion, k on the moving side.
        moving: atoms that turn; none for a torsion that is padding.
    """
    poses = coords.shape[1]
    for torsion in range(quads.shape[1]):
        ends = quads[:, torsion, 1:3, None, None].expand(-1, -1, poses, 3).transpose(1, 2)
        start, end = coords.gather(2, ends).unbind(2)
        axis = torch.nn.functional.normalize(end - start, dim=-1)
        rotation = _axis_rotations(axis, angles[..., torsion])
        turned = (coords - end[:, :, None]) @ rotation.mT + end[:, :, None]
        coords = torch.where(moving[:, None, torsion, :, None], turned, coords)
    return coords


def batch_dihedrals(
    coords: Float[Tensor, "molecules poses atoms 3"], quads: Int[Tensor, "molecules torsions 4"]
) -> Float[Tensor, "molecules poses torsions"]:
    """Return the dihedrals in radians of different molecules; 0 where one has no value."""
    count, poses, torsions = *coords.shape[:2], quads.shape[1]
    index = quads.reshape(count, 1, 4 * torsions, 1).expand(-1, poses, -1, 3)
    points = coords.gather(2, index).reshape(count * poses * torsions, 4, 3)
    found = dihedrals(points, torch.arange(4, device=coords.device)[None])
    return found.reshape(count, poses, torsions)


def parent_torsions(span: np.ndarray) -> list[int]:
    """Return for every torsion the torsion whose range holds its own, -1 for the root."""
    parents = []
    for torsion, (begin, end) in enumerate(span):
        holding = [p for p in range(torsion) if span[p, 0] <= begin and end <= span[p, 1]]
        parents.append(max(holding, default=-1))
    return parents


def innermost_torsion(span: np.ndarray, atoms: int) -> np.ndarray:
    """Return for every atom the last torsion that moves it, -1 for none; (atoms,) int64."""
    owner = np.full(atoms, -1, dtype=np.int64)
    for torsion, (begin, end) in enumerate(span):
        owner[begin:end] = torsion
    return owner


def _axis_rotations(
    direction: Float[Tensor, "poses torsions 3"], angle: Float[Tensor, "poses torsions"]
) -> Float[Tensor, "poses torsions 3 3"]:
    """Return rotation matrices about unit vectors (Rodrigues)."""
    cosine, sine = torch.cos(angle)[..., None, None], torch.sin(angle)[..., None, None]
    x, y, z = direction.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    outer = direction[..., :, None] * direction[..., None, :]
    identity = torch.eye(3, dtype=direction.dtype, device=direction.device)
    return cosine * identity + sine * cross + (1 - cosine) * outer
