"""Telling apart subunits that a PDB file writes under one chain name.

Simulation programs leave the chain name blank, or give it to every subunit, and number each from 1.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from molgen.io.atom_table import AtomTable

COPY = 3.0
"""Å; residues whose atoms of the same names lie nearer than this are there twice, not a subunit."""

_ANCHORS = (b"CA", b"C1'")
"""One atom of every residue of a protein or nucleic acid."""


def separate_chains(atoms: AtomTable) -> tuple[AtomTable, tuple[str, ...]]:
    """Return the atoms with a name of its own for every subunit, and notes.

    A subunit begins where the numbers of a chain go down to ones that it had before, elsewhere in
    space.
    """
    anchor = np.isin(atoms.names, _ANCHORS) & (atoms.elements == b"C") & (atoms.altlocs == b"")
    rows = np.flatnonzero(anchor)
    keys = [atoms.models[rows], atoms.chains[rows], atoms.resnums[rows], atoms.icodes[rows]]
    if len(np.unique(np.rec.fromarrays(keys))) == len(rows):
        return atoms, ()
    chains, starts = atoms.chains.astype("S8"), atoms.starts()
    notes: list[str] = []
    for model in dict.fromkeys(atoms.models.tolist()):
        names = _unused(atoms)
        for chain in dict.fromkeys(atoms.chains[rows].tolist()):
            member = (atoms.models == model) & (atoms.chains == chain)
            for first in _subunits(atoms, rows[member[rows]]):
                begin = _with_cap(atoms, starts, first)
                new = next(names)
                chains[begin:][member[begin:]] = new
                where = f"{atoms.resnames[first].decode()} {atoms.resnums[first]}"
                called = f"chain {chain.decode().strip() or 'without a name'}"
                notes.append(f"{called} starts again at {where}: read as chain {new.decode()}")
    return replace(atoms, chains=chains), tuple(dict.fromkeys(notes))


def _subunits(atoms: AtomTable, rows: np.ndarray) -> Iterator[int]:
    """Yield the first anchor of every further subunit of a chain, from all its anchors."""
    cuts = np.flatnonzero(np.diff(atoms.resnums[rows]) < 0) + 1
    seen: dict[tuple[int, bytes], int] = {}
    for part in np.split(rows, cuts):
        own = {(int(atoms.resnums[k]), bytes(atoms.icodes[k])): int(k) for k in part}
        twice = [(k, seen[key]) for key, k in own.items() if key in seen]
        if twice:
            apart = [np.linalg.norm(atoms.coords[one] - atoms.coords[two]) for one, two in twice]
            if np.median(apart) < COPY:
                continue
            seen = {}
            yield int(part[0])
        seen |= own


def _with_cap(atoms: AtomTable, starts: np.ndarray, first: int) -> int:
    """Return the first atom of a residue, or of those right before it in number (an ACE cap)."""
    place = int(np.searchsorted(starts, first, side="right")) - 1
    while place and atoms.resnums[starts[place - 1]] == atoms.resnums[starts[place]] - 1:
        place -= 1
    return int(starts[place])


def _unused(atoms: AtomTable) -> Iterator[bytes]:
    """Yield chain names that the file does not have: letters, digits, then several letters."""
    taken = set(np.unique(atoms.chains).tolist())
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits
    for length in range(1, 5):
        for name in itertools.product(letters if length == 1 else letters[:26], repeat=length):
            if (found := "".join(name).encode()) not in taken:
                yield found
