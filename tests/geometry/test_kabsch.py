"""Rotations of point sets: proper, and those that were made."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.geometry.kabsch import rotations


def test_rotations_are_proper():
    rng = np.random.default_rng(1)
    found = rotations(rng.normal(size=(50, 3, 3)))
    assert np.linalg.det(found) == pytest.approx(np.ones(50))
    turn = Rotation.from_rotvec([0.3, 1.2, -0.7]).as_matrix()
    points = rng.normal(size=(9, 3))
    assert rotations((points.T @ (points @ turn.T))[None])[0] == pytest.approx(turn)
