"""A tensor field network over the atoms and residues of a target, with scalars, vectors and l = 2.

Thomas et al., *Tensor field networks*, arXiv 1802.08219: a message is the tensor product of a
neighbour's features with the spherical harmonics of its direction. The paths of the product are
weighed by a network of the distance and of the scalars at both ends, gates make it non-linear
(Weiler et al., arXiv 1807.02547). The products are e3nn's (Geiger & Smidt, arXiv 2207.09453). All
features have the parity (-1)^l: a mirror image has the same scalars and mirrored vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from e3nn import o3
from e3nn.nn import Gate
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.target_edges import TargetEdges, target_edges
from molgen.geometry.neighbours import gather_nodes
from molgen.geometry.radial import gaussian_basis
from molgen.graphs.pose_graph import TARGET_FEATURES, TargetGraph

HARMONICS = "1x0e+1x1o+1x2e"


@dataclass(frozen=True)
class TargetTensorFieldConfig:
    """Options of `TargetTensorField`.

    Attributes:
        width: scalars of a node.
        vectors, tensors: features of a node with l = 1 and with l = 2.
        directions: vectors that the network gets.
        blocks: rounds of messages.
        atoms, residues: nearest atoms and residue centres that a node hears.
        atom_cutoff, residue_cutoff: Å, where they stop being heard.
        fade: Å before the first node too many over which a node stops being heard; 0: at once.
        radial: Gaussians of the distance.
    """

    width: int = limited(32, min=8)
    vectors: int = limited(8, min=1)
    tensors: int = limited(4, min=1)
    directions: int = limited(4, min=0)
    blocks: int = limited(2, min=1)
    atoms: int = limited(16, min=1)
    residues: int = limited(6, min=1)
    atom_cutoff: float = limited(6.0, above=0.0)
    residue_cutoff: float = limited(12.0, above=0.0)
    fade: float = limited(5.0, min=0.0)
    radial: int = limited(16, min=2)


class TargetTensorField(nn.Module):
    """Scalars and vectors of target nodes."""

    Config = TargetTensorFieldConfig

    def __init__(self, config: TargetTensorFieldConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TargetTensorFieldConfig()
        width = config.width
        self.width_out, self.vectors_out = width, config.directions
        self.irreps_out = f"{width}x0e"
        if config.directions:
            self.irreps_out += f"+{config.directions}x1o"
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, width) for size in TARGET_FEATURES.values()
        )
        hidden = f"{width}x0e+{config.vectors}x1o+{config.tensors}x2e"
        self.lift = o3.Linear(f"{width}x0e+1x1o", hidden)
        self.harmonics = o3.SphericalHarmonics(HARMONICS, normalize=True, normalization="component")
        self.blocks = nn.ModuleList(_Block(config, hidden) for _ in range(config.blocks))
        self.last = o3.Linear(hidden, self.irreps_out)

    def forward(self, graph: TargetGraph) -> Float[Tensor, "complexes nodes features"]:
        """Return scalars, then vectors, of every node; 0 for padding."""
        # bfloat16 keeps three digits of a rotation
        with torch.autocast(graph.coords.device.type, enabled=False):
            return self._features(graph) * graph.mask[..., None]

    def _features(self, graph: TargetGraph) -> Tensor:
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
            harmonics, seen = self.harmonics(edges.unit()), self._seen(edges)
        scalars = torch.stack(
            [table(graph.features[..., k]) for k, table in enumerate(self.embeddings)]
        ).sum(0)
        x = self.lift(torch.cat([scalars, graph.open_side], dim=-1))
        for block in self.blocks:
            x = block(x, edges, harmonics, seen)
        return self.last(x)

    def _seen(self, edges: TargetEdges) -> Tensor:
        """Return what the weights of the paths know: the distance, and the neighbour's level."""
        reach = self.config.residue_cutoff
        basis = gaussian_basis(edges.distance.clamp_max(2 * reach), self.config.radial, reach)
        level = edges.to_residue.to(basis).expand(edges.distance.shape)
        return torch.cat([basis, level[..., None]], dim=-1)


class _Block(nn.Module):
    """One round of messages, with a residual connection."""

    def __init__(self, config: TargetTensorFieldConfig, hidden: str) -> None:
        super().__init__()
        width = self.width = config.width
        self.norm = nn.LayerNorm(width)
        self.here, self.there = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.edge = nn.Linear(config.radial + 1, width, bias=False)
        self.product = _depthwise(o3.Irreps(hidden), o3.Irreps(HARMONICS))
        self.weights = nn.Sequential(nn.SiLU(), nn.Linear(width, self.product.weight_numel))
        gates = config.vectors + config.tensors
        self.gate = Gate(
            f"{width}x0e",
            [nn.functional.silu],
            f"{gates}x0e",
            [torch.sigmoid],
            f"{config.vectors}x1o+{config.tensors}x2e",
        )
        self.mix = o3.Linear(self.product.irreps_out, self.gate.irreps_in)
        self.keep = o3.Linear(hidden, self.gate.irreps_in)
        self.update = o3.Linear(self.gate.irreps_out, hidden)

    def forward(self, x: Tensor, edges: TargetEdges, harmonics: Tensor, seen: Tensor) -> Tensor:
        scalars = self.norm(x[..., : self.width])
        there = gather_nodes(self.there(scalars), edges.index)
        weights = self.weights(self.here(scalars)[:, :, None] + there + self.edge(seen))
        message = self.product(gather_nodes(x, edges.index), harmonics, weights)
        heard = (message * edges.share[..., None]).sum(2) / 4.0
        return x + self.update(self.gate(self.mix(heard) + self.keep(x)))


def _depthwise(features: o3.Irreps, harmonics: o3.Irreps) -> o3.TensorProduct:
    """Return the product that couples every feature with every harmonic on its own, to l <= 2."""
    found: list[tuple[int, o3.Irrep]] = []
    paths: list[tuple[int, int, int]] = []
    for i, (count, one) in enumerate(features):
        for j, (_, other) in enumerate(harmonics):
            for irrep in one * other:
                if irrep.l <= 2 and irrep.p == (-1) ** irrep.l:
                    paths.append((i, j, len(found)))
                    found.append((count, irrep))
    irreps, order, _ = o3.Irreps(found).sort()
    instructions = [(i, j, order[k], "uvu", True) for i, j, k in paths]
    return o3.TensorProduct(
        features, harmonics, irreps, instructions, shared_weights=False, internal_weights=False
    )
