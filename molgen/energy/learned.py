"""Learned energy terms of the ligand: SCF energy, HOMO-LUMO gap, electrostatics of its charges.

These are the three scalar features whose energy models guide SIDEGEN (Wu, Cao & Yao, arXiv
2309.16684), as one network predicts them (`molgen.energy.property_model`). The noise level says how
noisy the coordinates are that the term is given: 0 for finished poses and for estimates of clean
ones, σ of the step for poses on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.energy.property_model import PropertyModel, load_properties
from molgen.energy.property_network import Properties
from molgen.energy.terms import BoundEnergy
from molgen.graphs.energy_topology import EnergyTopology
from molgen.graphs.pose_graph import LigandGraph, ligand_of, stack_ligands
from molgen.units import COULOMB

CHECKPOINT = "energies-1"
_GRAPH = tuple(field.name for field in fields(LigandGraph))


@dataclass(frozen=True)
class LearnedEnergies:
    """All three terms, weighted, from one pass of the network, kcal/mol.

    Of the energy only differences between poses of one ligand mean anything for guidance.
    `molgen.checkpoints.outside_domain` tells whether a model has seen ligands of the kind.

    Attributes:
        checkpoint: name of a shipped model, or its folder.
        sigma: Å, noise on every coordinate of the poses.
        scf, gap, charges: weights; 0 leaves a term out.
        dielectric: factor of the charges; 4 is common for proteins.
        softening: Å, keeps atoms that overlap finite.
    """

    checkpoint: str = CHECKPOINT
    sigma: float = 0.0
    scf: float = 1.0
    gap: float = 1.0
    charges: float = 1.0
    dielectric: float = 4.0
    softening: float = 0.5

    def bind(self, topology: EnergyTopology) -> BoundProperties:
        """Return the energy of one ligand; the receptor plays no part."""
        return BoundProperties(self, topology)


@dataclass(frozen=True)
class ScfEnergy(LearnedEnergies):
    """GFN2-xTB energy less that of the ligand's composition, kcal/mol.

    Hydrogens are no input: the energy is that of the pose with its hydrogens relaxed.
    """

    gap: float = 0.0
    charges: float = 0.0


@dataclass(frozen=True)
class OrbitalGap(LearnedEnergies):
    """Minus the HOMO-LUMO gap, kcal/mol: a wide gap is low in energy.

    The sign is a convention of ours: a ligand that is distorted loses gap as well as energy.
    """

    scf: float = 0.0
    charges: float = 0.0


@dataclass(frozen=True)
class PartialCharges(LearnedEnergies):
    """Coulomb energy of the ligand's predicted Gasteiger charges, kcal/mol.

    332.06 q_i q_j / (dielectric (r² + softening²)) over pairs more than three bonds apart, which is
    Coulomb's law with a dielectric constant that grows with distance, ε = dielectric · r/Å. Charges
    are those of heavy atoms with their hydrogens.
    """

    scf: float = 0.0
    gap: float = 0.0


class BoundProperties(BoundEnergy):
    """Properties of one ligand."""

    first: Tensor
    second: Tensor

    def __init__(self, options: LearnedEnergies, topology: EnergyTopology) -> None:
        super().__init__()
        self.options, self.sigma = options, options.sigma
        model: PropertyModel = load_properties(options.checkpoint)
        self.model = model.double().requires_grad_(False)
        graph = stack_ligands([ligand_of(topology.ligand)])
        for name in _GRAPH:
            self.register_buffer(name, getattr(graph, name), persistent=False)
        first, second = topology.distant_pairs.T
        self._keep(first=first, second=second)

    def properties(self, coords: Float[Tensor, "poses atoms 3"]) -> Properties:
        """Return energy and gap in kcal/mol and charges in e, each for one ligand's poses."""
        graph = LigandGraph(**{name: getattr(self, name) for name in _GRAPH})
        sigma = torch.full_like(coords[None, :, 0, 0], self.sigma)
        return self.model(coords[None], sigma, graph)

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return those with a weight of scf_energy, orbital_gap (minus the gap) and
        partial_charges, each (poses,) kcal/mol.
        """
        options, found = self.options, self.properties(coords)
        made = {}
        if options.scf:
            made["scf_energy"] = options.scf * found.energy[0]
        if options.gap:
            made["orbital_gap"] = -options.gap * found.gap[0]
        if options.charges:
            made["partial_charges"] = options.charges * self._coulomb(coords, found.charges[0])
        return made

    def _coulomb(self, coords: Tensor, charges: Tensor) -> Tensor:
        squared = (coords[:, self.first] - coords[:, self.second]).square().sum(-1)
        product = charges[:, self.first] * charges[:, self.second]
        each = product / (self.options.dielectric * (squared + self.options.softening**2))
        return COULOMB * each.sum(-1)
