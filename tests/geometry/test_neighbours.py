"""Neighbour search against all pairs."""

import pytest
import torch

from molgen.geometry import neighbours

F64 = torch.float64


def test_hand_made_points():
    coords = torch.tensor([[[0.0, 0, 0], [10.0, 0, 0]]], dtype=F64)
    points = torch.tensor([[3.0, 0, 0], [0, 2.9, 0], [10, 0, 1], [50, 0, 0]], dtype=F64)
    found = neighbours.radius_pairs(coords, points, 3.0)
    # closer than 3 Å: 3.0 itself is not
    assert found.tolist() == [[0, 0, 1], [0, 1, 2]]


def test_slices_give_what_all_pairs_give(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    coords = torch.rand(7, 9, 3, generator=generator, dtype=F64) * 10
    points = torch.rand(200, 3, generator=generator, dtype=F64) * 30
    near = torch.linalg.norm(coords[:, :, None] - points, dim=-1) < 4.0
    monkeypatch.setattr(neighbours, "MAX_DISTANCES", 1000)
    assert torch.equal(neighbours.radius_pairs(coords, points, 4.0), near.nonzero())


def test_nothing_gives_nothing():
    nothing = neighbours.radius_pairs(torch.zeros(2, 3, 3), torch.zeros(0, 3), 5.0)
    assert nothing.shape == (0, 3) and nothing.dtype == torch.int64


def test_weights_fade_before_the_first_point_left_out():
    query = torch.zeros(1, 1, 3, dtype=F64)
    points = torch.zeros(1, 5, 3, dtype=F64)
    points[0, :, 0] = torch.tensor([5.5, 9.0, 2.0, 8.0, 3.0])
    index, distance, weight = neighbours.fading_nearest(query, points, None, 3, 5.0)
    assert index.tolist() == [[[2, 4, 0]]] and distance.tolist() == [[[2.0, 3.0, 5.5]]]
    # the end is at 8 Å: full up to 3 Å, half way through it one half
    torch.testing.assert_close(weight, torch.tensor([[[1.0, 1.0, 0.5]]], dtype=F64))


def test_nothing_fades_where_no_point_is_left_out():
    query = torch.zeros(1, 1, 3, dtype=F64)
    points = torch.ones(1, 4, 3, dtype=F64)
    allowed = torch.tensor([[True, True, False, False]])
    _, distance, weight = neighbours.fading_nearest(query, points, allowed, 2, 5.0)
    assert distance.isfinite().all() and weight.tolist() == [[[1.0, 1.0]]]
    _, distance, weight = neighbours.fading_nearest(query, points, allowed, 3, 5.0)
    assert distance.isinf().tolist() == [[[False, False, True]]] and weight.isfinite().all()
    _, _, weight = neighbours.fading_nearest(query, points, None, 4, 5.0)
    assert weight.tolist() == [[[1.0] * 4]]
    _, _, weight = neighbours.fading_nearest(query, points, None, 2, 0.0)
    assert weight.tolist() == [[[1.0, 1.0]]]


@pytest.mark.parametrize("fade", [0.0, 2.0])
def test_distances_and_weights_have_their_gradient(fade):
    generator = torch.Generator().manual_seed(4)
    queries = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    points = 2.0 * torch.randn(2, 9, 3, generator=generator, dtype=torch.float64)
    near = points.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda q, p: neighbours.fading_nearest(q, p, None, 4, fade)[1:], (queries, near)
    )
    plain = neighbours.fading_nearest(queries.detach(), points, None, 4, fade)
    for found, expected in zip(
        neighbours.fading_nearest(queries, near, None, 4, fade), plain, strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_a_query_that_is_a_point_has_a_finite_gradient():
    cloud = torch.eye(3, dtype=torch.float64)[None].requires_grad_()
    allowed = torch.tensor([[True, True, False]])
    _, distance, weight = neighbours.fading_nearest(cloud, cloud, allowed, 2, 1.0)
    (distance.sum() + weight.sum()).backward()
    assert cloud.grad is not None and cloud.grad.isfinite().all()
