"""Search alone and with proposals of SIDEGEN among its starts, at about the same CPU time.

    python workflows/sidegen/joined.py RAW --ids SPLIT/test.txt --out docs/benchmarks/joined.csv

    python workflows/sidegen/joined.py SET --torsions 0 --limit 300 --out joined_dev.csv

RAW is in PDBBind layout; the ids (default: all in the folder) must be held out from the training of
the checkpoint. Takes the first ligands of a random order with as many torsions as asked for, in a
box of 25 Å whose centre is moved by up to 1 Å along each axis. The ligand's own coordinates are
the answer, its poses start from fresh conformers. The lowest pose is that of lowest energy, the
first one that of highest confidence, as in `molgen generate`. A row for every ligand and arm is
written as soon as all arms of the ligand are done; running the command again goes on. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numba
import numpy as np
import torch
from ablation import EDGE, append, chosen_arms, read_rows

from molgen.api.generate import GenerateConfig
from molgen.errors import MolgenError
from molgen.graphs.torsion_tree import build_torsion_tree
from molgen.io import read_ligand, read_protein
from molgen.metrics import ligand_rmsd
from molgen.metrics.success import proportion
from molgen.scoring.pose_scorers import best_first, build_pose_scorer
from molgen.search.samplers import SamplerSettings, build_sampler
from molgen.search.settings import SECOND_SEARCH, SidegenSettings
from molgen.structure import Ligand, Pocket, Protein

COLUMNS = ("id", "torsions", "atoms", "arm", "cpu", "lowest", "first", "best", "energy")
MOST_ATOMS = 60
ALONE = "search"
ARMS = {
    ALONE: SidegenSettings(),
    "16 poses in 12 steps, 12 rounds": SECOND_SEARCH,
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
    parser.add_argument("--ids", type=Path, help="file; default: every folder in RAW")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--torsions", type=int, default=8, help="at least")
    parser.add_argument("--limit", type=int, default=40, help="ligands")
    parser.add_argument("--arm", action="append", metavar="NAME", help="default: all")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no ligand after this")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    numba.set_num_threads(options.threads)  # before torch: numba sets torch's threads as well
    torch.set_num_threads(options.threads)
    begin = time.monotonic()
    arms = chosen_arms(ARMS, options.arm, parser)
    if options.ids:
        ids = options.ids.read_text("utf-8").split()
    else:
        ids = sorted(path.name for path in options.raw.iterdir() if path.is_dir())
    np.random.default_rng(0).shuffle(ids)
    done = {(row["id"], row["arm"]) for row in read_rows(options.out)}
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
        if taken > options.limit or time.monotonic() - begin > 60 * options.minutes:
            break
        missing = {arm: arms[arm] for arm in arms if (name, arm) not in done}
        if missing:
            rows = measure(name, protein, ligand, missing)
            append(options.out, COLUMNS, [{"torsions": torsions, **row} for row in rows])
    print(table(read_rows(options.out), arms))


def measure(
    name: str, protein: Protein, ligand: Ligand, arms: Mapping[str, SidegenSettings]
) -> list[dict[str, object]]:
    """Return the rows of a ligand: CPU seconds, RMSD of three poses, lowest energy of each arm."""
    shift = np.random.default_rng(list(name.encode())).uniform(-1.0, 1.0, 3)
    pocket = Pocket(ligand.coords.mean(0) + shift, np.full(3, EDGE), "moved")
    scorer = build_pose_scorer("confidence", protein, GenerateConfig().confidence)
    rows: list[dict[str, object]] = []
    for arm, settings in arms.items():
        start = time.process_time()
        kind = "search" if arm == ALONE else "sidegen"
        sampler = build_sampler(kind, protein, pocket, SamplerSettings(sidegen=settings), "cpu")
        found = sampler.sample(ligand, 40, 0)
        seconds = time.process_time() - start
        ranked = best_first(scorer.rated(found))
        rmsd = np.asarray(ligand_rmsd(ligand.mol, ranked.coords))
        lowest = int(ranked.scores.argmin())
        numbers = {
            "cpu": seconds, "lowest": rmsd[lowest], "first": rmsd[0], "best": rmsd.min(),
            "energy": ranked.scores[lowest],
        }  # fmt: skip
        known = {"id": name, "atoms": ligand.num_atoms, "arm": arm}
        rows.append(known | {key: f"{value:.3f}" for key, value in numbers.items()})
    return rows


def table(rows: list[dict[str, str]], arms: Iterable[str]) -> str:
    """Return a Markdown table of the arms over the ligands."""
    alone = {row["id"]: float(row["energy"]) for row in rows if row["arm"] == ALONE}
    lines = [
        f"{len({row['id'] for row in rows})} ligands",
        "",
        "| arm | lowest energy ≤ 2 Å | highest confidence ≤ 2 Å | best of 40 ≤ 2 Å "
        "| lower energy than search alone | CPU s, sum |",
        "|---|---|---|---|---|---|",
    ]
    for arm in arms:
        own = [row for row in rows if row["arm"] == arm]
        cells = [share(own, key) for key in ("lowest", "first", "best")]
        both = [float(row["energy"]) - alone[row["id"]] for row in own if row["id"] in alone]
        # the file holds three decimals
        lower = sum(round(difference, 3) < -0.05 for difference in both)
        cells.append("–" if arm == ALONE or not both else str(lower))
        total = sum(float(row["cpu"]) for row in own)
        lines.append(f"| {arm} | {' | '.join(cells)} | {total:.0f} |")
    return "\n".join(lines)


def share(rows: list[dict[str, str]], key: str) -> str:
    """Return how many poses lie within 2 Å; "–" where a row does not tell."""
    if not all(row[key] for row in rows):
        return "–"
    return proportion([float(row[key]) <= 2.0 for row in rows]).percent()


if __name__ == "__main__":
    main()
