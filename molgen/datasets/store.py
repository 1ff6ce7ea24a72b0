"""Reading a preprocessed store; needs numpy and safetensors only.

A store is a folder: ``shard-*.safetensors``, ``index.csv`` (a row for every entry, failed ones
too) and ``manifest.json``, which is written last: without it the store is not finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encoding import FORMAT, INDEX_FIELDS, VERSION
from molgen.datasets.manifest import check_present, check_sum, read_manifest
from molgen.datasets.shard import Row, read_entries
from molgen.datasets.table_file import read_table
from molgen.errors import StoreError, suggest

INDEX = "index.csv"


class Store(Sequence[StoredComplex]):
    """The usable complexes of a finished store, in order of id; a shard is read once and kept.

    Args:
        folder: the store.

    Raises:
        StoreError: not a store, unfinished, of another version, or a part is missing.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder, (FORMAT, VERSION))
        self._sums = self.manifest["shards"] | {INDEX: self.manifest.get("index_sha256")}
        self._check(INDEX)
        self.table = read_table(self.folder / INDEX, INDEX_FIELDS)
        usable = [row for row in self.table if row["status"] == "ok"]
        self.rows: dict[str, Row] = {row["id"]: row for row in usable}
        self.ids: tuple[str, ...] = tuple(self.rows)
        check_present(self.folder, self.manifest["shards"])
        self._shards: dict[str, dict[str, StoredComplex]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: Any) -> Any:
        """Return the complex with this id or position, or a list for a slice."""
        if isinstance(key, slice):
            return [self[name] for name in self.ids[key]]
        name = key if isinstance(key, str) else self.ids[key]
        if name not in self.rows:
            raise StoreError(f"{self.folder}: no usable entry {name!r}{_nearest(name, self.ids)}")
        shard = self.rows[name]["shard"]
        if shard not in self._shards:
            self._check(shard)
            self._shards[shard] = {e.id: e for e in read_entries(self.folder / shard)}
        return self._shards[shard][name]

    def __iter__(self) -> Iterator[StoredComplex]:
        return (self[name] for name in self.ids)

    def load_all(self) -> list[StoredComplex]:
        """Return every usable complex, in order of id."""
        return list(self)

    def require_receptors(self, distance: float) -> None:
        """Refuse a store without all receptor atoms to some distance (Å) from the crystal ligand.

        Surroundings with gaps tell a model where the ligand was, and in use there are none.

        Raises:
            StoreError: its receptors end before.
        """
        kept = self.manifest["options"]["cutoff"]
        if kept < distance:
            raise StoreError(
                f"{self.folder}: its receptors end {kept:g} Å from the ligand, {distance:g} Å are "
                f"needed; make it anew with molgen preprocess --cutoff {distance:g}"
            )

    def verify(self) -> None:
        """Compare every shard and the index with the sums of the manifest.

        Raises:
            StoreError: names the first file that differs.
        """
        for name in self._sums:
            self._check(name)

    def _check(self, name: str) -> None:
        check_sum(self.folder / name, self._sums.get(name))


def _nearest(name: str, ids: tuple[str, ...]) -> str:
    return suggest(name, ids) if len(ids) <= 20 else ""
