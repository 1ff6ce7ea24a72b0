"""Lennard-Jones parameters for atoms that AMBER's protein field does not list.

A ligand meets the protein through E = ε ((R/d)¹² − 2 (R/d)⁶) with R = R_i + R_j and
ε = √(ε_i ε_j), AMBER's own rule, so its atoms take AMBER's radii of the same chemistry. Elements
that AMBER's biopolymers lack (halogens, silicon) take the minimum of two like atoms in MMFF94.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem

AMBER: dict[str, tuple[float, float]] = {
    "CT": (1.9080, 0.1094),
    "C": (1.9080, 0.0860),
    "N": (1.8240, 0.1700),
    "O": (1.6612, 0.2100),
    "OH": (1.7210, 0.2104),
    "OS": (1.6837, 0.1700),
    "S": (2.0000, 0.2500),
    "P": (2.1000, 0.2000),
    "H": (0.6000, 0.0157),
    "HO": (0.0000, 0.0000),
    "HC": (1.4870, 0.0157),
    "H1": (1.3870, 0.0157),
    "HA": (1.4590, 0.0150),
}
"""AMBER atom class to half the distance of the minimum, Å, and its depth, kcal/mol (Cornell et
al., J. Am. Chem. Soc. 1995, 117, 5179; the tests compare them with OpenMM's copy)."""

_GROUP_CLASS = {"C": "C", "N": "N", "O": "O", "S": "S", "P": "P"}
_OTHER_DEPTH = 0.1
"""kcal/mol, of elements that are in no table."""


def ligand_lennard_jones(mol: Chem.Mol, alike: np.ndarray) -> np.ndarray:
    """Return half distance and depth of the minimum of every atom, (atoms, 2) Å, kcal/mol.

    Args:
        mol: sanitised, hydrogens explicit.
        alike: (atoms, 2) distance and depth for two like atoms in MMFF94, `MmffTerms.alike`.
    """
    rows = []
    for atom, (distance, depth) in zip(mol.GetAtoms(), alike.tolist(), strict=True):
        name = _amber_class(atom)
        rows.append(AMBER[name] if name else (0.5 * distance, depth))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def group_lennard_jones(elements: np.ndarray) -> np.ndarray:
    """Return the same for atoms without known bonds or hydrogens, by element alone.

    Elements that AMBER's biopolymers lack take their van der Waals radius.
    """
    table = Chem.GetPeriodicTable()
    rows = []
    for symbol in elements.tolist():
        name = _GROUP_CLASS.get(symbol)
        rows.append(AMBER[name] if name else (float(table.GetRvdw(symbol)), _OTHER_DEPTH))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _amber_class(atom: Chem.Atom) -> str | None:
    """Return the AMBER class of a ligand atom; None for an element without one."""
    symbol = atom.GetSymbol()
    near = list(atom.GetNeighbors())
    if symbol == "C":
        return "CT" if atom.GetHybridization() == Chem.HybridizationType.SP3 else "C"
    if symbol == "O":
        if len(near) < 2:
            return "O"
        return "OH" if any(other.GetAtomicNum() == 1 for other in near) else "OS"
    if symbol == "H" and near:
        parent = near[0]
        if parent.GetSymbol() != "C":
            return "HO" if parent.GetSymbol() == "O" else "H"
        if parent.GetHybridization() != Chem.HybridizationType.SP3:
            return "HA"
        drawn = any(other.GetSymbol() in _WITHDRAWING for other in parent.GetNeighbors())
        return "H1" if drawn else "HC"
    return symbol if symbol in ("N", "S", "P") else None


_WITHDRAWING = frozenset(("N", "O", "F", "Cl", "Br", "I"))
