"""Contact graphs in PyTorch Geometric: the same contacts, batches and layers that take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.nn import GCNConv
from torch_geometric.utils import is_undirected

from molgen.graphs.model_contacts import model_contacts
from molgen.graphs.pyg import contact_data
from molgen.graphs.residue_graph import ModelContacts, to_graph
from molgen.io.model_file import read_models

PARITY = Path(__file__).parent / "data" / "sgcn_parity"


@pytest.fixture(scope="module")
def contacts() -> ModelContacts:
    return model_contacts(next(read_models(PARITY / "6KYTP_af2.pdb"))[1])[0]


def test_it_is_the_graph_that_our_own_networks_see(contacts):
    data, graph = contact_data(contacts), to_graph([contacts])
    assert data.validate() and is_undirected(data.edge_index, data.edge_attr)
    assert torch.equal(data.x, graph.scalars) and torch.equal(data.residue_type, graph.residue_type)
    assert torch.equal(data.pos, graph.backbone[:, 1])
    # ours has the receiver first; both directions are there
    assert torch.equal(data.edge_index, graph.edge_index)
    assert torch.equal(data.edge_attr[:, 0], graph.edge_area)


def test_batches_and_layers_take_it(contacts):
    y = np.linspace(0.0, 1.0, len(contacts))
    batch = Batch.from_data_list([contact_data(contacts, y), contact_data(contacts, y)])
    both = to_graph([contacts, contacts])
    pairs = {tuple(sorted(pair)) for pair in batch.edge_index.T.tolist()}
    assert pairs == {tuple(sorted(pair)) for pair in both.edge_index.T.tolist()}
    torch.manual_seed(0)
    found = GCNConv(3, 2)(batch.x, batch.edge_index, batch.edge_attr[:, 0])
    assert found.shape == (2 * len(contacts), 2) and torch.isfinite(found).all()
    assert torch.allclose(found[: len(contacts)], found[len(contacts) :], atol=1e-4)
    assert batch.y.shape == (2 * len(contacts),)
