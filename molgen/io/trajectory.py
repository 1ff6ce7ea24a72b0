"""Trajectories of a protein on disk through mdtraj: Å on our side, nm in mdtraj's objects."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import numpy as np

from molgen.errors import InputError, StructureError
from molgen.io.paths import atomic_write
from molgen.structure.protein import Protein
from molgen.units import ANGSTROM_PER_NM

FORMATS = (".xtc", ".dcd", ".pdb")
"""Suffixes that can be written and read; XTC keeps 0.01 Å, PDB 0.001 Å, DCD 32-bit floats."""


def write_trajectory(path: str | Path, protein: Protein, frames: np.ndarray) -> None:
    """Write frames (frames, atoms, 3) Å of ``protein``; the suffix tells the format.

    Raises:
        InputError: another suffix.
        StructureError: the frames do not fit the protein, are none, or are not finite.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    _check_suffix(path)
    frames = np.asarray(frames)
    if frames.ndim != 3 or frames.shape[1:] != (len(protein), 3) or not len(frames):
        raise StructureError(
            f"{path}: frames have shape {frames.shape}, expected (frames, {len(protein)}, 3)"
        )
    if not np.isfinite(frames).all():
        raise StructureError(f"{path}: frames hold NaN or infinity")
    coords_nm = np.asarray(frames, dtype=np.float64) / ANGSTROM_PER_NM
    trajectory = mdtraj.Trajectory(coords_nm.astype(np.float32), _topology(protein))
    with atomic_write(path) as temporary:
        # mdtraj picks the format by suffix, which a temporary name need not have
        named = temporary.with_name(temporary.name + path.suffix.lower())
        try:
            trajectory.save(str(named))
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)


def read_trajectory(path: str | Path, protein: Protein) -> np.ndarray:
    """Return the frames (frames, atoms, 3) float32 Å of a trajectory of ``protein``.

    Raises:
        InputError: no such file, or another suffix.
        StructureError: damaged, or its number of atoms is not that of ``protein``.
    """
    path = Path(path)
    _check_suffix(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".pdb":
            trajectory = mdtraj.load(str(path))
        else:
            trajectory = mdtraj.load(str(path), top=_topology(protein))
    except (OSError, ValueError, RuntimeError, EOFError, IndexError) as error:
        raise StructureError(
            f"{path}: cannot be read as a trajectory of the {len(protein)} atoms of "
            f"{protein.name}: {error}"
        ) from error
    if trajectory.n_atoms != len(protein):
        raise StructureError(
            f"{path}: {trajectory.n_atoms} atoms a frame, but {protein.name} has {len(protein)}"
        )
    return np.asarray(trajectory.xyz * ANGSTROM_PER_NM, dtype=np.float32)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: trajectories end in {', '.join(FORMATS)}")


def _topology(protein: Protein) -> mdtraj.Topology:
    topology = mdtraj.Topology()
    chain, name = None, None
    for identifier, residue_name, span in protein.residues():
        if chain is None or identifier.chain != name:
            chain, name = topology.add_chain(), identifier.chain
        residue = topology.add_residue(residue_name, chain, resSeq=identifier.number)
        for atom in range(span.start, span.stop):
            element = mdtraj.element.get_by_symbol(str(protein.elements[atom]))
            topology.add_atom(str(protein.atom_names[atom]), element, residue)
    return topology
