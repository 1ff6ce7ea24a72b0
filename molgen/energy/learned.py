"""Learned energy terms of the ligand: SCF energy, HOMO-LUMO gap, electrostatics of its charges.

These are the three scalar features whose energy models guide SIDEGEN (Wu, Cao & Yao, arXiv
2309.16684), as one network predicts them (`molgen.energy.property_model`). The noise level says how
noisy the coordinates are that the term is given: 0 for finished poses and for estimates of clean
ones, σ of the step for poses on the way.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.checkpoints import outside_domain
from molgen.energy.property_model import PropertyModel, load_properties
from molgen.energy.property_network import Properties
from molgen.energy.terms import BoundEnergy
from molgen.errors import MolgenWarning
from molgen.graphs.energy_topology import EnergyTopology
from molgen.graphs.ligand_arrays import LigandArrays
from molgen.graphs.pose_graph import LigandGraph, ligand_of, stack_ligands
from molgen.units import COULOMB

CHECKPOINT = "energies-1"
_GRAPH = ("features", "pair_kind", "rigid", "mask", "quads", "moving")


@dataclass(frozen=True)
class ScfEnergy:
    """GFN2-xTB energy less that of the ligand's composition, kcal/mol.

    Hydrogens are no input: the energy is that of the pose with its hydrogens relaxed. Only
    differences between poses of one ligand mean anything for guidance.

    Attributes:
        checkpoint: name of a shipped model, or its folder.
        sigma: Å, noise on every coordinate of the poses.
    """

    checkpoint: str = CHECKPOINT
    sigma: float = 0.0

    def bind(self, topology: EnergyTopology) -> BoundProperty:
        """Return the energy of one ligand; the receptor plays no part."""
        return _BoundScfEnergy(self.checkpoint, self.sigma, topology.ligand)


@dataclass(frozen=True)
class OrbitalGap:
    """Minus the HOMO-LUMO gap, kcal/mol: a wide gap is low in energy.

    The sign is a convention of ours: a ligand that is distorted loses gap as well as energy.

    Attributes:
        checkpoint, sigma: as in `ScfEnergy`.
    """

    checkpoint: str = CHECKPOINT
    sigma: float = 0.0

    def bind(self, topology: EnergyTopology) -> BoundProperty:
        """Return the energy of one ligand; the receptor plays no part."""
        return _BoundOrbitalGap(self.checkpoint, self.sigma, topology.ligand)


@dataclass(frozen=True)
class PartialCharges:
    """Coulomb energy of the ligand's predicted Gasteiger charges, kcal/mol.

    332.06 q_i q_j / (dielectric (r² + softening²)) over pairs more than three bonds apart, which is
    Coulomb's law with a dielectric constant that grows with distance, ε = dielectric · r/Å. Charges
    are those of heavy atoms with their hydrogens.

    Attributes:
        checkpoint, sigma: as in `ScfEnergy`.
        dielectric: factor; 4 is common for proteins.
        softening: Å, keeps atoms that overlap finite.
    """

    checkpoint: str = CHECKPOINT
    sigma: float = 0.0
    dielectric: float = 4.0
    softening: float = 0.5

    def bind(self, topology: EnergyTopology) -> BoundProperty:
        """Return the energy of one ligand; the receptor plays no part."""
        return _BoundPartialCharges(self, topology)


class BoundProperty(BoundEnergy):
    """Properties of one ligand."""

    def __init__(self, checkpoint: str, sigma: float, ligand: LigandArrays) -> None:
        super().__init__()
        self.model: PropertyModel = load_properties(checkpoint).double().requires_grad_(False)
        self.sigma = sigma
        graph = stack_ligands([ligand_of(ligand)])
        for name in _GRAPH:
            self.register_buffer(name, getattr(graph, name), persistent=False)
        charge = int(ligand.ligand_charges.sum())
        if unknown := outside_domain(checkpoint, ligand.ligand_elements.tolist(), charge):
            warnings.warn(unknown, MolgenWarning, stacklevel=3)

    def at(self, sigma: float) -> BoundProperty:
        """Set the noise level of the poses to come, Å, and return this energy."""
        self.sigma = sigma
        return self

    def properties(self, coords: Float[Tensor, "poses atoms 3"]) -> Properties:
        """Return energy and gap in kcal/mol and charges in e, each for one ligand's poses."""
        graph = LigandGraph(**{name: getattr(self, name) for name in _GRAPH})
        sigma = torch.full_like(coords[None, :, 0, 0], self.sigma)
        return self.model(coords[None], sigma, graph)


class _BoundScfEnergy(BoundProperty):
    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return scf_energy, (poses,) kcal/mol."""
        return {"scf_energy": self.properties(coords).energy[0]}


class _BoundOrbitalGap(BoundProperty):
    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return orbital_gap, (poses,) kcal/mol, minus the gap."""
        return {"orbital_gap": -self.properties(coords).gap[0]}


class _BoundPartialCharges(BoundProperty):
    first: Tensor
    second: Tensor

    def __init__(self, term: PartialCharges, topology: EnergyTopology) -> None:
        super().__init__(term.checkpoint, term.sigma, topology.ligand)
        self._term = term
        first, second = topology.distant_pairs.T
        self._keep(first=first, second=second)

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return partial_charges, (poses,) kcal/mol."""
        term, charges = self._term, self.properties(coords).charges[0]
        squared = (coords[:, self.first] - coords[:, self.second]).square().sum(-1)
        product = charges[:, self.first] * charges[:, self.second]
        each = product / (term.dielectric * (squared + term.softening**2))
        return {"partial_charges": COULOMB * each.sum(-1)}
