"""Measure how often a geometric pocket hits the crystal ligand; prints a Markdown table.

    python workflows/pockets/measure.py FOLDER [FOLDER ...] [--limit 100]

A FOLDER holds ``<id>/<id>_protein.pdb`` and ``<id>/<id>_ligand.sdf``. DCC: the pocket's centre
lies within 4 Å of the ligand's centroid; DCA: within 4 Å of any ligand atom; "or a copy": or the
pocket touches at least 40 % of the residues (by name and number) that touch the ligand, in whatever
chain, because the sites of a homomer are all equally right. Intervals: 95 %, Wilson.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from molgen.io import read_ligand, read_protein
from molgen.metrics.success import wilson_interval
from molgen.structure import ResidueId
from molgen.structure.cavities import Cavity, find_cavities

HIT = 4.0
CONTACT = 4.5
COPY = 0.4
CRITERIA = ("DCC", "DCA", "DCA or a copy")


def is_copy(cavity: Cavity, names: dict[ResidueId, str], site: set[tuple[int, str, str]]) -> bool:
    """Tell whether a cavity touches the residues of the ligand's site, chains aside."""
    touched = {(r.number, r.insertion_code, names[r]) for r in cavity.residues}
    return len(touched & site) >= COPY * len(site)


def first_rank(hit: np.ndarray) -> float:
    """Return the rank from 1 of the first hit, infinity for none."""
    hits = np.flatnonzero(hit)
    return hits[0] + 1.0 if len(hits) else np.inf


def measure(folder: Path, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (complexes, criteria) ranks of the first hit, and (complexes, 2) atoms, seconds."""
    entries = sorted(path for path in folder.iterdir() if path.is_dir())
    entries = entries[:: max(1, len(entries) // limit)][:limit]
    ranks, costs = [], []
    for entry in entries:
        protein = read_protein(entry / f"{entry.name}_protein.pdb")
        ligand = read_ligand(entry / f"{entry.name}_ligand.sdf").coords
        start = time.perf_counter()
        cavities = find_cavities(protein)
        costs.append((len(protein), time.perf_counter() - start))
        centers = np.array([cavity.center for cavity in cavities]).reshape(-1, 3)
        to_centroid = np.linalg.norm(centers - ligand.mean(0), axis=1)
        to_atoms = np.linalg.norm(centers[:, None] - ligand, axis=-1).min(axis=1, initial=np.inf)
        names = {residue: name for residue, name, _ in protein.residues()}
        around = protein.select(protein.near(ligand, CONTACT)).residues()
        site = {(r.number, r.insertion_code, name) for r, name, _ in around}
        copies = np.array([is_copy(cavity, names, site) for cavity in cavities], dtype=bool)
        hits = (to_centroid <= HIT, to_atoms <= HIT, (to_atoms <= HIT) | copies)
        ranks.append([first_rank(hit) for hit in hits])
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
        for column, criterion in enumerate(CRITERIA):
            cells = []
            for top in (1, 3, 5, 20):
                hits = int((ranks[:, column] <= top).sum())
                low, high = wilson_interval(hits, len(ranks))
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
