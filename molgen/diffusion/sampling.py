"""Sampling poses: the DDPM backwards, many poses of one or several ligands as one batch."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.config import limited
from molgen.diffusion.ltmp import EncodedTarget
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.schedule import sampling_levels
from molgen.diffusion.spaces import SPACES, posterior
from molgen.errors import DeviceError
from molgen.graphs.pose_graph import LigandGraph

Mover = Callable[[Tensor, Tensor], Tensor]
"""Takes poses and moves of their atoms, and returns the poses that a space allows."""


@runtime_checkable
class Guide(Protocol):
    """Moves the estimate of the clean poses."""

    def acts(self, sigma: float) -> bool:
        """Tell whether anything is moved at noise ``sigma`` Å."""

    def __call__(
        self, clean: Float[Tensor, "complexes poses atoms 3"], sigma: float, mover: Mover
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return estimates; what moves is moved with ``mover``."""


@dataclass(frozen=True)
class SamplingConfig:
    """How the noise is taken away.

    Attributes:
        space: of the poses.
        steps: of the sampler.
        eta: 1 is ancestral sampling, 0 deterministic DDIM.
        temperature: factor on the noise that a step adds; below 1 poses gather where the model is
            surest.
    """

    space: Literal["cartesian", "rigid-torsion"] = "rigid-torsion"
    steps: int = limited(20, min=1)
    eta: float = limited(1.0, min=0.0, max=1.0)
    temperature: float = limited(1.0, min=0.0, max=1.0)


class Denoiser:
    """The way from noise to poses of one batch of ligands, step by step.

    Args:
        model: estimates clean poses.
        ligand: topology of the complexes.
        target: from ``model.network.encode``.
        config: space, steps and eta.
        guide: moves every estimate.

    Poses do not see each other: where the memory of a GPU runs out, they are estimated in parts.

    Attributes:
        levels: σ in Å that are visited, falling.
        evaluations: poses that the network has estimated so far.
        rigid: the space keeps bond lengths, angles and rings.
        at_once: poses of a complex that are estimated together.
    """

    def __init__(
        self,
        model: SidegenModel,
        ligand: LigandGraph,
        target: EncodedTarget | None,
        config: SamplingConfig,
        guide: Guide | None = None,
    ) -> None:
        self.model, self.ligand, self.target = model, ligand, target
        self.config, self.guide = config, guide
        self.space: Any = SPACES[config.space]()
        self.levels: list[float] = sampling_levels(model.schedule, config.steps).tolist()
        self.evaluations = 0
        self.rigid = config.space == "rigid-torsion"
        self.at_once: int = sys.maxsize

    def start(
        self, start: Float[Tensor, "complexes poses atoms 3"], generator: torch.Generator
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return poses of pure noise, from a conformer for each of them."""
        mask = self.ligand.mask[:, None, :, None]
        middle = (start * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True)
        origin = (start - middle) * mask
        if self.config.space == "cartesian":
            origin = torch.zeros_like(origin)
        return self.noised(origin, self.levels[0], generator)

    def noised(
        self,
        coords: Float[Tensor, "complexes poses atoms 3"],
        sigma: float,
        generator: torch.Generator,
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return poses with noise of ``sigma`` Å added."""
        level = torch.full(coords.shape[:2], sigma, dtype=coords.dtype, device=coords.device)
        noisy: Tensor = self.space.noise(coords, self.ligand, level, generator)
        return noisy

    @torch.no_grad()
    def estimate(
        self, noisy: Float[Tensor, "complexes poses atoms 3"], step: int
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return the clean poses that the network and the guide see in those of a step.

        Raises:
            DeviceError: not even one pose of each complex fits into the memory of the GPU.
        """
        self.evaluations += noisy.shape[0] * noisy.shape[1]
        while (clean := self._estimated(noisy, self.levels[step])) is None:
            # outside of the handler: its traceback would keep the tensors alive
            torch.cuda.empty_cache()
            if self.at_once == 1:
                raise DeviceError("one pose does not fit into the memory of the GPU; use the CPU")
            self.at_once = math.ceil(min(self.at_once, noisy.shape[1]) / 2)
        return clean

    def _estimated(self, noisy: Tensor, sigma: float) -> Tensor | None:
        """Return the estimates, `at_once` poses at a time; None if the memory ran out."""
        found = []
        try:
            for part in noisy.split(min(self.at_once, noisy.shape[1]), 1):
                level = torch.full(part.shape[:2], sigma, dtype=part.dtype, device=part.device)
                clean: Tensor = self.model.network(
                    part, level, self.ligand, self.target, self.config.space
                )[-1]
                if self.guide is not None and self.guide.acts(sigma):
                    # a pose of the space first: else the step would take back what was moved
                    clean = self.projected(part, clean)
                    clean = self.guide(clean, sigma, partial(self.space.moved, ligand=self.ligand))
                found.append(clean)
        except torch.OutOfMemoryError:
            return None
        return torch.cat(found, 1)

    @torch.no_grad()
    def advance(
        self,
        noisy: Float[Tensor, "complexes poses atoms 3"],
        clean: Float[Tensor, "complexes poses atoms 3"],
        step: int,
        generator: torch.Generator,
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return the poses of the next step; after the last one they are clean."""
        lower = [*self.levels[1:], 0.0][step]
        ratio, spread = posterior(
            self.levels[step], lower, self.config.eta, self.config.temperature
        )
        found: Tensor = self.space.step(noisy, clean, self.ligand, ratio, spread, generator)
        return found

    @torch.no_grad()
    def projected(
        self,
        noisy: Float[Tensor, "complexes poses atoms 3"],
        clean: Float[Tensor, "complexes poses atoms 3"],
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return estimates of clean poses with the geometry that the space allows."""
        unused = torch.Generator()
        found: Tensor = self.space.step(noisy, clean, self.ligand, 0.0, 0.0, unused)
        return found

    def run(
        self, noisy: Float[Tensor, "complexes poses atoms 3"], generator: torch.Generator
    ) -> Float[Tensor, "complexes poses atoms 3"]:
        """Return clean poses from those of `start`."""
        for step in range(len(self.levels)):
            noisy = self.advance(noisy, self.estimate(noisy, step), step, generator)
        return noisy


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
    denoiser = Denoiser(model, ligand, target, config, guide)
    return denoiser.run(denoiser.start(start, generator), generator)
