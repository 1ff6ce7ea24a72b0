"""Raw and refined poses side by side: refinement counts only where it improves a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from molgen.api.pose_output import RankedPose
from molgen.metrics.rmsd import ligand_rmsd

REFINED, RAW = "refined", "raw"


def accept(
    refined: Sequence[RankedPose], raw: Sequence[RankedPose], count: int, distinct: float
) -> list[RankedPose]:
    """Return at most ``count`` poses, valid ones first, then by score, with their ``origin``.

    Of a refined and a raw pose nearer than ``distinct`` Å (symmetry-corrected) the better one
    stays: the valid one, else the one of lower score. Raw poses near a better pose of either
    origin add nothing.
    """
    members = [(pose, REFINED) for pose in refined] + [(pose, RAW) for pose in raw]
    members.sort(key=lambda member: _order(member[0]))
    chosen: list[tuple[RankedPose, str]] = []
    for pose, origin in members:
        rivals = [p.mol for p, other in chosen if RAW in (origin, other)]
        if np.all(ligand_rmsd(pose.mol, rivals) >= distinct):
            chosen.append((pose, origin))
    return [
        replace(pose, properties={**pose.properties, "rank": rank, "origin": origin})
        for rank, (pose, origin) in enumerate(chosen[:count], start=1)
    ]


def _order(pose: RankedPose) -> tuple[bool, float]:
    score = pose.properties["score"]
    assert isinstance(score, float)
    return not pose.properties["posebusters_pass"], score
