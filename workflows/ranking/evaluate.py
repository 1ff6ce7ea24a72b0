"""Rank the same searched poses by energy and by confidence.

    python workflows/ranking/evaluate.py --set NAME=STORE:LABELS ... [--model M] [--rows FILE]

STORE is made by `molgen preprocess`, LABELS by `molgen label poses`; benchmarks must not have been
trained on. Intervals: 1,000 draws of the complexes with replacement; the difference of the two
rankings has its own. ``--rows`` writes a line for every complex, ``--plot`` how often poses of a
confidence are right.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from molgen.datasets.store import Store
from molgen.io import atomic_write
from molgen.metrics.success import proportion
from molgen.report.plots import reliability
from molgen.scoring.bands import BANDS, band
from molgen.scoring.confidence import ConfidenceModel, load_confidence
from molgen.scoring.pose_features import RATED
from molgen.training.confidence import Rated, rate
from molgen.training.confidence_data import ConfidenceData
from molgen.training.confidence_metrics import MEASURES, measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", action="append", required=True, metavar="NAME=STORE:LABELS")
    parser.add_argument("--model", default="confidence-2", metavar="CHECKPOINT")
    parser.add_argument("--rows", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="reliability")
    options = parser.parse_args()
    model = load_confidence(options.model)
    sets: dict[str, list[Rated]] = {}
    for text in options.set:
        name, _, places = text.partition("=")
        store, _, labels = places.partition(":")
        data = ConfidenceData(Store(store), [Path(labels)], RATED)
        sets[name] = rate(model.network, data, range(len(data.ids)), "cpu")
    everything = [one for rated in sets.values() for one in rated]
    tables = {
        f"{name} ({len(rated)})": measured(rated, model.probability) for name, rated in sets.items()
    }
    if len(sets) > 1:
        tables[f"all ({len(everything)})"] = measured(everything, model.probability)
    print("| measure | " + " | ".join(tables) + " |")
    print("|---" * (len(tables) + 1) + "|")
    for name, title in MEASURES.items():
        cells = [
            f"{found[name]['value']:.3f} ({found[name]['low']:.3f}–{found[name]['high']:.3f})"
            for found in tables.values()
        ]
        print(f"| {title} | " + " | ".join(cells) + " |")
    chances = [model.probability(one.logit) for one in everything]
    tops = [int(chance.argmax()) for chance in chances]
    best = np.array([chance[top] for chance, top in zip(chances, tops, strict=True)])
    right = np.array([one.right[top] for one, top in zip(everything, tops, strict=True)])
    print("\n| confidence of the first pose | complexes | within 2 Å, % |\n|---|---|---|")
    words = np.array([band(chance) for chance in best])
    for least, word in BANDS:
        inside = words == word
        share = proportion(right[inside].tolist()).percent()
        print(f"| {word} (from {least}) | {inside.sum()} | {share} |")
    if options.plot:
        poses = np.concatenate(chances), np.concatenate([one.right for one in everything])
        reliability(options.plot, {"all poses": poses, "first poses": (best, right)})
    if options.rows:
        write_rows(options.rows, sets, model)


def write_rows(path: Path, sets: dict[str, list[Rated]], model: ConfidenceModel) -> None:
    """Write what each ranking takes of every complex."""
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("set", "id", "poses", "best_rmsd", "energy_rmsd", "confidence_rmsd", "confidence")
        )
        for name, rated in sets.items():
            for one in rated:
                top = int(one.logit.argmax())
                distances = (one.rmsd.min(), one.rmsd[one.energy.argmin()], one.rmsd[top])
                chance = model.probability(one.logit)[top]
                writer.writerow(
                    (name, one.id, len(one.rmsd), *(f"{d:.3f}" for d in distances), f"{chance:.4f}")
                )


if __name__ == "__main__":
    main()
