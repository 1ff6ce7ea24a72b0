"""Contacts of poses counted by type pair and distance: the features of the contact potential."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True, nogil=True)
def contact_histogram(coords, ligand, receptor_coords, receptor, shape, knots):  # type: ignore[no-untyped-def]
    """Return hat-function weights of all contacts, (poses, receptor kinds * ligand kinds * knots).

    The product with the curves of a `molgen.energy.contacts.ContactPotential` is its energy.

    Args:
        coords: (poses, atoms, 3) Å.
        ligand: (atoms,) ligand contact types.
        receptor_coords: (receptor atoms, 3) Å.
        receptor: (receptor atoms,) receptor contact types.
        shape: numbers of receptor kinds, ligand kinds and knots (without the last).
        knots: (knots + 1,) Å, increasing from 0.
    """
    count = shape[2]
    out = np.zeros((coords.shape[0], shape[0] * shape[1] * count), dtype=np.float32)
    reach = knots[count] ** 2
    for p in range(coords.shape[0]):
        for i in range(coords.shape[1]):
            for j in range(receptor_coords.shape[0]):
                r2 = 0.0
                for d in range(3):
                    r2 += (coords[p, i, d] - receptor_coords[j, d]) ** 2
                if r2 >= reach:
                    continue
                r = np.sqrt(r2)
                k = 0
                while r >= knots[k + 1]:
                    k += 1
                part = (r - knots[k]) / (knots[k + 1] - knots[k])
                first = (receptor[j] * shape[1] + ligand[i]) * count
                out[p, first + k] += 1.0 - part
                if k + 1 < count:
                    out[p, first + k + 1] += part
    return out
