"""What the ranking of poses knows of a pose beside its contacts: energies and the other poses.

A pose is judged among the poses of one ligand in one pocket: how far its energy lies above the
best, and how many of the good poses agree with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

TERMS = ("affinity", "receptor", "contacts", "internal", "strain")
"""Energies by term, kcal/mol, as `molgen.search.search_sampler` gives them."""

FEATURES = (
    "affinity", "receptor", "contacts", "internal", "strain", "above_best", "receptor_above_best",
    "agreement", "rank", "size",
)  # fmt: skip

RATED = 40
"""Poses of a ligand that are rated together."""

TEMPERATURE = 1.5
"""kcal/mol; of the weights by which poses agree."""
NEAR = 2.0
"""Å in place; poses nearer than this agree."""


def field_of(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the ``count`` lowest of ``scores``, (poses,) bool; all where there are no more."""
    field = np.zeros(len(scores), dtype=bool)
    field[np.argsort(scores, kind="stable")[:count]] = True
    return field


def search_score(terms: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what the search ranks by, (poses,) kcal/mol, from the energies in `TERMS`."""
    return np.asarray(terms["receptor"] + terms["contacts"] + terms["internal"] + terms["strain"])


def pose_features(
    coords: Float[np.ndarray, "poses atoms 3"],
    terms: Mapping[str, np.ndarray],
    found: np.ndarray | None = None,
) -> Float[np.ndarray, "poses features"]:
    """Return the features in the order of `FEATURES`, about one in size, float32.

    Args:
        coords: Å, heavy atoms.
        terms: (poses,) kcal/mol for every name in `TERMS`.
        found: (poses,) bool, the poses that a search found; others (those that start at a known
            pose, in training) are judged among them and do not count themselves.
    """
    atoms = coords.shape[1]
    kept = np.ones(len(coords), dtype=bool) if found is None else found
    energy = {name: np.asarray(terms[name], dtype=np.float64) for name in TERMS}
    score = search_score(energy)
    receptor = energy["receptor"] + energy["contacts"]
    best, best_receptor = score[kept].min(), receptor[kept].min()
    weight = np.where(kept, np.exp(-(score - best) / TEMPERATURE), 0.0)
    weight = np.minimum(weight, 1.0)
    flat = coords.reshape(len(coords), -1).astype(np.float64)
    square = (flat**2).sum(1)
    apart = np.maximum(square[:, None] + square[None] - 2 * flat @ flat.T, 0.0) / atoms
    near = apart < NEAR**2
    np.fill_diagonal(near, True)
    columns = [
        energy["affinity"] / 5.0,
        energy["receptor"] / atoms,
        energy["contacts"] / atoms,
        energy["internal"] / atoms,
        energy["strain"] / atoms,
        np.clip((score - best) / 2.0, -2.0, 5.0),
        np.clip((receptor - best_receptor) / 2.0, -2.0, 5.0),
        (near * weight).sum(1) / max(float(weight.sum()), 1e-9),
        np.minimum((score[kept][None] < score[:, None]).sum(1) / 20.0, 2.0),
        np.full(len(coords), np.log(atoms / 25.0)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)
