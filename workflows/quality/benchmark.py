"""Compare predicted with official CAD-scores of server models, beside VoroMQA's stored scores.

    python workflows/quality/benchmark.py BENCHMARK --scores NAME=DIR ... --out DIR

BENCHMARK has a folder per target with ``scores.csv`` (model, CAD_AA, voromqa_light, voromqa_dark),
all of which are compared unless ``--targets`` names some; each DIR holds the output of
``molgen score BENCHMARK/<target> --out DIR/<target>``.
Writes quality.csv (a row per method and target, and pooled), calibration.csv and prints a table.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from molgen.metrics.agreement import agreement, calibration

PEERS = ("voromqa_light", "voromqa_dark")


def read(path: Path, key: str) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {row[key]: row for row in csv.DictReader(stream)}


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--scores", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--targets", nargs="+", metavar="TARGET", help="default: all")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (s.partition("=") for s in options.scores)}
    targets = options.targets or sorted(
        path.name for path in options.benchmark.iterdir() if (path / "scores.csv").is_file()
    )
    truth: list[float] = []
    owner: list[str] = []
    found: dict[str, list[float]] = {name: [] for name in (*PEERS, *folders)}
    for target in targets:
        official = read(options.benchmark / target / "scores.csv", "model")
        predicted = {n: read(f / target / "scores.csv", "model") for n, f in folders.items()}
        for model, row in official.items():
            truth.append(float(row["CAD_AA"]))
            owner.append(target)
            for peer in PEERS:
                found[peer].append(float(row[peer]))
            for name, rows in predicted.items():
                stem = model.removesuffix(".pdb")
                own = rows.get(model) or rows.get(stem) or {}
                found[name].append(float(own.get("predicted_cad") or 0.0))  # failed: worst
    rows: list[dict[str, object]] = []
    bins: list[dict[str, object]] = []
    for name, values in found.items():
        result = agreement(owner, np.array(values), np.array(truth))
        for target, one in result.targets.items():
            rows.append({"method": name, "target": target, **one._asdict()})
        rows.append({"method": name, "target": "mean", **result.mean._asdict()})
        rows.append({"method": name, "target": "pooled", **result.pooled._asdict()})
        if name in folders:
            for line in calibration(np.array(values), np.array(truth)):
                bins.append({"method": name, **line._asdict()})
    for row in rows:
        for key, value in row.items():
            if isinstance(value, float):
                row[key] = round(value, 4)
    write(options.out / "quality.csv", rows)
    if bins:
        write(options.out / "calibration.csv", bins)
    print(f"{'method':24s} {'target':10s} {'n':>4s} {'Pearson':>8s} {'Spearman':>8s} {'loss':>6s}")
    for row in rows:
        print("{method:24s} {target:10s} {models:4d} {pearson:8.3f} {spearman:8.3f} {loss:6.3f}"
              .format(**row))  # fmt: skip


if __name__ == "__main__":
    main()
