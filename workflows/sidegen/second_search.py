"""Search ligands in doubt once more, with proposals of SIDEGEN or without, on held-out pockets.

    python workflows/sidegen/second_search.py RAW --poses DIR --split DIR --out ROWS.csv

DIR of --poses is an output of `molgen label poses` for complexes of RAW; those in the validation
and test parts of the split are taken, which neither SIDEGEN nor the confidence was trained on. The
searched poses of the label are the first search. Where none has a confidence of `MOST`, the box of
the label is searched again from another seed: by the sampler ``search``, and by ``sidegen`` as
`molgen generate` does by default. The poses of both searches are rated together. A row is written
as soon as a ligand is done; running the command again goes on, so another --config or --seed needs
another file. Prints a Markdown table; intervals: bootstrap over complexes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import torch
from ablation import append, read_rows
from safetensors.numpy import load_file

from molgen.api.generate import GenerateConfig
from molgen.api.label_search import LabelConfig, searched_box
from molgen.config import build, load
from molgen.datasets.pdbbind import RawEntry, find_entries
from molgen.datasets.quality_splits import read_split
from molgen.errors import MolgenError
from molgen.io import read_ligand, read_protein
from molgen.metrics import ligand_rmsd
from molgen.metrics.success import paired_difference
from molgen.scoring.pose_features import RATED, TERMS, search_score
from molgen.scoring.pose_scorers import PoseScorer, best_first, build_pose_scorer
from molgen.search.samplers import SamplerSettings, build_sampler
from molgen.structure import Ligand, Pocket, Poses, Protein

MOST = 0.85
ARMS = ("search", "sidegen")
NUMBERS = ("confidence", "top1_rmsd", "best_rmsd", "seconds")
COLUMNS = ("id", "part", *(f"{arm}_{number}" for arm in ("first", *ARMS) for number in NUMBERS))
Row = dict[str, str]


def main() -> None:
    """Run what is missing, then print the table."""
    options = arguments(__doc__).parse_args()
    cases, settings = held_out(options)
    done = {row["id"] for row in read_rows(options.out)}
    for case in cases:
        if case.entry.id in done:
            continue
        try:
            row = dict(measured(case, settings))
        except MolgenError as error:
            print(f"{case.entry.id}: {error}", file=sys.stderr)
            continue
        append(options.out, COLUMNS, [{"id": case.entry.id, "part": case.part, **row}])
    show(read_rows(options.out))


class Case(NamedTuple):
    """A held-out complex, the label with its searched poses, and the part of the split."""

    entry: RawEntry
    label: Path
    part: str


class Settings(NamedTuple):
    """How the labels were searched, how ligands are searched again, and from which seed."""

    labels: LabelConfig
    generating: GenerateConfig
    seed: int


class First(NamedTuple):
    """A complex, the box that was searched, and what that found, best first."""

    protein: Protein
    pocket: Pocket
    ligand: Ligand
    scorer: PoseScorer
    poses: Poses


def arguments(about: str) -> argparse.ArgumentParser:
    """Return what a script on held-out complexes is asked with; its first line says about what."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("raw", type=Path)
    parser.add_argument("--poses", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="of molgen generate; default: its defaults")
    parser.add_argument("--seed", type=int, help="of the second search; default: the labels' + 1")
    parser.add_argument("--limit", type=int, default=0, help="ligands of a random order; 0: all")
    return parser


def held_out(options: argparse.Namespace) -> tuple[list[Case], Settings]:
    """Return labelled complexes in validation and test in a random order, and the settings.

    From here on all is done on one thread.
    """
    numba.set_num_threads(1)  # before torch: numba sets torch's threads as well
    torch.set_num_threads(1)
    poses = options.poses
    labels = build(LabelConfig, json.loads((poses / "labels.json").read_text("utf-8"))["config"])
    seed = labels.seed + 1 if options.seed is None else options.seed
    settings = Settings(labels, load(GenerateConfig, options.config), seed)
    parts = read_split(options.split)
    part_of = {name: part for part in ("test", "val") for name in parts[part]}
    entries = [entry for entry in find_entries(options.raw) if entry.id in part_of]
    np.random.default_rng(0).shuffle(entries)  # type: ignore[arg-type]
    cases = [
        Case(entry, poses / f"entries/{entry.id}.safetensors", part_of[entry.id])
        for entry in entries
    ]
    return [case for case in cases if case.label.is_file()][: options.limit or None], settings


def opened(case: Case, settings: Settings) -> First:
    """Return a complex with the poses of its label, rated."""
    assert case.entry.protein is not None and case.entry.ligand is not None
    protein, ligand = read_protein(case.entry.protein), read_ligand(case.entry.ligand)
    scorer = build_pose_scorer("confidence", protein, settings.generating.confidence)
    poses = best_first(scorer.rated(found_poses(ligand, case.label)))
    box = searched_box(case.entry.id, ligand, settings.labels)
    return First(protein, box, ligand, scorer, poses)


def searched(first: First, arm: str, settings: Settings) -> Poses:
    """Return what a second search finds, as `molgen generate` makes it."""
    sampling = SamplerSettings(settings.generating.search, settings.generating.again)
    sampler = build_sampler(arm, first.protein, first.pocket, sampling, "cpu")
    return sampler.sample(first.ligand, RATED, settings.seed)


def measured(case: Case, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the numbers of an entry by column."""
    first = opened(case, settings)
    ligand = first.ligand
    yield from numbers("first", ligand, first.poses, 0.0)
    assert first.poses.confidence is not None
    if first.poses.confidence[0] >= MOST:
        return
    for arm in ARMS:
        start = time.process_time()
        more = searched(first, arm, settings)
        seconds = time.process_time() - start
        both = best_first(first.scorer.rated(first.poses.joined(more)))
        yield from numbers(arm, ligand, both, seconds)


def found_poses(ligand: Ligand, label: Path) -> Poses:
    """Return the best poses that the search of a label found."""
    arrays = load_file(label)
    searched = ~arrays["is_native"].astype(bool)
    coords = arrays["coords"][searched].astype(np.float64)
    terms = dict(zip(TERMS, arrays["terms"][searched].T.astype(np.float64), strict=True))
    poses = Poses(ligand, coords, search_score(terms), terms)
    return poses.take(np.argsort(poses.scores, kind="stable")[:RATED])


def numbers(arm: str, ligand: Ligand, poses: Poses, seconds: float) -> Iterator[tuple[str, str]]:
    """Yield what is kept of rated poses, best first."""
    assert poses.confidence is not None
    rmsd = np.asarray(ligand_rmsd(ligand.mol, poses.coords))
    values = (poses.confidence[0], rmsd[0], rmsd.min(), seconds)
    yield from ((f"{arm}_{k}", f"{v:.4f}") for k, v in zip(NUMBERS, values, strict=True))


def show(rows: list[Row]) -> None:
    """Print what a second search gives where the first leaves doubt."""
    heads = ("confidence below", "ligands", "searched", "first pose ≤ 2 Å, %", "one pose ≤ 2 Å, %",
             "CPU s more, mean", "first pose right, points of all ligands")  # fmt: skip
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    compared = [f"{len(rows)} ligands"]
    for below in (0.5, 0.8):
        doubt = [row for row in rows if float(row["first_confidence"]) < below]
        if not doubt:
            continue
        for arm, title in (("first", "once"), ("search", "twice"), ("sidegen", "with SIDEGEN")):
            share = [
                f"{100 * np.mean([near(row, arm, kind) for row in doubt]):.1f}"
                for kind in ("top1_rmsd", "best_rmsd")
            ]
            seconds = np.mean([float(row[f"{arm}_seconds"]) for row in doubt])
            gain = "" if arm == "first" else gained(rows, doubt, arm)
            cells = [f"{below}", f"{len(doubt)}", title, *share, f"{seconds:.1f}", gain]
            print("| " + " | ".join(cells) + " |")
        plain, sidegen = ([near(row, arm, "top1_rmsd") for row in doubt] for arm in ARMS)
        compared.append(f"below {below}, with SIDEGEN minus twice: {points(sidegen, plain)}")
    print("\n" + "\n".join(compared))


def gained(rows: list[Row], doubt: list[Row], arm: str) -> str:
    """Return the difference to the first search alone over all ligands, with its interval."""
    doubtful = {row["id"] for row in doubt}
    before = [near(row, "first", "top1_rmsd") for row in rows]
    after = [near(r, arm if r["id"] in doubtful else "first", "top1_rmsd") for r in rows]
    return points(after, before)


def points(first: list[bool], second: list[bool]) -> str:
    """Return a difference in points, with interval and McNemar's p."""
    found = paired_difference(first, second)
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.difference:+.1f} ({low:.1f} to {high:.1f}), p {found.p_value:.2g}"


def near(row: Row, arm: str, kind: str) -> bool:
    """Return whether a pose lies within 2 Å."""
    return float(row[f"{arm}_{kind}"]) <= 2.0


if __name__ == "__main__":
    main()
