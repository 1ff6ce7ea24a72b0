"""The 23 input features of a residue in S-GCN and its baseline.

Igashov, Pavlichenko, Grudinin, arXiv 2011.07980: residue type, volume of the Voronoi cell,
buriedness and solvent-accessible area.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.graphs.residue_graph import RESIDUES, ResidueGraph

NODE_FEATURES = len(RESIDUES) + 3


def node_features(graph: ResidueGraph) -> Float[Tensor, "nodes features"]:
    """Return one-hot residue type, volume, buriedness and SASA, (nodes, 23).

    Volume and SASA are divided by their sum over the protein, so they say which share of it a
    residue takes; buriedness stays a raw depth (1 at the surface).
    """
    scalars = graph.scalars
    total = scalars.new_zeros(graph.num_graphs, 3).index_add(0, graph.graph, scalars)
    total[:, 1] = 1.0
    shares = scalars / total.clamp_min(1e-6)[graph.graph]
    kinds = torch.nn.functional.one_hot(graph.residue_type.long(), len(RESIDUES))
    return torch.cat([kinds.to(scalars.dtype), shares], dim=1)
