"""Measure how often a geometric pocket hits the crystal ligand; prints a Markdown table.

    python workflows/pockets/measure.py FOLDER [FOLDER ...] [--limit 100]

A FOLDER holds ``<id>/<id>_protein.pdb`` and ``<id>/<id>_ligand.sdf``. DCC: the pocket's centre
lies within 4 Å of the ligand's centroid; DCA: within 4 Å of any ligand atom. Intervals: 95 %,
Wilson.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from molgen.io import read_ligand, read_protein
from molgen.structure.cavities import find_cavities

HIT = 4.0


def wilson(hits: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927)."""
    share = hits / total
    middle = share + z * z / (2 * total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total)


def first_rank(distances: np.ndarray) -> float:
    """Return the rank from 1 of the first distance that is a hit, infinity for none."""
    hits = np.flatnonzero(distances <= HIT)
    return hits[0] + 1.0 if len(hits) else np.inf


def measure(folder: Path, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (complexes, 2) ranks of the first hit by DCC and DCA, and (complexes, 2) size, s."""
    entries = sorted(path for path in folder.iterdir() if path.is_dir())
    entries = entries[:: max(1, len(entries) // limit)][:limit]
    ranks, costs = [], []
    for entry in entries:
        protein = read_protein(entry / f"{entry.name}_protein.pdb")
        ligand = read_ligand(entry / f"{entry.name}_ligand.sdf").coords
        start = time.perf_counter()
        centers = np.array([c.center for c in find_cavities(protein)]).reshape(-1, 3)
        costs.append((len(protein), time.perf_counter() - start))
        to_centroid = np.linalg.norm(centers - ligand.mean(0), axis=1)
        to_atoms = np.linalg.norm(centers[:, None] - ligand, axis=-1).min(axis=1, initial=np.inf)
        ranks.append((first_rank(to_centroid), first_rank(to_atoms)))
    return np.array(ranks), np.array(costs)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=100)
    args = parser.parse_args()
    print("| set | complexes | criterion | top-1 | top-3 | top-5 | top-20 |")
    print("|---|---|---|---|---|---|---|")
    notes = []
    for folder in args.folders:
        ranks, costs = measure(folder, args.limit)
        for column, criterion in enumerate(("DCC", "DCA")):
            cells = []
            for top in (1, 3, 5, 20):
                hits = int((ranks[:, column] <= top).sum())
                low, high = wilson(hits, len(ranks))
                cells.append(f"{hits / len(ranks):.1%} ({low:.1%} to {high:.1%})")
            print(f"| {folder.name} | {len(ranks)} | {criterion} | {' | '.join(cells)} |")
        slowest = costs[costs[:, 1].argmax()]
        notes.append(
            f"{folder.name}: median {np.median(costs[:, 1]):.2f} s for a median of "
            f"{np.median(costs[:, 0]):.0f} atoms; slowest {slowest[1]:.2f} s "
            f"for {slowest[0]:.0f} atoms"
        )
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
