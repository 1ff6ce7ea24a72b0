"""Poses that a sampler found, relaxed in the pocket: `molgen generate --relax`.

A relaxed pose takes the place of the one found only where it is valid and that was not, or is at
least as valid and more confident (without a model of confidence: scores better). Both are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from rdkit import Chem

from molgen.api.relax_poses import Measure, PoseRelaxer, RelaxOutcome
from molgen.scoring.confidence import ConfidenceScorer
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
        poses: in the order given, with relaxed coordinates, energies and confidence where taken.
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


Record = tuple[Chem.Mol, dict[str, object]]


def relax_found(
    found: Poses,
    count: int,
    sampler: Rescorer,
    rater: ConfidenceScorer | None,
    relaxer: PoseRelaxer,
    seed: int,
) -> RelaxedFind:
    """Return the first ``count`` poses found, each relaxed where that makes it better.

    Args:
        found: best first; with a rater rated, and those beyond ``count`` give it the field.
        sampler: that found them.
        rater: of confidence, or None where the score decides.
        seed: that the sampler had.
    """

    def score(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
        return sampler.rescore(ligand, coords, seed).scores

    def confidence(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
        """Rate poses among all that were found."""
        assert rater is not None
        said = rater.rated(_joined(found, sampler.rescore(ligand, coords, seed))).confidence
        assert said is not None
        return said[len(found) :]

    measure = Measure("confidence", confidence, True) if rater else Measure("score", score)

    top = found.take(np.arange(min(count, len(found))))
    graph = Chem.Mol(found.ligand.mol)
    graph.RemoveAllConformers()
    true = Ligand(found.ligand.name, graph)
    outcomes = relaxer.relax([(found.ligand, coords) for coords in top.coords], true, measure)
    taken = np.array([outcome.accepted for outcome in outcomes], dtype=bool)
    if not taken.any():
        return RelaxedFind(top, outcomes)
    atoms = found.ligand.num_atoms
    coords = [o.pose.GetConformer().GetPositions()[:atoms] for o in outcomes if o.accepted]
    new = sampler.rescore(found.ligand, np.array(coords), seed)
    if rater is not None:
        rated = rater.rated(_joined(found, new))
        new = rated.take(np.arange(len(found), len(rated)))
    return RelaxedFind(_replaced(top, np.flatnonzero(taken), new), outcomes)


def _joined(first: Poses, second: Poses) -> Poses:
    """Return the poses of both, with their scores and terms."""
    return Poses(
        first.ligand,
        np.concatenate([first.coords, second.coords]),
        np.concatenate([first.scores, second.scores]),
        {name: np.concatenate([first.terms[name], second.terms[name]]) for name in first.terms},
    )


def _replaced(poses: Poses, places: np.ndarray, new: Poses) -> Poses:
    """Return the poses with those at ``places`` exchanged."""

    def put(old: np.ndarray | None, values: np.ndarray | None) -> np.ndarray | None:
        if old is None or values is None:
            return None
        changed = old.copy()
        changed[places] = values
        return changed

    def must(old: np.ndarray, values: np.ndarray) -> np.ndarray:
        changed = put(old, values)
        assert changed is not None
        return changed

    return replace(
        poses,
        coords=must(poses.coords, new.coords),
        scores=must(poses.scores, new.scores),
        terms={name: must(values, new.terms[name]) for name, values in poses.terms.items()},
        confidence=put(poses.confidence, new.confidence),
        expected_rmsd=put(poses.expected_rmsd, new.expected_rmsd),
    )
