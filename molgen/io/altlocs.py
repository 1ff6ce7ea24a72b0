"""Choosing one conformer where a file gives several."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from molgen.io.atom_table import AtomTable

OVERLAP = 1.6
"""Å; atoms of different labels that are closer than this cannot both be there."""


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
    left_out: list[str] = []
    for place in np.unique(position[labelled]):
        members = np.flatnonzero(position == place)
        alternatives = members[labelled[members]]
        best = _best_label(atoms, alternatives)
        chosen = alternatives[atoms.altlocs[alternatives] == best]
        # Two names at one position: the winner's name, unlabelled atoms of the other go too.
        name = atoms.resnames[chosen[0]]
        for other in np.unique(atoms.resnames[alternatives]):
            if other != name:
                left_out.append(
                    f"{other.decode()} beside {name.decode()} {_place(atoms, int(members[0]))}"
                )
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
    if left_out:
        notes.append(f"less occupied alternatives dropped: {', '.join(left_out)}")
    return atoms.select(keep), notes


def _place(atoms: AtomTable, index: int) -> str:
    """Return chain and number of the residue of an atom, for people."""
    return f"{atoms.chains[index].decode()}:{atoms.resnums[index]}"


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


def drop_overlapping_groups(
    atoms: AtomTable, polymer: np.ndarray
) -> tuple[AtomTable, np.ndarray, list[str]]:
    """Drop the less occupied of two non-polymer residues that share a place under other labels.

    Two ligands or ions refined on one site stand in the file as separate residues.

    Returns:
        The atoms left, the polymer mask of their residues, and a note.
    """
    starts = atoms.starts()
    counts = np.diff(np.append(starts, len(atoms)))
    residue_of = np.repeat(np.arange(len(starts)), counts)
    labelled = np.flatnonzero((atoms.altlocs != b"") & ~polymer[residue_of])
    if len(np.unique(atoms.altlocs[labelled])) < 2:
        return atoms, polymer, []
    dropped: set[int] = set()
    pairs = cKDTree(atoms.coords[labelled]).query_pairs(OVERLAP)
    for first, second in sorted((int(labelled[i]), int(labelled[j])) for i, j in pairs):
        one, two = int(residue_of[first]), int(residue_of[second])
        if one == two or atoms.altlocs[first] == atoms.altlocs[second] or {one, two} & dropped:
            continue
        use = [float(atoms.occupancy[residue_of == residue].mean()) for residue in (one, two)]
        dropped.add(one if use[0] < use[1] - 1e-3 else two)
    if not dropped:
        return atoms, polymer, []
    gone = np.array(sorted(dropped))
    listed = ", ".join(
        f"{atoms.resnames[i].decode()} {_place(atoms, i)}" for i in starts[gone].tolist()
    )
    note = f"groups that overlap a better occupied alternative dropped: {listed}"
    keep = ~np.isin(residue_of, gone)
    return atoms.select(keep), np.delete(polymer, gone), [note]
