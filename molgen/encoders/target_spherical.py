"""Spherical convolutions over the atoms and residues of a target: S-GCN for a pocket.

Igashov, Pavlichenko, Grudinin, arXiv 2011.07980: neighbours are weighed by real spherical harmonics
of their direction in the backbone frame of the residue, which makes the features invariant. Here
the nodes are the atoms and the centres of the residues, every node has the frame of its residue,
and the maps are made for shells of distance as well, of atoms and of residues apart.

The frames are right-handed: unlike the other target encoders this one tells a pocket from its
mirror image. Metals and cofactors have no backbone, and so no frame; their nodes hear how far their
neighbours are, not where (the map of l = 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.target_edges import TargetEdges, target_edges
from molgen.geometry.harmonics import real_harmonics
from molgen.geometry.neighbours import gather_nodes
from molgen.geometry.radial import gaussian_basis
from molgen.graphs.pose_graph import TARGET_FEATURES, TargetGraph


@dataclass(frozen=True)
class TargetSphericalConfig:
    """Options of `TargetSpherical`.

    Attributes:
        width: features of a node.
        narrow: features that a node sends.
        blocks: convolutions.
        order: harmonics l = 0 ... order - 1.
        shells: Gaussians of the distance, from 0 to the cutoff.
        atoms, residues: nearest atoms and residue centres that a node hears.
        atom_cutoff, residue_cutoff: Å, where they stop being heard.
        fade: Å before the first node too many over which a node stops being heard; 0: at once.
    """

    width: int = limited(64, min=8)
    narrow: int = limited(16, min=1)
    blocks: int = limited(2, min=1)
    order: int = limited(4, min=1, max=12)
    shells: int = limited(4, min=2)
    atoms: int = limited(16, min=1)
    residues: int = limited(6, min=1)
    atom_cutoff: float = limited(6.0, above=0.0)
    residue_cutoff: float = limited(12.0, above=0.0)
    fade: float = limited(5.0, min=0.0)


class TargetSpherical(nn.Module):
    """Invariant features of target nodes, by their directions in the frames of the residues."""

    Config = TargetSphericalConfig

    def __init__(self, config: TargetSphericalConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TargetSphericalConfig()
        self.irreps_out, self.width_out = f"{config.width}x0e", config.width
        self.vectors_out = 0
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, config.width) for size in TARGET_FEATURES.values()
        )
        # what a node with a frame knows of its own place in the residue
        self.side = nn.Linear(3, config.width, bias=False)
        self.blocks = nn.ModuleList(_Convolution(config) for _ in range(config.blocks))

    def forward(self, graph: TargetGraph) -> Float[Tensor, "complexes nodes features"]:
        """Return the features of every node; 0 for padding."""
        config = self.config
        edges = target_edges(
            graph,
            atoms=config.atoms,
            residues=config.residues,
            atom_cutoff=config.atom_cutoff,
            residue_cutoff=config.residue_cutoff,
            fade=config.fade,
        )
        with torch.no_grad():
            maps = self._maps(graph, edges)
            side = torch.einsum("bnij,bnj->bni", graph.frames, graph.open_side)
        h = torch.stack(
            [table(graph.features[..., k]) for k, table in enumerate(self.embeddings)]
        ).sum(0)
        h = h + self.side(side)
        for block in self.blocks:
            h = block(h, edges, maps)
        return h * graph.mask[..., None]

    def _maps(
        self, graph: TargetGraph, edges: TargetEdges
    ) -> Float[Tensor, "complexes nodes neighbours maps"]:
        """Return the weights that the maps give to the neighbours."""
        config = self.config
        local = torch.einsum("bnij,bnkj->bnki", graph.frames, edges.unit())
        harmonics = real_harmonics(local.reshape(-1, 3), config.order)
        harmonics = harmonics.reshape(*local.shape[:-1], config.order**2)
        framed = graph.frames.abs().amax((-1, -2)) > 0
        isotropic = torch.arange(config.order**2, device=local.device) == 0
        harmonics = harmonics * (framed[..., None] | isotropic)[:, :, None]
        cutoff = torch.where(edges.to_residue, config.residue_cutoff, config.atom_cutoff)
        shells = gaussian_basis((edges.distance / cutoff).clamp_max(2.0), config.shells, 1.0)
        shells = shells * edges.share[..., None]
        return (harmonics[..., :, None] * shells[..., None, :]).flatten(-2)


class _Convolution(nn.Module):
    """``H + MLP(H, S_m H for all maps m)``, atoms and residues among the neighbours apart."""

    def __init__(self, config: TargetSphericalConfig) -> None:
        super().__init__()
        width = config.width
        self.norm = nn.LayerNorm(width)
        self.send = nn.Linear(width, config.narrow)
        gathered = 2 * config.order**2 * config.shells * config.narrow
        self.gather = nn.Linear(gathered, width)
        self.update = nn.Sequential(
            nn.Linear(2 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, edges: TargetEdges, maps: Tensor) -> Tensor:
        seen = self.norm(h)
        sent = gather_nodes(self.send(seen).to(maps.dtype), edges.index)
        atoms = int((~edges.to_residue).sum())  # they come first
        heard = [
            torch.einsum("bnkm,bnkf->bnmf", maps[:, :, part], sent[:, :, part]).flatten(2)
            for part in (slice(None, atoms), slice(atoms, None))
        ]
        heard = self.gather(torch.cat(heard, -1) / 2.0).to(seen.dtype)
        return h + self.update(torch.cat([seen, nn.functional.silu(heard)], dim=-1))
