"""Learning rates over a run, and the moving average of weights."""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import nn

Schedule = Literal["constant", "cosine", "plateau"]


def learning_rate_factor(
    schedule: Schedule, step: int, total: int, *, warmup: int, final: float, drops: int = 0
) -> float:
    """Return the factor on the learning rate at a step (from 0).

    It rises linearly over ``warmup`` steps. "cosine" then falls to ``final`` at ``total`` steps;
    "plateau" halves with each of ``drops``, not below ``final``.
    """
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if schedule == "cosine":
        done = min(1.0, max(0, step - warmup) / max(1, total - warmup))
        return rise * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * done)))
    if schedule == "plateau":
        return rise * max(final, 0.5**drops)
    return rise


class MovingAverage:
    """Exponential moving average of parameters; buffers are those of the live model.

    The decay grows with the steps, ``min(decay, (1 + step) / (10 + step))``, so that the first
    random weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a step (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, live in zip(self.model.parameters(), model.parameters(), strict=True):
            mean.lerp_(live.detach(), 1.0 - decay)
        for kept, current in zip(self.model.buffers(), model.buffers(), strict=True):
            kept.copy_(current)
