"""The spherical graph convolution S-GCN.

Igashov, Pavlichenko, Grudinin, *Spherical convolutions on molecular graphs for protein model
quality assessment*, arXiv 2011.07980: neighbours are weighed by spherical harmonics of their
direction in the backbone frame of the residue, which makes the features invariant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.graph_convolution import (
    ConvolutionStack,
    neighbourhood,
    row_normalised_area,
)
from molgen.encoders.node_features import NODE_FEATURES, node_features
from molgen.geometry.frames import backbone_frames
from molgen.geometry.harmonics import real_harmonics
from molgen.graphs.residue_graph import ResidueGraph


@dataclass(frozen=True)
class SphericalConfig:
    """Options of `Spherical`; the defaults are the S-GCN(5) of the paper up to its sigmoid.

    Attributes:
        order: harmonics l = 0 ... order - 1, that is order squared maps.
        widths: features after each convolution.
        normalised: positions (from 0) of the convolutions with batch normalisation.
        activate_last: whether ELU follows the last convolution.
        dropout: after every activation.
        weighting: "area" multiplies the harmonics by the row-normalised contact area (variant r).
    """

    order: int = limited(5, min=1, max=12)
    widths: tuple[int, ...] = limited((20, 16, 8, 4, 1), min=1)
    normalised: tuple[int, ...] = limited((1, 3), min=0)
    activate_last: bool = False
    dropout: float = limited(0.02, min=0.0, below=1.0)
    weighting: Literal["none", "area"] = "none"

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("widths must name at least one layer")


class Spherical(nn.Module):
    """Residue features by spherical convolutions over the contact graph."""

    Config = SphericalConfig

    def __init__(self, config: SphericalConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SphericalConfig()
        self.irreps_out = f"{config.widths[-1]}x0e"
        self.stack = ConvolutionStack(
            NODE_FEATURES,
            config.widths,
            config.order**2,
            normalised=config.normalised,
            activate_last=config.activate_last,
            dropout=config.dropout,
        )

    def forward(self, graph: ResidueGraph) -> Float[Tensor, "nodes features"]:
        """Return the features of every residue, (nodes, widths[-1])."""
        receiver, neighbour = graph.edge_index
        with torch.no_grad():
            ca = graph.backbone[:, 1]
            frames = backbone_frames(graph.backbone)
            offset = ca[neighbour] - ca[receiver]
            local = torch.einsum("eij,ej->ei", frames[receiver], offset)
            local = torch.nn.functional.normalize(local, dim=1)
            maps = real_harmonics(local, self.config.order)
            if self.config.weighting == "area":
                maps = maps * row_normalised_area(graph)[:, None]
            near = neighbourhood(graph, maps)
        return self.stack(node_features(graph), near)
