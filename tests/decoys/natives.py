"""Native chains for the decoy tests, from the shipped examples (PDB entries 6XG5 and 7N03)."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from molgen.io.structure_file import read_protein
from molgen.structure import Protein
from molgen.vocabulary import RESIDUE_ATOMS

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
BACKBONE = ("N", "CA", "C", "O")


@functools.cache
def native(entry: str) -> Protein:
    """Return the complete standard residues of the first chain of an example."""
    protein = read_protein(EXAMPLES / entry)
    keep = np.zeros(len(protein), dtype=bool)
    for identifier, name, atoms in protein.residues():
        if identifier.chain == protein.chains[0] and name in RESIDUE_ATOMS:
            have = set(protein.atom_names[atoms])
            keep[atoms] = have >= set(RESIDUE_ATOMS[name])
    return protein.select(keep & (protein.atom_names != "OXT") & ~protein.hetero)


@functools.cache
def native_backbone(entry: str) -> np.ndarray:
    """Return N, CA, C and O, (residues, 4, 3) float32 Å."""
    protein = native(entry)
    return np.stack([protein.coords[protein.atom_names == name] for name in BACKBONE], axis=1)
