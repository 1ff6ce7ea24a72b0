"""How right a pose is: these functions need the answer, scores do not."""

from molgen.metrics.rmsd import (
    aligned_rmsd,
    centroid_distance,
    ligand_rmsd,
    pose_distances,
)
from molgen.metrics.success import Outcome, Proportion, summarise, wilson_interval

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
