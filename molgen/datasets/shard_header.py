"""What a shard says of itself: a line of JSON in its header, read without its arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from molgen.errors import StoreError

Row = dict[str, str]
"""One line of the index: the name of every column to its text."""

_KEY = "shard"  # a single key: safetensors writes several in an order of their own


def bytes_with_header(
    tensors: Mapping[str, np.ndarray],
    header: Mapping[str, Any],
    rows: Iterable[Row],
    columns: tuple[str, ...],
) -> bytes:
    """Return the content of a shard whose header holds ``header`` and its rows of the index."""
    record = dict(header) | {"rows": [[row[name] for name in columns] for row in rows]}
    return bytes(save(dict(tensors), metadata={_KEY: json.dumps(record, separators=(",", ":"))}))


def read_header(
    path: Path,
    columns: tuple[str, ...],
    what: str,
    kind: tuple[str | None, int | None] = (None, None),
    texts: tuple[str, ...] = (),
) -> tuple[dict[str, Any], list[Row]]:
    """Return the header of a shard and its rows of the index.

    Args:
        columns: of the index.
        what: "a store": the shard's home, as messages name it.
        kind: format and version that can be read; the default is a header without them.
        texts: what the header must hold beside the "fingerprint"; read as text.

    Raises:
        StoreError: not a shard, damaged, or of another format or version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = dict(json.loads((file.metadata() or {})[_KEY]))
        found = (header.get("format"), header.get("version"))
        if found == kind:
            header |= {name: str(header[name]) for name in ("fingerprint", *texts)}
            rows = [dict(zip(columns, line, strict=True)) for line in header["rows"]]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: not a readable shard of {what} ({error})") from None
    if found != kind:
        expected = f"{kind[0]} version {kind[1]}" if kind[0] else f"a shard of {what}"
        said = f"format {found[0]} version {found[1]}" if found[0] else "a shard of another kind"
        raise StoreError(f"{path}: {said}, expected {expected}")
    return header, rows
