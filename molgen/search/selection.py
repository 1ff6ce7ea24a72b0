"""Choosing distinct poses from many."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def distinct(coords, order, rmsd, limit, symmetries):  # type: ignore[no-untyped-def]
    """Return the poses that are no repeat of a better one, best first.

    Args:
        coords: (poses, atoms, 3) Å.
        order: (poses,) indices, best first.
        rmsd: Å in place; a pose nearer than that to a kept one is left out.
        limit: most poses returned.
        symmetries: (symmetries, atoms) atoms that may stand for each atom; RMSDs are the smallest
            over these.

    Returns:
        (kept,) indices into ``coords``.
    """
    kept = np.empty(min(limit, len(order)), dtype=np.int64)
    centres = np.empty((len(kept), 3))
    count = 0
    atoms = coords.shape[1]
    bound = rmsd * rmsd * atoms
    centre = np.empty(3)
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
            for s in range(symmetries.shape[0]):
                total = 0.0
                for i in range(atoms):
                    j = symmetries[s, i]
                    for d in range(3):
                        total += (coords[index, i, d] - coords[other, j, d]) ** 2
                    if total > bound:
                        break
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
