"""Sampling poses: the DDPM backwards, many poses of one or several ligands as one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.config import limited
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.network import EncodedTarget
from molgen.diffusion.schedule import sampling_levels
from molgen.diffusion.spaces import SPACES
from molgen.graphs.pose_graph import LigandGraph

Guide = Callable[[Float[Tensor, "complexes poses atoms 3"], float], Tensor]
"""Moves the estimate of the clean poses; the second argument is σ in Å."""


@dataclass(frozen=True)
class SamplingConfig:
    """How the noise is taken away.

    Attributes:
        space: of the poses.
        steps: of the sampler.
        eta: 1 is ancestral sampling, 0 deterministic DDIM.
    """

    space: Literal["cartesian", "rigid-torsion"] = "rigid-torsion"
    steps: int = limited(20, min=1)
    eta: float = limited(1.0, min=0.0, max=1.0)


@torch.no_grad()
def sample(
    model: SidegenModel,
    start: Float[Tensor, "complexes poses atoms 3"],
    ligand: LigandGraph,
    target: EncodedTarget | None,
    config: SamplingConfig,
    generator: torch.Generator,
    guide: Guide | None = None,
) -> Float[Tensor, "complexes poses atoms 3"]:
    """Return clean poses in the frame of the pocket, Å.

    Args:
        start: a conformer for every pose, anywhere; its bond lengths, angles and rings are kept in
            rigid-torsion space, in Cartesian space only its size enters.
        target: from ``model.network.encode``.
        generator: of the CPU, so that a seed means the same everywhere.
        guide: moves the estimate before every step.
    """
    space: Any = SPACES[config.space]()
    levels = sampling_levels(model.schedule, config.steps).tolist()
    mask = ligand.mask[:, None, :, None]
    middle = (start * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True)
    first = torch.full(start.shape[:2], levels[0], dtype=start.dtype, device=start.device)
    origin = (start - middle) * mask
    if config.space == "cartesian":
        origin = torch.zeros_like(origin)
    noisy = space.noise(origin, ligand, first, generator)
    for sigma, lower in zip(levels, [*levels[1:], 0.0], strict=True):
        level = torch.full_like(first, sigma)
        clean = model.network(noisy, level, ligand, target, config.space)[-1]
        if guide is not None:
            clean = guide(clean, sigma)
        noisy = space.step(noisy, clean, ligand, sigma, lower, generator, config.eta)
    return noisy
