"""Measure how far a pose moves when it takes another start conformer and keeps its state.

    python workflows/energies/conformer_swaps.py DIR [DIR ...] [--count 60]

Eight conformers a ligand, RMSD without superposition from the first to each other one as the
search holds them; the largest of a ligand counts.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from complexes import read_complexes

from molgen.search.templates import build_template
from molgen.structure.conformers import embed_conformers


def main() -> None:
    """Print the distribution over ligands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=60, help="ligands")
    options = parser.parse_args()
    largest = []
    for complex_ in read_complexes(options.folders, options.count, edge=25.0):
        embedded = embed_conformers(complex_.ligand, 8, 0)
        first, *others = build_template(complex_.ligand, embedded).conformers
        moved = [float(np.sqrt(((other - first) ** 2).sum(-1).mean())) for other in others]
        largest.append(max(moved, default=0.0))
    far = sum(moved > 2.0 for moved in largest)
    print(
        f"{len(largest)} ligands: mean {np.mean(largest):.2f} Å, largest {max(largest):.2f} Å, "
        f"{far} beyond 2 Å"
    )


if __name__ == "__main__":
    main()
