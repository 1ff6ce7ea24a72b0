"""Distinct poses from many, by hand-made cases."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from molgen.search.selection import distinct

NO_GROUPS = np.zeros((0, 5), dtype=np.int64)
ALONE = (np.array([[0, 1]]), NO_GROUPS)
"""The symmetries of a pair of unlike atoms."""


def line(*places: float) -> np.ndarray:
    """Return poses of two atoms, 1 Å apart in y, at the given x."""
    return np.array([[[x, 0.0, 0.0], [x, 1.0, 0.0]] for x in places])


def test_repeats_of_a_better_pose_are_left_out():
    coords = line(0.0, 0.4, 2.0, 2.3, 0.9)
    kept = distinct(coords, np.array([3, 0, 1, 2, 4]), 1.0, 10, ALONE)
    assert kept.tolist() == [3, 0]  # 1 and 4 repeat 0, 2 repeats 3


def test_the_distance_is_the_rmsd_over_atoms():
    coords = line(0.0, 0.0)
    coords[1, 1, 0] = 1.3  # one atom of two moves: RMSD 1.3 / sqrt(2) = 0.92
    order = np.array([0, 1])
    assert distinct(coords, order, 0.90, 10, ALONE).tolist() == [0, 1]
    assert distinct(coords, order, 0.95, 10, ALONE).tolist() == [0]


def test_at_most_the_limit_is_kept():
    coords = line(*range(0, 20, 2))
    assert distinct(coords, np.arange(10), 1.0, 3, ALONE).tolist() == [0, 1, 2]
    assert distinct(coords, np.arange(0), 1.0, 3, ALONE).tolist() == []


def test_a_pose_is_a_repeat_under_a_symmetry_of_the_ligand():
    coords = line(0.0, 0.0)
    coords[1] = coords[0][::-1]  # the two atoms have changed places: RMSD 1 Å, or 0 if alike
    order = np.array([0, 1])
    assert distinct(coords, order, 0.5, 10, ALONE).tolist() == [0, 1]
    assert distinct(coords, order, 0.5, 10, (np.array([[0, 1], [1, 0]]), NO_GROUPS)).tolist() == [0]


def test_it_is_the_smallest_rmsd_over_symmetries_that_counts():
    """Against every pair by hand, where poses crowd and centres are near."""
    rng = np.random.default_rng(0)
    coords = rng.normal(scale=0.8, size=(60, 5, 3))
    maps, group = [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4]], [2, 3, 4]  # two alike, and a CF3
    alike = np.array([[*one[:2], *order] for one in maps for order in permutations(group)])
    expected: list[int] = []
    for index in range(len(coords)):
        rmsd = [
            np.sqrt(((coords[index] - coords[other][p]) ** 2).sum(-1).mean())
            for other in expected
            for p in alike
        ]
        if min(rmsd, default=9.0) > 1.1:
            expected.append(index)
    assert 10 < len(expected) < 60
    symmetries = (np.array(maps), np.array([[*group, -1, -1]]))
    assert distinct(coords, np.arange(60), 1.1, 60, symmetries).tolist() == expected
