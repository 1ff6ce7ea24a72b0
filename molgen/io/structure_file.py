"""Reading a PDB or mmCIF file into a `Structure`: what is kept, changed and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from molgen.errors import StructureError
from molgen.io.altlocs import drop_overlapping_groups, pick_altlocs
from molgen.io.atom_table import AtomTable, ParsedFile, parse_structure
from molgen.io.groups import find_groups
from molgen.io.polymer import (
    chain_breaks,
    is_amino_acid,
    missing_atoms,
    modified_residues,
    polymer_residues,
    shorten,
)
from molgen.io.repeated_chains import separate_chains
from molgen.structure.assembly import HeteroGroup, Structure
from molgen.structure.protein import Protein
from molgen.vocabulary import (
    ATOM_SYNONYMS,
    LIGAND_ELEMENTS,
    METALS,
    RESIDUE_SYNONYMS,
    STANDARD_RESIDUES,
    TERMINAL_SYNONYMS,
    WATERS,
)

_PROTEIN_ELEMENTS = (b"C", b"N", b"O", b"S")


def read_structure(path: str | Path, *, model: int | None = None) -> Structure:
    """Return heavy atoms, hetero groups and notes of a PDB or mmCIF file (plain or gzip).

    Waters and hydrogens are dropped, one conformer and one model are kept, MSE becomes MET and
    protonation names their standard residue; metals, cofactors and modified residues stay. The
    notes of ``atoms`` say all this in words.

    Args:
        path: the file; its format is told by content.
        model: number of the model as in the file; the first by default.

    Raises:
        StructureError: the file cannot be read, lacks the model, or holds no protein.
    """
    parsed = parse_structure(path)
    notes = list(parsed.notes)
    atoms = _pick_model(parsed.atoms, model, path, notes)
    protein = build_protein(parsed.name, atoms, path, notes)
    groups, said = find_groups(protein, parsed)
    notes += look_over(protein) + _unseen(parsed) + _list_kept(groups) + said
    notes += _list_peptides(Structure(protein, groups))
    return Structure(replace(protein, notes=tuple(notes)), groups)


def build_protein(name: str, atoms: AtomTable, path: str | Path, notes: list[str]) -> Protein:
    """Return the atoms of one model as `read_structure` does, and add to ``notes`` what it did.

    Raises:
        StructureError: no protein among them.
    """
    atoms, separated = separate_chains(atoms)
    notes += separated
    atoms = _drop_waters_and_hydrogens(atoms, notes)
    atoms, said = pick_altlocs(atoms)
    notes += said
    if not len(atoms):
        raise StructureError(f"{path}: no protein found (only waters or hydrogens)")
    polymer = polymer_residues(atoms, atoms.starts())
    atoms, polymer, said = drop_overlapping_groups(atoms, polymer)
    notes += said
    protein = _to_protein(name, atoms, polymer, notes)
    if not _holds_protein(protein):
        raise StructureError(
            f"{path}: no protein found; expected at least one amino-acid residue "
            f"(residues there: {shorten(sorted(set(protein.residue_names.tolist())))})"
        )
    return protein


def look_over(protein: Protein) -> list[str]:
    """Return notes on modified residues, missing atoms and chain breaks."""
    return modified_residues(protein) + missing_atoms(protein) + chain_breaks(protein)


def read_protein(path: str | Path) -> Protein:
    """Return everything in the file but waters and hydrogens; raises as `read_structure`."""
    return read_structure(path).receptor()


def _pick_model(
    atoms: AtomTable, model: int | None, path: str | Path, notes: list[str]
) -> AtomTable:
    models = list(dict.fromkeys(atoms.models.tolist()))
    if model is None:
        model = models[0]
        if len(models) > 1:
            notes.append(f"{len(models)} models in the file; model {model} read")
    elif model not in models:
        raise StructureError(
            f"{path}: no model {model}; expected one of {shorten([str(m) for m in models])}"
        )
    return atoms if len(models) == 1 else atoms.select(atoms.models == model)


def _drop_waters_and_hydrogens(atoms: AtomTable, notes: list[str]) -> AtomTable:
    starts = atoms.starts()
    names, inverse = np.unique(atoms.resnames[starts], return_inverse=True)
    is_water = np.array([name.decode() in WATERS for name in names])[inverse]
    if is_water.any():
        notes.append(f"{int(is_water.sum())} waters dropped")
    counts = np.diff(np.append(starts, len(atoms)))
    keep = ~np.repeat(is_water, counts)
    hydrogen = np.isin(atoms.elements, (b"H", b"D"))
    # A name such as HG or HE1 left of its column reads as mercury or helium in a protein.
    odd = np.flatnonzero(~hydrogen & ~np.isin(atoms.elements, _PROTEIN_ELEMENTS))
    elements = atoms.elements.copy()
    for index in odd[keep[odd]]:
        elements[index] = _repair_element(atoms, int(index))
    hydrogen |= np.isin(elements, (b"H", b"D"))
    if (hydrogen & keep).any():
        notes.append(f"{int((hydrogen & keep).sum())} hydrogens dropped")
    unknown = (elements == b"X") & keep & ~hydrogen
    if unknown.any():
        codes = sorted({code.decode() for code in atoms.resnames[unknown]})
        notes.append(f"{int(unknown.sum())} atoms of unknown element dropped (in {shorten(codes)})")
    zero = (atoms.occupancy == 0) & keep & ~hydrogen & (atoms.altlocs == b"")
    if zero.any():
        notes.append(f"{int(zero.sum())} atoms of zero occupancy kept")
    return replace(atoms, elements=elements).select(keep & ~hydrogen & ~unknown)


def _repair_element(atoms: AtomTable, index: int) -> bytes:
    """Return the element of an atom whose column is missing or cannot be right."""
    symbol = bytes(atoms.elements[index])
    residue = atoms.resnames[index].decode()
    letters = "".join(c for c in atoms.names[index].decode() if c.isalpha())
    if RESIDUE_SYNONYMS.get(residue, residue) in STANDARD_RESIDUES and letters:
        if residue == "MSE" and letters == "SE":
            return b"Se"
        # The first letter is the element in every name of a standard residue ("CA", "HG21").
        return letters[0].encode() if letters[0] in "CNOSHD" else symbol
    if symbol != b"X":
        return symbol
    # A metal stands alone under its own name; elsewhere one letter is the better guess.
    for guess in (letters.capitalize(), letters[:1]):
        if guess in LIGAND_ELEMENTS or guess in METALS:
            return guess.encode()
    return symbol


def _to_protein(name: str, atoms: AtomTable, polymer: np.ndarray, notes: list[str]) -> Protein:
    starts = atoms.starts()
    counts = np.diff(np.append(starts, len(atoms)))
    in_chain = np.repeat(polymer, counts)
    resnames = atoms.resnames.astype("U8")
    names = atoms.names.astype("U8")
    elements = atoms.elements.astype("U2")
    _normalise(resnames, names, elements, in_chain, starts, notes)
    protein = Protein(
        name=name,
        coords=atoms.coords.astype(np.float32),
        elements=elements,
        atom_names=names,
        residue_names=resnames,
        residue_numbers=atoms.resnums,
        insertion_codes=atoms.icodes.astype("U1"),
        chains=atoms.chains.astype("U8"),
        hetero=~in_chain,
    )
    return _drop_duplicates(protein, notes)


def _normalise(
    resnames: np.ndarray,
    names: np.ndarray,
    elements: np.ndarray,
    in_chain: np.ndarray,
    starts: np.ndarray,
    notes: list[str],
) -> None:
    """Rename residues and atoms of the chains in place, and note it."""
    renamed: dict[str, int] = {}
    for code in np.unique(resnames[starts]):
        standard = RESIDUE_SYNONYMS.get(str(code))
        if standard is None:
            continue
        where = (resnames == code) & in_chain
        if not where.any():
            continue
        renamed[f"{code} read as {standard}"] = int(where[starts].sum())
        if code == "MSE":
            selenium = where & (names == "SE")
            names[selenium], elements[selenium] = "SD", "S"
        resnames[where] = standard
    for (residue, old), new in ATOM_SYNONYMS.items():
        names[in_chain & (resnames == residue) & (names == old)] = new
    for old, new in TERMINAL_SYNONYMS.items():
        names[in_chain & (names == old)] = new
    if renamed:
        notes.append("; ".join(f"{text} ({number})" for text, number in renamed.items()))


def _drop_duplicates(protein: Protein, notes: list[str]) -> Protein:
    """Keep the first of polymer atoms that share residue and name."""
    key = np.rec.fromarrays(
        [
            protein.chains,
            protein.residue_numbers,
            protein.insertion_codes,
            protein.residue_names,
            protein.atom_names,
        ]
    )
    first = np.zeros(len(protein), dtype=bool)
    first[np.unique(key, return_index=True)[1]] = True
    repeated = ~first & ~protein.hetero
    if not repeated.any():
        return protein
    notes.append(f"{int(repeated.sum())} repeated chain atoms dropped (the first of each kept)")
    return protein.select(~repeated)


def _holds_protein(protein: Protein) -> bool:
    return any(
        is_amino_acid(protein.atom_names[atoms], name)
        for _, name, atoms in protein.residues()
        if not protein.hetero[atoms.start]
    )


def _unseen(parsed: ParsedFile) -> list[str]:
    """Return notes on residues of the sequence and listed groups that are not there."""
    notes = []
    cut = parsed.unseen > parsed.residues / 3
    if parsed.absent:
        notes.append(f"groups that the file lists have no atoms: {shorten(list(parsed.absent))}")
        cut |= parsed.unseen > parsed.residues / 10
    if parsed.unseen:
        text = f"{parsed.unseen} of {parsed.residues} residues in the file's sequence have no atoms"
        notes.append(f"{text}: is it cut short?" if cut else text)
    return notes


def _list_kept(groups: tuple[HeteroGroup, ...]) -> list[str]:
    if not groups:
        return []
    listed = shorten([str(group) for group in groups], 12)
    return [f"groups kept with the receptor unless taken as ligand: {listed}"]


def _list_peptides(structure: Structure) -> list[str]:
    """Return a note on short chains: a peptide in the pocket is no hetero group."""
    chains = structure.atoms.chains
    listed = [str(chains[chain.atoms[0]]) or "(blank)" for chain in structure.peptides()]
    if not listed:
        return []
    return [f"short chains kept with the receptor: {shorten(listed, 12)}"]
