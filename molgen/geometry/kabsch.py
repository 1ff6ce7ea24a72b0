"""Least-squares rotations of many point sets in numpy (Kabsch, Acta Cryst. A 1976, 32, 922).

What differentiates, or runs on a GPU, takes `molgen.geometry.alignment`.
"""

from __future__ import annotations

import numpy as np


def rotations(covariance: np.ndarray) -> np.ndarray:
    """Return the proper rotations R that maximise Σ y·Rx, (sets, 3, 3), from Σ x yᵀ."""
    u, _, vt = np.linalg.svd(covariance)
    turned = np.linalg.det(u @ vt) < 0
    u[turned, :, 2] *= -1
    return np.asarray((u @ vt).transpose(0, 2, 1))
