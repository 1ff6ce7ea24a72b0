"""Receptor grids: exact at grid points, wall outside, the same as the compiled kernels."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import made

from molgen.energy import grid
from molgen.energy.vina import Vina
from molgen.energy.vina_terms import VinaWeights
from molgen.errors import ConfigError
from molgen.graphs.energy_topology import build_energy_topology
from molgen.search import kernels

F64 = torch.float64


def linear_grid():
    """Return grids of f(x, y, z) = x + 2 y + 3 z and of its negative, spacing 0.5 from -1."""
    axis = torch.arange(5, dtype=F64) * 0.5 - 1.0
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    values = x + 2 * y + 3 * z
    return torch.stack([values, -values]), torch.full((3,), -1.0, dtype=F64)


def test_linear_functions_are_read_exactly():
    grids, origin = linear_grid()
    coords = torch.tensor([[[0.13, -0.4, 0.77], [-0.9, 0.2, 0.3]]], dtype=F64)
    found = grid.interpolate(grids, origin, 0.5, torch.tensor([0, 1]), coords)
    expected = [0.13 - 0.8 + 2.31, -(-0.9 + 0.4 + 0.9)]
    torch.testing.assert_close(found, torch.tensor([expected], dtype=F64))


def test_outside_the_box_a_wall_of_constant_slope():
    grids, origin = linear_grid()
    kind = torch.tensor([0])
    out = torch.tensor([[[-3.0, 0.0, 0.0]]], dtype=F64, requires_grad=True)
    energy = grid.interpolate(0 * grids, origin, 0.5, kind, out)
    energy.sum().backward()
    assert energy.item() == pytest.approx(2.0 * grid.WALL)
    assert out.grad.flatten().tolist() == pytest.approx([-grid.WALL, 0.0, 0.0])
    assert grid.WALL == kernels.WALL


def test_grid_points_hold_the_pair_energy():
    topology, _ = made.case()
    kinds = np.array([0, 5, 8])
    shape, spacing, origin = (4, 3, 5), 0.7, np.array([-1.0, -1.2, -0.6])
    grids = grid.build_grids(
        torch.as_tensor(topology.receptor.coords), topology.receptor.types, kinds, origin, shape,
        spacing, VinaWeights(),
    )  # fmt: skip
    from molgen.energy.vina_terms import pair_energy

    point = origin + spacing * np.array([3, 1, 2])
    distance = np.linalg.norm(topology.receptor.coords - point, axis=1)
    for row, kind in enumerate(kinds):
        every = np.full(len(distance), kind)
        expected = pair_energy(distance, topology.receptor.types, every, VinaWeights()).sum()
        # tables of 1/32 Å read linearly
        assert grids[row, 3, 1, 2].item() == pytest.approx(expected, abs=0.02, rel=0.005)


def test_error_falls_with_the_square_of_the_spacing():
    topology, coords = made.case(8)
    exact = Vina().bind(topology).terms(coords)["inter"]
    errors = [
        (grid.VinaGrid(spacing).bind(topology)(coords) - exact).abs().mean().item()
        for spacing in (0.6, 0.3)
    ]
    assert errors[1] < 0.5 * errors[0] and errors[1] < 0.1 * exact.abs().mean()


def test_a_grid_needs_a_pocket():
    mol, _ = made.conformer("CCO")
    with pytest.raises(ConfigError, match="pocket"):
        grid.VinaGrid().bind(build_energy_topology(mol, made.protein()))
