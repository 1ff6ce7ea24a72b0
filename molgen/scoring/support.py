"""What SIDEGEN's draws say of poses that a search found.

A search finds minima of an energy; SIDEGEN draws poses without one. Where many draws lie near a
pose, both agree on it. The odds of the confidence are multiplied by a power of the density of draws
at the pose, and calibrated anew on the held-out ligands that the first search left in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor, nn

from molgen.checkpoints import FORMAT, load_model, save_model
from molgen.errors import InputError
from molgen.metrics.rmsd import mutual_rmsd
from molgen.scoring.calibration import Calibrated
from molgen.structure import Poses

KIND = "support"
WIDTH = 2.0
"""Å, standard deviation of the Gaussian of RMSD by which a draw counts."""
LEAST = 0.01
"""Added to the density: no draw near a pose is no proof against it."""
EDGE = 1e-4
"""Confidences are kept so far from 0 and 1."""
MAPPINGS = 256
"""Ways to lay a symmetric ligand on itself that are tried, leaves of one atom apart."""


def draw_density(mol: Chem.Mol, coords: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the density of draws at poses, (poses,), 1 where all draws lie on a pose.

    Args:
        mol: the ligand.
        coords: (poses, atoms, 3) Å, heavy atoms.
        draws: (draws, atoms, 3) Å.
    """
    apart = mutual_rmsd(mol, coords, draws, MAPPINGS)
    return np.asarray(np.exp(-0.5 * (apart / WIDTH) ** 2).mean(axis=1))


def log_odds(confidence: np.ndarray) -> np.ndarray:
    """Return the logarithms of the odds of probabilities, finite also for 0 and 1."""
    kept = np.clip(np.asarray(confidence, dtype=np.float64), EDGE, 1.0 - EDGE)
    return np.asarray(np.log(kept) - np.log1p(-kept))


class SupportModel(Calibrated):
    """Confidence of poses with what draws say of them; `fit` finds its four numbers."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(()))

    def logit(self, confidence: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Return log-odds (poses,) from the confidences of a ligand's poses and `draw_density`."""
        return log_odds(confidence) + float(self.weight) * np.log(density + LEAST)

    def supported(self, confidence: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities (poses,); arguments as of `logit`."""
        return self.probability(self.logit(confidence, density))

    def fit(
        self,
        confidence: Sequence[np.ndarray],
        density: Sequence[np.ndarray],
        right: Sequence[np.ndarray],
    ) -> None:
        """Fit on ligands, each with its poses: first the weight, then the calibration.

        The weight is that of highest likelihood that a right pose wins a softmax over the poses of
        its ligand.

        Raises:
            InputError: no ligand has a right pose.
        """
        if not any(one.any() for one in right):
            raise InputError(f"none of {len(right)} ligands has a right pose to fit on")
        odds = [torch.from_numpy(log_odds(one)) for one in confidence]
        drawn = [torch.from_numpy(np.log(one + LEAST)) for one in density]
        wins = [torch.from_numpy(one) for one in right]
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = torch.zeros((), dtype=torch.float64)
            for known, near, win in zip(odds, drawn, wins, strict=True):
                if win.any():
                    chance = nn.functional.log_softmax(known + weight * near, 0)
                    value = value - chance[win].logsumexp(0)
            value.backward()
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        self.weight.fill_(float(weight.detach()))
        logits = [self.logit(one, near) for one, near in zip(confidence, density, strict=True)]
        self.calibrate(logits, right)

    def config(self) -> dict[str, Any]:
        """Return the content of config.json."""
        return {"format": FORMAT, "kind": KIND, "name": "support", "options": {}}


def save_support(folder: Path, model: SupportModel) -> None:
    """Write model.safetensors, config.json and SHA256SUMS into ``folder``."""
    save_model(folder, model)


def load_support(name: str) -> SupportModel:
    """Return the model of a checkpoint (a shipped name or a folder).

    Raises:
        StoreError: no such checkpoint, damaged, of another kind, or it does not fit its config.
    """

    def rebuilt(config: Mapping[str, Any]) -> SupportModel:
        return SupportModel()

    return load_model(name, kind=KIND, rebuild=rebuilt)


def supported(poses: Poses, draws: np.ndarray, model: SupportModel) -> Poses:
    """Return rated poses in their order with the confidence that draws leave them.

    Args:
        draws: (draws, atoms, 3) Å, of SIDEGEN, nothing refined.
    """
    assert poses.confidence is not None
    density = draw_density(poses.ligand.mol, poses.coords, draws)
    return replace(poses, confidence=model.supported(poses.confidence, density))
