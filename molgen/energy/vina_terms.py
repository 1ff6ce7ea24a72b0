"""The AutoDock Vina pair potential as numbers: weights, and tables over distance.

Trott & Olson, J. Comput. Chem. 2010, 31, 455, equations 3-8 and table 1. The torch form that is
differentiated for guidance is `molgen.energy.vina`; tables serve the grids and compiled kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.graphs.atom_types import ACCEPTOR, DONOR, HYDROPHOBIC, RADII

CUTOFF = 8.0
"""Distance in Å between atom centres beyond which the potential is zero."""


@dataclass(frozen=True)
class VinaWeights:
    """Weights of the published scoring function, kcal/mol (rotor: dimensionless)."""

    gauss1: float = -0.035579
    gauss2: float = -0.005156
    repulsion: float = 0.840245
    hydrophobic: float = -0.035069
    hydrogen_bond: float = -0.587439
    rotor: float = 0.05846

    def repulsion_only(self) -> VinaWeights:
        """Return the weights with all attractive terms at zero."""
        return VinaWeights(0.0, 0.0, self.repulsion, 0.0, 0.0, self.rotor)


def pair_energy(
    distance: np.ndarray, first: np.ndarray, second: np.ndarray, weights: VinaWeights
) -> np.ndarray:
    """Return the energy of atom pairs; all arguments broadcast against each other.

    Args:
        distance: Å between atom centres.
        first: docking type of one atom.
        second: docking type of the other.
        weights: term weights.
    """
    surface = distance - RADII[first] - RADII[second]
    hydrophobic = HYDROPHOBIC[first] & HYDROPHOBIC[second]
    bonding = (DONOR[first] & ACCEPTOR[second]) | (ACCEPTOR[first] & DONOR[second])
    energy = (
        weights.gauss1 * np.exp(-((surface / 0.5) ** 2))
        + weights.gauss2 * np.exp(-(((surface - 3.0) / 2.0) ** 2))
        + weights.repulsion * np.minimum(surface, 0.0) ** 2
        + weights.hydrophobic * np.where(hydrophobic, np.clip(1.5 - surface, 0.0, 1.0), 0.0)
        + weights.hydrogen_bond * np.where(bonding, np.clip(-surface / 0.7, 0.0, 1.0), 0.0)
    )
    return np.where(distance < CUTOFF, energy, 0.0)


def internal_energy(
    coords: np.ndarray, pairs: np.ndarray, types: np.ndarray, weights: VinaWeights
) -> np.ndarray:
    """Return the summed energy of atom ``pairs`` (pairs, 2) for poses (poses, atoms, 3)."""
    first, second = pairs[:, 0], pairs[:, 1]
    distance = np.linalg.norm(coords[:, first] - coords[:, second], axis=-1)
    kinds = types.astype(np.int64)
    return np.asarray(pair_energy(distance, kinds[first], kinds[second], weights).sum(axis=1))


def bin_distances(bins_per_angstrom: int) -> np.ndarray:
    """Return the distances in Å that the bins of a table stand for, (bins,), past the cutoff.

    Those at the cutoff and beyond stand for just inside of it: interpolation would else let the
    last bin run down to zero. Whoever reads a table cuts by distance.
    """
    distance = np.arange(int(CUTOFF * bins_per_angstrom) + 2) / bins_per_angstrom
    return np.minimum(distance, np.nextafter(CUTOFF, 0.0))


def pair_table(
    first: np.ndarray, second: np.ndarray, weights: VinaWeights, bins_per_angstrom: int
) -> np.ndarray:
    """Return energies at `bin_distances`, (pairs, bins) float64."""
    distance = bin_distances(bins_per_angstrom)
    return pair_energy(distance[None, :], first[:, None], second[:, None], weights)
