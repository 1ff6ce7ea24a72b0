"""Poses that a sampler found, relaxed in the pocket: `molgen generate --relax`.

A relaxed pose takes the place of the one found only where it passes more checks, or as many and is
more confident (without a model of confidence: scores better). It keeps the rank
of the one found among poses of its validity. Both are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from rdkit import Chem

from molgen.api.output_folder import Record
from molgen.api.relax_poses import Measure, PoseRelaxer, RelaxOutcome
from molgen.scoring.pose_features import field_of
from molgen.scoring.pose_scorers import PoseScorer
from molgen.structure import Ligand, Poses


@runtime_checkable
class Rescorer(Protocol):
    """A sampler that gives its energies to any pose."""

    def rescore(self, ligand: Ligand, coords: np.ndarray, seed: int) -> Poses:
        """Return the poses in the order given, with scores and terms."""


@dataclass(frozen=True)
class RelaxedFind:
    """What came of the poses that are to be returned.

    Attributes:
        poses: in the order given, with relaxed coordinates and energies where taken; the confidence
            is that of the pose found.
        outcomes: of every pose.
    """

    poses: Poses
    outcomes: list[RelaxOutcome]

    @property
    def mols(self) -> list[Chem.Mol]:
        """The poses to return, with hydrogens."""
        return [outcome.pose for outcome in self.outcomes]

    def properties(self) -> list[dict[str, object]]:
        """Return what summary.csv says of each relaxation."""
        return [
            {
                "relaxation": outcome.word,
                "relaxation_reason": outcome.properties["reason"],
                "displacement": outcome.properties.get("displacement", ""),
            }
            for outcome in self.outcomes
        ]

    def records(self) -> tuple[list[Record], list[Record]]:
        """Return (molecule, properties) of the poses as found and as relaxed."""
        rows = [{"pose": k, **o.properties} for k, o in enumerate(self.outcomes, start=1)]
        pairs = list(zip(self.outcomes, rows, strict=True))
        relaxed = [(o.relaxed, row) for o, row in pairs if o.relaxed is not None]
        return [(o.raw, row) for o, row in pairs], relaxed


def relax_found(
    found: Poses,
    count: int,
    sampler: Rescorer,
    scorer: PoseScorer,
    relaxer: PoseRelaxer,
    seed: int,
) -> RelaxedFind:
    """Return the first ``count`` poses found, each relaxed where that makes it better.

    Args:
        found: best first; where they are rated, those beyond ``count`` give the field.
        sampler: that found them.
        scorer: that rated them; where it did not, the score decides.
        seed: that the sampler had.
    """

    def score(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
        return sampler.rescore(ligand, coords, seed).scores

    def confidence(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
        """Rate poses among those that were found."""
        both = found.joined(sampler.rescore(ligand, coords, seed))
        field = np.zeros(len(both), dtype=bool)
        field[: len(found)] = field_of(found.scores, scorer.together)
        said = scorer.rated(both, field).confidence
        assert said is not None
        return said[len(found) :]

    rated = found.confidence is not None
    measure = Measure("confidence", confidence, True) if rated else Measure("score", score)
    top = found.take(np.arange(min(count, len(found))))
    pairs = [(found.ligand, coords) for coords in top.coords]
    outcomes = relaxer.relax(pairs, found.ligand.without_coords(), measure)
    taken = np.array([outcome.accepted for outcome in outcomes], dtype=bool)
    if not taken.any():
        return RelaxedFind(top, outcomes)
    atoms = found.ligand.num_atoms
    coords = [o.pose.GetConformer().GetPositions()[:atoms] for o in outcomes if o.accepted]
    new = sampler.rescore(found.ligand, np.array(coords), seed)
    if top.confidence is not None and top.expected_rmsd is not None:
        # to be ranked by: the model tells poses apart, not a pose from itself some 0.2 Å away
        known = top.confidence[taken], top.expected_rmsd[taken]
        new = replace(new, confidence=known[0], expected_rmsd=known[1])
    order = np.arange(len(top))
    order[taken] = len(top) + np.arange(len(new))
    return RelaxedFind(top.joined(new).take(order), outcomes)
