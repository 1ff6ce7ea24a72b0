"""Torsional strain from crystal-structure statistics, the preferences that ETKDG embeds with.

Riniker & Landrum, J. Chem. Inf. Model. 2015, 55, 2562: V(phi) = sum_k V_k (1 + s_k cos k phi),
k = 1..6. The coefficients were fitted to histograms of the Cambridge Structural Database, so the
scale is that of a potential of mean force, steeper than a gas-phase torsion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.energy.terms import BoundEnergy
from molgen.geometry.torsions import dihedral_cosine_sine
from molgen.graphs.energy_topology import EnergyTopology

_TURN = 720
"""Points on which the minimum of a torsion potential is looked up."""


@dataclass(frozen=True)
class TorsionStrain:
    """Sum over the torsions, each above its own minimum.

    Attributes:
        scale: factor on the coefficients, dimensionless.
    """

    scale: float = 0.05

    def bind(self, topology: EnergyTopology) -> BoundTorsionStrain:
        """Return the energy of one ligand; the receptor plays no part."""
        return BoundTorsionStrain(self, topology)


class BoundTorsionStrain(BoundEnergy):
    """Torsional strain of one ligand."""

    quads: Tensor
    heights: Tensor
    signs: Tensor
    lowest: Tensor

    def __init__(self, term: TorsionStrain, topology: EnergyTopology) -> None:
        super().__init__()
        self._keep(
            quads=topology.torsions,
            heights=term.scale * topology.torsion_heights,
            signs=topology.torsion_signs,
        )
        cosine = torch.cos(torch.linspace(0.0, torch.pi, _TURN + 1, dtype=torch.float64))
        lowest = self._potential(cosine[:, None].expand(-1, len(self.quads))).amin(0)
        self._keep(lowest=lowest.numpy())

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return torsion, (poses,) kcal/mol."""
        return {"torsion": self.each(coords).sum(-1)}

    def each(self, coords: Float[Tensor, "poses atoms 3"]) -> Float[Tensor, "poses torsions"]:
        """Return the strain of every torsion, kcal/mol."""
        cosine, _ = dihedral_cosine_sine(coords, self.quads)
        return self._potential(cosine) - self.lowest

    def _potential(
        self, cosine: Float[Tensor, "poses torsions"]
    ) -> Float[Tensor, "poses torsions"]:
        """Return V(phi) from cos(phi); cos(k phi) by Chebyshev's recursion, smooth everywhere."""
        previous, multiple = torch.ones_like(cosine), cosine
        energy = torch.zeros_like(cosine)
        for k in range(6):
            energy = energy + self.heights[:, k] * (1.0 + self.signs[:, k] * multiple)
            previous, multiple = multiple, 2.0 * cosine * multiple - previous
        return energy
