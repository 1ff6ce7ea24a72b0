"""Reading a store of labelled protein models; needs numpy and safetensors only.

A store is a folder: ``*.safetensors`` (one shard or more a target), ``index.csv`` (a row for every
model, failed ones too), ``targets.csv`` (sequences of the natives) and ``manifest.json``, which is
written last: without it the store is not finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molgen.datasets.manifest import check_present, check_sum, read_manifest
from molgen.datasets.quality_entry import (
    GLOBAL_LABELS,
    LabelledModel,
    Packed,
    unpack_contacts,
    unpack_label,
)
from molgen.datasets.quality_shard import FORMAT, INDEX_FIELDS, VERSION, Row, read_models
from molgen.datasets.table_file import read_table
from molgen.errors import StoreError, suggest

INDEX = "index.csv"
TARGETS = "targets.csv"
SPLITS = "splits"


class QualityStore(Sequence[LabelledModel]):
    """The usable models of a finished store, in the order of its index.

    Shards are read once, on first use, and kept packed (about 80 kB for a model of 200 residues).

    Args:
        folder: the store.

    Raises:
        StoreError: not a store, unfinished, of another version, or a part is missing.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder, (FORMAT, VERSION), parts=("shards", "tables"))
        for name, expected in self.manifest["tables"].items():
            check_sum(self.folder / name, expected)
        self.table = read_table(self.folder / INDEX, INDEX_FIELDS)
        self.rows: list[Row] = [row for row in self.table if row["status"] == "ok"]
        self.sequences: dict[str, str] = {
            row["target"]: row["sequence"]
            for row in read_table(self.folder / TARGETS, ("target", "sequence"))
        }
        check_present(self.folder, self.manifest["shards"])
        self._places = _places(self.rows)
        self._positions = {row["id"]: at for at, row in enumerate(self.rows)}
        self._shards: dict[str, list[Packed]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Return the model with this id or position, or a list for a slice."""
        if isinstance(key, slice):
            return [self[at] for at in range(*key.indices(len(self)))]
        if isinstance(key, str):
            if key not in self._positions:
                near = suggest(key, self._positions) if len(self) <= 20 else ""
                raise StoreError(f"{self.folder}: no usable model {key!r}{near}")
            key = self._positions[key]
        row, packed = self.rows[key], self.packed(key)
        labels = {name: _number(row[name]) for name in GLOBAL_LABELS}
        return LabelledModel(
            target=row["target"],
            name=row["model"],
            kind=row["kind"],
            weight=float(row["weight"]),
            contacts=unpack_contacts(packed),
            cad_local=unpack_label(packed["cad_local"]),
            lddt_local=unpack_label(packed["lddt_local"]),
            **labels,
        )

    def __iter__(self) -> Iterator[LabelledModel]:
        return (self[at] for at in range(len(self)))

    def packed(self, position: int) -> Packed:
        """Return the columns of the model at a position, as they stand in its shard."""
        shard, place = self.rows[position]["shard"], self._places[position]
        if shard not in self._shards:
            check_sum(self.folder / shard, self.manifest["shards"].get(shard))
            self._shards[shard] = read_models(self.folder / shard)
        models = self._shards[shard]
        if place >= len(models):
            raise StoreError(f"{self.folder / shard}: holds fewer models than {INDEX} says")
        return models[place]

    def labels(self, name: str) -> np.ndarray:
        """Return a global label ("cad", "lddt", "gdt_ts", "tm") of every model, float64."""
        return np.array([_number(row[name]) for row in self.rows])

    def verify(self) -> None:
        """Compare every file with the sums of the manifest.

        Raises:
            StoreError: names the first file that differs.
        """
        for name, expected in {**self.manifest["shards"], **self.manifest["tables"]}.items():
            check_sum(self.folder / name, expected)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sums of all shards: the same models, the same fingerprint."""
        sums = "\n".join(f"{name} {digest}" for name, digest in self.manifest["shards"].items())
        return hashlib.sha256(sums.encode()).hexdigest()


def _places(rows: list[Row]) -> list[int]:
    """Return for every usable model its position within its shard."""
    count: dict[str, int] = {}
    places = []
    for row in rows:
        places.append(count.get(row["shard"], 0))
        count[row["shard"]] = places[-1] + 1
    return places


def _number(text: str) -> float:
    return float(text) if text else float("nan")
