"""Training SIDEGEN: its loss on a batch and its validation, for `molgen.training.loop`.

The network estimates clean poses x̂_0 from noisy ones. The squared error is weighted by
1 / (c_out(σ)² + floor²), c_out² = σ² s² / (σ² + s²) (Karras et al., arXiv 2206.00364, table 1), so
that every noise level counts about as much. The estimates after the earlier blocks have a share of
the same loss, and distances within the ligand an error of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.diffusion.model import PocketConfig, SidegenModel
from molgen.diffusion.network import SidegenConfig
from molgen.diffusion.sampling import SamplingConfig, sample
from molgen.diffusion.schedule import ScheduleConfig, noise_levels
from molgen.diffusion.spaces import SPACES
from molgen.errors import DeviceError, TrainingError
from molgen.geometry.alignment import superposition
from molgen.training.loop import LoopConfig
from molgen.training.pose_data import PoseBatch, PoseData, PoseSampling
from molgen.training.task import seeded_halves

DRAWS = 1000
"""Bootstrap draws behind the numbers of a model card."""

Item = tuple[tuple[int, ...], str, int]


@dataclass(frozen=True)
class PoseLoss:
    """Terms of the loss.

    Attributes:
        floor: Å, errors below this stop mattering more at low noise.
        deep: weight of the mean loss of the earlier blocks.
        distances: weight of the error of distances within the ligand.
        cap: Å, distance errors beyond it grow linearly.
    """

    floor: float = limited(0.3, above=0.0)
    deep: float = limited(0.3, min=0.0)
    distances: float = limited(0.3, min=0.0)
    cap: float = limited(1.0, above=0.0)


@dataclass(frozen=True)
class PoseValidation:
    """What an epoch is validated with.

    Attributes:
        complexes: of the validation part, at most.
        poses: sampled for each.
        steps: of the sampler.
        held: held-out complexes that the final numbers are measured on, at most.
    """

    complexes: int = limited(96, min=1)
    poses: int = limited(4, min=1)
    steps: int = limited(16, min=1)
    held: int = limited(400, min=1)


@dataclass(frozen=True)
class PoseTraining:
    """Settings of `molgen train sidegen`.

    Attributes:
        seed: of weights, sampling and noise.
        only: part of the names of the weights that are trained, the others stay as they are; for
            what joins a trained network. Empty: all.
        network, schedule, pocket: the model.
        loss, sampling, validation, loop: the training.
    """

    seed: int = limited(0, min=0)
    only: str = ""
    network: SidegenConfig = SidegenConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    pocket: PocketConfig = PocketConfig()
    loss: PoseLoss = PoseLoss()
    sampling: PoseSampling = PoseSampling()
    validation: PoseValidation = PoseValidation()
    loop: LoopConfig = LoopConfig(
        epochs=1000, learning_rate=1e-3, weight_decay=0.01, optimizer="adamw", ema=0.999,
        warmup=500, patience=0,
    )  # fmt: skip


class PoseLossModule(nn.Module):
    """A model with its loss, so that the loop sees one module."""

    def __init__(self, model: SidegenModel, config: PoseLoss, poses: int) -> None:
        super().__init__()
        self.model, self.config, self.poses = model, config, poses
        levels = noise_levels(model.schedule).float()
        self.levels: Tensor
        self.register_buffer("levels", levels, persistent=False)

    def forward(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the weighted sum as "loss", and its terms."""
        device = batch.coords.device
        generator = torch.Generator(device=device).manual_seed(batch.seed)
        clean = batch.coords[:, None].expand(-1, self.poses, -1, -1)
        draw = torch.randint(len(self.levels), clean.shape[:2], generator=generator, device=device)
        sigma = self.levels[draw]
        space: Any = SPACES[batch.space]()
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            noisy = space.noise(clean, batch.ligand, sigma, generator)
        network = self.model.network
        target = network.encode(batch.target)
        estimates = network(noisy, sigma, batch.ligand, target, batch.space)
        if target is None:  # nothing tells where the ligand lies
            clean = _laid(clean, noisy, batch.ligand.mask)
        return self._loss(estimates, clean, sigma, batch)

    def _loss(
        self, estimates: list[Tensor], clean: Tensor, sigma: Tensor, batch: PoseBatch
    ) -> dict[str, Tensor]:
        config, mask = self.config, batch.ligand.mask
        network = self.model.network.config
        variance = sigma**2
        if network.predicts == "clean":
            variance = sigma**2 * network.spread**2 / (sigma**2 + network.spread**2)
        weight = 1.0 / (variance + config.floor**2)
        each = [(weight * _mean_square(found.float() - clean, mask)).mean() for found in estimates]
        terms = {"pose": each[-1]}
        if config.deep and len(each) > 1:
            terms["deep"] = torch.stack(each[:-1]).mean()
        if config.distances:
            terms["distances"] = (
                weight.sqrt() * self._distance_error(estimates[-1].float(), clean, mask)
            ).mean()
        total = terms["pose"]
        for name in ("deep", "distances"):
            if name in terms:
                total = total + getattr(config, name) * terms[name]
        return {"loss": total, **terms}

    def _distance_error(
        self, found: Tensor, clean: Tensor, mask: Bool[Tensor, "complexes atoms"]
    ) -> Tensor:
        pairs = (mask[:, None, :, None] & mask[:, None, None, :]).float()
        error = _pair_distances(found) - _pair_distances(clean)
        near = pairs * (_pair_distances(clean) < 6.0)
        value = nn.functional.huber_loss(
            error, torch.zeros_like(error), reduction="none", delta=self.config.cap
        )
        return (value * near).sum((-1, -2)) / near.sum((-1, -2)).clamp_min(1.0)


def _pair_distances(x: Tensor) -> Tensor:
    offset = x[..., None, :, :] - x[..., :, None, :]
    return (offset.square().sum(-1) + 1e-6).sqrt()


def _mean_square(error: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared length over atoms, (complexes, poses) Å²; a third of it per axis."""
    squared = error.square().sum(-1) * mask[:, None]
    return squared.sum(-1) / (3.0 * mask.sum(-1)[:, None])


def _laid(clean: Tensor, noisy: Tensor, mask: Tensor) -> Tensor:
    """Return clean poses superposed onto noisy ones."""
    with torch.no_grad(), torch.autocast(clean.device.type, enabled=False):
        weights = mask[:, None].double()
        rotation, shift = superposition(clean.double(), noisy.double(), weights)
        moved = clean.double() @ rotation.mT + shift[..., None, :]
        return (moved * mask[:, None, :, None]).to(clean)


class PoseTask:
    """What `molgen.training.loop.fit` trains.

    Args:
        model: to train.
        data: all complexes.
        train, val: ids.

    Attributes:
        train, val: places in the data.
    """

    def __init__(
        self,
        model: SidegenModel,
        data: PoseData,
        train: Sequence[str],
        val: Sequence[str],
        config: PoseTraining,
    ) -> None:
        self.data, self.config = data, config
        self.module: nn.Module = PoseLossModule(model, config.loss, config.sampling.poses)
        self.train = data.positions(train, config.sampling)
        held = data.positions(val, config.sampling)
        chosen = np.random.default_rng(0).permutation(len(held))[: config.validation.complexes]
        self.val = [held[k] for k in chosen]

    def plan(self, epoch: int) -> list[Item]:
        """Return what each batch is made of."""
        seed = int(np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0])
        return self.data.plan(self.train, self.config.sampling, seed)

    def load(self, item: Item) -> PoseBatch:
        """Return a batch."""
        positions, space, seed = item
        return self.data.batch(positions, space, seed, self.config.sampling)

    def names(self, item: Item) -> list[str]:
        """Return the ids of the complexes in a batch."""
        return [self.data.ids[k] for k in item[0]]

    def halves(self, item: Item) -> list[Item]:
        """Return two halves of a batch; they draw other noise."""
        positions, space, seed = item
        return [(part, space, new) for part, new in seeded_halves(positions, seed)]

    def validate(self, module: nn.Module, device: torch.device) -> dict[str, float]:
        """Return losses on fixed noise and RMSDs of sampled poses; "monitor" is minus the loss."""
        found: Any = module
        return measure(found, self.data, self.val, self.config, device)


@torch.no_grad()
def measure(
    module: PoseLossModule,
    data: PoseData,
    positions: Sequence[int],
    config: PoseTraining,
    device: torch.device | str,
    draws: int = 0,
) -> dict[str, float]:
    """Return losses on fixed noise, and how near sampled poses come to the crystal's.

    With ``draws`` every number but the losses has a ``_low`` and a ``_high``, the ends of its 95 %
    interval by so many bootstrap draws of complexes.

    A batch that does not fit into memory is halved; the halves draw other noise.
    RMSDs are over heavy atoms in the order of the file, without regard to symmetry. Poses start
    from the crystal's bond lengths, angles and rings; torsions and place are drawn.
    """
    calm = PoseSampling(
        atoms=config.sampling.atoms, centre=config.sampling.centre, receptor=0.0,
        largest=config.sampling.largest, smallest=1, conformers=0.0,
    )  # fmt: skip
    batches = [chosen for chosen, _, _ in data.plan(positions, calm, 0)]
    waiting = [
        (space, chosen, 1000 + k)
        for space in _spaces(config.sampling)
        for k, chosen in enumerate(batches)
    ]
    sums: dict[str, list[list[float]]] = {}
    while waiting:
        space, chosen, seed = waiting.pop(0)
        batch = data.batch(chosen, space, seed, calm)
        found = _judged(module, batch, config, device)
        if found is None:  # outside of the handler: its traceback would keep the tensors alive
            torch.cuda.empty_cache()
            if len(chosen) == 1:
                name = data.ids[chosen[0]]
                raise TrainingError(f"validation: {name} alone does not fit into memory")
            halves = [(space, part, new) for part, new in seeded_halves(chosen, seed)]
            waiting = halves + waiting
            continue
        loss, place, shape = found
        sums.setdefault(f"{space}_loss", []).extend(len(chosen) * [[loss]])
        sums.setdefault(f"{space}_rmsd", []).extend(place.tolist())
        sums.setdefault(f"{space}_best", []).extend(place.min(1, keepdim=True).values.tolist())
        sums.setdefault(f"{space}_aligned", []).extend(shape.tolist())
    metrics: dict[str, float] = {}
    for name, rows in sums.items():
        values = np.array(rows)  # of complexes, poses
        if name.endswith("_loss"):
            metrics[name] = float(values.mean())
            continue
        metrics |= _with_interval(f"{name}_median", values, np.median, draws)
        if not name.endswith("_aligned"):
            near = (values <= 2.0).astype(float)
            metrics |= _with_interval(f"{name}_within2", near, np.mean, draws)
    metrics["monitor"] = -float(np.mean([v for n, v in metrics.items() if n.endswith("_loss")]))
    return metrics


def _with_interval(
    name: str, values: np.ndarray, statistic: Callable[..., Any], draws: int
) -> dict[str, float]:
    """Return a statistic of (complexes, poses) numbers, and its interval if ``draws`` are asked."""
    found = {name: float(statistic(values))}
    if draws:
        chosen = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
        drawn = statistic(values[chosen].reshape(draws, -1), axis=1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _judged(
    module: PoseLossModule, batch: PoseBatch, config: PoseTraining, device: torch.device | str
) -> tuple[float, Tensor, Tensor] | None:
    """Return the loss of a batch and what `_sampled` does; None if the memory ran out."""
    try:
        moved = batch.to(device)
        return float(module(moved)["pose"]), *_sampled(module.model, moved, config)
    except (torch.OutOfMemoryError, DeviceError):
        return None


def _spaces(sampling: PoseSampling) -> list[str]:
    shares = {"rigid-torsion": 1.0 - sampling.cartesian, "cartesian": sampling.cartesian}
    return [name for name, share in shares.items() if share > 0]


def _sampled(
    model: SidegenModel, batch: PoseBatch, config: PoseTraining
) -> tuple[Float[Tensor, "complexes poses"], Float[Tensor, "complexes poses"]]:
    """Return RMSDs in place and after superposition of sampled poses."""
    space: Any = batch.space
    settings = SamplingConfig(space=space, steps=config.validation.steps)
    start = batch.coords[:, None].expand(-1, config.validation.poses, -1, -1)
    generator = torch.Generator().manual_seed(batch.seed)
    target = model.network.encode(batch.target)
    found = sample(model, start, batch.ligand, target, settings, generator).float()
    mask = batch.ligand.mask
    place = (3.0 * _mean_square(found - start, mask)).sqrt()
    shape = (3.0 * _mean_square(found - _laid(start, found, mask), mask)).sqrt()
    return place.cpu(), shape.cpu()
