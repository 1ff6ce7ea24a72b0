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
        raw: what a learned sampler drew, before any refinement; not of these poses one by one.
    """

    ligand: Ligand
    coords: np.ndarray
    scores: np.ndarray
    terms: dict[str, np.ndarray] = field(default_factory=dict)
    raw: Poses | None = None

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
        )
