"""Training a quality model: its losses on a batch and its validation, for `molgen.training.loop`.

The main loss is the squared error of the local CAD-scores (Igashov et al., arXiv 2011.07980). Terms
for the lDDT of residues, the score of a model and the order of the models of a target may join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from molgen.config import limited
from molgen.scoring.quality_model import QualityEnsemble, QualityModel, QualityPrediction
from molgen.training.loop import LoopConfig, prefetch
from molgen.training.quality_augment import AugmentConfig, perturb
from molgen.training.quality_data import (
    EpochSampler,
    QualityBatch,
    QualityData,
    SamplingConfig,
    pack_groups,
)
from molgen.training.quality_metrics import MIN_MODELS, mean_metrics, pearson
from molgen.training.task import halved


@dataclass(frozen=True)
class QualityLoss:
    """Weights of the terms of the loss.

    Attributes:
        residue: error of the local CAD-scores.
        kind: of that error; "huber" is linear beyond 0.1.
        lddt: squared error of the residues' lDDT, of models that predict it.
        score: squared error of the score of a model.
        ranking: order of the models of one target.
        ranking_kind: "logistic": log(1 + exp(-d / scale)) * scale with d the predicted difference
            in the true direction; "difference": squared error of the differences.
        scale: of the logistic ranking loss, a difference of CAD-scores.
    """

    residue: float = limited(1.0, min=0.0)
    kind: Literal["mse", "huber"] = "mse"
    lddt: float = limited(0.3, min=0.0)
    score: float = limited(0.0, min=0.0)
    ranking: float = limited(0.0, min=0.0)
    ranking_kind: Literal["logistic", "difference"] = "logistic"
    scale: float = limited(0.05, above=0.0)


@dataclass(frozen=True)
class QualityTraining:
    """Settings of `molgen train quality`.

    Attributes:
        model: name in `molgen.scoring.quality_recipes.QUALITY_MODELS`.
        seed: of weights, sampling and dropout.
        split_seed, fractions: of the split into train, val and test targets made when no lists
            are given.
        max_validation: models that an epoch is validated with, at most, spread over the targets;
            the final numbers take all.
        monitor: what decides which epoch is kept: "mixed" is the mean of the correlations per
            target, pooled and per residue; "residue" the latter; "loss" minus the squared error
            of the residues.
    """

    model: str = "sgcn_5"
    seed: int = limited(0, min=0)
    split_seed: int = limited(0, min=0)
    fractions: tuple[float, float, float] = (0.85, 0.15, 0.0)
    max_validation: int = limited(2000, min=1)
    monitor: Literal["mixed", "residue", "loss"] = "mixed"
    loss: QualityLoss = QualityLoss()
    augment: AugmentConfig = AugmentConfig()
    sampling: SamplingConfig = SamplingConfig()
    loop: LoopConfig = LoopConfig()


class QualityLossModule(nn.Module):
    """A quality model with its loss, so that the loop sees one module."""

    def __init__(
        self, model: QualityModel, config: QualityLoss, augment: AugmentConfig | None = None
    ) -> None:
        super().__init__()
        self.model, self.config, self.augment = model, config, augment or AugmentConfig()

    def forward(self, batch: QualityBatch) -> dict[str, Tensor]:
        """Return the weighted sum as "loss", and the terms that are in use."""
        config = self.config
        graph = perturb(batch.graph, self.augment) if self.training else batch.graph
        local, score, lddt = self.model.predict(graph)
        found = QualityPrediction(
            local.float(), score.float(), None if lddt is None else lddt.float()
        )
        terms = {"residue": residue_loss(found.local, batch.cad_local, config.kind)}
        if found.lddt is not None:
            terms["lddt"] = residue_loss(found.lddt, batch.lddt_local, "mse")
        if config.score or self.model.pool is not None:
            terms["score"] = ((found.score - batch.cad) ** 2).mean()
        if config.ranking:
            terms["ranking"] = ranking_loss(
                found.score, batch.cad, batch.target, config.ranking_kind, config.scale
            )
        total = torch.stack([getattr(config, name) * value for name, value in terms.items()]).sum()
        return {"loss": total, **terms}


def residue_loss(
    predicted: Float[Tensor, " nodes"],
    true: Float[Tensor, " nodes"],
    kind: Literal["mse", "huber"],
) -> Float[Tensor, ""]:
    """Return the mean error over the residues with a label; 0 without any."""
    known = torch.isfinite(true)
    error = torch.where(known, predicted - torch.where(known, true, 0.0), 0.0)
    if kind == "huber":
        value = nn.functional.huber_loss(error, torch.zeros_like(error), reduction="sum", delta=0.1)
        return 2.0 * value / known.sum().clamp_min(1)
    return error.square().sum() / known.sum().clamp_min(1)


def ranking_loss(
    predicted: Float[Tensor, " graphs"],
    true: Float[Tensor, " graphs"],
    target: Int[Tensor, " graphs"],
    kind: Literal["logistic", "difference"],
    scale: float,
) -> Float[Tensor, ""]:
    """Return the loss over pairs of models of one target; 0 without any.

    Pairs whose true scores differ by less than 0.01 do not count in the logistic form.
    """
    first, second = torch.triu_indices(len(target), len(target), 1, device=target.device)
    same = target[first] == target[second]
    first, second = first[same], second[same]
    gap, found = true[first] - true[second], predicted[first] - predicted[second]
    if kind == "difference":
        return (found - gap).square().sum() / max(1, len(gap))
    apart = (gap.abs() > 0.01).to(found.dtype)
    loss = nn.functional.softplus(-found * gap.sign() / scale) * scale
    return (loss * apart).sum() / apart.sum().clamp_min(1.0)


@dataclass(frozen=True)
class Validation:
    """Predictions for some models, and what is true.

    Attributes:
        positions: of the models in the data.
        score, true_score: (models,) predicted and true CAD-score.
        local, true_local: (residues,) of all models one after the other, labelled ones only.
        owner: (residues,) place of the model among the positions.
    """

    positions: list[int]
    score: np.ndarray
    true_score: np.ndarray
    local: np.ndarray
    true_local: np.ndarray
    owner: np.ndarray

    def metrics(self, targets: np.ndarray) -> dict[str, float]:
        """Return all numbers of `mean_metrics` and those of residues."""
        found = mean_metrics(targets[self.positions], self.score, self.true_score)
        found["residue_pearson"] = pearson(self.local, self.true_local)
        found["residue_mse"] = float(((self.local - self.true_local) ** 2).mean())
        return found

    def by_kind(self, kinds: np.ndarray) -> dict[str, dict[str, float]]:
        """Return {kind: numbers} for the kinds of all models of the data.

        ``models``, mean true and predicted score, correlation of the scores of all models of the
        kind, and of their residues.
        """
        own = kinds[self.positions]
        table = {}
        for kind in np.unique(own).tolist():
            inside = own == kind
            residues = inside[self.owner]
            table[kind] = {
                "models": float(inside.sum()),
                "true": float(self.true_score[inside].mean()),
                "predicted": float(self.score[inside].mean()),
                "pearson": pearson(self.score[inside], self.true_score[inside]),
                "residue_pearson": pearson(self.local[residues], self.true_local[residues]),
            }
        return table


def predict(
    model: QualityModel | QualityEnsemble,
    data: QualityData,
    positions: Sequence[int],
    device: torch.device | str,
    max_nodes: int,
) -> Validation:
    """Return the predictions of ``model`` for the models at ``positions``."""
    ordered = sorted(positions, key=lambda p: (int(data.sizes[p]), p))
    plan = pack_groups([(p,) for p in ordered], data.sizes, max_nodes)
    scores, local, true_local, owner = [], [], [], []
    before = 0
    model.eval()
    with torch.no_grad():
        for batch in prefetch(plan, data.load):
            known = torch.isfinite(batch.cad_local)
            found = model.predict(batch.to(device).graph)
            scores.append(found.score.float().cpu())
            local.append(found.local.float().cpu()[known])
            true_local.append(batch.cad_local[known])
            owner.append(batch.graph.graph[known] + before)
            before += batch.graph.num_graphs
    return Validation(
        positions=ordered,
        score=torch.cat(scores).double().numpy(),
        true_score=data.cad[ordered],
        local=torch.cat(local).double().numpy(),
        true_local=torch.cat(true_local).double().numpy(),
        owner=torch.cat(owner).numpy(),
    )


class QualityTask:
    """What `molgen.training.loop.fit` trains: a quality model on the models of some targets.

    Args:
        model: to train.
        data: all models.
        train, val: names of targets.
    """

    def __init__(
        self,
        model: QualityModel,
        data: QualityData,
        train: Sequence[str],
        val: Sequence[str],
        config: QualityTraining,
    ) -> None:
        self.data, self.config = data, config
        self.module: nn.Module = QualityLossModule(model, config.loss, config.augment)
        positions = data.of_targets(train)
        self._sampler = EpochSampler(data, positions, config.sampling, config.seed)
        self._val = thinned(data, data.of_targets(val), config.max_validation)

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the positions of the models in each batch."""
        return self._sampler.batches(epoch)

    def load(self, item: list[int]) -> QualityBatch:
        """Return a batch."""
        return self.data.load(item)

    def names(self, item: list[int]) -> list[str]:
        """Return the ids of the models in a batch."""
        return [self.data.ids[k] for k in item]

    def halves(self, item: list[int]) -> list[list[int]]:
        """Return two halves of a batch."""
        return halved(item)

    def validate(self, module: nn.Module, device: torch.device) -> dict[str, float]:
        """Return the metrics on the validation targets, and the one to raise as "monitor"."""
        model: Any = module.model
        found = predict(model, self.data, self._val, device, self.config.sampling.max_nodes)
        metrics = found.metrics(self.data.targets)
        correlations = [
            metrics[f"{name}_pearson"]
            for name in ("target", "pooled", "residue")
            if np.isfinite(metrics[f"{name}_pearson"])
        ]
        metrics["monitor"] = {
            "mixed": float(np.mean(correlations)) if correlations else -metrics["residue_mse"],
            "residue": metrics["residue_pearson"],
            "loss": -metrics["residue_mse"],
        }[self.config.monitor]
        return metrics


def thinned(data: QualityData, positions: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` of the positions, about as many of every target.

    Where that would be too few to rank the models of a target, only so many targets take part.
    """
    if len(positions) <= most:
        return list(positions)
    by_target: dict[str, list[int]] = {}
    for position in positions:
        by_target.setdefault(data.targets[position], []).append(position)
    rng = np.random.default_rng(0)  # the same models in every epoch and run
    queues = [rng.permutation(found).tolist() for found in by_target.values()]
    enough = max(1, most // MIN_MODELS)
    if len(queues) > enough:
        queues = [queues[k] for k in sorted(rng.permutation(len(queues))[:enough].tolist())]
    chosen: list[int] = []
    while len(chosen) < most:
        for queue in queues:
            if queue and len(chosen) < most:
                chosen.append(queue.pop())
    return sorted(chosen)
