"""The AutoDock Vina scoring function, exact over atom pairs and differentiable.

Trott & Olson, J. Comput. Chem. 2010, 31, 455; weights and the same formulas as tables are in
`molgen.energy.vina_terms`. Pairs are found within the cutoff and evaluated slice by slice;
slices are recomputed in the backward pass, so memory does not grow with the number of poses.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from molgen.energy.terms import BoundEnergy
from molgen.energy.vina_terms import CUTOFF, VinaWeights
from molgen.geometry.neighbours import radius_pairs
from molgen.graphs.atom_types import ACCEPTOR, DONOR, HYDROPHOBIC, RADII
from molgen.graphs.energy_topology import EnergyTopology

PAIR_TERMS: tuple[str, ...] = tuple(f.name for f in fields(VinaWeights) if f.name != "rotor")
"""Names of the pair terms in the order they are computed."""

_SLICE = 1_000_000
"""Pairs of ligand and receptor atoms looked at in one slice; holds memory within some 300 MB."""


@dataclass(frozen=True)
class Vina:
    """The Vina energy (receptor pairs + moving ligand pairs) / (1 + w_rotor * rotors).

    Attributes:
        weights: of the published function.
        intramolecular: False leaves the ligand's own pairs out, which is the affinity Vina prints.
    """

    weights: VinaWeights = VinaWeights()
    intramolecular: bool = True

    def bind(self, topology: EnergyTopology) -> BoundVina:
        """Return the energy of one ligand in one receptor."""
        return BoundVina(self, topology)


class BoundVina(BoundEnergy):
    """Vina energy of one ligand in one receptor."""

    radii: Tensor
    hydrophobic: Tensor
    donor: Tensor
    acceptor: Tensor
    receptor_coords: Tensor
    receptor_radii: Tensor
    receptor_hydrophobic: Tensor
    receptor_donor: Tensor
    receptor_acceptor: Tensor
    pairs: Tensor

    def __init__(self, term: Vina, topology: EnergyTopology) -> None:
        super().__init__()
        self._term = term
        self._keep(
            radii=RADII[topology.types],
            hydrophobic=HYDROPHOBIC[topology.types],
            donor=DONOR[topology.types],
            acceptor=ACCEPTOR[topology.types],
            receptor_coords=topology.receptor.coords,
            receptor_radii=RADII[topology.receptor.types],
            receptor_hydrophobic=HYDROPHOBIC[topology.receptor.types],
            receptor_donor=DONOR[topology.receptor.types],
            receptor_acceptor=ACCEPTOR[topology.receptor.types],
            pairs=topology.moving_pairs,
        )
        self.rotor_divisor = 1.0 + term.weights.rotor * topology.rotors

    def forward(self, coords: Float[Tensor, "poses atoms 3"]) -> Float[Tensor, "poses"]:
        """Return the Vina energy of every pose, kcal/mol."""
        energy = self.intermolecular(coords).sum(-1)
        if self._term.intramolecular:
            energy = energy + self.intramolecular(coords)
        return energy / self.rotor_divisor

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return the weighted pair terms to the receptor, their sum, the ligand's own part, totals.

        ``inter`` is the sum of the pair terms, ``affinity`` that sum over the rotor divisor
        (what Vina reports), ``total`` the energy with the intramolecular part.
        """
        split = self.intermolecular(coords)
        parts = dict(zip(PAIR_TERMS, split.unbind(-1), strict=True))
        inter, intra = split.sum(-1), self.intramolecular(coords)
        counted = intra if self._term.intramolecular else torch.zeros_like(intra)
        parts |= {"inter": inter, "intra": intra, "affinity": inter / self.rotor_divisor}
        return parts | {"total": (inter + counted) / self.rotor_divisor}

    def intermolecular(
        self, coords: Float[Tensor, "poses atoms 3"]
    ) -> Float[Tensor, "poses terms"]:
        """Return the weighted terms between ligand and receptor, in the order of `PAIR_TERMS`."""
        size = max(1, _SLICE // max(1, coords.shape[1] * len(self.receptor_coords)))
        if not torch.is_grad_enabled() or not coords.requires_grad:
            return torch.cat([self._slice(part) for part in coords.split(size)])
        return torch.cat(
            [checkpoint(self._slice, part, use_reentrant=False) for part in coords.split(size)]
        )

    def intramolecular(self, coords: Float[Tensor, "poses atoms 3"]) -> Float[Tensor, "poses"]:
        """Return the energy of the ligand pairs that torsions move."""
        first, second = self.pairs[:, 0], self.pairs[:, 1]
        terms = pair_terms(
            (coords[:, first] - coords[:, second]).square().sum(-1),
            self.radii[first] + self.radii[second],
            self.hydrophobic[first] & self.hydrophobic[second],
            (self.donor[first] & self.acceptor[second])
            | (self.acceptor[first] & self.donor[second]),
            self._term.weights,
        )
        return terms.sum((-2, -1))

    def _slice(self, coords: Float[Tensor, "poses atoms 3"]) -> Float[Tensor, "poses terms"]:
        found = radius_pairs(coords, self.receptor_coords, CUTOFF)
        pose, atom, other = found.unbind(-1)
        # one flat index: the backward pass of index_select is far faster than that of [pose, atom]
        ends = coords.reshape(-1, 3).index_select(0, pose * coords.shape[1] + atom)
        terms = pair_terms(
            (ends - self.receptor_coords.index_select(0, other)).square().sum(-1),
            self.radii[atom] + self.receptor_radii[other],
            self.hydrophobic[atom] & self.receptor_hydrophobic[other],
            (self.donor[atom] & self.receptor_acceptor[other])
            | (self.acceptor[atom] & self.receptor_donor[other]),
            self._term.weights,
        )
        total = coords.new_zeros(len(coords), len(PAIR_TERMS))
        return total.index_add(0, pose, terms)


def pair_terms(
    squared: Float[Tensor, "*batch pairs"],
    contact: Float[Tensor, "pairs"],
    hydrophobic: Bool[Tensor, "pairs"],
    bonding: Bool[Tensor, "pairs"],
    weights: VinaWeights,
) -> Float[Tensor, "*batch pairs terms"]:
    """Return the weighted terms of atom pairs, in the order of `PAIR_TERMS`, kcal/mol.

    Args:
        squared: squared distances between centres, Å².
        contact: sums of the radii, Å.
        hydrophobic: both atoms are.
        bonding: one is a donor, the other an acceptor.
        weights: term weights.
    """
    distance = squared.clamp_min(1e-12).sqrt()
    surface = distance - contact
    terms = torch.stack(
        [
            weights.gauss1 * torch.exp(-((surface / 0.5) ** 2)),
            weights.gauss2 * torch.exp(-(((surface - 3.0) / 2.0) ** 2)),
            weights.repulsion * surface.clamp_max(0.0) ** 2,
            weights.hydrophobic * (1.5 - surface).clamp(0.0, 1.0) * hydrophobic,
            weights.hydrogen_bond * (-surface / 0.7).clamp(0.0, 1.0) * bonding,
        ],
        dim=-1,
    )
    return terms * (distance < CUTOFF)[..., None]
