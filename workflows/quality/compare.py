"""Compare quality models on the held-out targets of a store, each against each, in pairs.

    python workflows/quality/compare.py STORE --split DIR --model NAME=CHECKPOINT ... --out FILE

Means over the targets come with 95 % intervals from 2,000 draws of the targets with replacement.
The difference between two models (column ``against``) has its own interval from the same draws:
what is common to the two cancels.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from molgen.datasets.quality import QualityStore
from molgen.scoring.quality_model import load_quality
from molgen.training.quality import predict
from molgen.training.quality_data import QualityData
from molgen.training.quality_metrics import pearson, target_metrics

DRAWS = 2000
MEASURES = ("residue_pearson", "residue_rmse", "target_pearson", "target_spearman", "top1_loss")


def per_target(checkpoint: str, data: QualityData, positions: list[int]) -> dict[str, np.ndarray]:
    """Return the measures of every target, (targets,); NaN where one cannot be ranked."""
    found = predict(load_quality(checkpoint), data, positions, "cpu", 2500)
    targets = data.targets[found.positions]
    ranked = target_metrics(targets, found.score, found.true_score)
    rows = []
    for name in np.unique(targets).tolist():
        inside = (targets == name)[found.owner]
        local, true = found.local[inside], found.true_local[inside]
        own = ranked.get(name, {})
        rows.append(
            [
                pearson(local, true),
                float(np.sqrt(((local - true) ** 2).mean())),
                *(own.get(key, np.nan) for key in ("pearson", "spearman", "top1_loss")),
            ]
        )
    return dict(zip(MEASURES, np.array(rows).T, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=CHECKPOINT")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = QualityData([QualityStore(options.store)])
    parts = data.split(str(options.split), 0, (0.8, 0.1, 0.1))
    positions = data.of_targets(parts["test"] or parts["val"])
    tables = {}
    for pair in options.model:
        name, _, checkpoint = pair.partition("=")
        tables[name] = per_target(checkpoint, data, positions)
    count = len(next(iter(tables.values()))[MEASURES[0]])
    draws = np.random.default_rng(0).integers(0, count, (DRAWS, count))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("model", "measure", "targets", "mean", "low", "high", "against"))
        for name, table in tables.items():
            for measure, values in table.items():
                _row(writer, name, measure, values, draws, "")
        for (name, table), (other, lower) in itertools.combinations(tables.items(), 2):
            for measure, values in table.items():
                _row(writer, name, measure, values - lower[measure], draws, other)


def _row(
    writer: Any, name: str, measure: str, values: np.ndarray, draws: np.ndarray, other: str
) -> None:
    """Write and print the mean over targets with its interval."""
    low, high = np.nanpercentile(np.nanmean(values[draws], axis=1), (2.5, 97.5))
    numbers = [f"{value:.4f}" for value in (np.nanmean(values), low, high)]
    row = (name, measure, int(np.isfinite(values).sum()), *numbers, other)
    writer.writerow(row)
    print("{:22s} {:16s} {:4d}  {:>8s} ({} to {})  {}".format(*row))


if __name__ == "__main__":
    main()
