"""Atoms of protein chains told apart by name: types, radii and places within their residue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.graphs.atom_radii import BACKBONE_RADII, ELEMENT_RADII, OTHER_RADIUS, atom_radius
from molgen.graphs.residue_graph import ATOM_TYPES, RESIDUES
from molgen.structure import Protein

MAX_SLOTS = 14
"""Heavy atoms of the largest residue (TRP); the slot of an atom is its place in `ATOM_TYPES`."""


@dataclass(frozen=True)
class ProteinAtoms:
    """Atoms and residues of the chains of a protein.

    Attributes:
        starts: (residues,) first atom of each residue.
        residue: (atoms,) residue of each atom.
        residue_type: (residues,) int16, -1 for a name that is not standard.
        chain: (residues,) ordinal of the chain.
        slots: (residues, 14) atom at each slot, -1 where it is missing. Slots 0 to 4 are N, CA,
            C, O and CB in every residue.
        atom_type: (atoms,) uint8, index into `ATOM_TYPES`.
        radii: (atoms,) float64 Å.
    """

    starts: np.ndarray
    residue: np.ndarray
    residue_type: np.ndarray
    chain: np.ndarray
    slots: np.ndarray
    atom_type: np.ndarray
    radii: np.ndarray


def _pack(names: np.ndarray) -> np.ndarray:
    """Return names as (names,) uint64 that differ when their first four characters do."""
    codes = np.ascontiguousarray(names.astype("U4")).view(np.uint32).reshape(-1, 4)
    codes = np.minimum(codes, 255).astype(np.uint64)
    return codes[:, 0] | codes[:, 1] << 8 | codes[:, 2] << 16 | codes[:, 3] << 24  # type: ignore[no-any-return]


def _first_slots() -> np.ndarray:
    residues = [residue for residue, _ in ATOM_TYPES]
    return np.array([residues.index(residue) for residue in RESIDUES])


# The table of known atoms, sorted by packed name; OXT is one more atom of every residue.
_KNOWN = [*ATOM_TYPES, *((residue, "OXT") for residue in RESIDUES)]
_FIRST = _first_slots()
_TYPE = np.array([ATOM_TYPES.index((r, a if a != "OXT" else "O")) for r, a in _KNOWN])
_SLOT = np.array([t - _FIRST[RESIDUES.index(ATOM_TYPES[t][0])] for t in _TYPE])
_SLOT[len(ATOM_TYPES) :] = -1
_RADIUS = np.array([atom_radius(r, a, a[0]) for r, a in _KNOWN])
_NAMES = np.array(_KNOWN)
_KEYS = _pack(_NAMES[:, 0]) << np.uint64(32) | _pack(_NAMES[:, 1])
_ORDER = np.argsort(_KEYS)
_KEYS, _TYPE, _SLOT, _RADIUS = _KEYS[_ORDER], _TYPE[_ORDER], _SLOT[_ORDER], _RADIUS[_ORDER]

_RESIDUE_KEYS = _pack(np.array(RESIDUES))  # alphabetical is not the order of the packed names
_RESIDUE_ORDER = np.argsort(_RESIDUE_KEYS)
_COMMON = ("N", "CA", "C", "O", "CB")


def protein_atoms(polymer: Protein) -> ProteinAtoms:
    """Return types, radii and slots of the atoms of ``polymer`` (chains only, no groups)."""
    starts = polymer.residue_starts()
    counts = np.diff(np.append(starts, len(polymer)))
    residue = np.repeat(np.arange(len(starts)), counts)
    residue_key = _pack(polymer.residue_names[starts])
    place, known = _look_up(_RESIDUE_KEYS[_RESIDUE_ORDER], residue_key)
    residue_type = np.where(known, _RESIDUE_ORDER[place], -1).astype(np.int16)

    key = residue_key[residue] << np.uint64(32) | _pack(polymer.atom_names)
    place, known = _look_up(_KEYS, key)
    atom_type, slot, radii = _TYPE[place], _SLOT[place], _RADIUS[place]
    for index in np.flatnonzero(~known).tolist():
        atom_type[index], slot[index], radii[index] = _unusual(
            int(residue_type[residue[index]]),
            str(polymer.atom_names[index]),
            str(polymer.elements[index]),
        )
    slots = np.full((len(starts), MAX_SLOTS), -1, dtype=np.int64)
    placed = np.flatnonzero(slot >= 0)[::-1]  # backwards: the first of two atoms stays
    slots[residue[placed], slot[placed]] = placed
    return ProteinAtoms(
        starts=starts,
        residue=residue,
        residue_type=residue_type,
        chain=_ordinals(polymer.chains[starts]),
        slots=slots,
        atom_type=atom_type.astype(np.uint8),
        radii=radii,
    )


def _look_up(sorted_keys: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each key and whether it is there."""
    place = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return place, sorted_keys[place] == keys


def _unusual(residue_type: int, atom: str, element: str) -> tuple[int, int, float]:
    """Return type, slot and radius of an atom that no standard residue has under this name.

    In a standard residue the last atom of the element lends its type; elsewhere alanine does,
    cysteine for sulfur.
    """
    radius = BACKBONE_RADII.get(atom) or ELEMENT_RADII.get(element, OTHER_RADIUS)
    if residue_type < 0 and atom in _COMMON:
        slot = _COMMON.index(atom)
        return ATOM_TYPES.index(("ALA", atom)), slot, atom_radius("ALA", atom, element)
    symbol = {"Se": "S"}.get(element, element)
    residue = RESIDUES[residue_type] if residue_type >= 0 else "ALA"
    for name in (residue, "CYS"):
        like = [i for i, (r, a) in enumerate(ATOM_TYPES) if r == name and a[0] == symbol]
        if like:
            return like[-1], -1, radius
    return ATOM_TYPES.index((residue, "C")), -1, radius


def _ordinals(names: np.ndarray) -> np.ndarray:
    """Return numbers from 0 in the order in which the names first appear."""
    change = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    seen: dict[str, int] = {}
    numbers = np.array([seen.setdefault(name, len(seen)) for name in names[change].tolist()])
    return np.repeat(numbers, np.diff(np.append(change, len(names))))
