"""Gated messages over Voronoi contacts, from atoms to residues: molgen's own quality encoder.

What it adds to the spherical graph convolution of Igashov et al. (arXiv 2011.07980), whose graph
and harmonics it keeps:

* atom level: every pair of atom types in contact adds ``area * (U[s] * V[t] + U[t] * V[s])`` to
  the edge of their residues, a learned contact potential of low rank (the idea of VoroMQA,
  Olechnovic & Venclovas, Proteins 2017, 85, 1131, with learned instead of counted energies);
  solvent-accessible area does the same for residues;
* energies of the contacts counted on natives (`molgen.encoders.contact_potential`);
* edges know contact area, CA and CB distances, separation along the chain, direction (harmonics
  in the frame of either residue) and the relative orientation of the two frames;
* residual blocks with gates, edges updated beside nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.contact_potential import EDGE_FEATURES, NODE_FEATURES, ContactPotential
from molgen.geometry.frames import backbone_frames
from molgen.geometry.harmonics import real_harmonics
from molgen.graphs.residue_graph import ATOM_TYPES, RESIDUES, ModelContacts, ResidueGraph

_SEPARATIONS = (1, 2, 3, 4, 5, 9, 17, 33)  # lower bounds of the classes of chain separation


@dataclass(frozen=True)
class GatedContactsConfig:
    """Options of `GatedContacts`.

    Attributes:
        width: features of a residue and of an edge.
        blocks: message-passing steps.
        order: harmonics l = 0 ... order - 1.
        rank: of the atom contact potential.
        dropout: in the residual branches.
        input_dropout: chance that, in training, a whole protein loses one of four signals (dihedral
            angles; sizes; learned atom contacts; counted energies), each on its own, so that the
            network does not lean on one alone.
    """

    width: int = limited(64, min=4)
    blocks: int = limited(4, min=1)
    order: int = limited(4, min=1, max=10)
    rank: int = limited(24, min=1)
    dropout: float = limited(0.1, min=0.0, max=0.9)
    input_dropout: float = limited(0.25, min=0.0, max=1.0)


class GatedContacts(nn.Module):
    """Residue features, invariant under rotation and translation, from a `ResidueGraph`."""

    Config = GatedContactsConfig

    def __init__(self, config: GatedContactsConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GatedContactsConfig()
        width, rank = config.width, config.rank
        self.irreps_out = f"{width}x0e"
        self.kind = nn.Embedding(len(RESIDUES), width)
        self.giver = nn.Parameter(torch.randn(len(ATOM_TYPES), rank) * 0.3)
        self.taker = nn.Parameter(torch.randn(len(ATOM_TYPES), rank) * 0.3)
        self.solvent = nn.Parameter(torch.randn(len(ATOM_TYPES), rank) * 0.3)
        self.potential = ContactPotential()
        self.node_in = _mlp(3 + 21 + 3 * rank + 2 + NODE_FEATURES, 2 * width, width)
        edge_inputs = 2 * config.order**2 + 16 + 12 + 9 + 3 + 2 * len(_SEPARATIONS) + 2 + rank
        edge_inputs += EDGE_FEATURES
        self.edge_in = _mlp(edge_inputs, 2 * width, width)
        last = config.blocks - 1
        self.blocks = nn.ModuleList(
            _Block(width, config.dropout, edges=number < last) for number in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)

    def prepare(self, natives: Sequence[ModelContacts]) -> None:
        """Count the contact energies on native structures; once, before training."""
        self.potential.fit(natives)

    def forward(self, graph: ResidueGraph) -> Float[Tensor, "nodes features"]:
        """Return the features of every residue, (nodes, width)."""
        pair, node = self._atoms(graph)
        node_energy, pair_energy = self.potential(graph)
        pair_energy = torch.cat([pair_energy, pair_energy])
        receiver, neighbour = graph.edge_index
        keep = self._kept(graph)[graph.graph]  # (nodes, signals)
        angles, sizes, atoms, energies = keep.unsqueeze(2).unbind(1)
        edge_atoms, edge_energies = atoms[receiver], energies[receiver]
        e = self.edge_in(
            torch.cat([self._edges(graph), pair * edge_atoms, pair_energy * edge_energies], dim=1)
        )
        seen = [*self._nodes(graph, angles, sizes), node * atoms, node_energy * energies]
        h = self.kind(graph.residue_type) + self.node_in(torch.cat(seen, dim=1))
        weight = torch.sqrt(graph.edge_area / 20.0)[:, None]
        for block in self.blocks:
            h, e = block(h, e, receiver, neighbour, weight)
        return self.norm(h)

    def _kept(self, graph: ResidueGraph) -> Float[Tensor, "graphs 4"]:
        """Return 1 for the signals that a protein keeps, 0 for those it loses in training."""
        like = graph.scalars
        if not (self.training and self.config.input_dropout):
            return like.new_ones(graph.num_graphs, 4)
        drawn = torch.rand(graph.num_graphs, 4, device=like.device)
        return (drawn >= self.config.input_dropout).to(like.dtype)

    def _atoms(self, graph: ResidueGraph) -> tuple[Tensor, Tensor]:
        """Return sums over atom contacts for directed edges, and sums over atoms for residues."""
        half = graph.edge_index.shape[1] // 2
        known = graph.contact_edge >= 0
        first, second = (graph.atom_type[index] for index in graph.contact_atoms[:, known])
        energy = self.giver[first] * self.taker[second] + self.giver[second] * self.taker[first]
        energy = energy * (graph.contact_area[known] / 10.0)[:, None]
        pair = energy.new_zeros(half, energy.shape[1])
        pair = pair.index_add(0, graph.contact_edge[known], energy)
        nodes = len(graph.residue_type)
        inside = graph.atom_node >= 0
        wet = self.solvent[graph.atom_type[inside]] * (graph.atom_sasa[inside] / 10.0)[:, None]
        owner = graph.atom_node[inside]
        node = wet.new_zeros(nodes, wet.shape[1]).index_add(0, owner, wet)
        pair = torch.cat([pair, pair])  # an undirected pair p stands for the edges p and p + half
        receiver = graph.edge_index[0]
        near = self._separation(graph).abs() <= 3
        total = pair.new_zeros(nodes, pair.shape[1])
        local = total.index_add(0, receiver[near], pair[near])
        distant = total.index_add(0, receiver[~near], pair[~near])
        return pair, torch.cat([node, local, distant], dim=1)

    @staticmethod
    def _nodes(graph: ResidueGraph, angles: Tensor, sizes: Tensor) -> list[Tensor]:
        """Return what a residue shows of itself: size, burial, dihedral angles; 26 columns.

        Args:
            angles, sizes: (nodes, 1) whether it keeps its dihedral angles, volume and areas.
        """
        scale = graph.scalars.new_tensor([150.0, 3.0, 60.0])
        known = graph.torsions.isfinite() * angles
        torsions = torch.where(known > 0, graph.torsions, 0.0)
        waves = [known * torsions.sin(), known * torsions.cos(), known]
        receiver = graph.edge_index[0]
        area = graph.scalars.new_zeros(len(graph.residue_type))
        covered = area.index_add(0, receiver, graph.edge_area)
        degree = area.index_add(0, receiver, torch.ones_like(graph.edge_area))
        extra = torch.stack([covered / 150.0, degree / 10.0], dim=1)
        return [graph.scalars / scale * sizes, *waves, extra * sizes]

    @staticmethod
    def _separation(graph: ResidueGraph) -> Tensor:
        """Return residue number of the neighbour minus own, for edges; other chains: 10,000."""
        receiver, neighbour = graph.edge_index
        steps = graph.number[neighbour] - graph.number[receiver]
        return torch.where(graph.chain[neighbour] == graph.chain[receiver], steps, 10_000)

    def _edges(self, graph: ResidueGraph) -> Tensor:
        """Return the geometry of every directed edge."""
        receiver, neighbour = graph.edge_index
        frames = backbone_frames(graph.backbone)
        ca, cb = graph.backbone[:, 1], graph.backbone[:, 3]
        offset = ca[neighbour] - ca[receiver]
        here = torch.einsum("eij,ej->ei", frames[receiver], offset)
        there = torch.einsum("eij,ej->ei", frames[neighbour], -offset)
        distance = offset.norm(dim=1, keepdim=True)
        order = self.config.order
        turn = torch.einsum("eij,ekj->eik", frames[receiver], frames[neighbour]).flatten(1)
        steps = self._separation(graph)
        bounds = torch.tensor(_SEPARATIONS, device=steps.device)
        step_class = torch.bucketize(steps.abs(), bounds, right=True).clamp(1, len(bounds)) - 1
        classes = nn.functional.one_hot(step_class, len(bounds)).to(distance.dtype)
        ahead = (steps > 0).to(distance.dtype)[:, None]
        area = graph.edge_area[:, None]
        between = (cb[neighbour] - cb[receiver]).norm(dim=1, keepdim=True)
        cb_here = torch.einsum("eij,ej->ei", frames[receiver], cb[neighbour] - ca[receiver])
        return torch.cat(
            [
                real_harmonics(here / distance.clamp_min(1e-6), order),
                real_harmonics(there / distance.clamp_min(1e-6), order),
                _radial(distance, 2.0, 18.0, 16),
                _radial(between, 2.0, 14.0, 12),
                turn,
                cb_here / 10.0,
                classes * ahead,
                classes * (1.0 - ahead),
                torch.log1p(area) / 3.0,
                area / 50.0,
            ],
            dim=1,
        )


class _Block(nn.Module):
    """One step: messages along edges into residues, then an update of the edges.

    Nothing reads the edges after the last block, so it does not update them.
    """

    def __init__(self, width: int, dropout: float, *, edges: bool) -> None:
        super().__init__()
        self.norm_node = nn.LayerNorm(width)
        self.norm_edge = nn.LayerNorm(width)
        # a linear map of [h_a, h_b, e] is the sum of three; those of nodes are far fewer
        hidden = 2 * width if edges else width
        self.from_receiver = nn.Linear(width, hidden)
        self.from_neighbour = nn.Linear(width, hidden, bias=False)
        self.from_edge = nn.Linear(width, hidden, bias=False)
        self.message = nn.Linear(width, 2 * width)
        self.update = _mlp(2 * width, 2 * width, width)
        self.edge_update = nn.Linear(width, width) if edges else None
        self.drop = nn.Dropout(dropout)

    def forward(
        self, h: Tensor, e: Tensor, receiver: Tensor, neighbour: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        node, edge = self.norm_node(h), self.norm_edge(e)
        mixed = self.from_edge(edge)
        mixed = mixed + self.from_receiver(node)[receiver] + self.from_neighbour(node)[neighbour]
        hidden = nn.functional.silu(mixed)
        width = h.shape[1]
        value, gate = self.message(hidden[:, :width]).chunk(2, dim=1)
        message = value * torch.sigmoid(gate) * weight
        total = torch.zeros_like(h).index_add(0, receiver, message) / 3.0
        h = h + self.drop(self.update(torch.cat([node, total], dim=1)))
        if self.edge_update is not None:
            e = e + self.drop(self.edge_update(hidden[:, width:]))
        return h, e


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def _radial(distance: Tensor, low: float, high: float, count: int) -> Tensor:
    """Return Gaussians of a distance (edges, 1) centred evenly from low to high, (edges, count)."""
    centres = torch.linspace(low, high, count, device=distance.device, dtype=distance.dtype)
    return torch.exp(-(((distance - centres) * (count - 1) / (high - low)) ** 2))
