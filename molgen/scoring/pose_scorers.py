"""What ranks the poses of a ligand: the scorers by name, and what all of them have in common.

A new scorer is one class and one row of the table; the contract suite then tests it.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from molgen.registry import Registry
from molgen.structure import Poses, Protein

POSE_SCORERS = Registry(
    "pose scorer",
    {
        "confidence": "molgen.scoring.confidence:ConfidenceScorer",
        "energy": "molgen.scoring.pose_scorers:EnergyScorer",
    },
)


@runtime_checkable
class PoseScorer(Protocol):
    """A receptor in which poses of many ligands are rated.

    Attributes:
        checkpoint: what it was trained as, or None where it was not.
        together: poses of a ligand that it wants to see at once; 0 where that is no matter.
    """

    checkpoint: str | None
    together: int

    def refuses(self, poses: Poses) -> str:
        """Return why it cannot rate the poses, which then keep the order of their scores; or ""."""

    def rated(self, poses: Poses, field: np.ndarray | None = None) -> Poses:
        """Return the poses in their order: with their confidence, or as given.

        Args:
            field: (poses,) bool, those that every pose is judged among; by default `field_of` the
                scores and ``together``, so that asking for more poses changes no confidence.
        """


class EnergyScorer:
    """Leaves the poses to the score of their sampler."""

    checkpoint = None
    together = 0

    def __init__(self, protein: Protein, checkpoint: str) -> None:
        """Take what every scorer is given; energies need neither."""

    def refuses(self, poses: Poses) -> str:
        """Return "": every pose has a score."""
        return ""

    def rated(self, poses: Poses, field: np.ndarray | None = None) -> Poses:
        """Return the poses as they are."""
        return poses


def build_pose_scorer(name: str, protein: Protein, checkpoint: str) -> PoseScorer:
    """Return the scorer called ``name`` for one receptor.

    Args:
        checkpoint: name of a shipped one or a folder, for the scorers that are trained.

    Raises:
        RegistryError: no scorer has that name.
        StoreError: no such checkpoint, damaged, or of another kind.
    """
    make: Any = POSE_SCORERS[name]
    scorer: PoseScorer = make(protein, checkpoint)
    return scorer


def best_first(poses: Poses) -> Poses:
    """Return the poses sorted by confidence, of equal confidence or without one by score."""
    if poses.confidence is None:
        return poses.take(np.argsort(poses.scores, kind="stable"))
    return poses.take(np.lexsort((poses.scores, -poses.confidence)))
