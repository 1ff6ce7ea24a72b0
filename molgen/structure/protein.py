"""The receptor: protein residues with the metals and cofactors that belong to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from molgen.errors import StructureError


class ResidueId(NamedTuple):
    """Author chain, author residue number and insertion code ('' for none)."""

    chain: str
    number: int
    insertion_code: str = ""

    def __str__(self) -> str:
        return f"{self.chain}:{self.number}{self.insertion_code}"


@dataclass(frozen=True)
class Protein:
    """Heavy atoms of a receptor as parallel arrays, in file order, residues contiguous.

    Attributes:
        name: label used in messages and outputs.
        coords: (atoms, 3) float32, Å.
        elements: (atoms,) element symbols as in the periodic table ("C", "Zn").
        atom_names: (atoms,) PDB atom names without blanks ("CA", "OXT").
        residue_names: (atoms,) component codes after normalisation ("MET", "HEM").
        residue_numbers: (atoms,) int32 author numbers.
        insertion_codes: (atoms,) "" where there is none.
        chains: (atoms,) author chain identifiers.
        hetero: (atoms,) bool; True for metals, cofactors and other non-polymer groups.
        notes: what the reader changed, dropped or missed, one sentence each.
    """

    name: str
    coords: np.ndarray
    elements: np.ndarray
    atom_names: np.ndarray
    residue_names: np.ndarray
    residue_numbers: np.ndarray
    insertion_codes: np.ndarray
    chains: np.ndarray
    hetero: np.ndarray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.coords)
        if self.coords.shape != (n, 3):
            raise StructureError(
                f"{self.name}: coordinates have shape {self.coords.shape}, expected (atoms, 3)"
            )
        for field in self._array_fields():
            if len(getattr(self, field)) != n:
                raise StructureError(f"{self.name}: {field} and coords differ in length")
        if not np.isfinite(self.coords).all():
            raise StructureError(f"{self.name}: coordinates hold NaN or infinity")
        for field in self._array_fields():
            getattr(self, field).setflags(write=False)

    @classmethod
    def _array_fields(cls) -> list[str]:
        return [f.name for f in fields(cls) if f.name not in ("name", "notes")]

    def __len__(self) -> int:
        return len(self.coords)

    def select(self, mask: np.ndarray) -> Protein:
        """Return the atoms where ``mask`` (bool or indices) is set."""
        return replace(self, **{f: getattr(self, f)[mask] for f in self._array_fields()})

    def residue_starts(self) -> np.ndarray:
        """Return the index of the first atom of every residue, (residues,) int64."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        change = np.zeros(len(self), dtype=bool)
        change[0] = True
        for field in ("chains", "residue_numbers", "insertion_codes", "residue_names"):
            column = getattr(self, field)
            change[1:] |= column[1:] != column[:-1]
        return np.flatnonzero(change)

    def residue_index(self) -> np.ndarray:
        """Return for every atom the ordinal of its residue, (atoms,) int64."""
        starts = np.zeros(len(self), dtype=np.int64)
        starts[self.residue_starts()] = 1
        return np.cumsum(starts) - 1

    def residues(self) -> Iterator[tuple[ResidueId, str, slice]]:
        """Yield (identifier, residue name, atom slice) for every residue in order."""
        starts = self.residue_starts()
        for begin, end in zip(starts, np.append(starts[1:], len(self)), strict=True):
            identifier = ResidueId(
                str(self.chains[begin]),
                int(self.residue_numbers[begin]),
                str(self.insertion_codes[begin]),
            )
            yield identifier, str(self.residue_names[begin]), slice(int(begin), int(end))

    def near(self, points: np.ndarray, cutoff: float) -> np.ndarray:
        """Return a mask of atoms in residues with an atom within ``cutoff`` Å of ``points``."""
        from scipy.spatial import cKDTree

        distance, _ = cKDTree(points).query(self.coords, distance_upper_bound=cutoff)
        residue = self.residue_index()
        close = np.zeros(residue[-1] + 1 if len(residue) else 0, dtype=bool)
        close[residue[np.isfinite(distance)]] = True
        return close[residue]
