"""Choosing distinct poses from many."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numba import njit

_ORDERS = tuple(np.array(list(permutations(range(size))), dtype=np.int64) for size in range(6))
"""Orders in which the leaves of a group may stand, by their number."""


@njit(cache=True, nogil=True)
def _squared(first, second):  # type: ignore[no-untyped-def]
    total = 0.0
    for d in range(3):
        total += (first[d] - second[d]) ** 2
    return total


@njit(cache=True, nogil=True)
def _best_order(pose, other, group, atom_map):  # type: ignore[no-untyped-def]
    """Return the least squared distance of a group of leaves over their orders, Å²."""
    size = 0
    while size < len(group) and group[size] >= 0:
        size += 1
    best = np.inf
    for order in _ORDERS[size]:
        total = 0.0
        for k in range(size):
            total += _squared(pose[group[k]], other[atom_map[group[order[k]]]])
        best = min(best, total)
    return best


@njit(cache=True, nogil=True)
def distinct(coords, order, rmsd, limit, symmetries):  # type: ignore[no-untyped-def]
    """Return the poses that are no repeat of a better one, best first.

    Args:
        coords: (poses, atoms, 3) Å.
        order: (poses,) indices, best first.
        rmsd: Å in place; a pose nearer than that to a kept one is left out.
        limit: most poses returned.
        symmetries: maps (maps, atoms) and leaf groups (groups, 5), as in
            `molgen.metrics.symmetry.Symmetries`; RMSDs are the smallest over them.

    Returns:
        (kept,) indices into ``coords``.
    """
    kept = np.empty(min(limit, len(order)), dtype=np.int64)
    centres = np.empty((len(kept), 3))
    count = 0
    atoms = coords.shape[1]
    bound = rmsd * rmsd * atoms
    centre = np.empty(3)
    maps, groups = symmetries
    in_core = np.ones(atoms, dtype=np.bool_)
    for group in groups:
        for atom in group:
            if atom >= 0:
                in_core[atom] = False
    for index in order:
        for d in range(3):
            centre[d] = coords[index, :, d].sum() / atoms
        repeat = False
        for k in range(count):
            apart = 0.0
            for d in range(3):
                apart += (centre[d] - centres[k, d]) ** 2
            if apart * atoms > bound:  # no RMSD is less than the distance of the centres
                continue
            other = kept[k]
            for s in range(maps.shape[0]):
                total = 0.0
                for i in range(atoms):
                    if in_core[i]:
                        total += _squared(coords[index, i], coords[other, maps[s, i]])
                        if total > bound:
                            break
                for group in groups:
                    if total > bound:
                        break
                    total += _best_order(coords[index], coords[other], group, maps[s])
                if total <= bound:
                    repeat = True
                    break
            if repeat:
                break
        if not repeat:
            kept[count] = index
            centres[count] = centre
            count += 1
            if count == len(kept):
                break
    return kept[:count]
