"""Backbone atoms and dihedral angles of protein residues."""

from __future__ import annotations

import numpy as np

from molgen.geometry.dihedral import sine_cosine
from molgen.graphs.protein_atoms import ProteinAtoms
from molgen.graphs.residue_graph import ATOM_TYPES, RESIDUES

PEPTIDE_BOND = 2.0
"""Å; residues whose C and N are further apart do not follow each other in the chain."""

_CHI = {
    "ARG": ("CG", "CD", "NE", "CZ"), "ASN": ("CG", "OD1"), "ASP": ("CG", "OD1"), "CYS": ("SG",),
    "GLN": ("CG", "CD", "OE1"), "GLU": ("CG", "CD", "OE1"), "HIS": ("CG", "ND1"),
    "ILE": ("CG1", "CD1"), "LEU": ("CG", "CD1"), "LYS": ("CG", "CD", "CE", "NZ"),
    "MET": ("CG", "SD", "CE"), "PHE": ("CG", "CD1"), "PRO": ("CG", "CD"), "SER": ("OG",),
    "THR": ("OG1",), "TRP": ("CG", "CD1"), "TYR": ("CG", "CD1"), "VAL": ("CG1",),
}  # fmt: skip
"""The atoms that follow N, CA, CB in chi1, chi2, ... (IUPAC-IUB, Biochemistry 1970, 9, 3471)."""


def _chi_slots() -> np.ndarray:
    """Return the slots of the four atoms of each chi angle, (20, 4, 4); -1 where undefined."""
    table = np.full((len(RESIDUES), 4, 4), -1)
    for residue, name in enumerate(RESIDUES):
        atoms = [a for r, a in ATOM_TYPES if r == name]
        path = [atoms.index(a) for a in ("N", "CA", "CB", *_CHI[name])] if name in _CHI else []
        for angle in range(len(path) - 3):
            table[residue, angle] = path[angle : angle + 4]
    return table


_CHI_SLOTS = _chi_slots()


def backbone_coords(coords: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Return N, CA, C and CB, (residues, 4, 3) Å; CB is built where it is absent.

    The ideal CB is that of a tetrahedral carbon, with the coefficients that are in common use
    since trRosetta (Yang et al., PNAS 2020, 117, 1496).

    Args:
        coords: (atoms, 3) Å.
        slots: (residues, 14) atoms, as `ProteinAtoms`; N, CA and C must be there.
    """
    out = coords[slots[:, [0, 1, 2, 4]]]
    n, ca, c = out[:, 0], out[:, 1], out[:, 2]
    b, d = ca - n, c - ca
    ideal = ca - 0.58273431 * np.cross(b, d) + 0.56802827 * b - 0.54067466 * d
    absent = slots[:, 4] < 0
    out[absent, 3] = ideal[absent]
    return out


def torsion_angles(coords: np.ndarray, atoms: ProteinAtoms) -> np.ndarray:
    """Return phi, psi, omega, chi1 to chi4 of all residues, (residues, 7) rad; NaN if undefined.

    Omega is that of the bond before the residue. An angle is undefined where an atom is missing
    or the chain is broken (C-N further than 2 Å).
    """
    slots = atoms.slots
    before = np.full((len(slots), 3), -1, dtype=np.int64)  # C and CA before, N after
    c, n = slots[:-1, 2], slots[1:, 0]
    linked = (c >= 0) & (n >= 0) & (atoms.chain[1:] == atoms.chain[:-1])
    linked &= np.linalg.norm(coords[c] - coords[n], axis=1) < PEPTIDE_BOND
    before[1:, 0] = np.where(linked, c, -1)
    before[1:, 1] = np.where(linked, slots[:-1, 1], -1)
    before[:-1, 2] = np.where(linked, n, -1)
    quads = np.full((len(slots), 7, 4), -1, dtype=np.int64)
    quads[:, 0] = np.column_stack([before[:, 0], slots[:, :3]])
    quads[:, 1] = np.column_stack([slots[:, :3], before[:, 2]])
    quads[:, 2] = np.column_stack([before[:, 1], before[:, 0], slots[:, :2]])
    standard = np.flatnonzero(atoms.residue_type >= 0)
    places = _CHI_SLOTS[atoms.residue_type[standard]]
    chi = slots[standard[:, None, None], places]
    quads[standard, 3:] = np.where(places >= 0, chi, -1)
    known = (quads >= 0).all(axis=2)
    angles = np.full(known.shape, np.nan)
    sine, cosine = sine_cosine(*coords[quads[known]].transpose(1, 0, 2))
    coincide = (sine == 0.0) & (cosine == 0.0)
    angles[known] = np.where(coincide, np.nan, np.arctan2(sine, cosine))
    return angles
