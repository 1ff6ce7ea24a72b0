"""Graph convolutions by hand, and the input features."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from made_models import contacts_of

from molgen.encoders.graph_convolution import (
    GraphConvolution,
    neighbourhood,
    row_normalised_area,
)
from molgen.encoders.node_features import NODE_FEATURES, node_features
from molgen.encoders.registry import ENCODERS, build_encoder
from molgen.errors import ConfigError, RegistryError
from molgen.graphs.residue_graph import to_graph


@pytest.fixture(scope="module")
def graph():
    return to_graph([contacts_of(30, 0), contacts_of(17, 1)])


def test_the_layer_is_the_sum_of_the_paper(graph):
    # H W0 + sum_m S_m H W_m + b, with dense S_m filled edge by edge
    nodes, maps, inputs, outputs = len(graph), 4, 5, 3
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(graph.edge_index.shape[1], maps, generator=generator)
    h = torch.randn(nodes, inputs, generator=generator)
    layer = GraphConvolution(inputs, outputs, maps)
    layer.bias.data = torch.randn(outputs, generator=generator)
    found = layer(h, neighbourhood(graph, weights))
    parts = layer.weight.view(maps + 1, inputs, outputs)
    expected = h @ parts[0] + layer.bias
    for m in range(maps):
        dense = torch.zeros(nodes, nodes)
        for (a, b), w in zip(graph.edge_index.T.tolist(), weights[:, m].tolist(), strict=True):
            dense[a, b] = w
        expected = expected + dense @ h @ parts[m + 1]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_matrices_stand_map_by_map():
    layer = GraphConvolution(2, 1, 3)
    assert layer.weight.shape == ((3 + 1) * 2, 1)
    assert layer.bias.tolist() == [0.0]


def test_a_graph_without_contacts_is_its_own_features(graph):
    none = type(graph)(
        **{
            **graph.__dict__,
            "edge_index": torch.zeros(2, 0, dtype=torch.int64),
            "edge_area": torch.zeros(0),
        }
    )
    layer = GraphConvolution(4, 2, 3)
    h = torch.randn(len(graph), 4)
    found = layer(h, neighbourhood(none, torch.zeros(0, 3)))
    torch.testing.assert_close(found, h @ layer.weight[:4])


def test_areas_of_a_residue_sum_to_one(graph):
    share = row_normalised_area(graph)
    total = torch.zeros(len(graph)).index_add(0, graph.edge_index[0], share)
    torch.testing.assert_close(total, torch.ones(len(graph)))
    # three quarters of the first pair's row by hand
    receiver = graph.edge_index[0, 0]
    row = graph.edge_area[graph.edge_index[0] == receiver]
    assert share[0].item() == pytest.approx((graph.edge_area[0] / row.sum()).item())


def test_node_features_are_type_shares_and_depth(graph):
    found = node_features(graph)
    assert found.shape == (47, NODE_FEATURES) and NODE_FEATURES == 23
    assert found[:, :20].argmax(1).tolist() == graph.residue_type.tolist()
    torch.testing.assert_close(found[:, :20].sum(1), torch.ones(47))
    for protein in (0, 1):  # volume and area are shares of the protein, depth is not
        inside = graph.graph == protein
        torch.testing.assert_close(found[inside][:, [20, 22]].sum(0), torch.ones(2))
    torch.testing.assert_close(found[:, 21], graph.scalars[:, 1])


def test_options_are_checked():
    assert build_encoder("spherical", {"order": 2}).config.order == 2
    with pytest.raises(RegistryError, match="spherical"):
        ENCODERS["spherica"]
    with pytest.raises(ConfigError, match=r"encoder spherical.ordre: unknown key.*order"):
        build_encoder("spherical", {"ordre": 2})
    with pytest.raises(ConfigError, match="widths must name at least one layer"):
        build_encoder("message_passing", {"widths": []})
