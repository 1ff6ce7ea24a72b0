"""Confidence of poses: the probability that a pose lies within 2 Å of the true one.

A network rates the poses of one ligand in one pocket (`molgen.scoring.confidence_network`). Its
logit becomes a probability on held-out pockets (`molgen.scoring.calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from molgen.checkpoints import FORMAT, load_model, save_model, training_domain
from molgen.config import build, to_dict
from molgen.graphs.pose_graph import ligand_of, target_of
from molgen.scoring.calibration import Calibrated
from molgen.scoring.confidence_network import (
    CUTOFF,
    ConfidenceConfig,
    ConfidenceNetwork,
    MeanNetwork,
    PoseSet,
    pose_set,
)
from molgen.scoring.pose_features import RATED, TERMS, field_of, pose_features

if TYPE_CHECKING:
    from molgen.structure import Poses, Protein

KIND = "confidence"


class Rating(NamedTuple):
    """What the model says of poses.

    Attributes:
        confidence: probability of RMSD ≤ 2 Å.
        rmsd: expected RMSD, Å.
    """

    confidence: Float[Tensor, " poses"]
    rmsd: Float[Tensor, " poses"]


class ConfidenceModel(Calibrated):
    """A network, or several, with a calibration, which is none until `calibrate`.

    Args:
        network: what rates poses; by default a new `ConfidenceNetwork`.
    """

    def __init__(self, network: ConfidenceNetwork | MeanNetwork | None = None) -> None:
        super().__init__()
        self.network = network or ConfidenceNetwork()

    def forward(self, poses: PoseSet) -> Rating:
        """Return calibrated probability and expected RMSD of every pose."""
        found = self.network(poses)
        return Rating(self.calibrated(found.logit, found.logit), found.rmsd)

    def config(self) -> dict[str, Any]:
        """Return the content of config.json, all options spelled out."""
        options: dict[str, Any] = {"network": to_dict(self.network.config)}
        if isinstance(self.network, MeanNetwork):
            members: Any = self.network.members
            options = {"members": [to_dict(member.config) for member in members]}
        return {"format": FORMAT, "kind": KIND, "name": "confidence", "options": options}


def save_confidence(folder: Path, model: ConfidenceModel) -> None:
    """Write model.safetensors, config.json and SHA256SUMS into ``folder``."""
    save_model(folder, model)


def load_confidence(name: str) -> ConfidenceModel:
    """Return the model of a checkpoint (a shipped name or a folder), on the CPU.

    Raises:
        StoreError: no such checkpoint, damaged, of another kind, or it does not fit its config.
    """
    return load_model(name, kind=KIND, rebuild=_rebuilt)


def _rebuilt(config: Mapping[str, Any]) -> ConfidenceModel:
    options = config["options"]
    if "members" in options:
        return ConfidenceModel(MeanNetwork([_network(one) for one in options["members"]]))
    return ConfidenceModel(_network(options["network"]))


def _network(options: Mapping[str, Any]) -> ConfidenceNetwork:
    return ConfidenceNetwork(build(ConfidenceConfig, options, "network"))


class ConfidenceScorer:
    """A checkpoint and a receptor, ready to rate the poses of ligands.

    Args:
        protein: the whole receptor.
        checkpoint: name of a shipped one, or a folder.

    Raises:
        StoreError: no such checkpoint, damaged, or of another kind.
    """

    together = RATED

    def __init__(self, protein: Protein, checkpoint: str) -> None:
        self.protein, self.checkpoint = protein, checkpoint
        self.model = load_confidence(checkpoint)
        with training_domain(checkpoint) as domain:
            known = domain or {}
            self.elements = set(known["elements"]) if known else None
            self.least_atoms = int(known.get("ligand_atoms", (0,))[0])

    def refuses(self, poses: Poses) -> str:
        """Return what the model was not trained with: energies, elements, fragments; or ""."""
        atoms = {atom.GetAtomicNum() for atom in poses.ligand.mol.GetAtoms()}
        if any(name not in poses.terms for name in TERMS):
            return "its energies are not those of training"
        if self.elements is not None and not atoms <= self.elements:
            return "it has elements that training had not"
        if poses.ligand.num_atoms < self.least_atoms:
            return f"it has fewer than {self.least_atoms} heavy atoms"
        if len(poses) and poses.scores.min() >= 0.0:
            return "no pose has a negative score; does the box leave it room?"
        return ""

    def rated(self, poses: Poses, field: np.ndarray | None = None) -> Poses:
        """Return the poses with their confidence, in their order; see `PoseScorer.rated`."""
        from molgen.datasets.encode import describe_pose

        if not len(poses):
            return poses
        points = poses.coords.reshape(-1, 3)
        near = self.protein.select(self.protein.near(points, CUTOFF + 2.0))
        entry = describe_pose(near, poses.ligand, poses.coords[0], points.mean(0))
        if field is None:
            field = field_of(poses.scores, self.together)
        features = pose_features(poses.coords, poses.terms, field)
        ligand, target = ligand_of(entry), target_of(entry)
        logit, rmsd = np.zeros(len(poses)), np.zeros(len(poses))
        # apart: poses outside of the field reach receptor atoms that the others would hear of
        for rows in (np.flatnonzero(field), np.flatnonzero(~field)):
            if len(rows):
                given = pose_set(poses.coords[rows], ligand, target, features[rows])
                with torch.inference_mode():
                    said = self.model.network(given)
                logit[rows], rmsd[rows] = said.logit.numpy(), said.rmsd.numpy()
        confidence = self.model.probability(logit, field)
        return replace(poses, confidence=confidence, expected_rmsd=rmsd)
