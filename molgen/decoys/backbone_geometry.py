"""Backbones as bond lengths, angles and torsions, and back again.

A backbone is an array (residues, 4, 3) of N, CA, C and O in Å; O may be absent or NaN. Change a few
torsions of `internal_coordinates` and `backbone_from_torsions` rebuilds the chain with its own bond
lengths and angles, in place as far as the first changed torsion. A chain break is a bond like any
other, only longer: the part behind it follows as a rigid body.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from molgen.errors import StructureError
from molgen.geometry.dihedral import dihedral

PEPTIDE_LIMIT = 2.0
"""C and the next N are bonded up to this distance, Å."""

# Engh & Huber, Acta Cryst. A 1991, 47, 392 (trans peptides, not Gly or Pro): Å and radians.
IDEAL_LENGTHS = (1.458, 1.525, 1.329)
IDEAL_ANGLES = (math.radians(111.2), math.radians(116.2), math.radians(121.7))
IDEAL_OXYGEN = (1.231, math.radians(120.8), math.pi)


class InternalCoordinates(NamedTuple):
    """A backbone without its place in space, and its first residue to put it back.

    Attributes:
        phi, psi, omega: (residues,) radians in (-pi, pi]; residue i has phi about N-CA, psi about
            CA-C and omega about C and the next N. NaN: phi of the first, omega of the last residue.
            psi of the last residue points opposite its O, NaN without O.
        lengths: (residues, 3) Å: N-CA, CA-C, C-next N (NaN in the last residue).
        angles: (residues, 3) radians: N-CA-C, CA-C-next N, C-next N-next CA (NaN in the last).
        oxygen: (residues, 3) length C-O in Å, angle CA-C-O and torsion N-CA-C-O minus psi in
            radians; NaN without O.
        start: (3, 3) N, CA and C of the first residue, Å.
    """

    phi: np.ndarray
    psi: np.ndarray
    omega: np.ndarray
    lengths: np.ndarray
    angles: np.ndarray
    oxygen: np.ndarray
    start: np.ndarray


def internal_coordinates(backbone: np.ndarray) -> InternalCoordinates:
    """Return the bond lengths, angles and torsions of ``backbone``, (residues, 3 or 4, 3).

    Raises:
        StructureError: another shape, or a missing N, CA or C.
    """
    atoms = checked_backbone(backbone)
    n = len(atoms)
    chain = atoms[:, :3].reshape(-1, 3)
    lengths, angles, torsions = (np.full(3 * n, np.nan) for _ in range(3))
    lengths[:-1] = np.linalg.norm(np.diff(chain, axis=0), axis=1)
    angles[:-2] = _angle(chain[:-2], chain[1:-1], chain[2:])
    # torsion k of the flat list turns about the bond from atom k to atom k + 1
    torsions[1:-2] = dihedral(chain[:-3], chain[1:-2], chain[2:-1], chain[3:])
    turns = torsions.reshape(n, 3)
    oxygen = np.full((n, 3), np.nan)
    psi = turns[:, 1].copy()
    if atoms.shape[1] > 3:
        first, second, third, last = (atoms[:, column] for column in range(4))
        turn = dihedral(first, second, third, last)
        psi[-1] = _wrap(turn[-1] - math.pi)
        oxygen[:, 0] = np.linalg.norm(last - third, axis=1)
        oxygen[:, 1] = _angle(second, third, last)
        oxygen[:, 2] = _wrap(turn - psi)
    return InternalCoordinates(
        phi=turns[:, 0].copy(),
        psi=psi,
        omega=turns[:, 2].copy(),
        lengths=lengths.reshape(n, 3),
        angles=angles.reshape(n, 3),
        oxygen=oxygen,
        start=atoms[0, :3].copy(),
    )


def backbone_from_torsions(
    phi: np.ndarray,
    psi: np.ndarray,
    omega: np.ndarray,
    geometry: InternalCoordinates | None = None,
) -> np.ndarray:
    """Return the backbone with these torsions, (residues, 4, 3) float64 Å.

    Every atom is placed from the three before it (NeRF: Parsons et al., J. Comput. Chem. 2005, 26,
    1063). phi of the first and omega of the last residue move nothing.

    Args:
        phi: (residues,) radians, as are ``psi`` and ``omega``.
        geometry: holds bond lengths, angles, O and the place of the first residue; ideal values
            (Engh & Huber 1991) with N at the origin where it is None or NaN.

    Raises:
        StructureError: arrays of different length, or a torsion inside the chain that is NaN.
    """
    n = len(phi)
    torsions = np.stack([phi, psi, omega], axis=1).astype(np.float64) if n else np.zeros((0, 3))
    lengths = np.tile(IDEAL_LENGTHS, (n, 1))
    angles = np.tile(IDEAL_ANGLES, (n, 1))
    oxygen = np.tile(IDEAL_OXYGEN, (n, 1))
    start = np.zeros((3, 3))
    if geometry is not None:
        if len(geometry.phi) != n:
            raise StructureError(
                f"geometry of {len(geometry.phi)} residues given for {n} residues of torsions"
            )
        lengths = np.where(np.isnan(geometry.lengths), lengths, geometry.lengths)
        angles = np.where(np.isnan(geometry.angles), angles, geometry.angles)
        oxygen = np.where(np.isnan(geometry.oxygen), oxygen, geometry.oxygen)
        start = geometry.start.astype(np.float64)
    elif n:
        start[1, 0] = lengths[0, 0]
        start[2, 0] = lengths[0, 0] - lengths[0, 1] * math.cos(angles[0, 0])
        start[2, 1] = lengths[0, 1] * math.sin(angles[0, 0])
    if not (np.isfinite(torsions[:-1, 1:]).all() and np.isfinite(torsions[1:, 0]).all()):
        raise StructureError(
            "a torsion inside the chain is NaN: phi of the first and omega of the "
            "last residue alone may be"
        )
    if n and np.isnan(torsions[-1, 1]):
        torsions[-1, 1] = math.radians(-45.0)  # only the last O depends on it
    return _build_chain(torsions, lengths, angles, oxygen, start)


def place_oxygen(backbone: np.ndarray, *, replace: bool = False) -> np.ndarray:
    """Return the backbone with O on every residue, (residues, 4, 3), dtype as given.

    O lies in the plane of CA, C and the next N, opposite N. At a chain end or break, where no N
    follows, psi is taken as -45 degrees.

    Args:
        backbone: (residues, 3 or 4, 3) Å.
        replace: also move the O that are there, where a bonded N follows.

    Raises:
        StructureError: another shape, or a missing N, CA or C.
    """
    atoms = checked_backbone(backbone)
    result = np.full((len(atoms), 4, 3), np.nan)
    result[:, : atoms.shape[1]] = atoms
    absent = np.isnan(result[:, 3]).any(axis=1)
    follows = bonded_to_next(atoms)
    psi = np.full(len(atoms), math.radians(-45.0))
    psi[:-1] = np.where(
        follows[:-1], dihedral(atoms[:-1, 0], atoms[:-1, 1], atoms[:-1, 2], atoms[1:, 0]), psi[:-1]
    )
    for residue in np.flatnonzero(absent | (follows & replace)):
        a, b, c = result[residue, :3]
        length, angle, turn = IDEAL_OXYGEN
        place_atom(a, b, c, length, angle, psi[residue] + turn, result[residue, 3])
    return result.astype(backbone.dtype)


def bonded_to_next(backbone: np.ndarray) -> np.ndarray:
    """Return whether C of each residue is bonded to the N of the next, (residues,) bool."""
    bonded = np.zeros(len(backbone), dtype=bool)
    gap = np.linalg.norm(backbone[1:, 0] - backbone[:-1, 2], axis=1)
    bonded[:-1] = gap <= PEPTIDE_LIMIT
    return bonded


def checked_backbone(backbone: np.ndarray) -> np.ndarray:
    """Return ``backbone`` as float64 when it has the right shape and no gap in N, CA, C.

    Raises:
        StructureError: see above.
    """
    if backbone.ndim != 3 or backbone.shape[1] not in (3, 4) or backbone.shape[2] != 3:
        raise StructureError(
            f"a backbone has shape {backbone.shape}, expected (residues, 3 or 4, 3)"
        )
    if not len(backbone):
        raise StructureError("a backbone holds no residue")
    bad = np.flatnonzero(~np.isfinite(backbone[:, :3]).all(axis=(1, 2)))
    if len(bad):
        raise StructureError(f"residue {bad[0]} of the backbone lacks N, CA or C (NaN or infinity)")
    return backbone.astype(np.float64)


def _angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    first, second = a - b, c - b
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.arctan2(cross, (first * second).sum(-1))


def _wrap(angle: np.ndarray) -> np.ndarray:
    return math.pi - (math.pi - angle) % (2 * math.pi)


@njit(cache=True, nogil=True)
def place_atom(a, b, c, length, angle, torsion, out):  # type: ignore[no-untyped-def]
    """Write to ``out`` the point d with |cd|, angle b-c-d and torsion a-b-c-d."""
    ux, uy, uz = c[0] - b[0], c[1] - b[1], c[2] - b[2]
    scale = 1.0 / math.sqrt(ux * ux + uy * uy + uz * uz)
    ux, uy, uz = ux * scale, uy * scale, uz * scale
    vx, vy, vz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    nx, ny, nz = vy * uz - vz * uy, vz * ux - vx * uz, vx * uy - vy * ux
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    if size < 1e-9:  # a, b and c in line: any perpendicular will do
        if abs(ux) < 0.9:
            nx, ny, nz = 0.0, uz, -uy
        else:
            nx, ny, nz = -uz, 0.0, ux
        size = math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx / size, ny / size, nz / size
    mx, my, mz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
    along = -length * math.cos(angle)
    across = length * math.sin(angle) * math.cos(torsion)
    up = length * math.sin(angle) * math.sin(torsion)
    out[0] = c[0] + along * ux + across * mx + up * nx
    out[1] = c[1] + along * uy + across * my + up * ny
    out[2] = c[2] + along * uz + across * mz + up * nz


@njit(cache=True, nogil=True)
def _build_chain(torsions, lengths, angles, oxygen, start):  # type: ignore[no-untyped-def]
    """Return (residues, 4, 3); arguments as in `backbone_from_torsions`, all (residues, 3)."""
    n = len(torsions)
    chain = np.empty((n, 4, 3))
    for i in range(n):
        if i == 0:
            chain[0, :3] = start
        else:
            p = chain[i - 1]
            q = chain[i]
            place_atom(
                p[0], p[1], p[2], lengths[i - 1, 2], angles[i - 1, 1], torsions[i - 1, 1], q[0]
            )
            place_atom(p[1], p[2], q[0], lengths[i, 0], angles[i - 1, 2], torsions[i - 1, 2], q[1])
            place_atom(p[2], q[0], q[1], lengths[i, 1], angles[i, 0], torsions[i, 0], q[2])
        q = chain[i]
        turn = torsions[i, 1] + oxygen[i, 2]
        place_atom(q[0], q[1], q[2], oxygen[i, 0], oxygen[i, 1], turn, q[3])
    return chain
