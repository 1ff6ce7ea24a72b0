"""Compiled search for side chains that fit (numba): Gibbs sampling of rotamers, then small turns.

Energies are in kT: -ln of the share of a rotamer given phi and psi, and the contact energies of
atoms of different residues. A residue that is visited draws one of its rotamers by the Boltzmann
weights in the field of all others; the temperature falls from sweep to sweep. Random numbers come
in as arrays, so a seed means the same everywhere.
"""

# Shapes: n residues, s sweeps, p polishing sweeps. Coordinates are (n, SLOTS, 3) float64.

from __future__ import annotations

import math

import numpy as np
from numba import njit

from molgen.decoys.backbone_geometry import place_atom
from molgen.decoys.rotamers import CELLS, REACH
from molgen.decoys.sidechain_templates import CHIS, FIRST_MOVING, RESIDUES, SLOTS

PROLINE = RESIDUES.index("PRO")
MOVING = SLOTS - FIRST_MOVING
MOST = 128
"""Candidates of one residue, at most."""

LIKELY = 3.0
"""Rotamers this close to the best (kT) are also tried with chi1 turned by one deviation, in
residues of one or two chis; longer ones have rotamers enough."""

FORBIDDEN = 8.0
"""Rotamers this far above the best in the field of the backbone are not tried again, kT."""

_FAST = {
    "cache": True,
    "fastmath": {"nnan", "ninf", "nsz", "arcp", "contract", "afn"},
    "nogil": True,
}


@njit(**_FAST)
def copy_atoms(source, count, target, begin):  # type: ignore[no-untyped-def]
    """Write source[:count] (atoms, 3) to target[begin:]; loops compile faster than slices."""
    for m in range(count):
        for axis in range(3):
            target[begin + m, axis] = source[m, axis]


@njit(**_FAST)
def build_residue(parents, shape, size, chi, atoms):  # type: ignore[no-untyped-def]
    """Write the atoms from CB on of one residue into ``atoms`` (SLOTS, 3), radians."""
    for slot in range(4, size):
        a, b, c, turn = parents[slot]
        torsion = shape[slot, 2]
        if turn >= 0:
            torsion += chi[turn]
        place_atom(
            atoms[a], atoms[b], atoms[c], shape[slot, 0], shape[slot, 1], torsion, atoms[slot]
        )


@njit(**_FAST)
def pair_sum(xyz, kind, count, room, seen, contact):  # type: ignore[no-untyped-def]
    """Return the contact energy of atoms with the first ``seen`` in ``room``."""
    others, other_kind = room
    total = 0.0
    for i in range(count):
        x, y, z = xyz[i, 0], xyz[i, 1], xyz[i, 2]
        row = contact[kind[i]]
        for j in range(seen):
            dx, dy, dz = x - others[j, 0], y - others[j, 1], z - others[j, 2]
            square = dx * dx + dy * dy + dz * dz
            if square < REACH * REACH:
                total += row[other_kind[j], int(square * CELLS)]
    return total


@njit(**_FAST)
def gather(i, centre, radius, scene, begin, end, skip_next, room, count):  # type: ignore[no-untyped-def]
    """Write atoms with slots begin..end of the neighbours that the ball can feel; return their end.

    ``scene`` is (near, coords, kinds, size), ``room`` the coordinates and kinds written to, from
    ``count`` on. ``skip_next`` leaves out the residues next to i along the chain: CD of Pro is two
    bonds from the C before it.
    """
    near, coords, kinds, size = scene
    out, out_kind = room
    reach = (radius + REACH) ** 2
    for place in range(near.shape[1]):
        j = near[i, place]
        if j < 0:
            break
        if skip_next and abs(i - j) == 1:
            continue
        for slot in range(begin, min(end, size[j])):
            dx = coords[j, slot, 0] - centre[0]
            dy = coords[j, slot, 1] - centre[1]
            dz = coords[j, slot, 2] - centre[2]
            if dx * dx + dy * dy + dz * dz < reach and count < len(out):
                out[count, 0] = coords[j, slot, 0]
                out[count, 1] = coords[j, slot, 1]
                out[count, 2] = coords[j, slot, 2]
                out_kind[count] = kinds[j, slot]
                count += 1
    return count


@njit(**_FAST)
def neighbours(coords, extent):  # type: ignore[no-untyped-def]
    """Return for every residue those it may touch, (n, widest) padded with -1."""
    n = len(coords)
    counts = np.zeros(n, dtype=np.int64)
    for turn in range(2):
        if turn:
            near = np.full((n, max(1, counts.max())), -1, dtype=np.int64)
            counts[:] = 0
        for i in range(n):
            for j in range(n):
                if i == j:
                    continue
                square = 0.0
                for axis in range(3):
                    square += (coords[i, 1, axis] - coords[j, 1, axis]) ** 2
                if square < (extent[i] + extent[j] + REACH) ** 2:
                    if turn:
                        near[i, counts[i]] = j
                    counts[i] += 1
    return near


@njit(**_FAST)
def candidates(  # type: ignore[no-untyped-def]
    atoms, tree, rotamers, prior, noise, window, chi, xyz, energy, origin
):
    """Write the rotamers of one residue that its backbone allows; return their count.

    Args:
        tree: (parents, shape, size, chis) of the type.
        rotamers: (well, log_share, mean, spread) of the type.
        prior: (3,) ln of the shares of the wells of chi1 here.
        noise: (CHIS,) radians added to every mean.
        window: rotamers less likely than this (kT above the best) are left out.
        chi, xyz, energy, origin: outputs (MOST, CHIS), (MOST, MOVING, 3), (MOST,), (MOST,).
    """
    parents, shape, size, chis = tree
    well, log_share, mean, spread = rotamers
    best = 1e9
    for r in range(len(well)):
        best = min(best, -prior[well[r]] - log_share[r])
    count = 0
    for r in range(len(well)):
        cost = -prior[well[r]] - log_share[r] - best
        if cost > window:
            continue
        for side in range(3 if cost < LIKELY and chis < 3 else 1):
            if count == MOST:
                break
            turn = 0.0 if side == 0 else (1.0 if side == 1 else -1.0)
            for k in range(chis):
                chi[count, k] = mean[r, k] + noise[k]
            chi[count, 0] += turn * spread[r, 0]
            energy[count] = cost + 0.5 * turn * turn
            origin[count] = r
            build_residue(parents, shape, size, chi[count], atoms)
            copy_atoms(atoms[FIRST_MOVING:], size - FIRST_MOVING, xyz[count], 0)
            count += 1
    return count


@njit(**_FAST)
def ball(xyz, count, moving):  # type: ignore[no-untyped-def]
    """Return centre (3,) and radius of the atoms xyz[:count, :moving]."""
    centre = np.zeros(3)
    for c in range(count):
        for m in range(moving):
            for axis in range(3):
                centre[axis] += xyz[c, m, axis] / (count * moving)
    largest = 0.0
    for c in range(count):
        for m in range(moving):
            square = 0.0
            for axis in range(3):
                square += (xyz[c, m, axis] - centre[axis]) ** 2
            largest = max(largest, square)
    return centre, math.sqrt(largest)


@njit(**_FAST)
def prune(count, chi, xyz, energy, origin):  # type: ignore[no-untyped-def]
    """Drop candidates that the backbone all but forbids, keeping the order; return their count."""
    lowest = energy[0]
    for c in range(1, count):
        lowest = min(lowest, energy[c])
    kept = 0
    for c in range(count):
        if energy[c] > lowest + FORBIDDEN:
            continue
        copy_atoms(xyz[c], MOVING, xyz[kept], 0)
        for k in range(CHIS):
            chi[kept, k] = chi[c, k]
        energy[kept], origin[kept] = energy[c], origin[c]
        kept += 1
    return kept


@njit(**_FAST)
def pick(energy, count, temperature, uniform):  # type: ignore[no-untyped-def]
    """Return an index drawn by Boltzmann weights; the lowest at temperature 0."""
    lowest = 0
    for c in range(1, count):
        if energy[c] < energy[lowest]:
            lowest = c
    if temperature <= 0.0:
        return lowest
    total = 0.0
    for c in range(count):
        total += math.exp(-(energy[c] - energy[lowest]) / temperature)
    target = uniform * total
    for c in range(count):
        target -= math.exp(-(energy[c] - energy[lowest]) / temperature)
        if target <= 0.0:
            return c
    return lowest


@njit(**_FAST)
def pack(  # type: ignore[no-untyped-def]
    types, coords, free, cells, table, noise, order, uniform, temperature, polish, options
):
    """Place the side chains of ``free`` residues in ``coords``; return their chis, (n, CHIS).

    Args:
        types: (n,) residue types.
        coords: (n, SLOTS, 3) with N, CA, C, O; all atoms of residues that are not free.
        free: (n,) bool.
        cells: (n, 2) grid cell of phi and psi.
        table: (size, chis, parents, shape, kind, extent, first, well, log_share, mean, spread,
            log_well, contact), see `SidechainTable`.
        noise: (n, CHIS) radians around the means.
        order: (s, n) residues in the order of visits.
        uniform: (s + 1, n) in [0, 1).
        temperature: (s + 1,) kT; of the first draw, before residues see each other, and of sweeps.
        polish: (p, n, tries, CHIS) radians, turns that are kept where they lower the energy.
        options: (weight of contacts, window of rotamers in kT, feels anything at all (0 or 1)).
    """
    sizes, chi_counts, parents, shape, kind, extents, first, well, log_share = table[:9]
    mean, spread, log_well, contact = table[9:]
    weight, window, feels = options
    n = len(types)
    size, extent, kinds = sizes[types], extents[types], kind[types]
    chosen = np.full((n, CHIS), np.nan)
    origin = np.full(n, -1, dtype=np.int64)
    moves, nothing = np.zeros(n, dtype=np.bool_), np.zeros(CHIS)
    for i in range(n):
        moves[i] = free[i] and size[i] > FIRST_MOVING
        if free[i] and size[i] > 4:
            build_residue(parents[types[i]], shape[types[i]], 5, nothing, coords[i])
    near = neighbours(coords, extent)
    counts = np.zeros(n, dtype=np.int64)
    chi = np.zeros((n, MOST, CHIS))
    xyz = np.zeros((n, MOST, MOVING, 3))
    alone = np.zeros((n, MOST))
    source = np.zeros((n, MOST), dtype=np.int64)
    centre, radius = np.zeros((n, 3)), np.zeros(n)
    energy = np.zeros(MOST)
    scene = (near, coords, kinds, size)
    room = (np.zeros((4096, 3)), np.zeros(4096, dtype=np.int64))
    for i in range(n):
        if not moves[i]:
            continue
        t, moving, proline = types[i], size[i] - FIRST_MOVING, types[i] == PROLINE
        own = slice(first[t], first[t + 1])
        tree = (parents[t], shape[t], size[i], chi_counts[t])
        rotamers = (well[own], log_share[own], mean[own], spread[own])
        prior = log_well[t, :, cells[i, 0], cells[i, 1]]
        counts[i] = candidates(
            coords[i], tree, rotamers, prior, noise[i], window, chi[i], xyz[i], alone[i], source[i]
        )
        centre[i], radius[i] = ball(xyz[i], counts[i], moving)
        if feels:
            seen = gather(i, centre[i], radius[i], scene, 0, FIRST_MOVING, proline, room, 0)
            for c in range(counts[i]):
                alone[i, c] += weight * pair_sum(
                    xyz[i, c], kinds[i, FIRST_MOVING:], moving, room, seen, contact
                )
            counts[i] = prune(counts[i], chi[i], xyz[i], alone[i], source[i])
        choice = pick(alone[i], counts[i], temperature[0], uniform[0, i])
        copy_atoms(xyz[i, choice], moving, coords[i], FIRST_MOVING)
        for k in range(chi_counts[types[i]]):
            chosen[i, k] = chi[i, choice, k]
        origin[i] = source[i, choice]
    for sweep in range(len(order)):
        for i in order[sweep]:
            if not moves[i]:
                continue
            moving = size[i] - FIRST_MOVING
            seen = gather(i, centre[i], radius[i], scene, FIRST_MOVING, SLOTS, False, room, 0)
            for c in range(counts[i]):
                energy[c] = alone[i, c] + weight * pair_sum(
                    xyz[i, c], kinds[i, FIRST_MOVING:], moving, room, seen, contact
                )
            choice = pick(energy, counts[i], temperature[sweep + 1], uniform[sweep + 1, i])
            copy_atoms(xyz[i, choice], moving, coords[i], FIRST_MOVING)
            for k in range(chi_counts[types[i]]):
                chosen[i, k] = chi[i, choice, k]
            origin[i] = source[i, choice]
    trial, trial_chi, kept = np.zeros((SLOTS, 3)), np.zeros(CHIS), np.zeros(CHIS)
    for sweep in range(len(polish)):
        for i in range(n):
            if not moves[i]:
                continue
            t = types[i]
            r = first[t] + origin[i]
            moving, proline = size[i] - FIRST_MOVING, t == PROLINE
            wide = radius[i] + 0.5
            # the ball of all rotamers, with room for the turns
            seen = gather(i, centre[i], wide, scene, 0, FIRST_MOVING, proline, room, 0)
            seen = gather(i, centre[i], wide, scene, FIRST_MOVING, SLOTS, False, room, seen)
            best = 0.0
            for attempt in range(polish.shape[2] + 1):
                strain = 0.0
                for k in range(chi_counts[t]):
                    trial_chi[k] = chosen[i, k]
                    if attempt:
                        trial_chi[k] += polish[sweep, i, attempt - 1, k]
                    strain += 0.5 * ((trial_chi[k] - mean[r, k] - noise[i, k]) / spread[r, k]) ** 2
                copy_atoms(coords[i], FIRST_MOVING, trial, 0)
                build_residue(parents[t], shape[t], size[i], trial_chi, trial)
                total = strain + weight * pair_sum(
                    trial[FIRST_MOVING:], kinds[i, FIRST_MOVING:], moving, room, seen, contact
                )
                if attempt == 0 or total < best:
                    best = total
                    copy_atoms(trial[FIRST_MOVING:], moving, coords[i], FIRST_MOVING)
                    for k in range(chi_counts[t]):
                        kept[k] = trial_chi[k]
            for k in range(chi_counts[t]):
                chosen[i, k] = kept[k]
    return chosen
