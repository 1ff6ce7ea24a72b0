"""Distinct poses from many, by hand-made cases."""

from __future__ import annotations

import numpy as np

from molgen.search.selection import distinct


def line(*places: float) -> np.ndarray:
    """Return poses of two atoms, 1 Å apart in y, at the given x."""
    return np.array([[[x, 0.0, 0.0], [x, 1.0, 0.0]] for x in places])


def test_repeats_of_a_better_pose_are_left_out():
    coords = line(0.0, 0.4, 2.0, 2.3, 0.9)
    kept = distinct(coords, np.array([3, 0, 1, 2, 4]), 1.0, 10)
    assert kept.tolist() == [3, 0]  # 1 and 4 repeat 0, 2 repeats 3


def test_the_distance_is_the_rmsd_over_atoms():
    coords = line(0.0, 0.0)
    coords[1, 1, 0] = 1.3  # one atom of two moves: RMSD 1.3 / sqrt(2) = 0.92
    order = np.array([0, 1])
    assert distinct(coords, order, 0.90, 10).tolist() == [0, 1]
    assert distinct(coords, order, 0.95, 10).tolist() == [0]


def test_at_most_the_limit_is_kept():
    coords = line(*range(0, 20, 2))
    assert distinct(coords, np.arange(10), 1.0, 3).tolist() == [0, 1, 2]
    assert distinct(coords, np.arange(0), 1.0, 3).tolist() == []
