"""Least-squares superposition of point sets, batched (Kabsch, Acta Cryst. A 1976, 32, 922)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def superposition(
    moving: Float[Tensor, "*batch points 3"],
    target: Float[Tensor, "*batch points 3"],
    weights: Float[Tensor, "*#batch points"] | None = None,
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """Return the proper rotation and the shift that lay ``moving`` best onto ``target``.

    ``moving @ rotation.mT + shift`` is the superposed set. Reflections are excluded. The gradient
    is undefined where the points lie on a line.
    """
    if weights is None:
        weights = moving.new_ones(moving.shape[-2])
    share = (weights / weights.sum(-1, keepdim=True))[..., None]
    from_centre = (share * moving).sum(-2, keepdim=True)
    to_centre = (share * target).sum(-2, keepdim=True)
    covariance = (share * (target - to_centre)).mT @ (moving - from_centre)
    # on the CPU: a GPU takes milliseconds for the decomposition of a few small matrices
    u, _, vh = torch.linalg.svd(covariance.cpu())
    handedness = torch.linalg.det(u @ vh).detach().sign()
    signs = torch.stack([torch.ones_like(handedness), torch.ones_like(handedness), handedness], -1)
    rotation = ((u * signs[..., None, :]) @ vh).to(covariance.device)
    shift = (to_centre - from_centre @ rotation.mT).squeeze(-2)
    return rotation, shift


def superpose(
    moving: Float[Tensor, "*batch points 3"], target: Float[Tensor, "*batch points 3"]
) -> Float[Tensor, "*batch points 3"]:
    """Return ``moving`` laid onto ``target``."""
    rotation, shift = superposition(moving, target)
    return moving @ rotation.mT + shift[..., None, :]


def superposed_rmsd(
    moving: Float[Tensor, "*batch points 3"], target: Float[Tensor, "*batch points 3"]
) -> Float[Tensor, "*batch"]:
    """Return the RMSD in Å after superposition, without any regard to symmetry."""
    return (superpose(moving, target) - target).square().sum(-1).mean(-1).sqrt()
