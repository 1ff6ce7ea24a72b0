"""Training a model of ligand properties: its loss on a batch and its task, for the loop.

Errors of conformer energies count apart from the error of the ligand's level: a network that knows
which ligand is stable and not which of its conformers would be of no use as an energy term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from molgen.config import limited
from molgen.energy.property_model import PropertyModel
from molgen.energy.property_network import PropertyConfig
from molgen.training.energy_data import EnergyBatch, EnergyData, EnergySampling
from molgen.training.energy_metrics import Prediction, errors
from molgen.training.loop import LoopConfig
from molgen.training.task import seeded_halves


@dataclass(frozen=True)
class EnergyLoss:
    """Weights of the terms; each is a Huber loss in units of a scale.

    Attributes:
        conformer: of the energy of a conformer over the mean of its ligand's conformers.
        level: of that mean.
        level_scale: kcal/mol.
        gap: of the gap, in units of the spread of gaps.
        charge: of the charges.
        charge_scale: e.
    """

    conformer: float = limited(1.0, min=0.0)
    level: float = limited(0.3, min=0.0)
    level_scale: float = limited(20.0, above=0.0)
    gap: float = limited(0.5, min=0.0)
    charge: float = limited(0.3, min=0.0)
    charge_scale: float = limited(0.1, above=0.0)


@dataclass(frozen=True)
class EnergyTraining:
    """Settings of `molgen train energies`.

    Attributes:
        seed: of weights, batches and noise.
        network: the model.
        loss, sampling, loop: the training.
        noisy: Å, noise levels that the model is measured at, beside none.
    """

    seed: int = limited(0, min=0)
    network: PropertyConfig = PropertyConfig()
    loss: EnergyLoss = EnergyLoss()
    sampling: EnergySampling = EnergySampling()
    noisy: tuple[float, ...] = limited((0.1, 0.5), above=0.0)
    loop: LoopConfig = LoopConfig(
        epochs=200, learning_rate=2e-3, weight_decay=0.01, optimizer="adamw", ema=0.99,
        warmup=100, patience=20,
    )  # fmt: skip


class EnergyLossModule(nn.Module):
    """A model with its loss, so that the loop sees one module."""

    def __init__(self, model: PropertyModel, config: EnergyLoss) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(self, batch: EnergyBatch) -> dict[str, Tensor]:
        """Return the weighted sum as "loss", and its terms."""
        config, targets = self.config, batch.targets
        found = self.model(batch.coords, batch.sigma, batch.ligand)
        present = targets.present.float()
        error = (found.energy - targets.energies) * present
        level = error.sum(-1) / present.sum(-1)
        apart = (error - level[:, None]) / self.model.energy_scale
        spread = self.model.gap_scale
        charged = (found.charges - targets.charges[:, None]) / config.charge_scale
        places = present[..., None] * batch.ligand.mask[:, None]
        terms = {
            "conformer": _mean(_huber(apart), present),
            "level": _huber(level / config.level_scale).mean(),
            "gap": _mean(_huber((found.gap - targets.gaps) / spread), present),
            "charge": _mean(_huber(charged), places),
        }
        total = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
        return {"loss": total, **terms}


def _huber(error: Tensor) -> Tensor:
    return smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=1.0)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum()


class EnergyTask:
    """What `molgen.training.loop.fit` trains.

    Args:
        model: to train; takes over reference and scales of the ligands to train on.
        data: all ligands.
        train, val: places in the data.
    """

    def __init__(
        self,
        model: PropertyModel,
        data: EnergyData,
        train: Sequence[int],
        val: Sequence[int],
        config: EnergyTraining,
    ) -> None:
        self.data, self.config = data, config
        self.train, self.val = list(train), list(val)
        energy, gap = data.scales(self.train)
        model.set_scales(data.fit_reference(self.train), energy, gap)
        self.module: nn.Module = EnergyLossModule(model, config.loss)

    def plan(self, epoch: int) -> list[tuple[tuple[int, ...], int]]:
        """Return what each batch is made of."""
        seed = int(np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0])
        return self.data.plan(self.train, self.config.sampling, seed)

    def load(self, item: tuple[tuple[int, ...], int]) -> EnergyBatch:
        """Return a batch."""
        positions, seed = item
        return self.data.batch(positions, seed, self.config.sampling)

    def names(self, item: tuple[tuple[int, ...], int]) -> list[str]:
        """Return the ids of the ligands in a batch."""
        return [self.data.ids[k] for k in item[0]]

    def halves(self, item: tuple[tuple[int, ...], int]) -> list[tuple[tuple[int, ...], int]]:
        """Return two halves of a batch; they draw other noise."""
        positions, seed = item
        return seeded_halves(positions, seed)

    def validate(self, module: nn.Module, device: torch.device) -> dict[str, float]:
        """Return mean absolute errors, clean and noisy; "monitor" is minus a sum of shares."""
        found: Any = module
        metrics: dict[str, float] = {}
        for sigma in (0.0, *self.config.noisy):
            made = predict(found.model, self.data, self.val, sigma, self.config.sampling, device)
            metrics |= {
                f"{name}_{sigma:g}": float(np.mean(values))
                for name, values in errors(self.data, made).items()
            }
        scale = found.model
        parts = {
            "conformer": float(scale.energy_scale),
            "level": self.config.loss.level_scale,
            "gap": float(scale.gap_scale),
            "charge": self.config.loss.charge_scale,
        }
        levels = (0.0, *self.config.noisy)
        shares = [
            getattr(self.config.loss, name) * metrics[f"{name}_{sigma:g}"] / unit
            for name, unit in parts.items()
            for sigma in levels
        ]
        metrics["monitor"] = -float(np.sum(shares)) / len(levels)
        return metrics


@torch.no_grad()
def predict(
    model: PropertyModel,
    data: EnergyData,
    positions: Sequence[int],
    sigma: float,
    sampling: EnergySampling,
    device: torch.device | str = "cpu",
) -> dict[int, Prediction]:
    """Return predictions for ligands by place, from coordinates with noise of ``sigma`` Å."""
    found: dict[int, Prediction] = {}
    for chosen, seed in data.plan(positions, sampling, 0):
        batch = data.batch(chosen, seed, sampling, sigma).to(device)
        made = model(batch.coords, batch.sigma, batch.ligand)
        energy, gap, charges = (part.cpu().double().numpy() for part in made)
        for row, k in enumerate(chosen):
            many, size = data.labels[k].coords.shape[:2]
            found[k] = Prediction(energy[row, :many], gap[row, :many], charges[row, :many, :size])
    return found
