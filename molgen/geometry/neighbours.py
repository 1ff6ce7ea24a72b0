"""Fixed-radius neighbour search between a batch of poses and one set of points."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
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
