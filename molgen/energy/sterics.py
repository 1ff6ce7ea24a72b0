"""Clashes as van der Waals overlap, within the ligand and with the receptor."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from molgen.energy.terms import BoundEnergy
from molgen.geometry.neighbours import radius_pairs
from molgen.graphs.energy_topology import EnergyTopology


@dataclass(frozen=True)
class InternalClash:
    """strength * max(0, scale (R_i + R_j) - d)^2 over pairs more than three bonds apart.

    Attributes:
        strength: kcal/mol/Å².
        scale: share of the van der Waals radii that must stay apart; 0.75 is the threshold of
            the PoseBusters distance checks.
    """

    strength: float = 20.0
    scale: float = 0.75

    def bind(self, topology: EnergyTopology) -> BoundInternalClash:
        """Return the energy of one ligand; the receptor plays no part."""
        return BoundInternalClash(self, topology)


class BoundInternalClash(BoundEnergy):
    """Internal clash energy of one ligand."""

    first: Tensor
    second: Tensor
    closest: Tensor

    def __init__(self, term: InternalClash, topology: EnergyTopology) -> None:
        super().__init__()
        first, second = topology.distant_pairs.T
        self._strength = term.strength
        self._keep(
            first=first,
            second=second,
            closest=term.scale * (topology.radii[first] + topology.radii[second]),
        )

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return internal_clash, (poses,) kcal/mol."""
        squared = (coords[:, self.first] - coords[:, self.second]).square().sum(-1)
        overlap = (self.closest - squared.clamp_min(1e-12).sqrt()).clamp_min(0.0)
        return {"internal_clash": self._strength * overlap.square().sum(-1)}


@dataclass(frozen=True)
class ReceptorClash:
    """The same wall between ligand and receptor atoms; options as in `InternalClash`."""

    strength: float = 20.0
    scale: float = 0.75

    def bind(self, topology: EnergyTopology) -> BoundReceptorClash:
        """Return the energy of one ligand in one receptor."""
        return BoundReceptorClash(self, topology)


class BoundReceptorClash(BoundEnergy):
    """Clash energy of one ligand with one receptor; only pairs in contact are evaluated."""

    radii: Tensor
    receptor_radii: Tensor
    receptor_coords: Tensor

    def __init__(self, term: ReceptorClash, topology: EnergyTopology) -> None:
        super().__init__()
        largest = max(topology.receptor.radii, default=0.0) + max(topology.radii)
        self._strength, self._reach = term.strength, float(term.scale * largest)
        self._keep(
            radii=term.scale * topology.radii,
            receptor_radii=term.scale * topology.receptor.radii,
            receptor_coords=topology.receptor.coords,
        )

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return receptor_clash, (poses,) kcal/mol."""
        pose, atom, other = radius_pairs(coords, self.receptor_coords, self._reach).unbind(-1)
        ends = coords.reshape(-1, 3).index_select(0, pose * coords.shape[1] + atom)
        squared = (ends - self.receptor_coords[other]).square().sum(-1)
        closest = self.radii[atom] + self.receptor_radii[other]
        overlap = (closest - squared.clamp_min(1e-12).sqrt()).clamp_min(0.0)
        total = coords.new_zeros(len(coords)).index_add(0, pose, overlap.square())
        return {"receptor_clash": self._strength * total}
