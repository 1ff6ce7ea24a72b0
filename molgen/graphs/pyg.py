"""Contact graphs for PyTorch Geometric: networks of others on molgen's features.

molgen's own networks take `ResidueGraph`. This gives the same contacts in the form that layers and
loaders of PyTorch Geometric expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molgen.graphs.residue_graph import ModelContacts

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
        every contact, row 0 the source; ``edge_attr`` (edges, 1) float32, area in Å²; ``y`` float32
        where it is given.
    """
    from torch_geometric.data import Data

    pairs = torch.from_numpy(model.edge_nodes.reshape(-1, 2).astype(np.int64))
    area = torch.from_numpy(model.edge_area.astype(np.float32))[:, None]
    scalars = np.stack([model.volume, model.buriedness, model.sasa], axis=1).astype(np.float32)
    data = Data(
        x=torch.from_numpy(scalars),
        edge_index=torch.cat([pairs, pairs.flip(1)]).T.contiguous(),
        edge_attr=torch.cat([area, area]),
        pos=torch.from_numpy(model.backbone[:, 1].astype(np.float32)),
        residue_type=torch.from_numpy(model.residue_type.astype(np.int64)),
        backbone=torch.from_numpy(model.backbone.astype(np.float32)),
        torsions=torch.from_numpy(model.torsions.astype(np.float32)),
        chain=torch.from_numpy(model.chain.astype(np.int64)),
        number=torch.from_numpy(model.number.astype(np.int64)),
    )
    if y is not None:
        data.y = torch.from_numpy(np.asarray(y, dtype=np.float32))
    return data
