"""The rotamer library: chi angles that side chains take, and how often where."""

from __future__ import annotations

import functools
import itertools
import json
import math
from importlib import resources
from typing import NamedTuple

import numpy as np

from molgen.decoys.sidechain_templates import (
    CHIS,
    KINDS,
    PLANAR,
    RESIDUES,
    SLOTS,
    SYMMETRIC,
    atom_kinds,
    placements,
)
from molgen.vocabulary import RESIDUE_ATOMS

GRID = 18
"""Points of the grid along phi and psi, from -180 degrees on."""

CELLS = 8
"""Entries of the contact table for every Å²."""

REACH = 6.0
"""Atoms farther apart do not feel each other, Å."""

STEEP = 8.0
"""Largest energy of one pair of atoms, in units of kT."""


class SidechainTable(NamedTuple):
    """Everything the packer knows, as arrays; t residue types, r rotamers, k atom kinds.

    Attributes:
        size: (t,) atoms of a residue.
        chis: (t,) chi torsions.
        parents: (t, SLOTS, 4) slots of the three atoms that an atom is placed from, and the chi it
            turns with, counted from 0 (-1: stiff, -2: no such atom).
        shape: (t, SLOTS, 3) length in Å, angle and torsion beyond chi in radians.
        kind: (t, SLOTS) kind of every atom, -1 without atom.
        extent: (t,) largest distance of an atom from CA with the side chain stretched, Å.
        first: (t + 1,) where the rotamers of a type begin.
        well: (r,) well of chi1.
        log_share: (r,) ln of the share of a rotamer over that of the commonest in its well: a well
            that is cut into many rotamers is no worse for it.
        mean, spread: (r, CHIS) radians.
        log_well: (t, 3, GRID + 1, GRID) ln of the share of a well of chi1 given phi and psi; the
            last row of phi is for residues without phi or psi.
        contact: (k, k, cells) energy of two atoms over their squared distance, kT.
    """

    size: np.ndarray
    chis: np.ndarray
    parents: np.ndarray
    shape: np.ndarray
    kind: np.ndarray
    extent: np.ndarray
    first: np.ndarray
    well: np.ndarray
    log_share: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    log_well: np.ndarray
    contact: np.ndarray


def first_well(name: str, chi1: np.ndarray) -> np.ndarray:
    """Return the well of chi1 (radians): 0 gauche+, 1 trans, 2 gauche-; of Pro 0 up or 1 down."""
    return ((chi1 % (2 * math.pi)) // (math.pi if name == "PRO" else 2 * math.pi / 3)).astype(int)


def rotamer_bin(name: str, chis: np.ndarray) -> np.ndarray:
    """Return one number for all wells of a residue; flat groups are cut every 30 degrees.

    Args:
        chis: (residues, chis) radians.
    """
    number = first_well(name, chis[:, 0])
    for column in range(1, chis.shape[1]):
        if name == "PRO":
            break  # chi2 follows chi1
        if PLANAR.get(name) == column + 1:
            turn = math.pi if SYMMETRIC.get(name) == column + 1 else 2 * math.pi
            width, count = math.pi / 6, round(turn / (math.pi / 6))
            place = ((chis[:, column] % turn + width / 2) // width).astype(int) % count
        else:
            count = 3
            place = first_well("", chis[:, column])
        number = number * count + place
    return number


@functools.cache
def sidechain_table() -> SidechainTable:
    """Return the table shipped with molgen."""
    text = resources.files("molgen.decoys").joinpath("data/sidechains.json").read_text("utf-8")
    return build_table(json.loads(text))


def build_table(source: dict) -> SidechainTable:
    """Return the arrays of a table that ``workflows/quality/rotamers.py`` wrote."""
    types = len(RESIDUES)
    parents = np.full((types, SLOTS, 4), -2, dtype=np.int64)
    shape = np.zeros((types, SLOTS, 3))
    extent = np.full(types, 2.5)
    log_well = np.zeros((types, 3, GRID + 1, GRID))
    rows: list[list] = []
    first = [0]
    for kind, name in enumerate(RESIDUES):
        entry = source["residues"][name]
        for row, (_, length, angle, torsion) in zip(placements(name), entry["atoms"], strict=True):
            parents[kind, row.slot] = (row.first, row.second, row.third, row.chi - 1)
            shape[kind, row.slot] = (length, math.radians(angle), math.radians(torsion))
        extent[kind] = max(2.5, _stretch(name, shape[kind]))
        own = entry.get("rotamers", [])
        rows += own
        first.append(len(rows))
        if own:
            log_well[kind, :, :GRID] = np.log(np.array(entry["chi1"]["grid"]) / 1000.0)
            overall = np.maximum(entry["chi1"]["overall"], 1e-3)
            log_well[kind, :, GRID] = np.log(overall)[:, None]
    mean, spread = np.zeros((len(rows), CHIS)), np.ones((len(rows), CHIS))
    for number, values in enumerate(rows):
        half = (len(values) - 2) // 2
        mean[number, :half] = np.radians(values[2 : 2 + half])
        spread[number, :half] = np.radians(values[2 + half :])
    return SidechainTable(
        size=np.array([len(RESIDUE_ATOMS[name]) for name in RESIDUES]),
        chis=np.array([max((row.chi for row in placements(name)), default=0) for name in RESIDUES]),
        parents=parents,
        shape=shape,
        kind=atom_kinds(),
        extent=extent,
        first=np.array(first),
        well=np.array([row[0] for row in rows]),
        log_share=_relative(rows, first),
        mean=mean,
        spread=spread,
        log_well=log_well,
        contact=contact_table(source["contacts"]),
    )


def contact_table(contacts: dict) -> np.ndarray:
    """Return energies over the squared distance, (kinds, kinds, cells), zero at `REACH`."""
    start, width = contacts["start"], contacts["width"]
    energy = np.array(contacts["energy"])
    middle = start + width * (np.arange(energy.shape[1]) + 0.5)
    distance = np.sqrt((np.arange(int(REACH**2 * CELLS)) + 0.5) / CELLS)
    fade = np.clip((REACH - distance) / 1.0, 0.0, 1.0)
    table = np.zeros((len(KINDS), len(KINDS), len(distance)))
    for row, (i, j) in enumerate(zip(*np.triu_indices(len(KINDS)), strict=True)):
        values = np.interp(distance, middle, energy[row])
        values = np.where(distance < start, STEEP, values)
        table[i, j] = table[j, i] = np.minimum(values, STEEP) * fade
    return table.astype(np.float32)


def _relative(rows: list[list], first: list[int]) -> np.ndarray:
    """Return ln of the share of each rotamer over that of the commonest in its well."""
    share = np.array([row[1] for row in rows])
    well = np.array([row[0] for row in rows])
    for begin, end in itertools.pairwise(first):
        for number in range(3):
            own = begin + np.flatnonzero(well[begin:end] == number)
            if len(own):
                share[own] /= share[own].max()
    return np.log(share)


def _stretch(name: str, shape: np.ndarray) -> float:
    """Return the length of the longest path of bonds from CA."""
    length = {1: 0.0}
    for row in placements(name):
        length[row.slot] = length.get(row.third, 0.0) + float(shape[row.slot, 0])
    return max(length.values())
