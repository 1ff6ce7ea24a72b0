"""Bond lengths, angles and planarity of the ligand: zero within the bounds, harmonic outside.

The bounds are those of RDKit's distance geometry, which hold for any molecule without force-field
types. Planarity is also measured as height over a plane, because distances within a plane change
only to second order when an atom leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.energy.terms import BoundEnergy
from molgen.graphs.energy_topology import EnergyTopology


@dataclass(frozen=True)
class Geometry:
    """Flat-bottom harmonic walls, k * max(0, violation - tolerance)^2.

    Attributes:
        bond: force constant of 1-2 distances, kcal/mol/Å².
        angle: force constant of 1-3 distances, kcal/mol/Å².
        rigid: force constant of 1-4 distances across rigid bonds, kcal/mol/Å².
        planar: force constant of heights over a plane, kcal/mol/Å².
        bond_tolerance: Å beyond the bounds that are free.
        angle_tolerance: Å, for 1-3 distances.
        rigid_tolerance: Å, for 1-4 distances.
        height: Å out of the plane that are free.
    """

    bond: float = 300.0
    angle: float = 60.0
    rigid: float = 30.0
    planar: float = 60.0
    bond_tolerance: float = 0.05
    angle_tolerance: float = 0.08
    rigid_tolerance: float = 0.15
    height: float = 0.10

    def bind(self, topology: EnergyTopology) -> BoundGeometry:
        """Return the energy of one ligand; the receptor plays no part."""
        return BoundGeometry(self, topology)


class BoundGeometry(BoundEnergy):
    """Geometry energy of one ligand, in the parts bonds, angles, rigid and planar."""

    quads: Tensor

    def __init__(self, term: Geometry, topology: EnergyTopology) -> None:
        super().__init__()
        self._term = term
        for name in ("bonds", "angles", "rigid"):
            bounds = getattr(topology, name)
            self._keep(
                **{
                    f"{name}_pairs": bounds.pairs,
                    f"{name}_lower": bounds.lower,
                    f"{name}_upper": bounds.upper,
                }
            )
        self._keep(quads=topology.planar)

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return bonds, angles, rigid and planar, each (poses,) kcal/mol; they add up."""
        term = self._term
        heights = out_of_plane(coords, self.quads).abs()
        return {
            "bonds": term.bond * self._outside("bonds", coords, term.bond_tolerance),
            "angles": term.angle * self._outside("angles", coords, term.angle_tolerance),
            "rigid": term.rigid * self._outside("rigid", coords, term.rigid_tolerance),
            "planar": term.planar * (heights - term.height).clamp_min(0.0).square().sum(-1),
        }

    def _outside(
        self, name: str, coords: Float[Tensor, "poses atoms 3"], tolerance: float
    ) -> Float[Tensor, "poses"]:
        pairs = getattr(self, f"{name}_pairs")
        gap = coords[:, pairs[:, 0]] - coords[:, pairs[:, 1]]
        distance = gap.square().sum(-1).clamp_min(1e-12).sqrt()
        below = (getattr(self, f"{name}_lower") - tolerance - distance).clamp_min(0.0)
        above = (distance - getattr(self, f"{name}_upper") - tolerance).clamp_min(0.0)
        return (below.square() + above.square()).sum(-1)


def out_of_plane(
    coords: Float[Tensor, "poses atoms 3"], quads: Int[Tensor, "quads 4"]
) -> Float[Tensor, "poses quads"]:
    """Return the signed heights in Å of the first atom of each quad over the other three."""
    top, a, b, c = (coords[:, quads[:, column]] for column in range(4))
    normal = torch.linalg.cross(b - a, c - a)
    length = normal.square().sum(-1).clamp_min(1e-12).sqrt()
    return (normal * (top - a)).sum(-1) / length
