"""Compare ways of ranking on held-out complexes: energy, boosted trees, networks, their mean.

    python workflows/ranking/compare.py STORE --poses DIR ... --split DIR [--model CHECKPOINT ...]

Gradient-boosted trees (scikit-learn) see the features of a pose without its contacts, and are
trained here on the training part. Measured on the validation and test parts, clusters of pocket
chains that no network was trained on (the contact potential in their energies was); the networks'
epochs were chosen on the validation part. 95 %
intervals: bootstrap over complexes, of the difference complex by complex.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from molgen.datasets.quality_splits import read_split
from molgen.datasets.store import Store
from molgen.scoring.confidence import load_confidence
from molgen.scoring.confidence_network import ConfidenceNetwork
from molgen.scoring.pose_features import RATED
from molgen.training.confidence import Rated, auroc, rate
from molgen.training.confidence_data import NEAR_NATIVE, ConfidenceData

DRAWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--poses", type=Path, nargs="+", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--model", nargs="*", default=[], metavar="CHECKPOINT")
    options = parser.parse_args()
    data = ConfidenceData(Store(options.store), options.poses, RATED)
    parts = read_split(options.split)
    held = data.positions([*parts["val"], *parts["test"]])
    train = sorted(set(range(len(data.ids))) - set(held))
    ways, single = {}, []
    for name in options.model:
        network = load_confidence(name).network
        rated = ways[Path(name).name] = rate(network, data, held, "cpu")
        single += [rated] if isinstance(network, ConfidenceNetwork) else []
    if len(single) > 1:
        ways["mean of the networks"] = [mean(ratings) for ratings in zip(*single, strict=True)]
    trees = boosted(data, train, held)
    energy = [replace(one, logit=-one.energy) for one in trees]
    print(f"{len(train)} complexes to train on, {len(held)} held out\n")
    print("| ranking | top-1 ≤ 2 Å | difference to energy | AUROC over poses |\n|---|---|---|---|")
    for name, rated in {"energy": energy, "gradient-boosted trees": trees, **ways}.items():
        print(row(name, rated, energy))


def mean(ratings: Sequence[Rated]) -> Rated:
    """Return what several networks say together of a complex, as `MeanNetwork` does."""
    logit = np.mean([one.logit for one in ratings], axis=0)
    return replace(ratings[0], logit=logit, expected=np.mean([r.expected for r in ratings], axis=0))


def boosted(data: ConfidenceData, train: list[int], held: list[int]) -> list[Rated]:
    """Return what trees on the features of single poses say of the held-out complexes."""
    found = [~data.poses[k].is_native for k in train]
    features = [data.poses[k].features[kept] for k, kept in zip(train, found, strict=True)]
    right = [data.poses[k].rmsd[kept] <= NEAR_NATIVE for k, kept in zip(train, found, strict=True)]
    weight = [np.full(len(one), 1.0 / len(one)) for one in right]
    trees = HistGradientBoostingClassifier(
        max_iter=300, learning_rate=0.05, max_leaf_nodes=15, l2_regularization=1.0,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    trees.fit(np.concatenate(features), np.concatenate(right), np.concatenate(weight))
    said = []
    for k in held:
        one = data.poses[k]
        kept = ~one.is_native
        logit = trees.decision_function(one.features[kept])
        said.append(
            Rated(data.ids[k], one.rmsd[kept], one.energy[kept], logit, np.zeros(len(logit)))
        )
    return said


def row(name: str, rated: list[Rated], energy: list[Rated]) -> str:
    """Return a line of the table."""
    top = np.array([one.right[one.logit.argmax()] for one in rated], dtype=float)
    gain = top - [one.right[one.logit.argmax()] for one in energy]
    rng = np.random.default_rng(0)
    draws = rng.integers(len(gain), size=(DRAWS, len(gain)))
    low, high = np.percentile(gain[draws].mean(1), [2.5, 97.5])
    area = auroc(np.concatenate([r.logit for r in rated]), np.concatenate([r.right for r in rated]))
    return (
        f"| {name} | {top.mean():.3f} | {gain.mean():+.3f} ({low:+.3f} to {high:+.3f}) "
        f"| {area:.3f} |"
    )


if __name__ == "__main__":
    main()
