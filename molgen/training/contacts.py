"""Fitting the contact potential: near-native poses must score below the search's own decoys.

The curves start from a statistical potential, minus the logarithm of observed over expected
contacts of the crystal poses (the inverse Boltzmann form of Sippl, J. Mol. Biol. 1990, 213, 859;
reference: all type pairs together at the same distance). One factor scales it to kcal/mol, and
free deviations are added to it under ridge and smoothness penalties. The loss is the negative log
probability of picking a near-native pose when the poses of one complex are drawn by their
Boltzmann weight (a softmax over minus the score). The Vina receptor energy keeps weight one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from molgen.config import limited
from molgen.errors import StoreError
from molgen.training.contact_data import ContactFile


@dataclass(frozen=True)
class ContactTraining:
    """Settings of the fit.

    Attributes:
        epochs: passes over the training complexes.
        learning_rate: of Adam for the curves; twice that for the few scalars.
        ridge: penalty on squared deviations from the scaled statistical potential.
        smoothness: penalty on squared steps of the deviations between neighbouring knots.
        batch: complexes per step.
        near_native: Å RMSD up to which a pose counts as right.
        pseudo_counts: added to observed and expected contacts, against rare pairs.
        shrink: factor on the fitted curves. The search finds the minima of whatever is fitted, so a
            correction taken in full is exploited; see docs/search.md for the scan.
        strain: weight of the torsion preferences, as in the search.
        seed: of the shuffling.
    """

    epochs: int = limited(15, min=1)
    learning_rate: float = limited(0.01, above=0.0)
    ridge: float = limited(0.1, min=0.0)
    smoothness: float = limited(0.3, min=0.0)
    batch: int = limited(64, min=1)
    near_native: float = limited(2.0, above=0.0)
    pseudo_counts: float = limited(30.0, above=0.0)
    shrink: float = limited(0.45, min=0.0, max=1.0)
    strain: float = limited(0.05, min=0.0)
    seed: int = limited(0, min=0)


@dataclass(frozen=True)
class ScoredPoses:
    """Poses of one complex as tensors.

    Attributes:
        rmsd: (poses,) Å.
        is_native: (poses,) minima that start at the crystal pose.
        fixed: (poses,) energy that has no parameter: Vina receptor energy, internal repulsion and
            weighted strain.
        attraction: (poses,) attractive internal energy.
        pose, feature, count: contacts, sparse; each (contacts,).
    """

    rmsd: Float[torch.Tensor, " poses"]
    is_native: torch.Tensor
    fixed: Float[torch.Tensor, " poses"]
    attraction: Float[torch.Tensor, " poses"]
    pose: Int[torch.Tensor, " contacts"]
    feature: Int[torch.Tensor, " contacts"]
    count: Float[torch.Tensor, " contacts"]

    def scores(
        self, curves: Float[torch.Tensor, " features"], attraction: torch.Tensor
    ) -> Float[torch.Tensor, " poses"]:
        """Return the score of every pose, kcal/mol."""
        learned = torch.zeros_like(self.fixed).index_add(
            0, self.pose, self.count * curves[self.feature]
        )
        return self.fixed + learned + attraction * self.attraction


def load_poses(file: ContactFile, indices: Sequence[int], strain: float) -> list[ScoredPoses]:
    """Return the labelled complexes among ``indices``; those without poses are left out."""
    found = []
    for index in indices:
        columns = {
            name: torch.from_numpy(file.column(name, index).astype(np.float32))
            for name in ("rmsd", "vina", "repulsion", "attraction", "strain")
        }
        if not len(columns["rmsd"]):
            continue
        pose, feature, count = file.counts(index)
        found.append(
            ScoredPoses(
                rmsd=columns["rmsd"],
                is_native=torch.from_numpy(file.column("is_native", index).copy()),
                fixed=columns["vina"] + columns["repulsion"] + strain * columns["strain"],
                attraction=columns["attraction"],
                pose=torch.from_numpy(pose),
                feature=torch.from_numpy(feature.astype(np.int64)),
                count=torch.from_numpy(count),
            )
        )
    return found


def statistical_potential(
    counts: np.ndarray, shape: tuple[int, int, int], pseudo_counts: float
) -> np.ndarray:
    """Return minus log of observed over expected contacts, in units of kT, ``shape``.

    Expected: every pair of types has the distance distribution of all pairs together.
    """
    observed = counts.reshape(shape)
    by_distance = observed.sum(axis=(0, 1))
    expected = observed.sum(axis=2, keepdims=True) * by_distance / by_distance.sum()
    return np.asarray(-np.log((observed + pseudo_counts) / (expected + pseudo_counts)))


def fit_contacts(
    poses: Sequence[ScoredPoses],
    prior: np.ndarray,
    settings: ContactTraining,
    report: Callable[[int, float], object] = lambda epoch, loss: None,
) -> tuple[np.ndarray, float]:
    """Return curves (kcal/mol, shape of ``prior``) and the factor on the internal attraction.

    Args:
        prior: statistical potential in kT.
        report: called with the number of the epoch and its mean loss.

    Raises:
        StoreError: no complex has both right and wrong poses.
    """
    usable = [entry for entry in poses if 0 < int(_right(entry, settings).sum()) < len(entry.rmsd)]
    if not usable:
        raise StoreError("no labelled complex has both near-native poses and decoys")
    generator = torch.Generator().manual_seed(settings.seed)
    base = torch.from_numpy(prior).float()
    deviation = torch.zeros_like(base, requires_grad=True)
    scale = torch.tensor(0.05, requires_grad=True)
    attraction = torch.tensor(0.2, requires_grad=True)
    sharpness = torch.tensor(0.0, requires_grad=True)  # log of 1 / temperature
    groups: list[dict[str, Any]] = [
        {"params": [deviation]},
        {"params": [scale, attraction, sharpness], "lr": 2 * settings.learning_rate},
    ]
    optimizer = torch.optim.Adam(groups, lr=settings.learning_rate)
    for epoch in range(settings.epochs):
        losses = []
        order = torch.randperm(len(usable), generator=generator)
        for batch in order.split(settings.batch):
            curves = (deviation + scale * base).reshape(-1)
            loss = torch.zeros(())
            for index in batch.tolist():
                entry = usable[index]
                logits = -entry.scores(curves, attraction) * sharpness.exp()
                chosen = torch.logsumexp(logits[_right(entry, settings)], 0)
                loss = loss - (chosen - torch.logsumexp(logits, 0)) / len(batch)
            losses.append(float(loss.detach()))
            loss = loss + settings.ridge * deviation.square().sum()
            loss = loss + settings.smoothness * deviation.diff(dim=2).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report(epoch, float(np.mean(losses)))
    fitted = settings.shrink * (deviation + scale * base).detach().numpy()
    return fitted, max(0.0, float(attraction.detach()))


def _right(entry: ScoredPoses, settings: ContactTraining) -> torch.Tensor:
    return entry.rmsd <= settings.near_native


def top_one(
    poses: Sequence[ScoredPoses],
    curves: np.ndarray,
    attraction: float,
    *,
    near_native: float,
    natives: bool,
) -> list[bool]:
    """Tell for every complex whether its best-scored pose is near-native.

    With ``natives`` the minima that start at the crystal pose compete too: that measures the
    scoring alone, as if the search were perfect.
    """
    flat, factor = torch.from_numpy(curves).float().reshape(-1), torch.tensor(attraction)
    hits = []
    for entry in poses:
        scores = entry.scores(flat, factor)
        if not natives:
            scores = scores.masked_fill(entry.is_native, torch.inf)
        best = int(scores.argmin())
        hits.append(bool(scores[best].isfinite() and entry.rmsd[best] <= near_native))
    return hits
