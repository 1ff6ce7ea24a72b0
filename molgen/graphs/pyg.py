"""Contact graphs for PyTorch Geometric: networks of others on molgen's features.

molgen's own networks take `ResidueGraph`. This gives the same contacts in the form that layers and
loaders of PyTorch Geometric expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molgen.graphs.residue_graph import ModelContacts, to_graph

if TYPE_CHECKING:
    from torch_geometric.data import Data


def contact_data(model: ModelContacts, y: np.ndarray | None = None) -> Data:
    """Return the residue graph of a protein model as `torch_geometric.data.Data`.

    Args:
        model: of `molgen.graphs.model_contacts`, or of a store.
        y: (nodes,) what is to be predicted of each residue, for instance its CAD-score; NaN where
            it is not known.

    Returns:
        ``x`` (nodes, 3) float32: volume in Å³, buriedness, accessible surface in Å²;
        ``residue_type`` (nodes,) int64; ``pos`` (nodes, 3) float32, Å, of CA; ``backbone``
        (nodes, 4, 3) float32, Å; ``torsions`` (nodes, 7) float32 rad, NaN where undefined;
        ``chain`` and ``number`` (nodes,) int64; ``edge_index`` (2, edges) int64, both directions of
        every contact; ``edge_attr`` (edges, 1) float32, area in Å²; ``y`` float32
        where it is given.
    """
    from torch_geometric.data import Data

    graph = to_graph([model])
    data = Data(
        x=graph.scalars,
        edge_index=graph.edge_index,
        edge_attr=graph.edge_area[:, None],
        pos=graph.backbone[:, 1],
        residue_type=graph.residue_type,
        backbone=graph.backbone,
        torsions=graph.torsions,
        chain=graph.chain,
        number=graph.number,
    )
    if y is not None:
        data.y = torch.from_numpy(np.asarray(y, dtype=np.float32))
    return data
