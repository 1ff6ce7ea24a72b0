"""Reading a folder of benchmark complexes for the measurements in this folder."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from molgen.errors import MolgenError
from molgen.io import read_ligand, read_protein
from molgen.structure import Complex, Pocket


def read_complexes(folders: list[Path], count: int, edge: float) -> Iterator[Complex]:
    """Yield ``count`` complexes, drawn with a fixed seed, with a box around the crystal ligand.

    A folder holds ``<ID>/<ID>_{protein.pdb,ligand.sdf}``; unreadable entries are named and skipped.
    """
    entries = sorted(path for folder in folders for path in folder.iterdir() if path.is_dir())
    random.Random(0).shuffle(entries)
    for path in entries:
        if count == 0:
            return
        try:
            ligand = read_ligand(path / f"{path.name}_ligand.sdf")
            protein = read_protein(path / f"{path.name}_protein.pdb")
        except MolgenError as error:
            print(f"skipped {path.name}: {error}", file=sys.stderr)
            continue
        count -= 1
        center = ligand.coords.mean(axis=0)
        yield Complex(protein, ligand, Pocket(center, np.full(3, edge), "crystal ligand"))
