"""Training pose confidence: loss on a batch, its task for the loop, and its measures.

Two questions are asked of every pose: is it within 2 Å (cross entropy over all poses), and is it
the one to take among the poses of its ligand (the probability that a softmax over the logits picks
a pose within 2 Å; ListNet, Cao et al., ICML 2007, with all right poses taken together). A third is
asked of crystal complexes, searched or not: how far are a ligand and a receptor atom apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from molgen.config import limited
from molgen.scoring.confidence_network import ConfidenceConfig, ConfidenceNetwork, MeanNetwork
from molgen.training.confidence_data import (
    NEAR_NATIVE,
    ConfidenceData,
    ConfidenceSampling,
    RatedPoses,
)
from molgen.training.distance_data import AtomPairs, CrystalPoses
from molgen.training.loop import LoopConfig
from molgen.training.task import seeded_halves


@dataclass(frozen=True)
class ConfidenceLoss:
    """Weights of the terms.

    Attributes:
        right: cross entropy of RMSD ≤ 2 Å.
        ranking: minus the log probability that a right pose is taken.
        rmsd: Huber loss on log(1 + RMSD).
        distances: cross entropy of the distances in crystal complexes.
        sharpness: factor on the logits in the ranking.
    """

    right: float = limited(1.0, min=0.0)
    ranking: float = limited(0.5, min=0.0)
    rmsd: float = limited(0.3, min=0.0)
    distances: float = limited(0.5, min=0.0)
    sharpness: float = limited(1.0, above=0.0)


@dataclass(frozen=True)
class ConfidenceTraining:
    """Settings of `molgen train confidence`.

    Attributes:
        seed: of weights and batches.
        network: the model.
        loss, sampling, loop: the training.
    """

    seed: int = limited(0, min=0)
    network: ConfidenceConfig = ConfidenceConfig()
    loss: ConfidenceLoss = ConfidenceLoss()
    sampling: ConfidenceSampling = ConfidenceSampling()
    loop: LoopConfig = LoopConfig(
        epochs=5, learning_rate=2e-3, weight_decay=0.02, optimizer="adamw", ema=0.99, warmup=50,
        patience=0,
    )  # fmt: skip


class ConfidenceLossModule(nn.Module):
    """A network with its loss, so that the loop sees one module."""

    def __init__(self, network: ConfidenceNetwork, config: ConfidenceLoss) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, batch: RatedPoses) -> dict[str, Tensor]:
        """Return the weighted sum as "loss", and its terms."""
        right, ranking, distance = [], [], []
        for poses, rmsd in zip(batch.poses, batch.rmsd, strict=True):
            found = self.network(poses)
            near = rmsd <= NEAR_NATIVE
            right.append(binary_cross_entropy_with_logits(found.logit, near.float()))
            distance.append(smooth_l1_loss(torch.log1p(found.rmsd), torch.log1p(rmsd)))
            if near.any() and not near.all():
                logits = self.config.sharpness * found.logit
                ranking.append(logits.logsumexp(0) - logits[near].logsumexp(0))
        none = [distance[0] * 0.0]  # every pose right or every pose wrong: nothing to rank
        terms = {
            "right": torch.stack(right).mean(),
            "ranking": torch.stack(ranking or none).mean(),
            "rmsd": torch.stack(distance).mean(),
        }
        if batch.crystals:
            terms["distances"] = torch.stack([self._distances(k) for k in batch.crystals]).mean()
        total = torch.stack([getattr(self.config, k) * term for k, term in terms.items()]).sum()
        return {"loss": total, **terms}

    def _distances(self, pairs: AtomPairs) -> Tensor:
        logits = self.network.distances(pairs.poses, pairs.atom, pairs.node)
        return cross_entropy(logits, pairs.bin)


class ConfidenceTask:
    """What `molgen.training.loop.fit` trains.

    Args:
        train, val: places in the data.
        crystals: complexes whose distances are learned too.
    """

    def __init__(
        self,
        network: ConfidenceNetwork,
        data: ConfidenceData,
        train: Sequence[int],
        val: Sequence[int],
        config: ConfidenceTraining,
        crystals: CrystalPoses,
    ) -> None:
        self.data, self.config, self.crystals = data, config, crystals
        self.train, self.val = list(train), list(val)
        self.module: nn.Module = ConfidenceLossModule(network, config.loss)

    def plan(self, epoch: int) -> list[tuple[int, ...]]:
        """Return seed and complexes of each batch."""
        rng = np.random.default_rng([self.config.seed, epoch])
        order = rng.permutation(self.train).tolist()
        size = self.config.sampling.complexes
        return [
            (int(rng.integers(2**31)), *order[begin : begin + size])
            for begin in range(0, len(order), size)
        ]

    def load(self, item: tuple[int, ...]) -> RatedPoses:
        """Return a batch."""
        seed, *positions = item
        rng = np.random.default_rng(seed)
        sampling = self.config.sampling
        drawn = [self.data.draw(k, sampling, rng) for k in positions]
        few = min(sampling.crystals, len(self.crystals))
        crystals = [
            self.crystals.draw(k, sampling.pairs, sampling.receptor, rng)
            for k in rng.choice(len(self.crystals), few, replace=False).tolist()
        ]
        return RatedPoses([poses for poses, _ in drawn], [rmsd for _, rmsd in drawn], crystals)

    def names(self, item: tuple[int, ...]) -> list[str]:
        """Return the ids of the complexes in a batch."""
        return [self.data.ids[k] for k in item[1:]]

    def halves(self, item: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return two halves of a batch; they draw other poses."""
        seed, *positions = item
        return [(new, *part) for part, new in seeded_halves(positions, seed)]

    def validate(self, module: nn.Module, device: torch.device) -> dict[str, float]:
        """Return the measures on the validation complexes; "monitor" is to rise."""
        found: Any = module
        metrics = measures(rate(found.network, self.data, self.val, device))
        return metrics | {"monitor": metrics["top1"] + metrics["auroc"]}


@dataclass(frozen=True)
class Rated:
    """The found poses of one complex with what the network says.

    Attributes:
        id: of the complex.
        rmsd: (poses,) Å.
        energy: (poses,) kcal/mol.
        logit, expected: (poses,) of the network.
    """

    id: str
    rmsd: np.ndarray
    energy: np.ndarray
    logit: np.ndarray
    expected: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(poses,) bool, within 2 Å."""
        return np.asarray(self.rmsd <= NEAR_NATIVE)


def rate(
    network: ConfidenceNetwork | MeanNetwork,
    data: ConfidenceData,
    positions: Sequence[int],
    device: torch.device | str,
) -> list[Rated]:
    """Return what ``network`` says of the poses that the search found."""
    network.eval()
    rated = []
    with torch.no_grad():
        for position in positions:
            poses, labelled = data.whole(position)
            said = network(poses.to(device))
            rated.append(
                Rated(
                    data.ids[position], labelled.rmsd, labelled.energy,
                    said.logit.double().cpu().numpy(), said.rmsd.double().cpu().numpy(),
                )
            )  # fmt: skip
    return rated


def measures(rated: Sequence[Rated]) -> dict[str, float]:
    """Return how often the pose taken is right, by network and by energy, and the AUROC."""
    right = np.concatenate([one.right for one in rated])
    logit = np.concatenate([one.logit for one in rated])
    return {
        "top1": float(np.mean([one.right[one.logit.argmax()] for one in rated])),
        "top1_energy": float(np.mean([one.right[one.energy.argmin()] for one in rated])),
        "oracle": float(np.mean([one.right.any() for one in rated])),
        "auroc": auroc(logit, right),
    }


def auroc(value: np.ndarray, right: np.ndarray) -> float:
    """Return the chance that a right pose has a higher value than a wrong one; ties are half."""
    from scipy.stats import rankdata

    hits = int(right.sum())
    if not 0 < hits < len(right):
        return float("nan")
    ranks = rankdata(value)[right].sum()
    return float((ranks - hits * (hits + 1) / 2) / (hits * (len(right) - hits)))
