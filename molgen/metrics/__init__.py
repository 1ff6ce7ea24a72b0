"""How right a pose is: these functions need the answer, scores do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molgen.lazy import lazy_names

if TYPE_CHECKING:
    from molgen.metrics.rmsd import (
        aligned_rmsd,
        centroid_distance,
        ligand_rmsd,
        pose_distances,
    )
    from molgen.metrics.success import Outcome, Proportion, summarise, wilson_interval

__getattr__ = lazy_names(
    __name__,
    {
        "Outcome": "success",
        "Proportion": "success",
        "aligned_rmsd": "rmsd",
        "centroid_distance": "rmsd",
        "ligand_rmsd": "rmsd",
        "pose_distances": "rmsd",
        "summarise": "success",
        "wilson_interval": "success",
    },
)

__all__ = [
    "Outcome",
    "Proportion",
    "aligned_rmsd",
    "centroid_distance",
    "ligand_rmsd",
    "pose_distances",
    "summarise",
    "wilson_interval",
]
