"""Compare ways of sampling SIDEGEN on complexes with known poses.

    python workflows/sidegen/ablation.py FOLDER... --out ablation.csv [--entries 12] [--arm NAME …]

FOLDER holds <id>/<id>_protein.pdb, _ligand.sdf (the answer) and _ligand_start_conf.sdf (the input).
Raw poses, nothing refined or minimised; "rdkit" are conformers alone (ETKDG and MMFF94), of which
only the distance after superposition counts. A row for every entry and arm is written as soon as it
is done; running the command again does what is missing. All arms see the same entries, entry after
entry. Prints a Markdown table with 95 % intervals over the entries that all arms have finished:
Wilson's for shares of entries, bootstrap over entries for shares of poses and medians; the
difference is that to plain draws of about as many evaluations, entry by entry. A second table
counts how the entries end: where poses are lost. A third compares the distances after superposition
with those of the network that does not see the target, and with those of plain draws. Without
FOLDER only the tables are printed.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from molgen.api.pose_output import pose_molecule
from molgen.diffusion.inference import PoseEnergy
from molgen.diffusion.sampler import SidegenSampler
from molgen.graphs.energy_topology import build_energy_topology
from molgen.io import read_ligand, read_protein
from molgen.metrics.rmsd import PoseDistances, pose_distances
from molgen.metrics.success import wilson_interval
from molgen.scoring.validity import check_poses
from molgen.search.samplers import SamplerSettings
from molgen.search.settings import GuidanceSettings, InferenceSettings, SidegenSettings
from molgen.structure import Ligand, Pocket
from molgen.structure.conformers import embed_conformers

COLUMNS = (
    "entry", "arm", "atoms", "poses", "evaluations", "seconds", "oracle", "share", "median",
    "top", "valid", "energy", "aligned_best", "aligned_median",
)  # fmt: skip
CONFORMERS = "rdkit"
"""The arm without a pocket."""
LEARNED = {"scf": 0.2, "gap": 0.2, "charges": 0.2}
"""Weights of the learned energies where they guide; not tuned."""
PHYSICAL = ("clash", "vina", "internal", "bounds", "planarity", "chirality")
PLAIN, EQUAL = "none", "none, more poses"
"""The arms of plain draws; the second has as many network evaluations as the searches."""
ENDS = (
    "right and valid", "right, not valid", "right pose, ranked lower", "right shape, wrong place",
    "no right shape",
)  # fmt: skip
"""A right pose lies within 2 Å, a right shape within 1 Å after superposition."""
BLIND = "ligand only"
"""Arms of the network without a target: alone, or "ligand only, " before the arm it goes with."""
COLD = 0.4
"""Temperature of the arms "cold", chosen on held-out complexes of training."""
EDGE = 25.0
"""Å, of the box at the centre of the answer, as in the benchmark."""


def arms(samples: int, budget: int, ligand_only: str = "") -> dict[str, SidegenSettings]:
    """Return the settings of every arm.

    Args:
        samples: poses that an arm returns.
        budget: times the network evaluations that a search spends.
        ligand_only: checkpoint of the network that does not see the target; "" for no such arm.
    """
    plain = SidegenSettings(samples=samples)
    found = {CONFORMERS: plain, PLAIN: plain, EQUAL: replace(plain, samples=budget * samples)}
    found["cartesian"] = replace(plain, space="cartesian")
    blind = replace(plain, checkpoint=ligand_only)
    if ligand_only:
        found |= {BLIND: blind, f"{BLIND}, cartesian": replace(blind, space="cartesian")}
    found["cold"] = replace(plain, temperature=COLD)
    if ligand_only:
        found[f"{BLIND}, cold"] = replace(blind, temperature=COLD)
    physical = GuidanceSettings(on=True)
    for name, guidance in {
        "guide": physical,
        "guide, no Vina": replace(physical, vina=0.0),
        "guide, learned": replace(physical, **dict.fromkeys(PHYSICAL, 0.0), **LEARNED),
        "guide, both": replace(physical, **LEARNED),
    }.items():
        found[name] = replace(plain, guidance=guidance)
    for kind in ("best-of-n", "particles", "noise", "tree"):
        search = InferenceSettings(kind=kind, budget=budget)  # type: ignore[arg-type]
        found[kind] = replace(plain, inference=search)
        if ligand_only and kind in ("particles", "tree"):
            found[f"{BLIND}, {kind}"] = replace(blind, inference=search)
    return found


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--entries", type=int, default=12)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--budget", type=int, default=2)
    parser.add_argument("--arm", action="append", metavar="NAME", help="default: all")
    parser.add_argument("--ligand-only", default="", metavar="CHECKPOINT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no entry after this")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    begin = time.monotonic()
    everything = sorted(p for f in options.folders for p in f.iterdir() if p.is_dir())
    step = max(1, len(everything) // options.entries)
    known = arms(options.samples, options.budget, options.ligand_only)
    settings = chosen_arms(known, options.arm, parser)
    done = {(row["entry"], row["arm"]) for row in read_rows(options.out)}
    for folder in everything[::step][: options.entries]:
        for arm, chosen in settings.items():
            if (folder.name, arm) in done or time.monotonic() - begin > 60 * options.minutes:
                continue
            row = measure(folder, arm, chosen, options.seed)
            append(options.out, COLUMNS, [row])
    rows = read_rows(options.out)
    names = list(settings)
    print(table(rows, names), causes(rows, names), shapes(rows, names), sep="\n\n")


def chosen_arms(
    known: Mapping[str, SidegenSettings], names: list[str] | None, parser: argparse.ArgumentParser
) -> dict[str, SidegenSettings]:
    """Return the arms that ``--arm`` names, all without it; an unknown name ends the program."""
    if unknown := set(names or ()) - set(known):
        parser.error(f"no such arm: {'; '.join(sorted(unknown))}; expected {'; '.join(known)}")
    return {name: known[name] for name in names or known}


def measure(folder: Path, arm: str, settings: SidegenSettings, seed: int) -> dict[str, object]:
    """Return the row of one entry and arm."""
    name = folder.name
    protein = read_protein(folder / f"{name}_protein.pdb")
    ligand = read_ligand(folder / f"{name}_ligand_start_conf.sdf")
    answer = read_ligand(folder / f"{name}_ligand.sdf")
    if arm == CONFORMERS:
        return {"entry": name, "arm": arm} | conformers(ligand, answer, settings.samples, seed)
    pocket = Pocket(answer.coords.mean(0), EDGE, "answer")
    sampler = SidegenSampler(protein, pocket, SamplerSettings(sidegen=settings))
    start = time.process_time()
    found = sampler.draw(ligand, seed)
    seconds = time.process_time() - start
    topology = build_energy_topology(ligand.mol, sampler.turned, sampler.pocket)
    energies = PoseEnergy(topology, sampler.pocket.center)(found.coords[0]).numpy()
    coords = sampler.placed(found)
    distances = pose_distances(answer.mol, [ligand.placed(pose) for pose in coords])
    rmsd = distances.rmsd
    best = int(np.argmin(energies))
    (verdict,) = check_poses([pose_molecule(ligand, coords[best])], protein, ligand)
    return {
        "entry": name, "arm": arm, "atoms": ligand.num_atoms, "poses": len(coords),
        "evaluations": found.evaluations, "seconds": round(seconds, 2),
        "oracle": round(float(rmsd.min()), 3),
        "share": round(float((rmsd <= 2.0).mean()), 4), "median": round(float(np.median(rmsd)), 3),
        "top": round(float(rmsd[best]), 3), "valid": int(verdict.passed),
        "energy": round(float(energies[best]), 3), **aligned(distances),
    }  # fmt: skip


def conformers(ligand: Ligand, answer: Ligand, count: int, seed: int) -> dict[str, object]:
    """Return what the row of an entry says of its conformers."""
    start = time.process_time()
    embedded = embed_conformers(ligand, count, seed)
    seconds = time.process_time() - start
    coords = [c.GetPositions()[: ligand.num_atoms] for c in embedded.GetConformers()]
    distances = pose_distances(answer.mol, [ligand.placed(one) for one in coords])
    known = {"atoms": ligand.num_atoms, "poses": len(coords), "seconds": round(seconds, 2)}
    return known | aligned(distances)


def aligned(distances: PoseDistances) -> dict[str, object]:
    """Return the columns of the distances after superposition."""
    found = distances.aligned
    return {
        "aligned_best": round(float(found.min()), 3),
        "aligned_median": round(float(np.median(found)), 3),
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of an earlier run."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def append(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Add rows to a table, which begins with the names of its columns."""
    new = not path.is_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def finished(
    rows: list[dict[str, str]], names: list[str]
) -> tuple[dict[str, dict[str, dict[str, str]]], list[str]]:
    """Return the rows by arm and entry, and the entries that all arms have."""
    by_arm = {name: {r["entry"]: r for r in rows if r["arm"] == name} for name in names}
    return by_arm, sorted(set.intersection(*(set(found) for found in by_arm.values())))


def table(rows: list[dict[str, str]], names: list[str]) -> str:
    """Return a Markdown table over the entries that all arms have."""
    by_arm, common = finished(rows, names)
    lines = [
        f"{len(common)} entries",
        "",
        "| arm | poses | evaluations | oracle ≤ 2 Å | poses ≤ 2 Å | difference | top-1 ≤ 2 Å "
        "| RMSD, median, Å | top-1 valid | energy of top-1, median | core-seconds, median "
        "| aligned RMSD, best, Å | aligned RMSD, median, Å |",
        "|" + 13 * "---|",
    ]
    for name in names if common else []:
        own = [by_arm[name][entry] for entry in common]
        base = [by_arm[plain][entry] for plain in plain_arm(by_arm, name) for entry in common]
        lines.append("| " + " | ".join([name, own[0]["poses"], *cells(own, base, name)]) + " |")
    return "\n".join(lines)


def plain_arm(by_arm: Mapping[str, Mapping[str, Mapping[str, str]]], name: str) -> list[str]:
    """Return the arm of plain draws that is nearest in evaluations to another; none to itself."""
    if name in (CONFORMERS, PLAIN, EQUAL):
        return []
    entry, row = next(iter(by_arm[name].items()))
    found = [plain for plain in (PLAIN, EQUAL) if entry in by_arm.get(plain, {})]
    spent = int(row["evaluations"])
    return sorted(found, key=lambda n: abs(int(by_arm[n][entry]["evaluations"]) - spent))[:1]


def causes(rows: list[dict[str, str]], names: list[str]) -> str:
    """Return a Markdown table of how the entries that all arms have end in each."""
    lines = ["| arm | " + " | ".join(ENDS) + " |", "|" + (1 + len(ENDS)) * "---|"]
    by_arm, common = finished(rows, names)
    for name in names:
        if name != CONFORMERS:
            ends = [end_of(by_arm[name][entry]) for entry in common]
            lines.append(f"| {name} | " + " | ".join(str(ends.count(end)) for end in ENDS) + " |")
    return "\n".join(lines)


def shapes(rows: list[dict[str, str]], names: list[str]) -> str:
    """Return a Markdown table of median aligned RMSDs beside those of others.

    The others are the same arm of the ligand-only network, and plain draws of as many evaluations.
    """
    by_arm, common = finished(rows, names)
    lines = ["| arm | beside | median aligned RMSD lower by, % | entries |", "|" + 4 * "---|"]
    pairs = [(name.removeprefix(BLIND).lstrip(", ") or PLAIN, name) for name in names]
    pairs = [pair for pair in pairs if pair[1].startswith(BLIND) and pair[0] in by_arm]
    searches = [
        (arm, BLIND) for arm, _ in pairs if arm in ("cold", "particles", "tree") and BLIND in by_arm
    ]
    plain = [(name, other) for name in names for other in plain_arm(by_arm, name)]
    plain = [pair for pair in plain if not pair[0].startswith(BLIND)]
    for arm, other in pairs + searches + plain if common else []:
        both = [[float(by_arm[name][e]["aligned_median"]) for name in (arm, other)] for e in common]
        low, high = bootstrap_range(both, lower_by)
        wins = sum(own < theirs for own, theirs in both)
        by = f"{lower_by(np.array(both)):.0f} ({low:.0f} to {high:.0f})"
        lines.append(f"| {arm} | {other} | {by} | {wins} of {len(common)} |")
    return "\n".join(lines)


def lower_by(pairs: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return by how many % the median of (..., n, 0) lies below that of (..., n, 1)."""
    ours, theirs = np.median(pairs[..., 0], axis), np.median(pairs[..., 1], axis)
    return 100 * (1 - ours / theirs)


def end_of(row: Mapping[str, str]) -> str:
    """Return which of `ENDS` an entry came to, by its best pose and the one of lowest energy."""
    if float(row["top"]) <= 2.0:
        return ENDS[0] if row["valid"] == "1" else ENDS[1]
    if float(row["oracle"]) <= 2.0:
        return ENDS[2]
    return ENDS[3] if float(row["aligned_best"]) <= 1.0 else ENDS[4]


def cells(own: list[dict[str, str]], base: list[dict[str, str]], name: str) -> Iterator[str]:
    """Yield the numbers of an arm; "–" for what it does not have.

    Args:
        own, base: rows of the arm and of the one it is compared with, if any, by entry.
    """

    def median(key: str, digits: int) -> str:
        return f"{statistics.median(float(row[key]) for row in own):.{digits}f}"

    def spread(key: str) -> str:
        values = [float(row[key]) for row in own]
        low, high = bootstrap_range(values, np.median)
        return f"{np.median(values):.2f} ({low:.2f}–{high:.2f})"

    if name == CONFORMERS:
        yield from ["–"] * 8
        yield median("seconds", 1)
    else:
        yield median("evaluations", 0)
        yield interval([float(row["oracle"]) <= 2.0 for row in own])
        yield bootstrap([float(row["share"]) for row in own])
        pairs = zip(own, base, strict=True) if base else ()
        gains = [float(row["share"]) - float(other["share"]) for row, other in pairs]
        yield bootstrap(gains) if gains else "–"
        yield interval([float(row["top"]) <= 2.0 for row in own])
        yield spread("median")
        yield interval([row["valid"] == "1" for row in own])
        yield median("energy", 1)
        yield median("seconds", 1)
    yield spread("aligned_best")
    yield spread("aligned_median")


def interval(values: list[bool]) -> str:
    """Return a share in % with its Wilson interval."""
    low, high = wilson_interval(sum(values), len(values))
    return f"{100 * sum(values) / len(values):.0f} ({100 * low:.0f}–{100 * high:.0f})"


def bootstrap(values: list[float]) -> str:
    """Return a mean in % with its 95 % interval."""
    low, high = bootstrap_range(values, np.mean)
    return f"{round(100 * np.mean(values))} ({round(100 * low)}–{round(100 * high)})"


def bootstrap_range(values: Sequence[Any], of: Callable[..., np.ndarray]) -> tuple[float, float]:
    """Return the 95 % interval of a statistic by 2000 resamplings of the entries."""
    draws = of(np.random.default_rng(0).choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
