"""Write the rows of a run of the benchmark with molgen's arm, and print its tables.

    python workflows/posebench/tables.py docs/benchmarks/molgen.csv [RUN] [--plot rmsd.png]

RUN is the output folder of the workflow with the arm ``molgen``, of all entries or of a shard: rows
of the same entry are replaced, others kept. Without it the stored rows are printed. Beside the
ranking that a user gets, every row has that of the same poses by energy, valid ones first, and
whether the ligand was searched twice. Prints Markdown; intervals are Wilson's, of differences
bootstrap over entries.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rows import code_of, read, write

from molgen.metrics.success import Outcome, paired_difference, proportion
from molgen.report.plots import ROTATABLE_BINS, cumulative_rmsd

COLUMNS = (
    "set", "id", "status", "reason", "poses", "top1_rmsd", "top5_rmsd", "top10_rmsd", "oracle_rmsd",
    "valid", "energy_top1_rmsd", "energy_top5_rmsd", "energy_valid", "heavy_atoms",
    "rotatable_bonds", "searched", "seconds", "molgen", "commit",
)  # fmt: skip
Row = dict[str, str]


def gather(run: Path) -> list[Row]:
    """Return the rows of a run, set by set."""
    rows = []
    for folder in sorted(run.glob("*/evaluation/molgen")):
        name = folder.parents[1].name
        poses: dict[str, list[Row]] = {}
        for pose in read(folder / "poses.csv"):
            poses.setdefault(pose["id"], []).append(pose)
        for row in read(folder / "evaluation.csv"):
            made = run / name / "molgen" / row["id"]
            own = poses.get(row["id"], [])
            if own:  # the evaluation looks at the validity of the top pose only
                checks = {r["rank"]: r["posebusters_pass"] for r in read(made / "summary.csv")}
                own = [pose | {"valid": checks[pose["rank"]]} for pose in own]
            full = row | code_of(made) | {"set": name} | ranked(own) | searched(made)
            rows.append({key: str(full.get(key, "")) for key in COLUMNS})
    return rows


def searched(made: Path) -> Row:
    """Return whether a ligand was searched once or twice; nothing where it was not docked."""
    if not (made / "status.csv").is_file():
        return {}
    twice = any("searched twice" in row["notes"] for row in read(made / "status.csv"))
    return {"searched": "twice" if twice else "once"}


def ranked(poses: list[Row]) -> Row:
    """Return what the poses of an entry say when they are ranked by energy, and the best of ten."""
    if not poses:
        return {}
    lowest = sorted(poses, key=lambda pose: (pose["valid"] != "true", float(pose["score"])))
    first_ten = [float(p["rmsd"]) for p in poses if int(p["rank"]) <= 10]
    return {
        "top10_rmsd": f"{min(first_ten):.4f}",
        "energy_top1_rmsd": lowest[0]["rmsd"],
        "energy_top5_rmsd": f"{min(float(p['rmsd']) for p in lowest[:5]):.4f}",
        "energy_valid": lowest[0]["valid"],
    }


def near(column: str, limit: float = 2.0) -> Callable[[Row], bool]:
    """Return the test whether a distance is there and small."""
    return lambda row: bool(row[column]) and float(row[column]) <= limit


def joint(prefix: str) -> Callable[[Row], bool]:
    """Return the test whether the top pose is near and valid."""
    close, valid = near(f"{prefix}top1_rmsd"), f"{prefix}valid"
    return lambda row: close(row) and row[valid] == "true"


RATES = {
    "produced": lambda row: row["status"] == "ok",
    "top-1 ≤ 1 Å, %": near("top1_rmsd", 1.0),
    "**top-1 ≤ 2 Å, %**": near("top1_rmsd"),
    "top-5 ≤ 2 Å, %": near("top5_rmsd"),
    "best of 10 ≤ 2 Å, %": near("top10_rmsd"),
    "best of 40 ≤ 2 Å, %": near("oracle_rmsd"),
    "top pose PoseBusters-valid, %": lambda row: row["valid"] == "true",
    "**joint, %**": joint(""),
    "by energy: top-1 ≤ 2 Å, %": near("energy_top1_rmsd"),
    "by energy: top-5 ≤ 2 Å, %": near("energy_top5_rmsd"),
    "by energy: joint, %": joint("energy_"),
}
TESTS = (near("top1_rmsd"), near("energy_top1_rmsd"), near("oracle_rmsd"))
MEDIANS = {"median top-1 RMSD, Å": ("top1_rmsd", 2), "median wall time a ligand, s": ("seconds", 1)}


def steered(rows: list[Row]) -> set[str]:
    """Return the 40 entries that steered the search (docs/search.md)."""
    sets = sorted({row["set"] for row in rows}, reverse=True)
    ids = [i for name in sets for i in sorted(row["id"] for row in rows if row["set"] == name)]
    random.Random(0).shuffle(ids)
    return set(ids[:40])


def percent(rows: Sequence[Row], test: Callable[[Row], bool]) -> str:
    """Return a rate in % with its interval."""
    found = proportion([test(row) for row in rows])
    return f"{100 * found.value:.1f} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def compared(title: str, rows: Sequence[Row]) -> str:
    """Return the line of some entries: both rankings, and the best pose."""
    return f"| {title} | {len(rows)} | " + " | ".join(percent(rows, t) for t in TESTS) + " |"


def show(rows: list[Row]) -> None:
    """Print the tables."""
    parts = {
        name: [r for r in rows if r["set"] == name] for name in sorted({r["set"] for r in rows})
    }
    parts["all"] = rows
    print("| | " + " | ".join(f"{name} ({len(found)})" for name, found in parts.items()) + " |")
    print("|" + (1 + len(parts)) * "---|")
    for title, test in RATES.items():
        counts = title == "produced"
        cells = [
            str(sum(map(test, found))) if counts else percent(found, test)
            for found in parts.values()
        ]
        print(f"| {title} | " + " | ".join(cells) + " |")
    for title, (column, digits) in MEDIANS.items():
        medians = [np.median([float(r[column]) for r in f if r[column]]) for f in parts.values()]
        print(f"| {title} | " + " | ".join(f"{m:.{digits}f}" for m in medians) + " |")
    seconds = [float(row["seconds"]) for row in rows if row["seconds"]]
    print(f"\nwall time, 90th percentile: {np.percentile(seconds, 90):.1f} s")
    difference = paired_difference(
        [joint("")(row) for row in rows], [joint("energy_")(row) for row in rows]
    )
    low, high = 100 * difference.low, 100 * difference.high
    print(
        f"joint by confidence minus joint by energy: {100 * difference.difference:+.1f} points "
        f"({low:.1f} to {high:.1f}), McNemar p {difference.p_value:.2g}"
    )
    print("\n| rotatable bonds | entries | top-1 ≤ 2 Å, % | by energy, % | best of 40 ≤ 2 Å, % |")
    print("|---|---|---|---|---|")
    for low, high in ROTATABLE_BINS:
        some = [
            r for r in rows if r["rotatable_bonds"] and low <= int(r["rotatable_bonds"]) <= high
        ]
        title = f"{low}–{high}" if high < 999 else f"{low} and more"
        print(compared(title, some))
    known = steered(rows)
    print("\n| | entries | top-1 ≤ 2 Å, % | by energy, % | best of 40 ≤ 2 Å, % |")
    print("|---|---|---|---|---|")
    for title, used in (("steered the search", True), ("all others", False)):
        some = [row for row in rows if (row["id"] in known) is used]
        print(compared(title, some))
    for often in ("once", "twice"):
        some = [row for row in rows if row.get("searched") == often]
        if some:
            print(compared(f"searched {often}", some))
    missed = [row for row in rows if not near("oracle_rmsd")(row)]
    print("\n| no right pose | top-1, Å | best of 40, Å | heavy atoms | rotatable bonds |")
    print("|---|---|---|---|---|")
    for row in sorted(missed, key=lambda r: -float(r["oracle_rmsd"] or "inf")):
        numbers = [f"{float(row[k]):.1f}" if row[k] else "–" for k in ("top1_rmsd", "oracle_rmsd")]
        print(f"| {row['id']} | " + " | ".join(
            [*numbers, row["heavy_atoms"], row["rotatable_bonds"]]) + " |")  # fmt: skip


def plot(rows: list[Row], path: Path) -> None:
    """Draw which share of the entries is within a distance: top pose and best of all."""
    columns = ("top1_rmsd", "oracle_rmsd")
    outcomes = [Outcome(r["id"], tuple(float(r[c]) for c in columns if r[c])) for r in rows]
    cumulative_rmsd(path, {"molgen": outcomes})


def main() -> None:
    """Take up a run if there is one, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN")
    parser.add_argument("--plot", type=Path, metavar="PNG")
    options = parser.parse_args()
    rows = read(options.rows) if options.rows.is_file() else []
    if options.run:
        found = gather(options.run)
        if not found:
            parser.error(f"{options.run}: no */evaluation/molgen with entries in it")
        table = {(row["set"], row["id"]): row for row in [*rows, *found]}
        write(options.rows, table, COLUMNS)
        rows = read(options.rows)
    if not rows:
        parser.error(f"{options.rows}: no rows there; expected RUN, or a table")
    show(rows)
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
