"""From a receptor and a ligand to the arrays of a store."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encoding import (
    ATOM_NAMES,
    BOND_STEREO,
    CHIRALITIES,
    COORD_STEP,
    ELEMENTS,
    RESIDUES,
)
from molgen.datasets.rebuild import rebuild_ligand
from molgen.errors import LigandError
from molgen.graphs.ligand_arrays import code, index_type, ligand_arrays
from molgen.io.rdkit_log import quiet_rdkit
from molgen.structure.conformers import embed_conformers
from molgen.structure.ligand import Ligand
from molgen.structure.protein import Protein
from molgen.vocabulary import AMINO_ACID_LETTERS

MAX_LIGAND_ATOMS = 255
CONTACT = 5.0
"""Å; a ligand with no polymer atom nearer is not in a pocket, also the reach of `pocket_chain`."""
CLASH = 1.6
"""Å; a polymer atom nearer than this is bonded to the ligand or stands inside it."""
DUPLICATE = 1.0
"""Å; a hetero residue with an atom nearer than this to the ligand is a copy of the ligand."""
ATTEMPTS = 5
"""At a conformer; a ligand that needs more would take seconds and gets fewer or none."""

_ELEMENT_CODES = {symbol: code for code, symbol in enumerate(ELEMENTS)}
_NAME_CODES = {name: code for code, name in enumerate(ATOM_NAMES)}
_RESIDUE_CODES = {name: code for code, name in enumerate(RESIDUES)}


class EncodingRefusedError(Exception):
    """An entry that the store does not take: ``reason`` is a word for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def encode_complex(
    identifier: str, protein: Protein, ligand: Ligand, cutoff: float, conformers: int = 0
) -> StoredComplex:
    """Return the ligand and the receptor residues with an atom within ``cutoff`` Å of it.

    Args:
        conformers: so many are embedded, fewer where that does not succeed.

    Raises:
        EncodingRefusedError: the ligand is too large, far from the protein, bonded to it, or
            cannot be rebuilt from the arrays.
    """
    if not ligand.has_coords:
        raise EncodingRefusedError("ligand_without_coordinates", "no 3D coordinates")
    if ligand.num_atoms > MAX_LIGAND_ATOMS:
        raise EncodingRefusedError("ligand_too_large", f"{ligand.num_atoms} heavy atoms")
    protein = _without_copies(protein, ligand.coords)
    _check_distance(protein, ligand.coords)
    pocket = protein.select(protein.near(ligand.coords, cutoff))
    entry = StoredComplex(
        id=identifier,
        **_receptor_columns(pocket, chain_names(protein), ligand.coords.mean(0)),
        **_ligand_columns(ligand.mol),
        ligand_conformers=_conformers(ligand, conformers),
    )
    try:
        with quiet_rdkit():
            rebuilt = Chem.MolToSmiles(rebuild_ligand(entry))
    except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
        raise EncodingRefusedError(
            "ligand_not_representable", f"{ligand.smiles}: {error}"
        ) from None
    if rebuilt != ligand.smiles:
        raise EncodingRefusedError("ligand_not_representable", f"{ligand.smiles} became {rebuilt}")
    return entry


def describe_pose(
    protein: Protein, ligand: Ligand, coords: np.ndarray, center: np.ndarray
) -> StoredComplex:
    """Return what `describe_complex` says of ``ligand`` at ``coords``, (atoms, 3) Å."""
    return describe_complex(protein, ligand.placed(coords), center)


def describe_complex(protein: Protein, mol: Chem.Mol, center: np.ndarray) -> StoredComplex:
    """Return receptor and ligand as `encode_complex` would, as they are and without its checks.

    Args:
        protein: all of it is kept.
        mol: heavy atoms, with a conformer anywhere.
        center: (3,) Å, the origin.

    Raises:
        EncodingRefusedError: more than 256 chains, or atoms over 327 Å from the centre.
    """
    return StoredComplex(
        id="",
        **_receptor_columns(protein, chain_names(protein), np.asarray(center)),
        **_ligand_columns(mol),
        ligand_conformers=np.zeros((0, mol.GetNumAtoms(), 3), dtype=np.float32),
    )


def pocket_chain(protein: Protein, points: np.ndarray) -> tuple[str, str]:
    """Return the polymer chain with most atoms within `CONTACT` Å of ``points``, and its sequence.

    One letter a residue, ``X`` for unknown ones, ``-`` where the numbering jumps.
    """
    polymer = protein.select(~protein.hetero)
    distance, _ = cKDTree(points).query(polymer.coords, distance_upper_bound=CONTACT)
    names, counts = np.unique(polymer.chains[np.isfinite(distance)], return_counts=True)
    if not len(names):
        return "", ""
    chain = str(names[counts.argmax()])
    letters: list[str] = []
    last: int | None = None
    for residue, name, _ in polymer.residues():
        if residue.chain == chain:
            if last is not None and residue.number - last not in (0, 1):
                letters.append("-")
            letters.append(AMINO_ACID_LETTERS.get(name, "X"))
            last = residue.number
    return chain, "".join(letters)


def chain_names(protein: Protein) -> list[str]:
    """Return the chains in order of appearance; ``residue_chains`` counts in this list."""
    return [str(name) for name in dict.fromkeys(protein.chains.tolist())]


def _without_copies(protein: Protein, points: np.ndarray) -> Protein:
    """Return the receptor without hetero residues that stand where the ligand stands."""
    distance, _ = cKDTree(points).query(protein.coords, distance_upper_bound=DUPLICATE)
    hits = np.isfinite(distance) & protein.hetero
    if not hits.any():
        return protein
    residue = protein.residue_index()
    return protein.select(~np.isin(residue, residue[hits]))


def _check_distance(protein: Protein, points: np.ndarray) -> None:
    polymer = protein.coords[~protein.hetero]
    nearest = cKDTree(points).query(polymer)[0].min() if len(polymer) else np.inf
    if nearest > CONTACT:
        raise EncodingRefusedError("no_contact", f"nearest protein atom is {nearest:.1f} Å away")
    if nearest < CLASH:
        raise EncodingRefusedError(
            "bonded_or_clashing", f"nearest protein atom is {nearest:.2f} Å away"
        )


def _receptor_columns(
    pocket: Protein, chains: list[str], center: np.ndarray
) -> dict[str, np.ndarray]:
    starts = pocket.residue_starts()
    origin = center.astype(np.float32)
    # Rounded here as a shard rounds, so that an entry reads back equal.
    steps = np.rint((pocket.coords.astype(np.float64) - origin) / COORD_STEP)
    if np.abs(steps).max(initial=0) > np.iinfo(np.int16).max:
        raise EncodingRefusedError("receptor_too_large", "atoms over 327 Å from the ligand")
    ordinals = {name: k for k, name in enumerate(chains)}
    if len(chains) > 256:
        raise EncodingRefusedError("receptor_too_large", f"{len(chains)} chains")
    codes = pocket.insertion_codes[starts].tolist()
    return {
        "origin": origin,
        "coords": (origin.astype(np.float64) + COORD_STEP * steps).astype(np.float32),
        "elements": _codes(pocket.elements, _ELEMENT_CODES),
        "atom_names": _codes(pocket.atom_names, _NAME_CODES),
        "residue_sizes": np.diff(np.append(starts, len(pocket))).astype(np.uint16),
        "residue_types": _codes(pocket.residue_names[starts], _RESIDUE_CODES),
        "residue_chains": _codes(pocket.chains[starts], ordinals),
        "residue_numbers": pocket.residue_numbers[starts].astype(np.int32),
        "residue_insertions": np.array([ord(c[0]) if c else 0 for c in codes], dtype=np.uint8),
        "residue_hetero": pocket.hetero[starts].astype(np.uint8),
    }


def _conformers(ligand: Ligand, count: int) -> np.ndarray:
    """Return (conformers, atoms, 3) float32 Å, rounded as a shard rounds."""
    found: list[np.ndarray] = []
    if count:
        with quiet_rdkit(), suppress(LigandError):
            mol = embed_conformers(ligand, count, seed=0, attempts=ATTEMPTS, threads=1)
            found = [c.GetPositions()[: ligand.num_atoms] for c in mol.GetConformers()]
    centred = np.array([one - one.mean(0) for one in found]).reshape(-1, ligand.num_atoms, 3)
    return (COORD_STEP * np.rint(centred / COORD_STEP)).astype(np.float32)


def _codes(values: np.ndarray, table: dict[str, int]) -> np.ndarray:
    return np.array([table.get(value, 0) for value in values.tolist()], dtype=np.uint8)


def _ligand_columns(mol: Chem.Mol) -> dict[str, np.ndarray]:
    atoms, bonds = list(mol.GetAtoms()), list(mol.GetBonds())

    def of_atoms(values: list[int]) -> np.ndarray:
        return np.array(values, dtype=np.uint8).reshape(len(atoms))

    def of_bonds(values: list[int]) -> np.ndarray:
        return np.array(values, dtype=np.uint8).reshape(len(bonds))

    # STEREOANY has no reference atoms; every other mark has two.
    stereo_atoms = [tuple(bond.GetStereoAtoms()) or (0, 0) for bond in bonds]
    return {
        **vars(ligand_arrays(mol)),
        "ligand_coords": mol.GetConformer().GetPositions().astype(np.float32),
        "ligand_isotopes": of_atoms([min(a.GetIsotope(), 255) for a in atoms]),
        "ligand_chiralities": of_atoms([code(CHIRALITIES, a.GetChiralTag()) for a in atoms]),
        "ligand_radicals": of_atoms([a.GetNumRadicalElectrons() for a in atoms]),
        "bond_conjugated": of_bonds([int(b.GetIsConjugated()) for b in bonds]),
        "bond_stereo": of_bonds([code(BOND_STEREO, b.GetStereo()) for b in bonds]),
        "bond_stereo_atoms": np.array(stereo_atoms, index_type(len(atoms))).reshape(len(bonds), 2),
    }
