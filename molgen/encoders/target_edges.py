"""Who hears whom among the nodes of a target, the same for all target encoders.

Every node hears its nearest atoms and its nearest residue centres, within one cutoff each. How much
of a neighbour is heard falls smoothly to nothing at the cutoff, and before the first one too many.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from molgen.geometry.neighbours import fading_nearest, gather_nodes
from molgen.geometry.radial import cosine_envelope
from molgen.graphs.pose_graph import LEVEL, TargetGraph

APART = 1e-3
"""Å; what is nearer is the node itself."""


@dataclass(frozen=True)
class TargetEdges:
    """Edges to the neighbours of every node, those to atoms first.

    Attributes:
        index: node that is heard.
        share: how much of it, 0 to 1; 0 where there is no neighbour.
        offset: from the node to its neighbour, Å.
        distance: length of the offset.
        to_residue: whether the neighbour is a residue centre.
    """

    index: Int[Tensor, "complexes nodes neighbours"]
    share: Float[Tensor, "complexes nodes neighbours"]
    offset: Float[Tensor, "complexes nodes neighbours 3"]
    distance: Float[Tensor, "complexes nodes neighbours"]
    to_residue: Bool[Tensor, " neighbours"]

    def unit(self) -> Float[Tensor, "complexes nodes neighbours 3"]:
        """Return the directions of the neighbours; 0 for a node itself."""
        return self.offset / self.distance.clamp_min(APART)[..., None]


@torch.no_grad()
def target_edges(
    graph: TargetGraph,
    *,
    atoms: int,
    residues: int,
    atom_cutoff: float,
    residue_cutoff: float,
    fade: float,
) -> TargetEdges:
    """Return the edges of a graph.

    Args:
        atoms, residues: how many of the nearest are heard.
        atom_cutoff, residue_cutoff: Å, where they stop being heard.
        fade: Å, see `fading_nearest`.
    """
    is_atom = graph.features[..., LEVEL] == 0
    groups = [
        (graph.mask & is_atom, atoms, atom_cutoff),
        (graph.mask & ~is_atom, residues, residue_cutoff),
    ]
    index, shares, levels = [], [], []
    for level, (allowed, count, cutoff) in enumerate(groups):
        found, distance, weight = fading_nearest(graph.coords, graph.coords, allowed, count, fade)
        index.append(found)
        shares.append(cosine_envelope(distance, cutoff) * weight * (distance > APART))
        levels.append(torch.full(found.shape[-1:], level == 1, device=found.device))
    neighbour = torch.cat(index, -1)
    offset = gather_nodes(graph.coords, neighbour) - graph.coords[..., None, :]
    return TargetEdges(
        index=neighbour,
        share=torch.cat(shares, -1) * graph.mask[..., None],
        offset=offset,
        distance=offset.norm(dim=-1),
        to_residue=torch.cat(levels),
    )
