"""Choosing distinct poses from many."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def distinct(coords, order, rmsd, limit):  # type: ignore[no-untyped-def]
    """Return the poses that are no repeat of a better one, best first.

    Args:
        coords: (poses, atoms, 3) Å.
        order: (poses,) indices, best first.
        rmsd: Å in place, atom by atom; a pose nearer than that to a kept one is left out.
        limit: most poses returned.

    Returns:
        (kept,) indices into ``coords``.
    """
    kept = np.empty(min(limit, len(order)), dtype=np.int64)
    count = 0
    atoms = coords.shape[1]
    bound = rmsd * rmsd * atoms
    for index in order:
        repeat = False
        for k in range(count):
            other = kept[k]
            total = 0.0
            for i in range(atoms):
                for d in range(3):
                    total += (coords[index, i, d] - coords[other, i, d]) ** 2
                if total > bound:
                    break
            if total <= bound:
                repeat = True
                break
        if not repeat:
            kept[count] = index
            count += 1
            if count == len(kept):
                break
    return kept[:count]
