"""Neighbour search: all points within a radius, and the nearest so many."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MAX_DISTANCES = 4_000_000
"""Distances held at once; bounds the memory at 32 MB in float64."""


@torch.no_grad()
def radius_pairs(
    coords: Float[Tensor, "poses atoms 3"], points: Float[Tensor, "points 3"], radius: float
) -> Int[Tensor, "pairs 3"]:
    """Return (pose, atom, point) of everything closer than ``radius`` Å, in sorted order.

    Brute force in slices, after points outside the bounding box of the batch are set aside: at
    the size of a pocket this is faster than a cell list, on CPU and GPU.
    """
    atoms = coords.shape[1]
    if coords.numel() == 0 or len(points) == 0:
        return torch.zeros(0, 3, dtype=torch.int64, device=coords.device)
    flat = coords.reshape(-1, 3)
    lower, upper = flat.min(0).values - radius, flat.max(0).values + radius
    kept = ((points >= lower) & (points <= upper)).all(-1).nonzero().squeeze(-1)
    near = points[kept]
    step = max(1, MAX_DISTANCES // max(1, len(near)))
    found = []
    for begin in range(0, len(flat), step):
        distance = torch.cdist(
            flat[begin : begin + step], near, compute_mode="donot_use_mm_for_euclid_dist"
        )
        row, column = (distance < radius).nonzero(as_tuple=True)
        row = row + begin
        found.append(torch.stack([row // atoms, row % atoms, kept[column]], dim=-1))
    return torch.cat(found)


@torch.no_grad()
def nearest(
    queries: Float[Tensor, "batch queries 3"],
    points: Float[Tensor, "batch points 3"],
    allowed: Bool[Tensor, "batch points"] | None,
    count: int,
) -> tuple[Int[Tensor, "batch queries found"], Float[Tensor, "batch queries found"]]:
    """Return the ``count`` nearest allowed points of every query, and their distances in Å.

    Where fewer are allowed the rest has infinite distance (and any index); None allows all. A point
    that is itself a query is found at distance 0.
    """
    distance = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")
    if allowed is not None:
        distance = distance.masked_fill(~allowed[:, None], torch.inf)
    found = distance.topk(min(count, points.shape[1]), dim=-1, largest=False)
    return found.indices, found.values


def fading_nearest(
    queries: Float[Tensor, "batch queries 3"],
    points: Float[Tensor, "batch points 3"],
    allowed: Bool[Tensor, "batch points"] | None,
    count: int,
    fade: float,
) -> tuple[
    Int[Tensor, "batch queries found"],
    Float[Tensor, "batch queries found"],
    Float[Tensor, "batch queries found"],
]:
    """Return the ``count`` nearest allowed points, their distances in Å, and a weight of each.

    The weight is 1 and falls smoothly to 0 over the last ``fade`` Å before the nearest point that
    is left out: points that change places change nothing. Where no point is left out it is 1, and
    always with a ``fade`` of 0. Distances and weights have a gradient, where coordinates do.
    """
    found, distance = nearest(queries, points, allowed, count + (fade > 0))
    if torch.is_grad_enabled() and (queries.requires_grad or points.requires_grad):
        squared = (gather_nodes(points, found) - queries[..., None, :]).square().sum(-1)
        # the root has no slope at 0, where a point is itself the query
        distance = torch.where(distance.isfinite(), squared.clamp_min(1e-12).sqrt(), distance)
    if fade == 0 or found.shape[-1] <= count:
        return found, distance, torch.ones_like(distance)
    # finite: no difference of infinite distances
    end = distance[..., count:].clamp_max(1e6)
    left = ((end - distance[..., :count]) / fade).clamp(0.0, 1.0)
    return found[..., :count], distance[..., :count], left.square() * (3.0 - 2.0 * left)


def gather_nodes(
    values: Float[Tensor, "batch points width"], index: Int[Tensor, "batch *places"]
) -> Float[Tensor, "batch *places width"]:
    """Return the rows of ``values`` at ``index`` within each member of the batch."""
    first = torch.arange(len(values), device=values.device) * values.shape[1]
    row = index + first.reshape(-1, *[1] * (index.dim() - 1))
    found = values.reshape(-1, values.shape[-1]).index_select(0, row.flatten())
    return found.reshape(*index.shape, values.shape[-1])
