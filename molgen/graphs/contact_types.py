"""Contact types: finer than docking types, for potentials learned from complexes.

A receptor atom is told apart by the chemistry of its residue, a ligand atom by its environment in
the graph. The tables are short on purpose: every pair of types must be seen often enough to learn.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from molgen.graphs.atom_types import TYPES, receptor_types
from molgen.structure import Protein
from molgen.vocabulary import METALS

RECEPTOR_CONTACTS: tuple[str, ...] = (
    "aliphatic", "aromatic", "alpha", "carbonyl", "polar_carbon", "amide_n", "cation_n",
    "ring_n", "other_n", "carbonyl_o", "acid_o", "hydroxyl_o", "other_o", "sulfur", "phosphorus",
    "zinc", "metal", "halogen",
)  # fmt: skip
"""Names of the receptor contact types."""

LIGAND_CONTACTS: tuple[str, ...] = (
    "aliphatic", "aromatic", "polar_sp3", "polar_sp2", "polar_aromatic", "cation_n", "donor_n",
    "acceptor_n", "other_n", "hydroxyl_o", "carbonyl_o", "acid_o", "ether_o", "sulfur",
    "phosphorus", "fluorine", "chlorine", "heavy_halogen",
)  # fmt: skip
"""Names of the ligand contact types."""

_RECEPTOR = {name: index for index, name in enumerate(RECEPTOR_CONTACTS)}
_LIGAND = {name: index for index, name in enumerate(LIGAND_CONTACTS)}

_RINGS = {
    "PHE": {"CG", "CD1", "CD2", "CE1", "CE2", "CZ"},
    "TYR": {"CG", "CD1", "CD2", "CE1", "CE2", "CZ"},
    "TRP": {"CG", "CD1", "CD2", "CE2", "CE3", "CZ2", "CZ3", "CH2"},
    "HIS": {"CG", "CD2", "CE1"},
}
_BY_NAME = {
    ("LYS", "NZ"): "cation_n", ("ARG", "NE"): "cation_n", ("ARG", "NH1"): "cation_n",
    ("ARG", "NH2"): "cation_n", ("ASN", "ND2"): "amide_n", ("GLN", "NE2"): "amide_n",
    ("HIS", "ND1"): "ring_n", ("HIS", "NE2"): "ring_n", ("TRP", "NE1"): "ring_n",
    ("ASP", "OD1"): "acid_o", ("ASP", "OD2"): "acid_o", ("GLU", "OE1"): "acid_o",
    ("GLU", "OE2"): "acid_o", ("SER", "OG"): "hydroxyl_o", ("THR", "OG1"): "hydroxyl_o",
    ("TYR", "OH"): "hydroxyl_o", ("ASN", "OD1"): "carbonyl_o", ("GLN", "OE1"): "carbonyl_o",
}  # fmt: skip

_CATION = Chem.MolFromSmarts(
    "[$([#7+;!$([#7+]~[#8-])]),$([NX3;!$(N~[!#6;!#1]);!$(N-[#6]=,:*);!$(N-C#*)]),"
    "$([NX3][CX3]=[NX2,NX3+]),$([NX2]=[CX3][NX3])]"
)
_ACID = Chem.MolFromSmarts("[$([OX1-,OX2H1][CX3]=O),$(O=[CX3][OX1-,OX2H1]),$(O~P),$([OX1-])]")


def receptor_contacts(protein: Protein, docking: np.ndarray | None = None) -> np.ndarray:
    """Return the contact type of every receptor atom, (atoms,) uint8.

    ``docking`` are the atoms' docking types where the caller has them already.
    """
    docking = receptor_types(protein) if docking is None else docking
    contacts = np.zeros(len(protein), dtype=np.uint8)
    for index, kind in enumerate(docking):
        residue, atom = str(protein.residue_names[index]), str(protein.atom_names[index])
        name = _BY_NAME.get((residue, atom)) or _receptor_contact(
            str(protein.elements[index]), residue, atom, TYPES[kind], bool(protein.hetero[index])
        )
        contacts[index] = _RECEPTOR[name]
    return contacts


def _receptor_contact(element: str, residue: str, atom: str, docking: str, hetero: bool) -> str:
    if element == "C":
        if atom in _RINGS.get(residue, ()):
            return "aromatic"
        if not hetero and atom in ("CA", "C"):
            return "alpha" if atom == "CA" else "carbonyl"
        return "aliphatic" if docking == "C_H" else "polar_carbon"
    if element == "N":
        return "amide_n" if atom == "N" and not hetero else "other_n"
    if element == "O":
        if atom in ("O", "OXT") and not hetero:
            return "carbonyl_o"
        return "hydroxyl_o" if docking == "O_DA" else "other_o"
    if element in ("S", "Se"):
        return "sulfur"
    if element == "P":
        return "phosphorus"
    if element == "Zn":
        return "zinc"
    return "metal" if element in METALS else "halogen"


def ligand_contacts(mol: Chem.Mol) -> np.ndarray:
    """Return the contact type of every heavy atom of ``mol``, (atoms,) uint8."""
    cations = {match[0] for match in mol.GetSubstructMatches(_CATION)}
    acids = {match[0] for match in mol.GetSubstructMatches(_ACID)}
    contacts = np.zeros(mol.GetNumAtoms(), dtype=np.uint8)
    for atom in mol.GetAtoms():
        name = _ligand_contact(atom, atom.GetIdx() in cations, atom.GetIdx() in acids)
        contacts[atom.GetIdx()] = _LIGAND[name]
    return contacts


def _ligand_contact(atom: Chem.Atom, cation: bool, acid: bool) -> str:
    symbol = atom.GetSymbol()
    if symbol == "C":
        polar = any(n.GetSymbol() not in ("C", "H") for n in atom.GetNeighbors())
        if atom.GetIsAromatic():
            return "polar_aromatic" if polar else "aromatic"
        if not polar:
            return "aliphatic"
        sp3 = atom.GetHybridization() == Chem.HybridizationType.SP3
        return "polar_sp3" if sp3 else "polar_sp2"
    if symbol == "N":
        if cation:
            return "cation_n"
        if atom.GetTotalNumHs():
            return "donor_n"
        return "acceptor_n" if atom.GetDegree() <= 2 else "other_n"
    if symbol == "O":
        if acid:
            return "acid_o"
        if atom.GetTotalNumHs():
            return "hydroxyl_o"
        return "carbonyl_o" if atom.GetDegree() == 1 else "ether_o"
    fixed = {"S": "sulfur", "Se": "sulfur", "P": "phosphorus", "F": "fluorine", "Cl": "chlorine"}
    return fixed.get(symbol, "heavy_halogen")
