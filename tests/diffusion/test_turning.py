"""Turning the whole input turns the poses of the shipped model, over all steps of the sampler.

In float64, where the symmetry shows: on its way from noise a pose in rigid-torsion space multiplies
every difference by two or three a step, so that in float32 the rounding of the input is seen.
"""

from __future__ import annotations

import pytest
import torch

from molgen.diffusion.model import load_sidegen
from molgen.diffusion.sampling import SamplingConfig, sample
from molgen.geometry.frames import principal_axes
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions
from molgen.graphs.pose_graph import (
    ligand_of,
    stack_coords,
    stack_ligands,
    stack_targets,
    target_of,
)
from molgen.search.settings import SidegenSettings

from .conftest import doubled, turned


@pytest.fixture(scope="module")
def model():
    return load_sidegen(SidegenSettings().checkpoint).double().eval()


@pytest.mark.parametrize("space", ["rigid-torsion", "cartesian"])
@pytest.mark.parametrize("number", [0, 1])
def test_poses_turn_with_the_input_over_twenty_steps(model, complexes, space, number):
    complex_ = complexes[number]
    centre = complex_.ligand_coords.mean(0)
    target = doubled(stack_targets([target_of(complex_).within(centre, 11.0)]))
    ligand = stack_ligands([ligand_of(complex_)])
    start = stack_coords([complex_.ligand_coords - centre]).double()[:, None].expand(-1, 6, -1, -1)

    def poses(turn):
        axes = principal_axes((target.coords @ turn.T)[0])
        seen = turned(target, axes @ turn)
        found = sample(
            model, start, ligand, model.network.encode(seen), SamplingConfig(space, steps=20),
            torch.Generator().manual_seed(0),
        )  # fmt: skip
        return found @ axes

    turn = matrix_from_quaternion(random_quaternions(1, torch.Generator().manual_seed(5)))[0]
    with torch.no_grad():
        plain, other = poses(torch.eye(3, dtype=torch.float64)), poses(turn)
    assert plain.dtype == torch.float64 and (plain[0, 0] - plain[0, 1]).abs().max() > 0.5
    torch.testing.assert_close(other, plain @ turn.T, atol=1e-7, rtol=0)
