"""Moves of a backbone: the errors of predicted models, before side chains and relaxation.

A backbone is an array (residues, 4, 3) of N, CA, C and O in Å. Every move returns a new one of the
same length: residue i of the result is residue i of the sequence. Bonds may be stretched where a
moved part meets the rest; relaxation mends them.
"""

from __future__ import annotations

import numpy as np

HELIX, STRAND, LOOP = 0, 1, 2


def secondary_structure(backbone: np.ndarray) -> np.ndarray:
    """Return HELIX, STRAND or LOOP of every residue, (residues,) int8.

    From distances between CA atoms alone, after the P-SEA criteria (Labesse et al., CABIOS 1997,
    13, 291); runs shorter than four (helix) or three (strand) residues count as loop.
    """
    ca = backbone[:, 1]
    n = len(ca)
    kinds = np.full(n, LOOP, dtype=np.int8)
    if n < 5:
        return kinds
    d2 = np.linalg.norm(ca[2:] - ca[:-2], axis=1)[: n - 4]
    d3 = np.linalg.norm(ca[3:] - ca[:-3], axis=1)[: n - 4]
    d4 = np.linalg.norm(ca[4:] - ca[:-4], axis=1)
    helix = (np.abs(d2 - 5.5) < 0.7) & (np.abs(d3 - 5.3) < 0.8) & (np.abs(d4 - 6.4) < 1.0)
    strand = (np.abs(d2 - 6.7) < 0.6) & (np.abs(d3 - 9.9) < 0.9) & (np.abs(d4 - 12.4) < 1.3)
    for kind, found, length in ((STRAND, strand, 3), (HELIX, helix, 4)):
        for start, stop in runs(found):
            if stop - start + 4 >= length:
                kinds[start + 1 : stop + 3] = kind
    return kinds


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return (start, stop) of every run of set flags."""
    edge = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(flags, dtype=np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edge.reshape(-1, 2)]


def segments(kinds: np.ndarray) -> list[tuple[int, int]]:
    """Return (start, stop) of the helices and strands in order along the chain."""
    found = runs(kinds == HELIX) + runs(kinds == STRAND)
    return sorted(found)


def normal_mode_move(
    backbone: np.ndarray, rmsd: float, rng: np.random.Generator, *, modes: int = 12
) -> np.ndarray:
    """Return the backbone displaced along random soft modes of an elastic network.

    Anisotropic network model on the CA atoms (Atilgan et al., Biophys. J. 2001, 80, 505), cutoff
    15 Å; amplitudes drawn with variance 1 / eigenvalue, scaled to ``rmsd`` Å.
    """
    ca = backbone[:, 1]
    n = len(ca)
    delta = ca[:, None] - ca[None]
    square = (delta**2).sum(-1)
    # along the chain the network must hold together where a residue is missing
    near = (square < 15.0**2) | (np.abs(np.subtract.outer(np.arange(n), np.arange(n))) == 1)
    weight = np.where(near, 1.0 / np.maximum(square, 1.0) ** 2, 0.0)
    np.fill_diagonal(weight, 0.0)
    blocks = -weight[..., None, None] * delta[..., :, None] * delta[..., None, :]
    blocks[np.arange(n), np.arange(n)] = -blocks.sum(1)
    hessian = blocks.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)
    from scipy.linalg import eigh

    last = min(3 * n - 1, 5 + modes)
    values, vectors = eigh(hessian, subset_by_index=[6, last])
    amplitude = rng.normal(size=len(values)) / np.sqrt(np.maximum(values, 1e-6))
    shift = (vectors @ amplitude).reshape(n, 3)
    shift *= rmsd / max(float(np.sqrt((shift**2).sum(1).mean())), 1e-6)
    return backbone + shift[:, None].astype(backbone.dtype)


def random_rotation(angle: float, rng: np.random.Generator) -> np.ndarray:
    """Return a rotation (3, 3) by ``angle`` radians about a random axis."""
    from scipy.spatial.transform import Rotation

    axis = rng.normal(size=3)
    return Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()


def move_segment(
    backbone: np.ndarray,
    start: int,
    stop: int,
    rng: np.random.Generator,
    *,
    shift: float,
    angle: float,
    flank: int = 4,
) -> np.ndarray:
    """Return the backbone with residues start..stop moved as a rigid body.

    The move fades out over ``flank`` residues on either side.

    Args:
        shift: length of the translation, Å.
        angle: of the rotation about the centre of the segment, radians.
    """
    n = len(backbone)
    centre = backbone[start:stop, 1].mean(0)
    rotation = random_rotation(angle, rng)
    direction = rng.normal(size=3)
    direction *= shift / np.linalg.norm(direction)
    moved = (backbone - centre) @ rotation.T + centre + direction
    index = np.arange(n)
    outside = np.maximum(np.maximum(start - index, index - (stop - 1)), 0)
    weight = np.clip(1.0 - outside / (flank + 1), 0.0, 1.0)[:, None, None]
    return (weight * moved + (1.0 - weight) * backbone).astype(backbone.dtype)


def move_tail(
    backbone: np.ndarray, hinge: int, rng: np.random.Generator, *, angle: float, flank: int = 3
) -> np.ndarray:
    """Return the backbone with everything behind ``hinge`` swung about it: a domain motion."""
    pivot = backbone[hinge, 1]
    moved = (backbone - pivot) @ random_rotation(angle, rng).T + pivot
    weight = np.clip((np.arange(len(backbone)) - hinge) / flank, 0.0, 1.0)[:, None, None]
    return (weight * moved + (1.0 - weight) * backbone).astype(backbone.dtype)


def along(backbone: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the backbone read at fractional residue positions, (positions, 4, 3).

    Whole positions give the residue itself; between two residues and beyond the ends atoms are
    interpolated or extrapolated linearly.
    """
    n = len(backbone)
    lower = np.clip(np.floor(position).astype(int), 0, max(n - 2, 0))
    share = (position - lower)[:, None, None]
    upper = np.minimum(lower + 1, n - 1)
    return ((1.0 - share) * backbone[lower] + share * backbone[upper]).astype(backbone.dtype)


def shift_register(
    backbone: np.ndarray, start: int, stop: int, by: int, *, flank: int = 3
) -> np.ndarray:
    """Return the backbone with residues start..stop slid along it by ``by`` residues.

    The classic alignment error: the fold stays, the sequence in the segment is out of register.
    Flanking residues are squeezed or stretched over ``flank`` positions.
    """
    index = np.arange(len(backbone), dtype=np.float64)
    outside = np.maximum(np.maximum(start - index, index - (stop - 1)), 0)
    ramp = np.clip(1.0 - outside / (flank + abs(by) + 1), 0.0, 1.0)
    return along(backbone, index + by * ramp)


def thread(
    template: np.ndarray,
    length: int,
    rng: np.random.Generator,
    *,
    offset: int = 0,
    indels: int = 0,
    keep: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``length`` residues read along another backbone, with insertions and deletions.

    Args:
        offset: residue of the template that the first residue is read at.
        indels: number of places where the register jumps by one to four residues.
        keep: bool of every template residue; jumps avoid the set ones (helices and strands).
    """
    position = np.arange(length, dtype=np.float64) + offset
    free = np.arange(3, length - 3)
    if keep is not None:
        at = np.clip(position[free].astype(int), 0, len(template) - 1)
        free = free[~keep[at]] if (~keep[at]).any() else free
    for place in rng.choice(free, size=min(indels, len(free)), replace=False):
        jump = int(rng.integers(1, 5)) * (1 if rng.random() < 0.5 else -1)
        ramp = np.clip((np.arange(length) - place) / (abs(jump) + 1.0), 0.0, 1.0)
        position += jump * ramp
    return along(template, position)


def blend_ends(forward: np.ndarray, fixed: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return ``forward`` in the loop start..stop, faded into ``fixed`` towards its end.

    Closes a loop that was rebuilt from its first residue on.
    """
    weight = np.zeros(len(fixed))
    weight[start:stop] = 1.0 - (np.arange(stop - start) + 1.0) / (stop - start + 1.0)
    weight = weight[:, None, None]
    return (weight * forward + (1.0 - weight) * fixed).astype(fixed.dtype)


def smooth_field(
    backbone: np.ndarray, rmsd: float, rng: np.random.Generator, *, length: float = 8.0
) -> np.ndarray:
    """Return the backbone displaced by a random field that is smooth over ``length`` Å.

    A sum of plane waves of random direction and phase, scaled to ``rmsd`` Å: neighbours in space
    move together, as in models from a distant template.
    """
    waves = rng.normal(size=(24, 3)) / length
    phase = rng.uniform(0, 2 * np.pi, size=24)
    amplitude = rng.normal(size=(24, 3))
    centre = backbone[:, 1]
    shift = np.cos(centre @ waves.T + phase) @ amplitude
    shift -= shift.mean(0)
    shift *= rmsd / max(float(np.sqrt((shift**2).sum(1).mean())), 1e-6)
    return (backbone + shift[:, None]).astype(backbone.dtype)
