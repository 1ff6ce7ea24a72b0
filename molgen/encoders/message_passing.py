"""Plain message passing over the contact graph: the baseline that S-GCN is to beat.

Same graph, same input and same widths as the S-GCN of arXiv 2011.07980, but neighbours are only
averaged by contact area: the layer does not see where a neighbour lies.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.graph_convolution import (
    ConvolutionStack,
    neighbourhood,
    row_normalised_area,
)
from molgen.encoders.node_features import NODE_FEATURES, node_features
from molgen.graphs.residue_graph import ResidueGraph


@dataclass(frozen=True)
class MessagePassingConfig:
    """Options of `MessagePassing`; the fields mean what they mean in `SphericalConfig`."""

    widths: tuple[int, ...] = limited((20, 16, 8, 4, 1), min=1)
    normalised: tuple[int, ...] = limited((1, 3), min=0)
    activate_last: bool = False
    dropout: float = limited(0.02, min=0.0, below=1.0)

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("widths must name at least one layer")


class MessagePassing(nn.Module):
    """Residue features by averages over contacts, weighted by their area."""

    Config = MessagePassingConfig

    def __init__(self, config: MessagePassingConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MessagePassingConfig()
        self.irreps_out = f"{config.widths[-1]}x0e"
        self.stack = ConvolutionStack(
            NODE_FEATURES,
            config.widths,
            1,
            normalised=config.normalised,
            activate_last=config.activate_last,
            dropout=config.dropout,
        )

    def forward(self, graph: ResidueGraph) -> Float[Tensor, "nodes features"]:
        """Return the features of every residue, (nodes, widths[-1])."""
        near = neighbourhood(graph, row_normalised_area(graph)[:, None])
        return self.stack(node_features(graph), near)
