"""The rotatable bonds of a ligand from its bond table alone (no RDKit)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.graphs.bond_walks import reachable, straight_chain

_HETERO = (7, 8, 16)
"""Elements on the far end of the double bond of an amide or ester-like group."""


@dataclass(frozen=True)
class Torsions:
    """Rotatable bonds, those that move few atoms first: no part turns after one that holds it.

    Attributes:
        quads: (torsions, 4) atoms i-j-k-l of a dihedral about the bond j-k, or about the straight
            chain from j to k; k is on the side that moves.
        moving: (torsions, atoms) bool, what a turn about j -> k moves: the smaller side.
    """

    quads: np.ndarray
    moving: np.ndarray

    def __len__(self) -> int:
        return len(self.quads)

    def rigid_pairs(self) -> np.ndarray:
        """Return (atoms, atoms) bool: pairs whose distance no torsion changes.

        Inner atoms of a straight chain lie on its axis, too, but count as if they did not: trained
        networks know them so.
        """
        atoms = self.moving.shape[1]
        rigid = np.ones((atoms, atoms), dtype=bool)
        for quad, moving in zip(self.quads, self.moving, strict=True):
            apart = moving[:, None] != moving[None]
            apart[quad[1:3]] = apart[:, quad[1:3]] = False  # the ends of the axis stay in place
            rigid &= ~apart
        return rigid


def find_torsions(
    adjacent: np.ndarray,
    bonds: np.ndarray,
    *,
    single: np.ndarray,
    ring: np.ndarray,
    double: np.ndarray,
    triple: np.ndarray,
    elements: np.ndarray,
) -> Torsions:
    """Return the rotatable bonds: single, in no ring, no end terminal, no amide C-N.

    The bonds of a straight chain (an alkyne) are one torsion, measured across it.

    Args:
        adjacent: (atoms, atoms) bool.
        bonds: (bonds, 2) atoms.
        single, ring, double, triple: (bonds,) bool.
        elements: (atoms,) atomic numbers.
    """
    degree = adjacent.sum(1)
    in_triple = np.isin(np.arange(len(adjacent)), bonds[triple])
    straight = (in_triple & (degree == 2)).tolist()
    carbonyl = np.zeros(len(adjacent), dtype=bool)
    for (a, b), is_double in zip(bonds, double, strict=True):
        if is_double:
            for carbon, other in ((a, b), (b, a)):
                carbonyl[carbon] |= elements[carbon] == 6 and elements[other] in _HETERO
    neighbours = [np.flatnonzero(row).tolist() for row in adjacent]
    quads, moving = [], []
    axes: set[tuple[int, int]] = set()
    for (a, b), is_single, in_ring in zip(bonds, single, ring, strict=True):
        if not is_single or in_ring:
            continue
        line = straight_chain(neighbours, straight, int(a), int(b))
        near, far = line[0], line[-1]
        axis = (min(near, far), max(near, far))
        if axis in axes or min(degree[near], degree[far]) < 2:
            continue
        axes.add(axis)
        if (carbonyl[a] and elements[b] == 7) or (carbonyl[b] and elements[a] == 7):
            continue
        side = np.zeros(len(adjacent), dtype=bool)
        side[reachable(neighbours, int(b), {frozenset((int(a), int(b)))})] = True
        if side[a]:  # a ring through the bond that the flags do not know of
            continue
        before = next(atom for atom in neighbours[near] if atom != line[1])
        after = next(atom for atom in neighbours[far] if atom != line[-2])
        quad = (before, near, far, after)
        if 2 * side.sum() > len(adjacent):
            quad, side = quad[::-1], ~side
        quads.append(quad)
        moving.append(side)
    order = np.argsort([side.sum() for side in moving], kind="stable")
    return Torsions(
        np.array(quads, dtype=np.int16).reshape(-1, 4)[order],
        np.array(moving, dtype=bool).reshape(-1, len(adjacent))[order],
    )
