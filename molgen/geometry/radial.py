"""Radial bases and envelopes: smooth functions of a distance in Å."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_basis(
    distance: Float[Tensor, "*batch"], count: int, reach: float
) -> Float[Tensor, "*batch count"]:
    """Return Gaussians centred evenly from 0 to ``reach`` Å, as wide as their spacing."""
    centres = torch.linspace(0.0, reach, count, dtype=distance.dtype, device=distance.device)
    width = reach / max(1, count - 1)
    return torch.exp(-0.5 * ((distance[..., None] - centres) / width).square())


def cosine_envelope(
    distance: Float[Tensor, "*batch"], cutoff: Float[Tensor, "*#batch"] | float
) -> Float[Tensor, "*batch"]:
    """Return a factor that falls smoothly from 1 at 0 to 0 at the cutoff and beyond.

    (1 + cos(π d / c)) / 2, Behler & Parrinello, Phys. Rev. Lett. 2007, 98, 146401.
    """
    share = (distance / cutoff).clamp(max=1.0)
    return 0.5 * (1.0 + torch.cos(math.pi * share))
