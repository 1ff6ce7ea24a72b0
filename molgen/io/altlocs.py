"""Choosing one conformer where a file gives several."""

from __future__ import annotations

import numpy as np

from molgen.io.atom_table import AtomTable


def pick_altlocs(atoms: AtomTable) -> tuple[AtomTable, list[str]]:
    """Return the atoms of one conformer per residue and a note.

    A residue position (chain, number, insertion code) takes the label with the highest mean
    occupancy, the first in the file on a tie; this also decides between residue names where two
    share a position. Atoms that only another label has are kept if the residue name agrees, so
    that the residue stays complete.
    """
    labelled = atoms.altlocs != b""
    if not labelled.any():
        return atoms, []
    position = _positions(atoms)
    keep = np.ones(len(atoms), dtype=bool)
    chosen_at = 0
    for place in np.unique(position[labelled]):
        members = np.flatnonzero(position == place)
        alternatives = members[labelled[members]]
        best = _best_label(atoms, alternatives)
        chosen = alternatives[atoms.altlocs[alternatives] == best]
        # Two names at one position: the winner's name, unlabelled atoms of the other go too.
        name = atoms.resnames[chosen[0]]
        keep[members] = False
        have: set[bytes] = set()
        by_use = sorted(
            alternatives,
            key=lambda i: (atoms.altlocs[i] != best, -atoms.occupancy[i], i),
        )
        plain = [i for i in members if not labelled[i]]
        for index in [*plain, *by_use]:
            atom = bytes(atoms.names[index])
            if atoms.resnames[index] != name or (labelled[index] and atom in have):
                continue
            have.add(atom)
            keep[index] = True
        chosen_at += len(np.unique(atoms.altlocs[alternatives])) > 1
    notes = []
    if chosen_at:
        notes.append(
            f"alternate locations at {chosen_at} residues: conformer of highest occupancy kept"
        )
    return atoms.select(keep), notes


def _positions(atoms: AtomTable) -> np.ndarray:
    """Return an integer per atom that is the same for all atoms of one residue position."""
    key = np.rec.fromarrays([atoms.chains, atoms.resnums, atoms.icodes])
    return np.unique(key, return_inverse=True)[1]


def _best_label(atoms: AtomTable, alternatives: np.ndarray) -> bytes:
    labels: dict[bytes, list[float]] = {}
    for index in alternatives:
        labels.setdefault(bytes(atoms.altlocs[index]), []).append(float(atoms.occupancy[index]))
    # max() keeps the first of equals, and dicts keep file order.
    return max(labels, key=lambda label: round(sum(labels[label]) / len(labels[label]), 3))
