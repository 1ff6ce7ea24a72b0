"""Where to place a ligand: a box in the frame of the receptor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.errors import PocketError

DEFAULT_EDGE = 25.0
"""Edge of the cubic search box in Å, the value of the published docking benchmarks."""


@dataclass(frozen=True)
class Pocket:
    """An axis-aligned box.

    Attributes:
        center: (3,) float64, Å.
        edges: (3,) float64, full edge lengths in Å.
        source: how it was defined, in words, for reports.
    """

    center: np.ndarray
    edges: np.ndarray
    source: str

    def __post_init__(self) -> None:
        center = np.asarray(self.center, dtype=np.float64)
        edges = np.broadcast_to(np.asarray(self.edges, dtype=np.float64), (3,)).copy()
        if center.shape != (3,) or not np.isfinite(center).all():
            raise PocketError(f"pocket centre must be three finite numbers, got {self.center}")
        if not (np.isfinite(edges).all() and (edges > 0).all()):
            raise PocketError(f"pocket edges must be positive lengths in Å, got {self.edges}")
        center.setflags(write=False)
        edges.setflags(write=False)
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "edges", edges)

    @property
    def lower(self) -> np.ndarray:
        """(3,) smallest corner, Å."""
        return self.center - self.edges / 2

    @property
    def upper(self) -> np.ndarray:
        """(3,) largest corner, Å."""
        return self.center + self.edges / 2

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return a mask of the points (n, 3) inside the box."""
        return np.asarray(((points >= self.lower) & (points <= self.upper)).all(axis=-1))
