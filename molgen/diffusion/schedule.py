"""The noise levels of the diffusion.

We write the forward process of a DDPM (Ho, Jain & Abbeel, arXiv 2006.11239) with the signal at
scale one: x_t = x_0 + σ_t ε, which is their x_t divided by √ᾱ_t, with σ_t = s √((1 - ᾱ_t) / ᾱ_t)
and s = 1 Å. Coordinates then stay in Å at every level and the target never has to be scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.config import limited
from molgen.errors import ConfigError


@dataclass(frozen=True)
class ScheduleConfig:
    """Noise levels.

    Attributes:
        kind: "power": σ^(1/rho) is even in t (Karras et al., arXiv 2206.00364, eq. 5); "cosine":
            ᾱ of Nichol & Dhariwal (arXiv 2102.09672, eq. 17); "sigmoid": β of GeoDiff (Xu et al.,
            arXiv 2203.02923). The last two are cut off at the same ends.
        steps: levels used in training.
        least, most: σ of the first and the last level, Å.
        rho: of "power".
    """

    kind: Literal["power", "cosine", "sigmoid"] = "power"
    steps: int = limited(1000, min=2)
    least: float = limited(0.1, above=0.0)
    most: float = limited(10.0, above=0.0)
    rho: float = limited(3.0, above=0.0)

    def __post_init__(self) -> None:
        if self.most <= self.least:
            raise ValueError(f"most = {self.most} must be above least = {self.least}")


def noise_levels(config: ScheduleConfig) -> Float[Tensor, " levels"]:
    """Return σ of every level, rising, float64 Å.

    Raises:
        ConfigError: the kind of schedule does not reach so far.
    """
    t = torch.linspace(0.0, 1.0, config.steps, dtype=torch.float64)
    low, high = config.least, config.most
    if config.kind == "power":
        root = 1.0 / config.rho
        return (low**root + t * (high**root - low**root)) ** config.rho
    fine = torch.linspace(0.0, 1.0, 20001, dtype=torch.float64)[1:-1]
    if config.kind == "cosine":
        alpha = torch.cos((fine + 0.008) / 1.008 * math.pi / 2).square()
    else:
        beta = torch.sigmoid(12 * fine - 6) * (2e-3 - 1e-7) + 1e-7
        alpha = torch.exp(torch.cumsum(torch.log1p(-beta * 5000 / len(fine)), 0))
    sigma = torch.sqrt((1 - alpha) / alpha)
    if not sigma[0] <= low < high <= sigma[-1]:
        raise ConfigError(
            f"schedule: {config.kind} reaches from {sigma[0]:.3g} to {sigma[-1]:.3g} Å, "
            f"not from {low:g} to {high:g}"
        )
    inside = sigma[(sigma >= low) & (sigma <= high)]
    if len(inside) < 2:
        raise ConfigError(f"schedule: {low:g} and {high:g} Å are too near for {config.kind}")
    place = t * (len(inside) - 1)
    left = place.floor().long().clamp_max(len(inside) - 2)
    part = place - left
    levels = inside[left] * (1 - part) + inside[left + 1] * part
    return levels * (torch.linspace(low / levels[0], high / levels[-1], config.steps).double())


def sampling_levels(config: ScheduleConfig, steps: int) -> Float[Tensor, " steps"]:
    """Return the σ that a sampler with ``steps`` steps visits, falling, evenly spread in t."""
    levels = noise_levels(config)
    index: Int[Tensor, " steps"] = torch.linspace(len(levels) - 1, 0, steps).round().long()
    return levels[index]
