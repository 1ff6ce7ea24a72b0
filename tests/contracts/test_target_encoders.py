"""What every encoder of `TARGET_ENCODERS` has to obey."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from molgen.encoders.registry import TARGET_ENCODERS, build_target_encoder
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions
from molgen.graphs.pose_graph import FAR, TARGET_FEATURES, TargetGraph


@pytest.fixture(params=sorted(TARGET_ENCODERS))
def encoder(request):
    torch.manual_seed(3)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield build_target_encoder(request.param).eval()
    torch.set_default_dtype(previous)


def made(nodes=30, residues=4, padding=0, seed=1):
    generator = torch.Generator().manual_seed(seed)
    coords = 4.0 * torch.randn(1, nodes, 3, generator=generator, dtype=torch.float64)
    features = torch.stack(
        [torch.randint(size, (1, nodes), generator=generator) for size in TARGET_FEATURES.values()],
        dim=-1,
    )
    features[..., 3] = 0
    features[:, -residues:, 3] = 1
    side = torch.randn(1, nodes, 3, generator=generator, dtype=torch.float64)
    side = torch.nn.functional.normalize(side, dim=-1)
    mask = torch.ones(1, nodes, dtype=torch.bool)
    graph = TargetGraph(coords, features, side, mask)
    return padded(graph, padding) if padding else graph


def padded(graph, count):
    def grow(values, fill):
        shape = (1, count, *values.shape[2:])
        return torch.cat([values, torch.full(shape, fill, dtype=values.dtype)], dim=1)

    return TargetGraph(
        grow(graph.coords, FAR),
        grow(graph.features, 0),
        grow(graph.open_side, 0.0),
        grow(graph.mask, False),
    )


def test_says_what_it_returns(encoder):
    found = encoder(made())
    assert found.shape == (1, 30, encoder.width_out)
    assert encoder.irreps_out == f"{encoder.width_out}x0e"


def test_is_alive(encoder):
    first, second = encoder(made(seed=1)), encoder(made(seed=2))
    assert found_range(first) > 1e-2
    assert (first - second).abs().max() > 1e-2
    graph = made()
    other = replace(graph, coords=graph.coords + 0.3 * torch.randn_like(graph.coords))
    assert (encoder(graph) - encoder(other)).abs().max() > 1e-4


def found_range(values):
    return float(values.max() - values.min())


def test_rotation_and_translation_change_nothing(encoder):
    graph = made()
    turn = matrix_from_quaternion(random_quaternions(1, torch.Generator().manual_seed(5)))[0]
    moved = replace(
        graph,
        coords=graph.coords @ turn.T + torch.tensor([3.0, -2.0, 7.0]),
        open_side=graph.open_side @ turn.T,
    )
    torch.testing.assert_close(encoder(graph), encoder(moved), atol=1e-9, rtol=0)


def test_order_of_nodes_does_not_matter(encoder):
    graph = made()
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = TargetGraph(
        graph.coords[:, order], graph.features[:, order], graph.open_side[:, order], graph.mask
    )
    torch.testing.assert_close(encoder(graph)[:, order], encoder(shuffled), atol=1e-9, rtol=0)


def test_padding_changes_nothing_and_is_zero(encoder):
    plain, long = encoder(made()), encoder(made(padding=7))
    torch.testing.assert_close(long[:, :30], plain, atol=1e-9, rtol=0)
    assert not long[:, 30:].any()


def test_is_smooth_where_a_neighbour_leaves(encoder):
    graph = made(nodes=8, residues=2)
    seen = []
    for distance in (5.9999, 6.0001, 11.9999, 12.0001):
        coords = graph.coords.clone()
        coords[0, 0] = coords[0, 1:].mean(0) + torch.tensor([0.0, 0.0, 40.0])
        coords[0, 0] = coords[0, 1] + torch.tensor([distance, 0.0, 0.0])
        seen.append(encoder(replace(graph, coords=coords)))
    assert (seen[0] - seen[1]).abs().max() < 1e-2 * found_range(seen[0])
    assert (seen[2] - seen[3]).abs().max() < 1e-2 * found_range(seen[0])
