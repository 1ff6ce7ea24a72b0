"""An E(n) equivariant network over the atoms and residues of a target.

Satorras, Hoogeboom & Welling, *E(n) equivariant graph neural networks*, arXiv 2102.09844, with
fixed coordinates: atoms and residue centres exchange messages with their nearest atoms and nearest
residue centres. Messages see distances and the angles to the open sides of both atoms, so that the
features are invariant and still know where hydrogens and lone pairs point.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.target_edges import TargetEdges, target_edges
from molgen.geometry.neighbours import gather_nodes
from molgen.geometry.radial import gaussian_basis
from molgen.graphs.pose_graph import TARGET_FEATURES, TargetGraph


@dataclass(frozen=True)
class TargetEgnnConfig:
    """Options of `TargetEgnn`.

    Attributes:
        width: features of a node.
        blocks: rounds of messages.
        atoms, residues: nearest atoms and residue centres that a node hears.
        atom_cutoff, residue_cutoff: Å, where they stop being heard.
        fade: Å before the first node too many over which a node stops being heard; 0: at once.
        radial: Gaussians of the distance.
    """

    width: int = limited(64, min=8)
    blocks: int = limited(2, min=1)
    atoms: int = limited(16, min=1)
    residues: int = limited(6, min=1)
    atom_cutoff: float = limited(6.0, above=0.0)
    residue_cutoff: float = limited(12.0, above=0.0)
    fade: float = limited(5.0, min=0.0)
    radial: int = limited(16, min=2)


class TargetEgnn(nn.Module):
    """Invariant features of target nodes."""

    Config = TargetEgnnConfig

    def __init__(self, config: TargetEgnnConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TargetEgnnConfig()
        self.irreps_out, self.width_out = f"{config.width}x0e", config.width
        self.vectors_out = 0
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, config.width) for size in TARGET_FEATURES.values()
        )
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.blocks))

    def forward(self, graph: TargetGraph) -> Float[Tensor, "complexes nodes features"]:
        """Return the features of every node; 0 for padding."""
        h = torch.stack(
            [table(graph.features[..., k]) for k, table in enumerate(self.embeddings)]
        ).sum(0)
        config = self.config
        edges = target_edges(
            graph,
            atoms=config.atoms,
            residues=config.residues,
            atom_cutoff=config.atom_cutoff,
            residue_cutoff=config.residue_cutoff,
            fade=config.fade,
        )
        seen = self._seen(graph, edges)
        for block in self.blocks:
            h = block(h, edges.index, seen, edges.share)
        return h * graph.mask[..., None]

    @torch.no_grad()
    def _seen(self, graph: TargetGraph, edges: TargetEdges) -> Tensor:
        """Return what a message knows of the geometry: distance and angles to the open sides."""
        unit = edges.unit()
        there = gather_nodes(graph.open_side, edges.index)
        here = graph.open_side[..., None, :]
        angles = [(here * unit).sum(-1), (there * unit).sum(-1), (here * there).sum(-1)]
        reach = self.config.residue_cutoff
        basis = gaussian_basis(edges.distance.clamp_max(2 * reach), self.config.radial, reach)
        return torch.cat([basis, torch.stack(angles, -1)], dim=-1)


class _Block(nn.Module):
    def __init__(self, config: TargetEgnnConfig) -> None:
        super().__init__()
        width = config.width
        self.norm = nn.LayerNorm(width)
        self.here, self.there = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.edge = nn.Linear(config.radial + 3, width, bias=False)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.update = nn.Sequential(
            nn.Linear(2 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, neighbour: Tensor, edges: Tensor, share: Tensor) -> Tensor:
        seen = self.norm(h)
        there = gather_nodes(self.there(seen).to(h.dtype), neighbour)
        message = self.message(self.here(seen)[:, :, None] + there + self.edge(edges))
        heard = (message * share[..., None]).sum(2) / 4.0
        return h + self.update(torch.cat([seen, heard.to(seen.dtype)], dim=-1))
