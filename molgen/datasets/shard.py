"""One file of a store: the concatenated arrays of some entries, and their rows of the index.

A shard describes itself, so that a build can go on from whatever shards are there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encoding import COLUMNS, COUNTS, INDEX_FIELDS
from molgen.datasets.shard_header import Row, bytes_with_header, read_header
from molgen.errors import StoreError


def shard_name(number: int) -> str:
    """Return the file name of shard ``number``."""
    return f"shard-{number:05d}.safetensors"


def entry_counts(entry: StoredComplex) -> tuple[int, ...]:
    """Return the numbers of rows of an entry, in the order of `COUNTS`."""
    return (
        len(entry.coords),
        len(entry.residue_sizes),
        len(entry.ligand_coords),
        len(entry.bond_atoms),
        entry.ligand_conformers.shape[0] * entry.ligand_conformers.shape[1],
    )


def shard_bytes(entries: list[StoredComplex], rows: list[Row], fingerprint: str) -> bytes:
    """Return the content of a shard; ``rows`` covers failed entries too, in order of id."""
    counts = [entry_counts(entry) for entry in entries]
    tensors = {"counts": np.array(counts, np.int32).reshape(-1, len(COUNTS))}
    for name, column in COLUMNS.items():
        parts = [np.atleast_1d(entry.packed(name)) for entry in entries]
        if column.rows == "entries":
            parts = [part[None] for part in parts]
        shape = (0, column.width) if column.width else (0,)
        empty = np.zeros(shape, dtype=column.dtype)
        tensors[name] = np.ascontiguousarray(np.concatenate([empty, *parts]))
    return bytes_with_header(tensors, {"fingerprint": fingerprint}, rows, INDEX_FIELDS)


def read_rows(path: Path) -> tuple[str, list[Row]]:
    """Return the fingerprint and the index rows of a shard without reading its arrays.

    Raises:
        StoreError: not a shard, or damaged.
    """
    header, rows = read_header(path, INDEX_FIELDS, "a store")
    return header["fingerprint"], rows


def read_entries(path: Path) -> list[StoredComplex]:
    """Return the complexes of a shard.

    Raises:
        StoreError: not a shard, damaged, or its arrays do not fit together.
    """
    _, rows = read_rows(path)
    names = [row["id"] for row in rows if row["status"] == "ok"]
    try:
        with safe_open(path, framework="numpy") as file:
            counts = file.get_tensor("counts").astype(np.int64)
            arrays = {name: file.get_tensor(name) for name in COLUMNS}
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error
    ends = {"entries": np.arange(1, len(names) + 1)}
    ends |= {kind: np.cumsum(counts[:, k]) for k, kind in enumerate(COUNTS)}
    if len(counts) != len(names) or any(
        len(arrays[name]) != (ends[column.rows][-1] if names else 0)
        for name, column in COLUMNS.items()
    ):
        raise StoreError(f"{path}: arrays and counts disagree; the shard is damaged")
    entries = []
    for k, name in enumerate(names):
        columns = {}
        for column_name, column in COLUMNS.items():
            end = ends[column.rows]
            begin = int(end[k - 1]) if k else 0
            part = arrays[column_name][begin : int(end[k])]
            columns[column_name] = part[0] if column.rows == "entries" else part
        entries.append(StoredComplex.unpacked(name, columns))
    return entries
