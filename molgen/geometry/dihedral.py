"""Dihedral angles in numpy; what differentiates takes `molgen.geometry.torsions`."""

from __future__ import annotations

import numpy as np


def dihedral(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return the dihedrals a-b-c-d of points (..., 3), radians in (-pi, pi], IUPAC sign."""
    return np.asarray(np.arctan2(*sine_cosine(a, b, c, d)))


def sine_cosine(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return sine and cosine of dihedrals times one positive factor; both 0 where undefined."""
    axis = c - b
    left = np.cross(b - a, axis)
    right = np.cross(axis, d - c)
    sine = np.linalg.norm(axis, axis=-1) * ((b - a) * right).sum(-1)
    return np.asarray(sine), np.asarray((left * right).sum(-1))


def dihedral_of(coords: np.ndarray, quad: tuple[int, int, int, int]) -> np.ndarray:
    """Return one dihedral, by four atoms, of poses (..., atoms, 3) in radians (...,)."""
    return dihedral(*(coords[..., atom, :] for atom in quad))
