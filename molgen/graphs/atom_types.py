"""Docking atom types: what the Vina scoring function needs to know of an atom.

A type is an element class with its hydrogen-bond role. Radii and roles follow Trott & Olson,
J. Comput. Chem. 2010, 31, 455 (X-Score types); ligand acceptors and donors follow the AutoDock
convention that Meeko applies when it writes PDBQT files, so both programs see the same atoms.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from molgen.errors import LigandError
from molgen.structure import Protein
from molgen.vocabulary import METALS, STANDARD_RESIDUES

TYPES: tuple[str, ...] = (
    "C_H", "C_P", "N_P", "N_D", "N_A", "N_DA", "O_P", "O_D", "O_A", "O_DA",
    "S_P", "P_P", "F_H", "Cl_H", "Br_H", "I_H", "Si", "Met_D",
)  # fmt: skip
"""Names of the docking types; an atom carries the index."""

TYPE_INDEX = {name: index for index, name in enumerate(TYPES)}

RADII = np.array(
    [1.9, 1.9, 1.8, 1.8, 1.8, 1.8, 1.7, 1.7, 1.7, 1.7, 2.0, 2.1, 1.5, 1.8, 2.0, 2.2, 2.2, 1.2]
)
"""(types,) X-Score radii, Å."""

HYDROPHOBIC = np.array([name in {"C_H", "F_H", "Cl_H", "Br_H", "I_H"} for name in TYPES])
DONOR = np.array([name.endswith(("_D", "_DA")) for name in TYPES])
ACCEPTOR = np.array([name.endswith(("_A", "_DA")) for name in TYPES])

# Elements without a type of their own take that of the nearest relative.
_PLAIN_TYPE = {
    "S": "S_P", "Se": "S_P", "Te": "S_P", "P": "P_P", "As": "P_P", "F": "F_H", "Cl": "Cl_H",
    "Br": "Br_H", "I": "I_H", "Si": "Si", "B": "C_P", "Ge": "Si",
}  # fmt: skip

_NOT_ACCEPTOR = tuple(
    Chem.MolFromSmarts(pattern)
    for pattern in ("[#7X3v3][a]", "[#7X3v3][#6X3v4]", "[#7X3v3][NX2]=[*]", "[#7+1]")
)
"""Nitrogens whose lone pair is delocalised or used: aniline, pyrrole, amide, hydrazone, cation."""

COVALENT_RADII = {
    "H": 0.31, "B": 0.84, "C": 0.77, "N": 0.73, "O": 0.70, "F": 0.66, "Si": 1.11, "P": 1.06,
    "S": 1.02, "Cl": 0.99, "Se": 1.20, "Br": 1.14, "I": 1.33, "As": 1.19,
}  # fmt: skip
"""Covalent radii in Å for bond perception in receptors; metals are never bonded here."""


def ligand_types(mol: Chem.Mol) -> np.ndarray:
    """Return the docking type of every heavy atom of ``mol``, (atoms,) uint8.

    Raises:
        LigandError: an element the scoring function does not know.
    """
    with_h = Chem.AddHs(mol)
    delocalised = {
        match[0] for query in _NOT_ACCEPTOR for match in with_h.GetSubstructMatches(query)
    }
    types = np.zeros(mol.GetNumAtoms(), dtype=np.uint8)
    for atom in mol.GetAtoms():
        symbol, index = atom.GetSymbol(), atom.GetIdx()
        if symbol == "C":
            hetero = any(n.GetSymbol() not in ("C", "H") for n in atom.GetNeighbors())
            name = "C_P" if hetero else "C_H"
        elif symbol in ("N", "O"):
            acceptor = symbol == "O" or index not in delocalised
            donor = with_h.GetAtomWithIdx(index).GetTotalNumHs(includeNeighbors=True) > 0
            name = f"{symbol}_{_role(donor, acceptor)}"
        elif symbol in _PLAIN_TYPE:
            name = _PLAIN_TYPE[symbol]
        elif symbol in METALS:
            name = "Met_D"
        else:
            raise LigandError(
                f"element {symbol} of atom {index + 1} has no docking type; expected C, N, O, "
                "S, P, B, Si, Se, a halogen or a metal"
            )
        types[index] = TYPE_INDEX[name]
    return types


def _role(donor: bool, acceptor: bool) -> str:
    return ("D" if donor else "") + ("A" if acceptor else "") or "P"


_DONOR_NITROGENS = {
    ("ARG", "NE"), ("ARG", "NH1"), ("ARG", "NH2"), ("ASN", "ND2"), ("GLN", "NE2"), ("LYS", "NZ"),
    ("TRP", "NE1"),
}  # fmt: skip
_HYDROXYLS = {("SER", "OG"), ("THR", "OG1"), ("TYR", "OH")}


def receptor_types(protein: Protein) -> np.ndarray:
    """Return the docking type of every receptor atom, (atoms,) uint8.

    Standard residues are typed by name; histidine nitrogens count as donor and acceptor, as the
    tautomer is unknown without hydrogens. Everything else (cofactors, modified residues, nucleic
    acids) is typed from its covalent neighbours and bond lengths.
    """
    neighbours = bonded_neighbours(protein)
    coords = protein.coords.astype(np.float64)
    types = np.zeros(len(protein), dtype=np.uint8)
    for index in range(len(protein)):
        symbol = str(protein.elements[index])
        bonded = neighbours[index]
        if symbol == "C":
            hetero = any(protein.elements[j] not in ("C", "H") for j in bonded)
            name = "C_P" if hetero else "C_H"
        elif symbol in ("N", "O"):
            residue, atom = str(protein.residue_names[index]), str(protein.atom_names[index])
            if residue in STANDARD_RESIDUES and not protein.hetero[index]:
                role = standard_role(symbol, residue, atom)
            else:
                role = _perceived_role(symbol, coords, index, bonded, protein.elements)
            name = f"{symbol}_{role}"
        else:
            # noble gases and the like are neither donors nor hydrophobic
            name = _PLAIN_TYPE.get(symbol, "Met_D" if symbol in METALS else "C_P")
        types[index] = TYPE_INDEX[name]
    return types


def standard_role(symbol: str, residue: str, atom: str) -> str:
    """Return donor and acceptor ("DA", "D", "A" or "P") of N or O of a standard residue."""
    if symbol == "O":
        return "DA" if (residue, atom) in _HYDROXYLS else "A"
    if residue == "HIS" and atom != "N":
        return "DA"
    if atom == "N":
        return "P" if residue == "PRO" else "D"
    return "D" if (residue, atom) in _DONOR_NITROGENS else "P"


def _perceived_role(
    symbol: str, coords: np.ndarray, index: int, bonded: list[int], elements: np.ndarray
) -> str:
    if symbol == "O":
        if len(bonded) >= 2:
            return "A"
        if len(bonded) == 1 and elements[bonded[0]] == "C":
            # C-O single bonds are 1.43 Å, C=O and carboxylates 1.20-1.27 Å
            return "DA" if np.linalg.norm(coords[index] - coords[bonded[0]]) > 1.33 else "A"
        return "A" if bonded else "DA"
    if len(bonded) >= 3:
        return "P"
    return "DA" if len(bonded) == 2 else "D"


def bonded_neighbours(protein: Protein) -> list[list[int]]:
    """Return for every atom the atoms within 1.1 times the sum of the covalent radii."""
    radii = np.array([COVALENT_RADII.get(str(symbol), 0.0) for symbol in protein.elements])
    neighbours: list[list[int]] = [[] for _ in range(len(protein))]
    if len(protein) < 2:
        return neighbours
    pairs = cKDTree(protein.coords).query_pairs(2.6, output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    distance = np.linalg.norm(
        protein.coords[first].astype(np.float64) - protein.coords[second], axis=1
    )
    bonded = (radii[first] > 0) & (radii[second] > 0)
    bonded &= distance < 1.1 * (radii[first] + radii[second])
    for i, j in pairs[bonded]:
        neighbours[i].append(int(j))
        neighbours[j].append(int(i))
    return neighbours
