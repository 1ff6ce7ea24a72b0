"""Gather benchmark runs of many days or machines entry by entry, and compare the arms in pairs.

    python workflows/posebench/rows.py docs/benchmarks/arms.csv RUN ...

RUN is the output folder of the workflow, of all entries or of a shard. Rows of the same set, arm
and entry are replaced, all others kept. Without RUN the table is printed only; it takes the entries
that all arms have.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from molgen.io import atomic_write
from molgen.metrics.success import paired_difference, proportion

COLUMNS = (
    "set", "arm", "id", "status", "reason", "poses", "top1_rmsd", "oracle_rmsd", "valid",
    "joint_2A", "heavy_atoms", "rotatable_bonds", "seconds", "molgen", "commit",
    "lowest_rank", "lowest_rmsd",
)  # fmt: skip
Key = tuple[str, str, str]


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def stored(path: Path) -> dict[Key, dict[str, str]]:
    """Return the rows of a table by set, arm and entry; none where there is no table."""
    rows = read(path) if path.is_file() else []
    return {(row["set"], row["arm"], row["id"]): row for row in rows}


def gather(run: Path) -> dict[Key, dict[str, str]]:
    """Return the rows of a run of the workflow."""
    rows = {}
    for path in sorted(run.glob("*/evaluation/*/evaluation.csv")):
        name, arm = path.parents[2].name, path.parent.name
        lowest = lowest_scores(path.with_name("poses.csv"))
        for row in read(path):
            code = code_of(run / name / arm / row["id"])
            full = row | code | lowest.get(row["id"], {}) | {"set": name, "arm": arm}
            rows[name, arm, row["id"]] = {key: str(full.get(key, "")) for key in COLUMNS}
    return rows


def lowest_scores(path: Path) -> dict[str, dict[str, str]]:
    """Return rank and RMSD of the pose of lowest score by entry.

    It is the first by its own program; `molgen generate` puts valid poses before others.
    """
    found: dict[str, dict[str, str]] = {}
    if not path.is_file():
        return found
    rows = [row for row in read(path) if row["score"]]
    for row in sorted(rows, key=lambda row: (float(row["score"]), int(row["rank"]))):
        place = {"lowest_rank": row["rank"], "lowest_rmsd": row["rmsd"]}
        found.setdefault(row["id"], place)
    return found


def code_of(folder: Path) -> dict[str, str]:
    """Return version and commit of the molgen that wrote a folder; "" where it does not say."""
    path = folder / "run.json"
    facts = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {key: facts.get(key, "") for key in ("molgen", "commit")}


def write(
    path: Path, rows: Mapping[tuple[str, ...], dict[str, str]], columns: Sequence[str] = COLUMNS
) -> None:
    """Write a table, sorted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def within(row: dict[str, str], column: str) -> bool:
    return bool(row[column]) and float(row[column]) <= 2.0


def lowest_within(row: dict[str, str]) -> bool:
    return within(row, "lowest_rmsd")


def own_joint(row: dict[str, str]) -> bool:
    """Tell whether the pose of lowest score is right and valid; it is not first if invalid."""
    return row["lowest_rank"] == "1" and row["joint_2A"] == "true"


MEASURES = {
    "top-1 ≤ 2 Å": lambda row: within(row, "top1_rmsd"),
    "joint": lambda row: row["joint_2A"] == "true",
    "oracle ≤ 2 Å": lambda row: within(row, "oracle_rmsd"),
}


def rates(rows: Sequence[dict[str, str]]) -> str:
    """Return every measure in % with its interval, as one line."""
    return "   ".join(
        f"{title} {proportion([ok(row) for row in rows]).percent()}"
        for title, ok in MEASURES.items()
    )


def median(values: Sequence[float], digits: int, unit: str = "") -> str:
    """Return a median with its 95 % interval (bootstrap), as text."""
    draws = np.random.default_rng(0).choice(values, (10_000, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return f"{np.median(values):.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"


def show(rows: dict[Key, dict[str, str]]) -> None:
    """Print the rates over the entries that all arms have, and each arm against the first."""
    arms = sorted({arm for _, arm, _ in rows})
    have: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, arm, entry in rows:
        have[name, entry].add(arm)
    shared = sorted(place for place, found in have.items() if len(found) == len(arms))
    of_arm = {arm: [rows[name, arm, entry] for name, entry in shared] for arm in arms}
    print(f"{len(shared)} entries that all of {', '.join(arms)} have")
    if not shared:
        return
    for arm, found in of_arm.items():
        seconds = [float(row["seconds"]) for row in found if row["seconds"]]
        print(f"{arm:16s} {rates(found)}   median {median(seconds, 1, ' s') if seconds else '–'}")
        for name in sorted({name for name, _ in shared}):
            one = [rows[name, arm, entry] for of, entry in shared if of == name]
            print(f"{'':16s} {name}, {len(one)}: {rates(one)}")
        known = [row for row in found if row.get("lowest_rank")]
        if known and arm.startswith("vina"):
            ranked, lowest, own = (
                proportion([ok(row) for row in known]).percent()
                for ok in (MEASURES["top-1 ≤ 2 Å"], lowest_within, own_joint)
            )
            print(f"{'':16s} all poses of {len(known)} at hand: top-1 ≤ 2 Å as ranked {ranked}, "
                  f"by score alone {lowest}, and valid {own}")  # fmt: skip
    first, *others = arms
    for arm in others:
        for title, ok in MEASURES.items():
            d = paired_difference(*([ok(r) for r in of_arm[name]] for name in (first, arm)))
            low, high = (f"{100 * value:+.1f}" for value in (d.low, d.high))
            print(f"{first} minus {arm}: {title} {100 * d.difference:+.1f} ({low} to {high}) "
                  f"points, McNemar p {d.p_value:.2g}")  # fmt: skip
        times = [
            float(a["seconds"]) / float(b["seconds"])
            for a, b in zip(of_arm[first], of_arm[arm], strict=True)
            if a["seconds"] and b["seconds"] and not math.isclose(float(b["seconds"]), 0.0)
        ]
        if times:
            print(f"{first} over {arm}: wall time, median of the ratios {median(times, 3)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN")
    options = parser.parse_args()
    rows = stored(options.rows)
    for run in options.runs:
        rows |= gather(run)
    if options.runs:
        write(options.rows, rows)
    show(rows)


if __name__ == "__main__":
    main()
