"""How long the parser of structure files takes, beside Biopython's.

    python workflows/structures/readers.py FILE ...

Both give coordinates, names, residues and chains of every atom as arrays; molgen's part also reads
links, sequences and component tables. Medians of seven readings in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from Bio.PDB import MMCIFParser, PDBParser
from Bio.PDB.PDBExceptions import PDBConstructionWarning

from molgen.io.atom_table import CIF_SUFFIXES, parse_structure
from molgen.io.paths import file_suffix

REPEATS = 7


def with_biopython(path: Path) -> int:
    """Return the number of atoms that Biopython reads, all locations of all models."""
    parser = MMCIFParser if file_suffix(path) in CIF_SUFFIXES else PDBParser
    structure = parser(QUIET=True).get_structure(path.stem, str(path))
    rows = [
        (atom.coord, atom.element, atom.name, residue.resname, residue.id, chain.id)
        for model in structure
        for chain in model
        for residue in chain
        for packed in residue
        for atom in (packed.disordered_get_list() if packed.is_disordered() == 2 else [packed])
    ]
    return len(np.array([row[0] for row in rows]))


def with_molgen(path: Path) -> int:
    """Return the number of atoms that molgen's parser reads."""
    return len(parse_structure(path).atoms)


def milliseconds(read: Callable[[Path], int], path: Path) -> tuple[float, int]:
    """Return the median time of a reading and the number of atoms."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        atoms = read(path)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    warnings.simplefilter("ignore", PDBConstructionWarning)
    print("| file | atoms | molgen (gemmi), ms | Biopython, ms | ratio |\n|---|---|---|---|---|")
    for path in parser.parse_args().files:
        ours, atoms = milliseconds(with_molgen, path)
        theirs, others = milliseconds(with_biopython, path)
        note = "" if atoms == others else f" ({others} by Biopython)"
        print(f"| {path.name} | {atoms}{note} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.1f} |")


if __name__ == "__main__":
    main()
