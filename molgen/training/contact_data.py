"""The contact file: contact counts, energies and RMSDs of poses of many complexes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molgen.errors import StoreError

_POSE_COLUMNS = ("rmsd", "is_native", "vina", "repulsion", "attraction", "strain")


@dataclass(frozen=True)
class ComplexContacts:
    """One complex; p poses (0 where none were searched), f contact features.

    Attributes:
        id: of the complex.
        rmsd: (p,) Å to the crystal pose.
        is_native: (p,) minima that start at the crystal pose.
        vina: (p,) receptor energy, kcal/mol.
        repulsion, attraction: (p,) parts of the internal energy, kcal/mol.
        strain: (p,) torsion preferences, kcal/mol scale.
        crystal: (f,) contact counts of the crystal pose.
        poses: (p, f) contact counts.
    """

    id: str
    rmsd: np.ndarray
    is_native: np.ndarray
    vina: np.ndarray
    repulsion: np.ndarray
    attraction: np.ndarray
    strain: np.ndarray
    crystal: np.ndarray
    poses: np.ndarray


def save_contacts(path: Path, complexes: Sequence[ComplexContacts], facts: dict[str, str]) -> None:
    """Write the complexes to one safetensors file; contact counts are stored sparse."""
    from safetensors.numpy import save_file

    tensors = {
        name: np.concatenate([np.asarray(getattr(entry, name)) for entry in complexes]).astype(
            bool if name == "is_native" else np.float32
        )
        for name in _POSE_COLUMNS
    }
    tensors["pose_start"] = np.cumsum([0] + [len(entry.rmsd) for entry in complexes])
    rows = [row for entry in complexes for row in (entry.crystal[None], entry.poses)]
    sparse = [(matrix != 0) for matrix in rows]
    tensors["feature"] = np.concatenate([np.nonzero(m)[1] for m in sparse]).astype(np.uint16)
    tensors["count"] = np.concatenate(
        [matrix[mask] for matrix, mask in zip(rows, sparse, strict=True)]
    ).astype(np.float16)
    tensors["row_start"] = np.cumsum([0, *np.concatenate([m.sum(axis=1) for m in sparse])])
    metadata = {**facts, "format": "molgen-contacts-1"}
    metadata["ids"] = json.dumps([entry.id for entry in complexes])
    metadata["features"] = str(len(complexes[0].crystal)) if complexes else "0"
    save_file(tensors, str(path), metadata=metadata)


class ContactFile:
    """A contact file in memory; contact counts of any rows as sparse triplets.

    Raises:
        StoreError: not a contact file.
    """

    def __init__(self, path: str | Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                self._data = {key: file.get_tensor(key) for key in file.keys()}
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{path}: not readable as contacts ({error})") from None
        if metadata.get("format") != "molgen-contacts-1":
            raise StoreError(f"{path}: not a file of molgen label contacts")
        self.ids: tuple[str, ...] = tuple(json.loads(metadata["ids"]))
        self.features = int(metadata["features"])
        self.facts = {key: value for key, value in metadata.items() if key != "ids"}

    def column(self, name: str, index: int) -> np.ndarray:
        """Return one of the per-pose columns of complex number ``index``, (p,)."""
        start = self._data["pose_start"]
        return np.asarray(self._data[name][start[index] : start[index + 1]])

    def counts(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (pose, feature, count) of the contacts of all poses of a complex."""
        first = int(self._data["pose_start"][index]) + index + 1
        poses = int(self._data["pose_start"][index + 1]) + index + 1 - first
        start = self._data["row_start"][first : first + poses + 1]
        span = slice(int(start[0]), int(start[-1]))
        pose = np.repeat(np.arange(poses), np.diff(start))
        return pose, self._data["feature"][span], self._data["count"][span].astype(np.float32)

    def crystal_counts(self, indices: Sequence[int]) -> np.ndarray:
        """Return the summed contact counts of the crystal poses, (features,) float64."""
        total = np.zeros(self.features)
        for index in indices:
            row = int(self._data["pose_start"][index]) + index
            span = slice(*map(int, self._data["row_start"][row : row + 2]))
            np.add.at(total, self._data["feature"][span], self._data["count"][span])
        return total
