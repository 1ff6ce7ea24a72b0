"""Search at inference: spend more network evaluations to find poses of lower energy.

A search walks from noise to poses with a `Denoiser` and asks a verifier, the energy of poses, what
to keep. All searches return as many poses as they were given starts, and count their evaluations,
so that they compare at equal compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from molgen.registry import Registry
from molgen.search.settings import InferenceSettings

if TYPE_CHECKING:
    from molgen.graphs.energy_topology import EnergyTopology

Verifier = Callable[[Tensor], Tensor]
"""Energy (poses,) kcal/mol of poses (poses, atoms, 3) in the frame of the pocket."""

SOFT = 10.0
"""kcal/mol; positive energies, mostly clashes, count as SOFT ln(1 + E / SOFT)."""

SEARCHES = Registry(
    "inference search",
    {
        "none": "molgen.diffusion.inference:draw",
        "best-of-n": "molgen.diffusion.inference:best_of_n",
        "particles": "molgen.diffusion.particles:steer",
        "noise": "molgen.diffusion.noise_search:search_noise",
        "tree": "molgen.diffusion.tree_search:grow_tree",
    },
)


@runtime_checkable
class Walk(Protocol):
    """What a search needs of `molgen.diffusion.sampling.Denoiser`."""

    levels: list[float]
    evaluations: int
    rigid: bool

    def start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """Return poses of pure noise."""

    def noised(self, coords: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
        """Return poses with noise added."""

    def estimate(self, noisy: Tensor, step: int) -> Tensor:
        """Return the clean poses seen at a step."""

    def advance(
        self, noisy: Tensor, clean: Tensor, step: int, generator: torch.Generator
    ) -> Tensor:
        """Return the poses of the next step."""

    def projected(self, noisy: Tensor, clean: Tensor) -> Tensor:
        """Return estimates as poses that the space allows."""

    def run(self, noisy: Tensor, generator: torch.Generator) -> Tensor:
        """Return clean poses."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        coords: clean poses in the frame of the pocket, Å.
        energies: of the verifier, kcal/mol; NaN where none was asked.
        evaluations: poses that the network estimated.
    """

    coords: Float[Tensor, "1 poses atoms 3"]
    energies: Float[Tensor, " poses"]
    evaluations: int


def run_search(
    walk: Walk,
    start: Float[Tensor, "1 poses atoms 3"],
    verify: Verifier | None,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> Found:
    """Return as many poses as there are starts, with the search of ``settings.kind``.

    Args:
        walk: from noise to poses, of one ligand.
        start: conformers.
        verify: energy of poses; "none" needs none.
        generator: of the CPU: the same seed gives the same poses.
    """
    search: Any = SEARCHES[settings.kind]
    before = walk.evaluations
    coords, energies = search(walk, start, verify, settings, generator)
    return Found(coords, energies, walk.evaluations - before)


def draw(
    walk: Walk,
    start: Tensor,
    verify: Verifier | None,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return plain samples; nothing is verified."""
    coords = walk.run(walk.start(start, generator), generator)
    return coords, torch.full_like(coords[0, :, 0, 0], torch.nan)


def best_of_n(
    walk: Walk,
    start: Tensor,
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the poses of lowest energy of ``budget`` times as many."""
    many = repeated(start, settings.budget)
    coords = walk.run(walk.start(many, generator), generator)
    return lowest(coords, verify(coords[0]), start.shape[1])


def repeated(start: Tensor, times: int) -> Tensor:
    """Return (1, times poses, atoms, 3), every pose so often."""
    return start.repeat(1, times, 1, 1)


def lowest(coords: Tensor, energies: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the ``count`` poses of lowest energy and their energies, lowest first."""
    order = energies.nan_to_num(torch.inf).argsort(stable=True)[:count]
    return coords[:, order], energies[order]


class PoseEnergy:
    """The verifier: Vina energy (receptor and ligand) and clash within the ligand.

    Raw poses clash, and a wall of thousands of kcal/mol would drown everything else. Positive
    energies are therefore compressed, without any change of order: SOFT ln(1 + E / SOFT).
    """

    def __init__(self, topology: EnergyTopology, center: np.ndarray) -> None:
        from molgen.diffusion.guidance import in_pocket
        from molgen.energy import ENERGIES, WeightedSum

        vina: Any = ENERGIES["vina"]
        clash: Any = ENERGIES["internal_clash"]
        parts = (("vina", 1.0, vina()), ("clash", 1.0, clash()))
        self.energy = WeightedSum(parts).bind(in_pocket(topology, center))

    @torch.no_grad()
    def __call__(self, coords: Tensor) -> Tensor:
        """Return the energies (poses,) of poses (poses, atoms, 3), kcal/mol."""
        self.energy.to(coords.device, coords.dtype)
        return softened(self.energy(coords))


def softened(energy: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return energies with the positive ones compressed, in the same order."""
    return torch.where(energy > 0, SOFT * torch.log1p(energy.clamp_min(0.0) / SOFT), energy)


def uniform(count: int, generator: torch.Generator) -> list[float]:
    """Return random numbers in [0, 1) of a CPU generator."""
    return torch.rand(count, generator=generator, dtype=torch.float64).tolist()


def log_mean_exp(values: list[float]) -> float:
    """Return ln of the mean of the exponentials."""
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values) / len(values))
