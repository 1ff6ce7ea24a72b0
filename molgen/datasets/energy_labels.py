"""Reading computed energies of ligand conformers; needs numpy and safetensors only.

A folder of labels: ``shard-*.safetensors``, ``index.csv`` (a row for every ligand, failed ones too)
and ``manifest.json``, which is written last: without it the labels are not finished. The ligands
themselves are in the store of complexes that was labelled; ids are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from molgen.datasets.manifest import check_sum, read_manifest
from molgen.datasets.shard_header import Row, bytes_with_header
from molgen.datasets.shard_header import read_header as read_shard_header
from molgen.datasets.table_file import read_table
from molgen.errors import StoreError

FORMAT = "molgen-energy-labels"
VERSION = 1
INDEX = "index.csv"
KINDS = ("crystal", "embedded", "shaken", "twisted")
"""Where the heavy atoms of a conformer come from; labels hold positions in this table."""
INDEX_FIELDS = (
    "id", "status", "reason", "detail", "shard", "atoms", "hydrogens", "charge", "conformers",
    "smiles",
)  # fmt: skip
"""Columns of ``index.csv``; atoms are heavy ones, charge is the formal one."""


@dataclass(frozen=True)
class LigandEnergies:
    """Labels of one ligand.

    Attributes:
        id: of the entry of the store.
        coords: (conformers, atoms, 3) float32 heavy atoms, Å.
        kinds: (conformers,) uint8, position in `KINDS`.
        noise: (conformers,) float32 Å, of shaken conformers.
        energies: (conformers,) float64 total GFN2-xTB energies, kcal/mol.
        gaps: (conformers,) float32 HOMO-LUMO gaps, kcal/mol.
        mmff: (conformers,) float64 MMFF94s energies, kcal/mol.
        charges: (atoms,) float32 Marsili-Gasteiger charges, hydrogens added to their atom, e.
    """

    id: str
    coords: np.ndarray
    kinds: np.ndarray
    noise: np.ndarray
    energies: np.ndarray
    gaps: np.ndarray
    mmff: np.ndarray
    charges: np.ndarray


_OF_CONFORMERS = {
    "kinds": "uint8", "noise": "float32", "energies": "float64", "gaps": "float32",
    "mmff": "float64",
}  # fmt: skip


class EnergyLabels(Sequence[LigandEnergies]):
    """The labelled ligands of a finished folder, in the order of its index.

    Args:
        folder: of `molgen label energies`.

    Raises:
        StoreError: no labels, unfinished, of another version, or a part is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder, (FORMAT, VERSION), "store of energy labels")
        for name, expected in self.manifest["shards"].items():
            check_sum(self.folder / name, expected)
        self.table = read_table(self.folder / INDEX, INDEX_FIELDS)
        self.rows: dict[str, Row] = {row["id"]: row for row in self.table if row["status"] == "ok"}
        found = [
            ligand for name in self.manifest["shards"] for ligand in read_shard(self.folder / name)
        ]
        if [ligand.id for ligand in found] != list(self.rows):
            raise StoreError(f"{self.folder}: shards and {INDEX} disagree; label again")
        self._ligands = found

    def __len__(self) -> int:
        return len(self._ligands)

    def __getitem__(self, key: Any) -> Any:
        """Return the labels at a position, or a list for a slice."""
        return self._ligands[key]

    def __iter__(self) -> Iterator[LigandEnergies]:
        return iter(self._ligands)


def shard_bytes(ligands: Sequence[LigandEnergies], rows: Sequence[Row], fingerprint: str) -> bytes:
    """Return the content of a shard; ``rows`` covers failed ligands too."""
    counts = [(len(x.energies), len(x.charges)) for x in ligands]
    tensors = {
        "counts": np.array(counts, np.int32).reshape(-1, 2),
        "coords": _joined([x.coords.reshape(-1, 3) for x in ligands], "float32", (0, 3)),
        "charges": _joined([x.charges for x in ligands], "float32", (0,)),
    }
    for name, dtype in _OF_CONFORMERS.items():
        tensors[name] = _joined([getattr(x, name) for x in ligands], dtype, (0,))
    record = {"format": FORMAT, "version": VERSION, "fingerprint": fingerprint}
    return bytes_with_header(tensors, record, rows, INDEX_FIELDS)


def read_header(path: Path) -> tuple[str, list[Row]]:
    """Return the fingerprint and the index rows of a shard without reading its arrays.

    Raises:
        StoreError: not a shard, damaged, or of another version.
    """
    record, rows = read_shard_header(path, INDEX_FIELDS, "energy labels", (FORMAT, VERSION))
    return record["fingerprint"], rows


def read_shard(path: Path) -> list[LigandEnergies]:
    """Return the labels in a shard.

    Raises:
        StoreError: not a shard, damaged, or its arrays do not fit together.
    """
    names = [row["id"] for row in read_header(path)[1] if row["status"] == "ok"]
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        conformers, atoms = arrays["counts"].astype(np.int64).T
        places = int((conformers * atoms).sum())
        sizes = {"coords": places, "charges": int(atoms.sum())}
        sizes |= dict.fromkeys(_OF_CONFORMERS, int(conformers.sum()))
        if len(conformers) != len(names) or any(len(arrays[k]) != n for k, n in sizes.items()):
            raise KeyError("counts and arrays disagree")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from None
    cut = {name: np.cumsum(conformers)[:-1] for name in _OF_CONFORMERS}
    cut |= {"coords": np.cumsum(conformers * atoms)[:-1], "charges": np.cumsum(atoms)[:-1]}
    parts = {name: np.split(arrays[name], ends) for name, ends in cut.items()} if names else {}
    return [
        LigandEnergies(
            id=name,
            coords=parts["coords"][k].reshape(conformers[k], atoms[k], 3),
            **{field: parts[field][k] for field in ("charges", *_OF_CONFORMERS)},
        )
        for k, name in enumerate(names)
    ]


def _joined(parts: list[np.ndarray], dtype: str, empty: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.zeros(empty, dtype), *(part.astype(dtype) for part in parts)])
