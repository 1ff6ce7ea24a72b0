"""Side chains as trees: from which three atoms, and with which torsion, each atom is placed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from molgen.errors import StructureError
from molgen.structure.protein import Protein
from molgen.vocabulary import RESIDUE_ATOMS

RESIDUES: tuple[str, ...] = tuple(sorted(RESIDUE_ATOMS))
"""Alphabetical three-letter codes: the index is the residue type."""

SLOTS = max(map(len, RESIDUE_ATOMS.values()))
"""Atoms of the largest residue; an atom's slot is its place in `RESIDUE_ATOMS`."""

FIRST_MOVING = 5
"""Slot of the first atom that a torsion of the side chain moves; N, CA, C, O and CB come before."""

CHIS = 4

# atom: the three atoms it is placed from, and the chi it turns with (0: stiff, as rings are).
# Several atoms on one chi stand at fixed angles to one another.
_CG = "CG N CA CB 1"
_RING = "CD1 CA CB CG 2, CD2 CA CB CG 2"
_PHENYL = f"{_CG}, {_RING}, CE1 CB CG CD1 0, CE2 CB CG CD2 0, CZ CG CD1 CE1 0"
_TREES = {
    "ALA": "",
    "ARG": f"{_CG}, CD CA CB CG 2, NE CB CG CD 3, CZ CG CD NE 4, NH1 CD NE CZ 0, NH2 CD NE CZ 0",
    "ASN": f"{_CG}, OD1 CA CB CG 2, ND2 CA CB CG 2",
    "ASP": f"{_CG}, OD1 CA CB CG 2, OD2 CA CB CG 2",
    "CYS": "SG N CA CB 1",
    "GLN": f"{_CG}, CD CA CB CG 2, OE1 CB CG CD 3, NE2 CB CG CD 3",
    "GLU": f"{_CG}, CD CA CB CG 2, OE1 CB CG CD 3, OE2 CB CG CD 3",
    "GLY": "",
    "HIS": f"{_CG}, ND1 CA CB CG 2, CD2 CA CB CG 2, CE1 CB CG ND1 0, NE2 CB CG CD2 0",
    "ILE": "CG1 N CA CB 1, CG2 N CA CB 1, CD1 CA CB CG1 2",
    "LEU": f"{_CG}, {_RING}",
    "LYS": f"{_CG}, CD CA CB CG 2, CE CB CG CD 3, NZ CG CD CE 4",
    "MET": f"{_CG}, SD CA CB CG 2, CE CB CG SD 3",
    "PHE": _PHENYL,
    "PRO": f"{_CG}, CD CA CB CG 2",
    "SER": "OG N CA CB 1",
    "THR": "OG1 N CA CB 1, CG2 N CA CB 1",
    "TRP": f"{_CG}, {_RING}, NE1 CB CG CD1 0, CE2 CB CG CD2 0, CE3 CB CG CD2 0, "
    "CZ2 CG CD2 CE2 0, CZ3 CG CD2 CE3 0, CH2 CD2 CE2 CZ2 0",
    "TYR": f"{_PHENYL}, OH CD1 CE1 CZ 0",
    "VAL": "CG1 N CA CB 1, CG2 N CA CB 1",
}


class Placement(NamedTuple):
    """Slots of an atom and of the three it is placed from, and its chi (0: stiff)."""

    slot: int
    first: int
    second: int
    third: int
    chi: int


def placements(name: str) -> list[Placement]:
    """Return how the side chain of a residue is built, CB first, parents before children."""
    slot = {atom: number for number, atom in enumerate(RESIDUE_ATOMS[name])}
    tree = "" if name == "GLY" else f"CB N C CA 0, {_TREES[name]}"
    rows = [row.split() for row in tree.split(",") if row.strip()]
    return [
        Placement(slot[atom], slot[a], slot[b], slot[c], int(chi)) for atom, a, b, c, chi in rows
    ]


def chi_count(name: str) -> int:
    """Return the number of chi torsions of a residue."""
    return max((row.chi for row in placements(name)), default=0)


SYMMETRIC: dict[str, int] = {"ASP": 2, "GLU": 3, "PHE": 2, "TYR": 2}
"""The chi that is the same after half a turn."""

PLANAR: dict[str, int] = SYMMETRIC | {"ASN": 2, "GLN": 3, "HIS": 2, "TRP": 2}
"""The chi that turns a flat group about a bond: no three wells, but a broad distribution."""

# What an atom is to its neighbours in space.
_KINDS = {
    "backbone N": "* N",
    "backbone CA": "* CA",
    "backbone C": "* C",
    "backbone O": "* O",
    "methyl": "ALA CB, VAL CG1 CG2, ILE CG2 CD1, LEU CD1 CD2, MET CE, THR CG2",
    "aliphatic": "VAL CB, ILE CB CG1, LEU CB CG, MET CB CG, PRO CB CG CD, PHE CB, TYR CB, "
    "TRP CB, CYS CB",
    "polar carbon": "ARG CB CG CD, LYS CB CG CD CE, GLU CB CG, GLN CB CG, ASP CB, ASN CB, "
    "SER CB, THR CB, HIS CB",
    "phenyl": "PHE CG CD1 CD2 CE1 CE2 CZ, TYR CG CD1 CD2 CE1 CE2 CZ",
    "heteroring": "TRP CG CD1 CD2 CE2 CE3 CZ2 CZ3 CH2, HIS CG CD2 CE1",
    "carboxyl C": "ASP CG, GLU CD, ASN CG, GLN CD, ARG CZ",
    "ammonium": "LYS NZ",
    "guanidinium N": "ARG NE NH1 NH2",
    "amide N": "ASN ND2, GLN NE2",
    "ring N": "HIS ND1 NE2, TRP NE1",
    "carboxylate O": "ASP OD1 OD2, GLU OE1 OE2",
    "amide O": "ASN OD1, GLN OE1",
    "hydroxyl": "SER OG, THR OG1, TYR OH",
    "thiol": "CYS SG",
    "thioether": "MET SD",
}
KINDS: tuple[str, ...] = tuple(_KINDS)


def atom_kinds() -> np.ndarray:
    """Return the kind of every atom, (20, SLOTS) int64 index into `KINDS`, -1 without atom."""
    table = np.full((len(RESIDUES), SLOTS), -1, dtype=np.int64)
    for kind, text in enumerate(_KINDS.values()):
        for part in text.split(","):
            residue, *atoms = part.split()
            for name in RESIDUES if residue == "*" else (residue,):
                for atom in atoms:
                    table[RESIDUES.index(name), RESIDUE_ATOMS[name].index(atom)] = kind
    return table


class ResidueAtoms(NamedTuple):
    """Standard residues of a protein by slot.

    Attributes:
        sequence: (residues,) int64 residue types.
        coords: (residues, SLOTS, 3) float64 Å, NaN where there is no atom.
        numbers: (residues,) author numbers.
        chains: (residues,) author chains.
    """

    sequence: np.ndarray
    coords: np.ndarray
    numbers: np.ndarray
    chains: np.ndarray


def residue_atoms(protein: Protein) -> ResidueAtoms:
    """Return the standard residues that have N, CA and C.

    Raises:
        StructureError: there is none.
    """
    sequence, coords, numbers, chains = [], [], [], []
    for identifier, name, atoms in protein.residues():
        if name not in RESIDUE_ATOMS or protein.hetero[atoms.start]:
            continue
        own = np.full((SLOTS, 3), np.nan)
        slot = {atom: number for number, atom in enumerate(RESIDUE_ATOMS[name])}
        for atom, point in zip(protein.atom_names[atoms], protein.coords[atoms], strict=True):
            if atom in slot:
                own[slot[atom]] = point
        if np.isfinite(own[:3]).all():
            sequence.append(RESIDUES.index(name))
            coords.append(own)
            numbers.append(identifier.number)
            chains.append(identifier.chain)
    if not sequence:
        raise StructureError(f"{protein.name}: no standard residue with N, CA and C")
    return ResidueAtoms(
        np.array(sequence, dtype=np.int64), np.array(coords), np.array(numbers), np.array(chains)
    )
