"""Poses of one ligand, best first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from molgen.structure.ligand import Ligand


@dataclass(frozen=True)
class Poses:
    """Ranked poses in the frame of the receptor.

    Attributes:
        ligand: the ligand; atom order of ``coords`` is that of ``ligand.mol``.
        coords: (poses, atoms, 3) float64, Å, heavy atoms.
        scores: (poses,) the value the ranking used, kcal/mol, lower is better.
        terms: named energy terms, each (poses,) kcal/mol.
        confidence: (poses,) probability that a pose is within 2 Å of the true one, where a model of
            confidence has rated the poses.
        expected_rmsd: (poses,) Å, of the same model.
        raw: what a learned sampler drew, before any refinement; not of these poses one by one.
    """

    ligand: Ligand
    coords: np.ndarray
    scores: np.ndarray
    terms: dict[str, np.ndarray] = field(default_factory=dict)
    raw: Poses | None = None
    confidence: np.ndarray | None = None
    expected_rmsd: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.coords)

    def take(self, order: np.ndarray) -> Poses:
        """Return the poses picked by ``order`` (indices or mask)."""
        return Poses(
            self.ligand,
            self.coords[order],
            self.scores[order],
            {name: values[order] for name, values in self.terms.items()},
            self.raw,
            None if self.confidence is None else self.confidence[order],
            None if self.expected_rmsd is None else self.expected_rmsd[order],
        )

    def joined(self, other: Poses) -> Poses:
        """Return these poses and then those of ``other``; rated where both are, without ``raw``."""

        def both(one: np.ndarray | None, two: np.ndarray | None) -> np.ndarray | None:
            return None if one is None or two is None else np.concatenate([one, two])

        return Poses(
            self.ligand,
            np.concatenate([self.coords, other.coords]),
            np.concatenate([self.scores, other.scores]),
            {name: np.concatenate([self.terms[name], other.terms[name]]) for name in self.terms},
            confidence=both(self.confidence, other.confidence),
            expected_rmsd=both(self.expected_rmsd, other.expected_rmsd),
        )
