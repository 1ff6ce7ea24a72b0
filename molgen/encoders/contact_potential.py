"""Energies of atom contacts counted on native structures: what is unusual about a model.

The knowledge-based potential of VoroMQA (Olechnovic & Venclovas, Proteins 2017, 85, 1131, equations
1 to 3): the energy of a contact of atom types s and t in class c is

    E_c(s, t) = -ln P_c(s, t) / (P(s) P(t) P(c))

with P the shares of contact area in natives; contact with solvent is a class of its own. The energy
of a residue is the mean over the area of its surface, compared with natives' residues of its type.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.graphs.residue_graph import ATOM_TYPES, RESIDUES, ModelContacts, ResidueGraph, to_graph

CLASSES = (1, 2, 7)
"""Lower bounds of the classes of separation along the chain, in residues: bonded neighbours, near,
far. Other chains are far."""

PSEUDO_AREA = 50.0
"""Å² added to the observed and to the expected area of every kind of contact."""

NODE_FEATURES = len(CLASSES) + 2
EDGE_FEATURES = 2
_LARGEST = 6.0  # standard deviations; a residue without surface to speak of must not shout
_TYPES = len(ATOM_TYPES)


class ContactPotential(nn.Module):
    """Features of residues and pairs from the energies of their contacts; zero until `fit`.

    Nothing here is learned by descent: the tables are buffers.
    """

    pair: Tensor
    solvent: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pair", torch.zeros(len(CLASSES), _TYPES, _TYPES))
        self.register_buffer("solvent", torch.zeros(_TYPES))
        self.register_buffer("mean", torch.zeros(len(RESIDUES), NODE_FEATURES))
        self.register_buffer("deviation", torch.ones(len(RESIDUES), NODE_FEATURES))

    def fit(self, natives: Sequence[ModelContacts]) -> None:
        """Count the contacts of native structures and set the tables."""
        area = np.zeros((len(CLASSES), _TYPES, _TYPES))
        wet = np.zeros(_TYPES)
        for native in natives:
            graph = to_graph([native])
            first, second, group, size, _ = _contacts(graph)
            flat = (group * _TYPES + first) * _TYPES + second
            counts = np.bincount(flat.numpy(), size.double().numpy(), minlength=area.size)
            area += counts.reshape(area.shape)
            kinds = native.atom_type.astype(np.int64)
            wet += np.bincount(kinds, native.atom_sasa.astype(np.float64), minlength=_TYPES)
        area = area + area.transpose(0, 2, 1)  # every contact from both sides
        total = area.sum() + wet.sum()
        share = (area.sum((0, 2)) + wet) / total
        by_class = area.sum((1, 2))[:, None, None]
        expected = by_class * share[:, None] * share[None, :]
        self.pair.copy_(torch.from_numpy(-np.log((area + PSEUDO_AREA) / (expected + PSEUDO_AREA))))
        expected = wet.sum() * share
        self.solvent.copy_(
            torch.from_numpy(-np.log((wet + PSEUDO_AREA) / (expected + PSEUDO_AREA)))
        )
        self._standardise(natives)

    def _standardise(self, natives: Sequence[ModelContacts]) -> None:
        """Set mean and deviation of the energies of natives' residues, type by type."""
        graphs = [to_graph([native]) for native in natives]
        energies = torch.cat([self._energies(graph)[0] for graph in graphs]).double()
        kinds = torch.cat([graph.residue_type for graph in graphs])
        for kind in range(len(RESIDUES)):
            own = energies[kinds == kind]
            if len(own) > 1:
                self.mean[kind] = own.mean(0)
                self.deviation[kind] = own.std(0).clamp_min(1e-3)

    def forward(
        self, graph: ResidueGraph
    ) -> tuple[Float[Tensor, "nodes columns"], Float[Tensor, "pairs 2"]]:
        """Return the features of residues, in standard deviations of natives, and of pairs.

        A residue has its mean energy in every class, towards solvent and altogether, per Å² of its
        surface; a pair its energy (in 100 Å²) and its energy per Å².
        """
        energies, pairs = self._energies(graph)
        kinds = graph.residue_type
        standard = (energies - self.mean[kinds]) / self.deviation[kinds]
        return standard.clamp(-_LARGEST, _LARGEST), pairs

    def _energies(self, graph: ResidueGraph) -> tuple[Tensor, Tensor]:
        first, second, group, area, edge = _contacts(graph)
        energy = self.pair[group, first, second] * area
        half = graph.edge_index.shape[1] // 2
        inside = edge >= 0
        pair = energy.new_zeros(half).index_add(0, edge[inside], energy[inside])
        size = graph.edge_area[:half].clamp_min(1e-3)
        nodes = len(graph.residue_type)
        columns = energy.new_zeros(nodes, len(CLASSES) + 1)
        surface = energy.new_zeros(nodes)
        for side in graph.contact_atoms:
            owner = graph.atom_node[side]
            known = owner >= 0
            place = owner[known] * (len(CLASSES) + 1) + group[known]
            columns.view(-1).index_add_(0, place, energy[known])
            surface.index_add_(0, owner[known], area[known])
        known = graph.atom_node >= 0
        owner, wet = graph.atom_node[known], graph.atom_sasa[known]
        place = owner * (len(CLASSES) + 1) + len(CLASSES)
        columns.view(-1).index_add_(0, place, self.solvent[graph.atom_type[known]] * wet)
        surface.index_add_(0, owner, wet)
        columns = columns / surface.clamp_min(1.0)[:, None]
        nodes_out = torch.cat([columns, columns.sum(1, keepdim=True)], dim=1)
        return nodes_out, torch.stack([pair / 100.0, pair / size], dim=1)


def _contacts(graph: ResidueGraph) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return both atom types, class, area and pair of residues of every atom contact."""
    a, b = graph.contact_atoms
    first, second = graph.atom_node[a], graph.atom_node[b]
    # atoms of residues that are no node have no place in a chain: far from all
    known = (first >= 0) & (second >= 0)
    i, j = first.clamp_min(0), second.clamp_min(0)
    apart = (graph.number[i] - graph.number[j]).abs()
    near = known & (graph.chain[i] == graph.chain[j])
    apart = torch.where(near, apart, CLASSES[-1])
    bounds = torch.tensor(CLASSES, device=apart.device)
    group = torch.bucketize(apart, bounds, right=True).clamp_min(1) - 1
    return graph.atom_type[a], graph.atom_type[b], group, graph.contact_area, graph.contact_edge
