"""Clusters of protein sequences by shared words, without an alignment program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

WORD = 4
"""Residues in a word; two unrelated chains of 300 residues share about one word in 500."""
THRESHOLD = 0.25
"""Share of the shorter sequence's words at which two sequences belong together."""


def words(sequence: str, length: int = WORD) -> set[str]:
    """Return the words of a sequence; none spans a gap (``-``) or an unknown residue (``X``)."""
    found = {sequence[k : k + length] for k in range(len(sequence) - length + 1)}
    return {word for word in found if "-" not in word and "X" not in word}


def cluster_sequences(
    sequences: Sequence[str], *, length: int = WORD, threshold: float = THRESHOLD
) -> np.ndarray:
    """Return a cluster number for every sequence, (sequences,) int64, from 0 in order.

    Two sequences sharing at least ``threshold`` of the words of the one that has fewer are linked,
    and clusters are what links connect (single linkage): no pair above the threshold is ever
    separated. A sequence without words is a cluster of its own.
    """
    vocabulary: dict[str, int] = {}
    indices: list[int] = []
    starts = [0]
    for sequence in sequences:
        for word in sorted(words(sequence, length)):
            indices.append(vocabulary.setdefault(word, len(vocabulary)))
        starts.append(len(indices))
    shape = (len(sequences), max(len(vocabulary), 1))
    table = csr_array((np.ones(len(indices), np.int32), indices, starts), shape=shape)
    sizes = np.diff(starts)
    shared = (table @ table.T).tocoo()
    fewer = np.minimum(sizes[shared.row], sizes[shared.col])
    linked = shared.data >= threshold * np.maximum(fewer, 1)
    links = csr_array(
        (np.ones(linked.sum(), np.int8), (shared.row[linked], shared.col[linked])),
        shape=(len(sequences), len(sequences)),
    )
    _, labels = connected_components(links, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]
