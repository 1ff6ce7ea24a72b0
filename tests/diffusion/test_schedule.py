"""Noise levels."""

from __future__ import annotations

import pytest
import torch

from molgen.config import build
from molgen.diffusion.schedule import ScheduleConfig, noise_levels, sampling_levels
from molgen.errors import ConfigError


@pytest.mark.parametrize("kind", ["power", "cosine", "sigmoid"])
def test_levels_rise_from_least_to_most(kind):
    levels = noise_levels(ScheduleConfig(kind=kind, least=0.1, most=10.0))
    assert len(levels) == 1000
    assert (levels.diff() > 0).all()
    assert levels[[0, -1]].tolist() == pytest.approx([0.1, 10.0], rel=1e-3)


def test_power_levels_by_hand():
    levels = noise_levels(ScheduleConfig(steps=3, least=1.0, most=8.0, rho=3.0))
    assert levels.tolist() == pytest.approx([1.0, 1.5**3, 8.0])


def test_cosine_levels_are_even_in_the_angle():
    levels = noise_levels(ScheduleConfig(kind="cosine", steps=50))
    steps = torch.atan(levels).diff()  # cos² of the angle is 1 / (1 + σ²)
    torch.testing.assert_close(steps, steps.mean().expand(49), rtol=0.02, atol=0.0)


def test_samplers_visit_the_ends():
    levels = sampling_levels(ScheduleConfig(), 20)
    assert len(levels) == 20
    assert (levels.diff() < 0).all()
    assert levels[0] == pytest.approx(10.0) and levels[-1] == pytest.approx(0.1)


def test_levels_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match="most"):
        build(ScheduleConfig, {"least": 5.0, "most": 1.0})


def test_a_schedule_that_does_not_reach_so_far_says_so():
    message = r"sigmoid reaches from .* to 12\.1 Å, not from 0\.1 to 20"
    with pytest.raises(ConfigError, match=message):
        noise_levels(ScheduleConfig(kind="sigmoid", most=20.0))


def test_ends_with_no_level_between_are_refused():
    config = ScheduleConfig(kind="cosine", least=1.0, most=1.0001)
    with pytest.raises(ConfigError, match="too near for cosine"):
        noise_levels(config)
