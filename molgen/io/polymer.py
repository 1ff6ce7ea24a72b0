"""Telling chain residues from groups that stand by themselves, and what the chains miss."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial import cKDTree

from molgen.errors import MolgenWarning
from molgen.io.atom_table import AtomTable
from molgen.structure.protein import Protein, ResidueId
from molgen.vocabulary import (
    CHAIN_CAPS,
    NUCLEOTIDES,
    RESIDUE_ATOMS,
    STANDARD_RESIDUES,
    standard_residue,
)

PEPTIDE_BOND = 1.8
"""Longest C-N distance in Å still read as a peptide bond (ideal 1.33)."""

CHAIN_BREAK = 2.2
"""C-N distance in Å from which two consecutive residues are not bonded."""

_SHOWN = 8


def polymer_residues(atoms: AtomTable, starts: np.ndarray) -> np.ndarray:
    """Return a mask over residues: True for residues of a protein or nucleic acid chain.

    The file's own word (mmCIF entities) comes first. Otherwise ATOM records of standard amino
    acids and nucleotides are polymer, and any other residue is when it is peptide-bonded to one,
    as modified residues (LLP, KCX, CSO) and caps (ACE, NH2) are; a free amino acid stays a group.
    """
    names = [name.decode() for name in atoms.resnames[starts]]
    says = atoms.polymer[starts]
    result = says == 1
    open_question = np.flatnonzero(says == -1)
    if not len(open_question):
        return result
    kind = {name: _kind(name) for name in set(names)}
    bounds = np.append(starts, len(atoms))
    ask: list[int] = []
    for residue in open_question:
        hetatm = bool(atoms.hetatm[starts[residue]])
        if not hetatm and kind[names[residue]] == "polymer":
            result[residue] = True
        elif bounds[residue + 1] - bounds[residue] > 1 or names[residue] in CHAIN_CAPS:
            ask.append(int(residue))
    if ask and not result.any():
        # A file of HETATM records only: standard amino acids must be its chains.
        result[[r for r in ask if kind[names[r]] == "polymer"]] = True
    elif ask:
        _adopt_bonded(atoms, bounds, np.array(ask), result)
    return result


def _kind(name: str) -> str:
    if standard_residue(name) in STANDARD_RESIDUES or name in NUCLEOTIDES:
        return "polymer"
    return "unknown"


def _has_backbone(names: np.ndarray) -> bool:
    return bool(np.isin((b"N", b"CA", b"C"), names).all())


def _adopt_bonded(
    atoms: AtomTable, bounds: np.ndarray, ask: np.ndarray, result: np.ndarray
) -> None:
    """Set ``result`` for residues in ``ask`` that continue a chain through peptide bonds.

    A residue with N, CA and C needs one such bond, a chain cap one, any other (a chromophore
    such as CRO) one on both sides.
    """
    counts = np.diff(bounds)
    residue_of = np.repeat(np.arange(len(counts)), counts)
    open_atoms = np.isin(residue_of, ask)
    chain_ends = np.isin(atoms.names, (b"N", b"C"))
    elements = np.isin(atoms.elements, (b"N", b"C"))
    pairs_within = cKDTree(atoms.coords[elements & (open_atoms | chain_ends)])
    index = np.flatnonzero(elements & (open_atoms | chain_ends))
    waiting = {int(residue) for residue in ask}
    own = cKDTree(atoms.coords[open_atoms & elements])
    own_index = np.flatnonzero(open_atoms & elements)
    touching: dict[int, set[tuple[int, bytes]]] = {}
    for here, near in enumerate(own.query_ball_tree(pairs_within, PEPTIDE_BOND)):
        first = own_index[here]
        for second in index[near]:
            if residue_of[first] == residue_of[second] or not chain_ends[second]:
                continue
            if atoms.elements[first] == atoms.elements[second]:
                continue
            touching.setdefault(int(residue_of[first]), set()).add(
                (int(residue_of[second]), bytes(atoms.names[second]))
            )
    changed = True
    while changed:
        changed = False
        for residue in sorted(waiting):
            bonded = {name for other, name in touching.get(residue, ()) if result[other]}
            names = atoms.names[bounds[residue] : bounds[residue + 1]]
            cap = atoms.resnames[bounds[residue]].decode() in CHAIN_CAPS
            if len(bonded) >= (1 if cap or _has_backbone(names) else 2):
                result[residue] = changed = True
                waiting.discard(residue)


def is_amino_acid(names: np.ndarray, resname: str) -> bool:
    """Return whether a polymer residue belongs to a protein (atom names as strings)."""
    if resname in STANDARD_RESIDUES:
        return True
    return resname not in NUCLEOTIDES and "CA" in names


def modified_residues(protein: Protein) -> list[str]:
    """Return a note that lists amino acids of other than the twenty standard names."""
    found = [
        f"{name} {residue}"
        for residue, name, atoms in protein.residues()
        if not protein.hetero[atoms.start]
        and name not in STANDARD_RESIDUES
        and name not in NUCLEOTIDES
    ]
    return [f"modified residues kept in the chain: {shorten(found)}"] if found else []


def missing_atoms(protein: Protein) -> list[str]:
    """Return a note on standard residues that lack heavy atoms; warns where most of them do."""
    starts = protein.residue_starts()
    counts = np.diff(np.append(starts, len(protein)))
    names, inverse = np.unique(protein.residue_names[starts], return_inverse=True)
    expected = np.array([len(RESIDUE_ATOMS.get(str(name), ())) for name in names])[inverse]
    # A terminal OXT can hide a missing atom; such residues are looked at one by one.
    terminal = np.zeros(len(protein), dtype=bool)
    terminal[protein.atom_names == "OXT"] = True
    has_oxt = np.add.reduceat(terminal, starts) if len(starts) else terminal[:0]
    suspects = np.flatnonzero((counts < expected + has_oxt) & ~protein.hetero[starts])
    found = []
    for residue in suspects:
        begin, count = starts[residue], counts[residue]
        name = str(protein.residue_names[begin])
        there = set(protein.atom_names[begin : begin + count])
        gone = [atom for atom in RESIDUE_ATOMS[name] if atom not in there]
        if gone:
            found.append(f"{name} {_residue_id(protein, int(begin))} ({' '.join(gone)})")
    if not found:
        return []
    said = "1 residue lacks" if len(found) == 1 else f"{len(found)} residues lack"
    standard = int(((expected > 0) & ~protein.hetero[starts]).sum())
    if len(found) > 20 and 2 * len(found) > standard:
        text = f"{protein.name}: {len(found)} of {standard} residues lack heavy atoms"
        warnings.warn(f"{text}: a trace of a protein, not a receptor", MolgenWarning, stacklevel=4)
    return [f"{said} heavy atoms: {shorten(found)}"]


def chain_breaks(protein: Protein) -> list[str]:
    """Return a note on places where consecutive residues of a chain are not bonded."""
    polymer = ~protein.hetero
    carbon = np.flatnonzero(polymer & (protein.atom_names == "C"))
    nitrogen = np.flatnonzero(polymer & (protein.atom_names == "N"))
    residue = protein.residue_index()
    n_at = {int(residue[i]): i for i in nitrogen}
    pairs = np.array(
        [(i, n_at[int(residue[i]) + 1]) for i in carbon if int(residue[i]) + 1 in n_at],
        dtype=np.int64,
    ).reshape(-1, 2)
    same = protein.chains[pairs[:, 0]] == protein.chains[pairs[:, 1]]
    pairs = pairs[same]
    gap = np.linalg.norm(protein.coords[pairs[:, 0]] - protein.coords[pairs[:, 1]], axis=1)
    found = [
        f"{_residue_id(protein, i)} to {_residue_id(protein, j)}"
        for i, j in pairs[gap > CHAIN_BREAK].tolist()
    ]
    return [f"{len(found)} chain breaks: {shorten(found)}"] if found else []


def _residue_id(protein: Protein, atom: int) -> ResidueId:
    return ResidueId(
        str(protein.chains[atom]),
        int(protein.residue_numbers[atom]),
        str(protein.insertion_codes[atom]),
    )


def shorten(items: list[str], shown: int = _SHOWN) -> str:
    """Return the first items joined by commas, and how many more there are."""
    text = ", ".join(items[:shown])
    return text if len(items) <= shown else f"{text} and {len(items) - shown} more"
