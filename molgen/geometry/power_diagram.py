"""Voronoi contacts, cell volumes and accessible areas of balls, by their power diagram."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PROBE = 1.4
"""Å; radius of the rolling ball that stands for a water molecule."""


class PowerDiagram(NamedTuple):
    """Contacts and cells of a set of balls.

    Attributes:
        pairs: (contacts, 2) int32, first < second, sorted.
        areas: (contacts,) float64 Å² of the faces between the cells.
        volumes: (balls,) float64 Å³ of the cells.
        sasa: (balls,) float64 Å² of the cells' share of the outer surface.
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
    """
    import voronotalt

    count = len(centres)
    if not count:
        return PowerDiagram(np.zeros((0, 2), np.int32), np.zeros(0), np.zeros(0), np.zeros(0))
    balls = [
        voronotalt.Ball(*row)
        for row in np.column_stack([centres, radii]).astype(np.float64).tolist()
    ]
    result = voronotalt.RadicalTessellation(balls, probe=probe)
    rows = np.array([(c.index_a, c.index_b, c.area) for c in result.contacts]).reshape(-1, 3)
    pairs = np.sort(rows[:, :2].astype(np.int32), axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    cells = np.array([(c.sas_area, c.volume) for c in result.cells]).reshape(-1, 2)
    return PowerDiagram(pairs[order], rows[order, 2], cells[:, 1], cells[:, 0])


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
