"""Folding CA atoms from a noisy, incomplete contact map, and putting a backbone on the trace.

What contact-based servers do (CONFOLD and its kin), so that decoys show their errors: wrong
topologies built of right secondary structure, mirror images, loose packing.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.transform import Rotation

_STEP = 3.8  # Å between neighbouring CA atoms
_CLASH = 4.2


def globule_radius(residues: int) -> float:
    """Return the usual radius of gyration of a folded chain, Å (Skolnick et al., JMB 1997)."""
    return 2.2 * residues**0.38


def fold_trace(
    backbone: np.ndarray,
    folds: np.ndarray,
    loop: int,
    contacts: np.ndarray,
    distances: np.ndarray,
    rng: np.random.Generator,
    *,
    mirror: bool = False,
) -> np.ndarray:
    """Return CA positions (residues, 3) that satisfy the contacts as far as they can be.

    Missing distances are lengths of shortest paths over chain and contacts; their classical
    scaling to three dimensions (Torgerson, Psychometrika 1952, 17, 401) starts a descent on
    contacts, chain, helices and strands, clashes and size.

    Args:
        backbone: (residues, 4, 3) Å, where the geometry of helices and strands comes from.
        folds: secondary structure; ``loop`` marks what has none.
        contacts: (contacts, 2) residues.
        distances: (contacts,) Å.
        mirror: take the wrong one of the two mirror images.
    """
    ca = backbone[:, 1].astype(np.float64)
    n = len(ca)
    pairs, lengths = _local_pairs(ca, folds, loop)
    graph = np.zeros((n, n))
    steps = np.arange(n - 1)
    graph[steps, steps + 1] = 3.3  # a coil is shorter than its contour
    graph[contacts[:, 0], contacts[:, 1]] = distances
    graph[pairs[:, 0], pairs[:, 1]] = lengths
    reach = shortest_path(np.maximum(graph, graph.T), directed=False)
    radius = globule_radius(n)  # paths overestimate
    reach = np.minimum(reach, 4.0 * radius) ** 0.85
    start = _scaled(reach**2)
    size = np.sqrt(((start - start.mean(0)) ** 2).sum(1).mean())
    start = start * radius / max(size, 1e-6) + rng.normal(scale=0.3, size=start.shape)
    if (_rmsd(start, ca) > _rmsd(-start, ca)) != mirror:
        start = -start
    every = np.concatenate([pairs, np.stack([steps, steps + 1], 1), contacts])
    wanted = np.concatenate([lengths, np.full(n - 1, _STEP), distances])
    weight = np.concatenate(
        [np.full(len(pairs), 3.0), np.full(n - 1, 10.0), np.full(len(contacts), 1.0)]
    )
    a, b = np.triu_indices(n, 3)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = flat.reshape(n, 3)
        gradient = np.zeros_like(x)
        delta = x[every[:, 0]] - x[every[:, 1]]
        gap = np.maximum(np.linalg.norm(delta, axis=1), 1e-6)
        over = gap - wanted
        # wrong contacts must not tear the chain: linear beyond 3 Å
        pull = weight * np.clip(over, -3.0, 3.0)
        total = float((pull * over - 0.5 * weight * np.clip(over, -3, 3) ** 2).sum())
        push = (pull / gap)[:, None] * delta
        np.add.at(gradient, every[:, 0], push)
        np.add.at(gradient, every[:, 1], -push)
        delta = x[a] - x[b]
        square = (delta**2).sum(1)
        close = square < _CLASH**2
        gap = np.sqrt(np.maximum(square[close], 1e-9))
        deep = _CLASH - gap
        total += float(2.0 * (deep**2).sum())
        push = (-4.0 * deep / gap)[:, None] * delta[close]
        np.add.at(gradient, a[close], push)
        np.add.at(gradient, b[close], -push)
        return total, gradient.ravel()

    found = minimize(energy, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 250})
    return np.asarray(found.x).reshape(n, 3)


def _local_pairs(ca: np.ndarray, folds: np.ndarray, loop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs within helices and strands, and two apart anywhere, with their distances."""
    n = len(ca)
    rows = []
    segment = np.cumsum(np.concatenate([[0], np.diff(folds) != 0]))
    for gap in range(2, 9):
        i = np.arange(n - gap)
        same = (segment[i] == segment[i + gap]) & (folds[i] != loop)
        rows.append(np.stack([i, i + gap], 1)[same | (gap == 2)])
    pairs = np.concatenate(rows)
    return pairs, np.linalg.norm(ca[pairs[:, 0]] - ca[pairs[:, 1]], axis=1)


def _scaled(square: np.ndarray) -> np.ndarray:
    """Return points in space whose squared distances come near ``square``."""
    centred = square - square.mean(0) - square.mean(1)[:, None] + square.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    return vectors[:, -3:] * np.sqrt(np.maximum(values[-3:], 1e-6))


def _rmsd(a: np.ndarray, b: np.ndarray) -> float:
    _, rssd = Rotation.align_vectors(a - a.mean(0), b - b.mean(0))
    return float(rssd)


def backbone_on_trace(trace: np.ndarray, backbone: np.ndarray, *, reach: int = 2) -> np.ndarray:
    """Return a backbone whose CA atoms are ``trace``, (residues, 4, 3).

    Each residue is carried over with the rotation that lays its neighbours along the native chain,
    ``reach`` on either side, onto those of the trace.
    """
    n = len(trace)
    ca = backbone[:, 1]
    result = np.empty_like(backbone)
    for i in range(n):
        low, high = max(0, i - reach), min(n, i + reach + 1)
        old, new = ca[low:high] - ca[i], trace[low:high] - trace[i]
        rotation, _ = Rotation.align_vectors(new, old)
        result[i] = rotation.apply(backbone[i] - ca[i]) + trace[i]
    return result
