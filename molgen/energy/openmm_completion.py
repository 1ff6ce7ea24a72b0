"""Proteins made complete for AMBER: missing heavy atoms and hydrogens, by PDBFixer and OpenMM."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import openmm
from openmm import app, unit
from pdbfixer import PDBFixer

from molgen.energy.openmm import openmm_seed, to_nm
from molgen.energy.openmm_topology import peptide_links
from molgen.errors import StructureError
from molgen.structure.protein import Protein
from molgen.vocabulary import STANDARD_RESIDUES


def complete_protein(
    protein: Protein,
    ph: float,
    *,
    joined: np.ndarray | None = None,
    variants: Sequence[str | None] | None = None,
    seed: int = 0,
) -> tuple[app.Topology, np.ndarray]:
    """Return topology and positions in nm with missing heavy atoms and hydrogens added.

    The same protein and seed give the same positions. Chain ends become charged termini.

    Args:
        protein: standard residues, some of whose atoms may be missing.
        ph: at which hydrogens are added.
        joined: (residues - 1,) which residues are bound to the next; `peptide_links` by default.
        variants: protonation of every residue as OpenMM names it ("HID", "CYX"); None where
            OpenMM may choose.

    Raises:
        StructureError: a residue that is not standard, or one that cannot be completed.
    """
    text = io.StringIO()
    topology = protein_topology(protein, joined)
    app.PDBFile.writeFile(topology, to_nm(protein.coords) * unit.nanometer, text, True)
    text.seek(0)
    reference = openmm.Platform.getPlatformByName("Reference")
    try:
        fixer = PDBFixer(pdbfile=text, platform=reference)
        fixer.missingResidues = {}
        fixer.findMissingAtoms()
        fixer.addMissingAtoms(seed=openmm_seed(seed))
        model = app.Modeller(fixer.topology, fixer.positions)
        choice = list(variants) if variants is not None else None
        with _fixed_random(seed):
            model.addHydrogens(pH=ph, variants=choice, platform=reference)
    except StructureError:
        raise
    except Exception as error:
        # what these packages raise is as varied as the files that make them fail
        raise StructureError(
            f"{protein.name}: the protein cannot be completed: {type(error).__name__}: {error}"
        ) from error
    positions_nm = np.array(model.positions.value_in_unit(unit.nanometer), dtype=np.float64)
    return model.topology, positions_nm


@contextmanager
def _fixed_random(seed: int) -> Iterator[None]:
    """Give OpenMM, which places hydrogens with `random`, the same numbers every time."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def protein_topology(protein: Protein, joined: np.ndarray | None = None) -> app.Topology:
    """Return the protein for OpenMM, a new chain after every break; residue ids are ordinals.

    Raises:
        StructureError: no residues, or one that is not standard.
    """
    topology = app.Topology()
    chain = None
    joined = peptide_links(protein) if joined is None else joined
    for ordinal, (identifier, name, span) in enumerate(protein.residues()):
        if name not in STANDARD_RESIDUES:
            raise StructureError(
                f"{protein.name}: residue {name} {identifier} is not one of the 20 standard "
                "amino acids"
            )
        if chain is None or not joined[ordinal - 1]:
            chain = topology.addChain()
        residue = topology.addResidue(name, chain, str(ordinal % 10000))
        for atom in range(span.start, span.stop):
            element = app.Element.getBySymbol(str(protein.elements[atom]))
            topology.addAtom(str(protein.atom_names[atom]), element, residue)
    if chain is None:
        raise StructureError(f"{protein.name}: no residues")
    return topology


def atom_rows(protein: Protein, topology: app.Topology) -> np.ndarray:
    """Return the index in ``topology`` of every atom of ``protein``, (atoms,) int64.

    Raises:
        StructureError: an atom that the completed protein does not have.
    """
    known = {}
    for ordinal, residue in enumerate(topology.residues()):
        for atom in residue.atoms():
            known[ordinal, atom.name] = atom.index
    names = zip(protein.residue_index().tolist(), protein.atom_names.tolist(), strict=True)
    rows = [known.get(key, -1) for key in names]
    if min(rows) < 0:
        lost = rows.index(-1)
        raise StructureError(
            f"{protein.name}: atom {protein.atom_names[lost]} of {protein.residue_names[lost]} "
            f"{protein.residue_numbers[lost]} is not known to the force field"
        )
    return np.array(rows, dtype=np.int64)
