"""Convolutions of a graph with several maps: each map weighs the neighbours in its own way.

One layer is ``H' = act(H W0 + sum_m S_m H W_m + b)``. The neighbours of every residue stand in
rows of equal length, so that ``S_m H`` for all maps is one batched matrix product and no tensor of
the size edges x maps x features is ever made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from molgen.graphs.residue_graph import ResidueGraph


@dataclass(frozen=True)
class Neighbourhood:
    """Neighbours of every residue and the weights that the maps give them.

    Attributes:
        index: (nodes, slots) residue in each slot; empty slots point to residue 0.
        maps: (nodes, maps, slots) weights; zero in empty slots.
    """

    index: Int[Tensor, "nodes slots"]
    maps: Float[Tensor, "nodes maps slots"]

    def gather(self, h: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes maps width"]:
        """Return the weighted sums over neighbours, one for every map."""
        near = h.index_select(0, self.index.flatten()).view(*self.index.shape, h.shape[1])
        return torch.bmm(self.maps.to(h.dtype), near)


def neighbourhood(graph: ResidueGraph, weights: Float[Tensor, "edges maps"]) -> Neighbourhood:
    """Return the rows of neighbours for weights that stand on the directed edges of ``graph``."""
    receiver, neighbour = graph.edge_index
    nodes = len(graph.residue_type)
    degree = torch.bincount(receiver, minlength=nodes)
    slots = int(degree.max()) if len(receiver) else 0
    order = torch.argsort(receiver, stable=True)
    first = torch.cumsum(degree, 0) - degree
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    slot = receiver * slots + rank - first[receiver]
    index = neighbour.new_zeros(nodes * slots)
    index[slot] = neighbour
    maps = weights.new_zeros(nodes * slots, weights.shape[1])
    maps[slot] = weights
    maps = maps.view(nodes, slots, weights.shape[1]).transpose(1, 2)
    return Neighbourhood(index.view(nodes, slots), maps)


def row_normalised_area(graph: ResidueGraph) -> Float[Tensor, " edges"]:
    """Return contact areas divided by the sum over all contacts of the receiving residue."""
    receiver = graph.edge_index[0]
    total = graph.edge_area.new_zeros(len(graph.residue_type))
    total = total.index_add(0, receiver, graph.edge_area)
    return graph.edge_area / total.clamp_min(1e-6)[receiver]


class GraphConvolution(nn.Module):
    """``H W0 + sum_m S_m H W_m + b`` with Xavier-normal weights and zero bias.

    The matrices stand in one, (``(maps + 1) * inputs``, outputs), which also sets the fan for the
    initialisation: what a feature sums over are all maps of all inputs.
    """

    def __init__(self, inputs: int, outputs: int, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty((maps + 1) * inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_normal_(self.weight)

    def forward(self, h: Tensor, near: Neighbourhood) -> Tensor:
        gathered = torch.cat([h[:, None], near.gather(h)], dim=1).flatten(1)
        return torch.addmm(self.bias, gathered, self.weight)


class ConvolutionStack(nn.Module):
    """Convolutions one after the other: batch normalisation where asked, ELU, dropout.

    Args:
        inputs: features going in.
        widths: features after each layer.
        maps: of the neighbourhoods.
        normalised: positions of the layers with batch normalisation.
        activate_last: whether ELU and dropout follow the last layer too.
        dropout: chance of a feature to be zeroed in training.
    """

    def __init__(
        self,
        inputs: int,
        widths: tuple[int, ...],
        maps: int,
        *,
        normalised: tuple[int, ...],
        activate_last: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        pairs = zip((inputs, *widths[:-1]), widths, strict=True)
        self.layers = nn.ModuleList(GraphConvolution(a, b, maps) for a, b in pairs)
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width) if at in normalised else nn.Identity()
            for at, width in enumerate(widths)
        )
        self.activated = len(widths) - (0 if activate_last else 1)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, h: Float[Tensor, "nodes inputs"], near: Neighbourhood
    ) -> Float[Tensor, "nodes features"]:
        for at, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            h = norm(layer(h, near))
            if at < self.activated:
                h = self.dropout(nn.functional.elu(h))
        return h
