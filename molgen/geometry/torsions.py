"""Dihedral angles, and rotation of the parts of a tree about its bonds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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


class Tree(NamedTuple):
    """Which torsions turn which atoms, of several molecules padded to one size.

    Attributes:
        axis: atoms of each bond, the second on the moving side; any for a torsion that is padding.
        parent: for each torsion 1 + the torsion whose moving part holds the bond, 0 for none; a
            number where all molecules agree, else one a molecule.
        owner: 1 + the innermost torsion that moves each atom, 0 for none.
    """

    axis: Int[Tensor, "molecules torsions 2"]
    parent: tuple[int | Tensor, ...]
    owner: Int[Tensor, "molecules atoms"]


def stack_trees(
    trees: Sequence[tuple[np.ndarray, np.ndarray, int]], device: torch.device | str = "cpu"
) -> Tree:
    """Return trees of one or several molecules.

    Args:
        trees: of each molecule ``axis`` (torsions, 2), atoms of the bonds, the second moves;
            ``span`` (torsions, 2), half-open ranges of the atoms that move, which nest, parents
            first; and its number of atoms.
    """
    torsions = max(len(axis) for axis, _, _ in trees)
    atoms = max(count for _, _, count in trees)
    axes = np.zeros((len(trees), torsions, 2), dtype=np.int64)
    parents = np.zeros((len(trees), torsions), dtype=np.int64)
    owners = np.zeros((len(trees), atoms), dtype=np.int64)
    for k, (axis, span, _) in enumerate(trees):
        axes[k, : len(axis)] = axis
        for torsion, (begin, end) in enumerate(span):
            parents[k, torsion] = owners[k, begin]
            owners[k, begin:end] = torsion + 1
    parent = tuple(
        int(column[0]) if (column == column[0]).all() else torch.as_tensor(column, device=device)
        for column in parents.T
    )
    return Tree(
        torch.as_tensor(axes, device=device), parent, torch.as_tensor(owners, device=device)
    )


def turn_torsions(
    template: Float[Tensor, "molecules poses atoms 3"],
    angles: Float[Tensor, "molecules poses torsions"],
    tree: Tree,
) -> Float[Tensor, "molecules poses atoms 3"]:
    """Return ``template`` with the tail of every torsion turned about its bond.

    A rotation about a template bond does not depend on the other torsions as long as children
    turn before parents. All torsions therefore become rotations at once, are composed from the
    root outwards and act once on the atoms.

    Args:
        template: coordinates at zero angles, Å.
        angles: turns in radians, right-handed about the bond direction; 0 for padding.
        tree: of each molecule.
    """
    if angles.shape[2] == 0:
        return template
    molecule = torch.arange(len(template), device=template.device)[:, None]
    start = template[molecule, :, tree.axis[..., 0]].transpose(1, 2)
    end = template[molecule, :, tree.axis[..., 1]].transpose(1, 2)
    local = _axis_rotations(torch.nn.functional.normalize(end - start, dim=-1), angles)
    # x -> R (x - p) + p, then whatever the parent does
    pivot = end[..., None]
    offset = pivot - local @ pivot
    identity = torch.eye(3, dtype=template.dtype, device=template.device)
    rotations = [identity.expand_as(local[:, :, 0])]
    shifts = [torch.zeros_like(offset[:, :, 0])]
    for torsion, parent in enumerate(tree.parent):
        outer = _picked(rotations, parent)
        shifts.append(outer @ offset[:, :, torsion] + _picked(shifts, parent))
        rotations.append(outer @ local[:, :, torsion])
    rotation = torch.stack(rotations, 1)[molecule, tree.owner].transpose(1, 2)
    shift = torch.stack(shifts, 1)[molecule, tree.owner].transpose(1, 2)
    return (rotation @ template[..., None] + shift).squeeze(-1)


def _picked(parts: list[Tensor], chosen: int | Tensor) -> Tensor:
    """Return the chosen part, or of every molecule its row of the part chosen for it."""
    if isinstance(chosen, int):
        return parts[chosen]
    return torch.stack(parts, 1)[torch.arange(len(chosen), device=chosen.device), chosen]


def turn_in_order(
    coords: Float[Tensor, "molecules poses atoms 3"],
    angles: Float[Tensor, "molecules poses torsions"],
    quads: Int[Tensor, "molecules torsions 4"],
    moving: Bool[Tensor, "molecules torsions atoms"],
) -> Float[Tensor, "molecules poses atoms 3"]:
    """Return coordinates with every torsion turned, one after the other, for different molecules.

    A torsion that moves a part turns before those that move the whole of it, so that every bond
    still lies where it was given when its turn comes, and all rotations are known at once.

    Args:
        coords: Å.
        angles: turns in radians; the dihedral of the quad grows by as much.
        quads: atoms i-j-k-l of each torsion, k on the moving side.
        moving: atoms that turn; none for a torsion that is padding. The sets of two torsions share
            no atom, or the later one holds the earlier one.
    """
    count, poses, torsions = angles.shape
    ends = quads[:, None, :, 1:3].reshape(count, 1, 2 * torsions, 1).expand(-1, poses, -1, 3)
    start, end = coords.gather(2, ends).unflatten(2, (torsions, 2)).unbind(3)
    rotation = _axis_rotations(torch.nn.functional.normalize(end - start, dim=-1), angles).mT
    shift = end[..., None, :] - end[..., None, :] @ rotation
    for torsion in range(torsions):
        turned = coords @ rotation[:, :, torsion] + shift[:, :, torsion]
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


def _axis_rotations(
    direction: Float[Tensor, "*batch torsions 3"], angle: Float[Tensor, "*batch torsions"]
) -> Float[Tensor, "*batch torsions 3 3"]:
    """Return rotation matrices about unit vectors (Rodrigues)."""
    cosine, sine = torch.cos(angle)[..., None, None], torch.sin(angle)[..., None, None]
    x, y, z = direction.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    outer = direction[..., :, None] * direction[..., None, :]
    identity = torch.eye(3, dtype=direction.dtype, device=direction.device)
    return cosine * identity + sine * cross + (1 - cosine) * outer
