"""Stereochemistry as the graph states it: tetrahedral centres and E/Z double bonds."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from molgen.energy.terms import BoundEnergy
from molgen.geometry.torsions import dihedral_cosine_sine
from molgen.geometry.volumes import unit_volume
from molgen.graphs.energy_topology import EnergyTopology


@dataclass(frozen=True)
class Chirality:
    """Zero for the right isomer near its ideal geometry, a wall towards the wrong one.

    A centre pays ``centre`` * max(0, volume - s V)^2, V the triple product of its unit bond
    vectors (ideal tetrahedron 0.77) and s the sign of the graph. A double bond pays ``bond`` *
    max(0, cosine - s cos(phi))^2, s = 1 for cis.

    Attributes:
        centre: kcal/mol.
        bond: kcal/mol.
        volume: smallest free signed volume.
        cosine: smallest free cosine of the signed dihedral.
    """

    centre: float = 50.0
    bond: float = 20.0
    volume: float = 0.4
    cosine: float = 0.7

    def bind(self, topology: EnergyTopology) -> BoundChirality:
        """Return the energy of one ligand; the receptor plays no part."""
        return BoundChirality(self, topology)


class BoundChirality(BoundEnergy):
    """Stereo energy of one ligand, in the parts centres and double_bonds."""

    centres: Tensor
    handedness: Tensor
    quads: Tensor
    side: Tensor

    def __init__(self, term: Chirality, topology: EnergyTopology) -> None:
        super().__init__()
        self._term = term
        self._keep(
            centres=topology.stereocentres,
            handedness=topology.handedness,
            quads=topology.double_bonds,
            side=topology.same_side,
        )

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return centres and double_bonds, each (poses,) kcal/mol; they add up."""
        term = self._term
        volume = self.handedness * unit_volume(coords, self.centres)
        cosine, _ = dihedral_cosine_sine(coords, self.quads)
        return {
            "centres": term.centre * (term.volume - volume).clamp_min(0.0).square().sum(-1),
            "double_bonds": term.bond
            * (term.cosine - self.side * cosine).clamp_min(0.0).square().sum(-1),
        }
