"""Protein models in a file: every MODEL of a PDB or mmCIF file, parsed once.

Quality assessment scores each of them; docking, which wants one receptor with its groups and
ligands, reads with `molgen.io.structure_file`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from molgen.errors import StructureError
from molgen.io.atom_table import parse_structure
from molgen.io.polymer import shorten
from molgen.io.structure_file import build_protein, look_over
from molgen.structure.protein import Protein, ResidueId


class ModelFile:
    """The models of a PDB or mmCIF file (plain or gzip), read one by one.

    Attributes:
        path: the file.
        numbers: the models' numbers in the file, in its order; one where the file has no MODEL
            records.

    Raises:
        StructureError: the file is missing, empty, damaged or holds no atoms.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._parsed = parse_structure(path)
        models = self._parsed.atoms.models
        starts = np.flatnonzero(np.append(True, models[1:] != models[:-1]))
        ends = np.append(starts[1:], len(models))
        self._parts: dict[int, list[slice]] = {}
        for begin, end in zip(starts.tolist(), ends.tolist(), strict=True):
            self._parts.setdefault(int(models[begin]), []).append(slice(begin, end))
        self.numbers: tuple[int, ...] = tuple(self._parts)

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self, number: int) -> Protein:
        """Return one model: chains without waters and hydrogens, hetero groups marked as such.

        Of residues that share chain, number and insertion code, and of atoms that share their
        name as well, the first is kept; the notes say so.

        Raises:
            StructureError: no such model, or no protein in it.
        """
        if number not in self._parts:
            listed = shorten([str(n) for n in self.numbers])
            raise StructureError(f"{self.path}: no model {number}; expected one of {listed}")
        rows = np.concatenate([np.arange(p.start, p.stop) for p in self._parts[number]])
        name, where = self._parsed.name, str(self.path)
        if len(self) > 1:
            name, where = f"{name} model {number}", f"{where}: model {number}"
        notes = list(self._parsed.notes)
        protein = build_protein(name, self._parsed.atoms.select(rows), where, notes)
        protein = _drop_second_residues(protein, notes)
        return replace(protein, notes=(*notes, *look_over(protein)))


def read_models(path: str | Path) -> Iterator[tuple[int, Protein]]:
    """Yield number and atoms of every model of a file; see `ModelFile`.

    Raises:
        StructureError: at once where the file cannot be read, on its turn where a model holds no
            protein.
    """
    models = ModelFile(path)
    return ((number, models.read(number)) for number in models.numbers)


def _drop_second_residues(protein: Protein, notes: list[str]) -> Protein:
    """Keep the first of chain residues at one position; two names there are two residues."""
    starts = protein.residue_starts()
    columns = np.rec.fromarrays(
        [protein.chains[starts], protein.residue_numbers[starts], protein.insertion_codes[starts]]
    )
    key = np.unique(columns, return_inverse=True)[1]
    chain = np.flatnonzero(~protein.hetero[starts])
    first = np.unique(key[chain], return_index=True)[1]
    second = np.delete(chain, first)
    if not len(second):
        return protein
    listed = [
        f"{protein.residue_names[i]} "
        + str(
            ResidueId(
                str(protein.chains[i]),
                int(protein.residue_numbers[i]),
                str(protein.insertion_codes[i]),
            )
        )
        for i in starts[second]
    ]
    notes.append(
        f"{len(second)} residues at a position that another has already dropped: {shorten(listed)}"
    )
    return protein.select(~np.isin(protein.residue_index(), second))
