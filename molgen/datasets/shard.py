"""One file of a store: the concatenated arrays of some entries, and their rows of the index.

A shard describes itself, so that a build can go on from whatever shards are there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encoding import COLUMNS, COUNTS, INDEX_FIELDS
from molgen.errors import StoreError

Row = dict[str, str]
"""One line of the index: every name of `INDEX_FIELDS` to its text."""


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
    """Return the content of a shard; ``rows`` covers failed entries too, in order of id.

    The header carries a single key: safetensors writes several in an order of their own.
    """
    counts = [entry_counts(entry) for entry in entries]
    tensors = {"counts": np.array(counts, np.int32).reshape(-1, len(COUNTS))}
    for name, column in COLUMNS.items():
        parts = [np.atleast_1d(entry.packed(name)) for entry in entries]
        if column.rows == "entries":
            parts = [part[None] for part in parts]
        shape = (0, column.width) if column.width else (0,)
        empty = np.zeros(shape, dtype=column.dtype)
        tensors[name] = np.ascontiguousarray(np.concatenate([empty, *parts]))
    lines = [[row[field] for field in INDEX_FIELDS] for row in rows]
    header = json.dumps({"fingerprint": fingerprint, "rows": lines}, separators=(",", ":"))
    return bytes(save(tensors, metadata={"shard": header}))


def read_rows(path: Path) -> tuple[str, list[Row]]:
    """Return the fingerprint and the index rows of a shard without reading its arrays.

    Raises:
        StoreError: not a shard, or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["shard"])
        rows = [dict(zip(INDEX_FIELDS, line, strict=True)) for line in header["rows"]]
        return str(header["fingerprint"]), rows
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: not a readable shard of a store ({error})") from error


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
