"""Search alone and with proposals of SIDEGEN among its starts, at about the same CPU time.

    python workflows/sidegen/joined.py RAW --ids SPLIT/test.txt --out docs/benchmarks/joined.csv

RAW is in PDBBind layout; the ids must be held out from the training of the checkpoint. Takes the
first ligands of a random order with as many torsions as asked for, in a box of 25 Å whose centre is
moved by up to 1 Å along each axis. A row for every ligand and arm is written as soon as all arms
of the ligand are done; running the command again goes on. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ablation import read_rows

from molgen.errors import MolgenError
from molgen.graphs.torsion_tree import build_torsion_tree
from molgen.io import read_ligand, read_protein
from molgen.metrics import ligand_rmsd
from molgen.metrics.success import proportion
from molgen.search.samplers import SamplerSettings, build_sampler
from molgen.search.settings import SidegenSettings
from molgen.structure import Ligand, Pocket, Protein

COLUMNS = ("id", "torsions", "atoms", "arm", "cpu", "top", "best", "energy")
EDGE = 25.0
"""Å, of the box."""
MOST_ATOMS = 60
ALONE = "search"
ARMS = {
    ALONE: SidegenSettings(),
    "16 poses in 12 steps, 12 rounds": SidegenSettings(
        samples=16, steps=12, rounds=12, starts=2048
    ),
    "24 poses in 12 steps, 10 rounds": SidegenSettings(
        samples=24, steps=12, rounds=10, starts=2048
    ),
    "40 poses in 20 steps, 8 rounds": SidegenSettings(samples=40, steps=20, rounds=8, starts=2048),
}
"""The search alone has 14 rounds and 4,096 random starts."""


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", type=Path)
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--torsions", type=int, default=8, help="at least")
    parser.add_argument("--limit", type=int, default=40, help="ligands")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ids = options.ids.read_text("utf-8").split()
    np.random.default_rng(0).shuffle(ids)
    rows = read_rows(options.out)
    done = {row["id"] for row in rows}
    taken = 0
    for name in ids:
        try:
            protein = read_protein(options.raw / name / f"{name}_protein.pdb")
            ligand = read_ligand(options.raw / name / f"{name}_ligand.sdf")
            torsions = build_torsion_tree(ligand.mol).num_torsions
        except MolgenError:
            continue
        if torsions < options.torsions or ligand.num_atoms > MOST_ATOMS:
            continue
        taken += 1
        if taken > options.limit:
            break
        if name not in done:
            append(options.out, [[name, torsions, *row] for row in measure(name, protein, ligand)])
    print(table(read_rows(options.out)))


def measure(name: str, protein: Protein, ligand: Ligand) -> list[list[object]]:
    """Return atoms, arm, CPU seconds, RMSD of the first and the best pose, lowest energy."""
    shift = np.random.default_rng(list(name.encode())).uniform(-1.0, 1.0, 3)
    pocket = Pocket(ligand.coords.mean(0) + shift, np.full(3, EDGE), "moved")
    rows: list[list[object]] = []
    for arm, settings in ARMS.items():
        start = time.process_time()
        kind = "search" if arm == ALONE else "sidegen"
        sampler = build_sampler(kind, protein, pocket, SamplerSettings(sidegen=settings), "cpu")
        found = sampler.sample(ligand, 40, 0)
        seconds = time.process_time() - start
        rmsd = np.asarray(ligand_rmsd(ligand.mol, found.coords))
        numbers = (seconds, rmsd[0], rmsd.min(), found.scores[0])
        rows.append([ligand.num_atoms, arm, *(f"{value:.3f}" for value in numbers)])
    return rows


def append(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Add the rows of a ligand."""
    new = not path.is_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerows(rows)


def table(rows: list[dict[str, str]]) -> str:
    """Return a Markdown table of all arms over the ligands."""
    alone = [float(row["energy"]) for row in rows if row["arm"] == ALONE]
    lines = [
        f"{len(alone)} ligands",
        "",
        "| arm | top-1 ≤ 2 Å | best of 40 ≤ 2 Å | lower energy than search alone | CPU s, sum |",
        "|---|---|---|---|---|",
    ]
    for arm in ARMS:
        own = [row for row in rows if row["arm"] == arm]
        shares = [proportion([float(row[key]) <= 2.0 for row in own]) for key in ("top", "best")]
        lower = sum(float(r["energy"]) < e - 0.05 for r, e in zip(own, alone, strict=True))
        cells = [*(share.percent() for share in shares), "–" if arm == ALONE else str(lower)]
        total = sum(float(row["cpu"]) for row in own)
        lines.append(f"| {arm} | {' | '.join(cells)} | {total:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
