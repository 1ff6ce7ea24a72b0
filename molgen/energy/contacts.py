"""A correction to the Vina pair potential, learned from complexes: one curve per contact type pair.

The curves are piecewise linear over distance (hat functions on `KNOTS`) and were fitted so that
near-native poses score below the decoys that a search finds; see the model card.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.errors import StoreError
from molgen.geometry.knots import KNOTS
from molgen.graphs.contact_types import LIGAND_CONTACTS, RECEPTOR_CONTACTS


@dataclass(frozen=True)
class ContactPotential:
    """Learned pair curves.

    Attributes:
        curves: (receptor contacts, ligand contacts, knots - 1) kcal/mol.
        attraction: factor on the attractive part of the ligand's internal Vina energy; its
            repulsion always counts in full.
    """

    curves: np.ndarray
    attraction: float = 1.0

    def __post_init__(self) -> None:
        expected = (len(RECEPTOR_CONTACTS), len(LIGAND_CONTACTS), len(KNOTS) - 1)
        if self.curves.shape != expected:
            raise StoreError(
                f"contact potential has curves of shape {self.curves.shape}, expected {expected}"
            )

    @classmethod
    def zero(cls) -> ContactPotential:
        """Return the potential that leaves the Vina scoring function as it is."""
        return cls(np.zeros((len(RECEPTOR_CONTACTS), len(LIGAND_CONTACTS), len(KNOTS) - 1)))

    def energy(self, distance: np.ndarray, receptor: np.ndarray, ligand: np.ndarray) -> np.ndarray:
        """Return the correction for contact types at distances (Å); arguments broadcast."""
        interval = np.clip(np.searchsorted(KNOTS, distance, side="right") - 1, 0, len(KNOTS) - 2)
        part = (distance - KNOTS[interval]) / np.diff(KNOTS)[interval]
        padded = np.concatenate([self.curves, np.zeros((*self.curves.shape[:2], 1))], axis=2)
        value = (1 - part) * padded[receptor, ligand, interval]
        value = value + part * padded[receptor, ligand, interval + 1]
        return np.where(distance < KNOTS[-1], value, 0.0)
