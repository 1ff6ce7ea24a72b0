"""One file of a quality store: the models of a target, and their rows of the index.

A shard describes itself, so that a build can go on from whatever shards are there. It is named
after its target and the fingerprint of what it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from molgen.datasets.quality_entry import COLUMNS, ROWS, LabelledModel, Packed, pack
from molgen.datasets.shard_header import Row, bytes_with_header
from molgen.datasets.shard_header import read_header as read_shard_header
from molgen.errors import StoreError

FORMAT = "molgen-quality-store"
VERSION = 1

INDEX_FIELDS = (
    "id", "target", "model", "kind", "weight", "status", "reason", "detail", "shard", "residues",
    "labelled", "cad", "lddt", "gdt_ts", "tm",
)  # fmt: skip


@dataclass(frozen=True)
class ShardHeader:
    """What a shard says of itself.

    Attributes:
        fingerprint: of the files and options it was made from.
        target: name of the native.
        sequence: of the native, one letter a residue, ``-`` between chains; "" if unreadable.
        rows: of the index, failed models too; usable ones in the order of the arrays.
    """

    fingerprint: str
    target: str
    sequence: str
    rows: list[Row]


def shard_bytes(header: ShardHeader, models: list[LabelledModel]) -> bytes:
    """Return the content of a shard.

    Raises:
        StoreError: a model that `pack` refuses.
    """
    packed = [pack(model) for model in models]
    counts = [[len(p[_first(rows)]) for rows in ROWS] for p in packed]
    tensors = {"counts": np.array(counts, np.int64).reshape(-1, len(ROWS))}
    for name, column in COLUMNS.items():
        empty = np.zeros((0, *column.shape), dtype=column.dtype)
        tensors[name] = np.concatenate([empty, *(p[name] for p in packed)])
    record = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": header.fingerprint,
        "target": header.target,
        "sequence": header.sequence,
    }
    return bytes_with_header(tensors, record, header.rows, INDEX_FIELDS)


def read_header(path: Path) -> ShardHeader:
    """Return what a shard says of itself without reading its arrays.

    Raises:
        StoreError: not a shard, damaged, or of another version.
    """
    record, rows = read_shard_header(
        path, INDEX_FIELDS, "a quality store", (FORMAT, VERSION), ("target", "sequence")
    )
    return ShardHeader(record["fingerprint"], record["target"], record["sequence"], rows)


def read_models(path: Path) -> list[Packed]:
    """Return the columns of every usable model of a shard, in the order of its rows.

    Raises:
        StoreError: damaged, or its arrays do not fit together.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            counts = file.get_tensor("counts")
            arrays = {name: file.get_tensor(name) for name in COLUMNS}
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from None
    ends = {rows: np.cumsum(counts[:, at]) for at, rows in enumerate(ROWS)}
    for name, column in COLUMNS.items():
        array = arrays[name]
        expected = (int(ends[column.rows][-1]) if len(counts) else 0, *column.shape)
        if array.shape != expected or array.dtype != column.dtype:
            raise StoreError(f"{path}: {name} and the counts disagree; the shard is damaged")
    models = []
    for k in range(len(counts)):
        begin = {rows: int(ends[rows][k] - counts[k, at]) for at, rows in enumerate(ROWS)}
        models.append(
            {
                name: arrays[name][begin[column.rows] : int(ends[column.rows][k])]
                for name, column in COLUMNS.items()
            }
        )
    return models


def _first(rows: str) -> str:
    return next(name for name, column in COLUMNS.items() if column.rows == rows)
