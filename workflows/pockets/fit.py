"""Fit the weights of the alpha spheres in `molgen.structure.cavities` to training complexes.

    python workflows/pockets/fit.py TRAIN_FOLDER [--complexes 500] [--seed 0]

Prints ``FEATURES`` and ``INTERCEPT`` as they stand in the module, and the area under the ROC
curve on a fifth of the complexes left out. Spheres farther than 6 Å from the ligand are not used:
the training complexes are cut at 15 Å and features reach 10 Å.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from molgen.errors import MolgenError
from molgen.io import read_ligand, read_protein
from molgen.structure.cavities import FEATURES, alpha_spheres, sphere_features
from molgen.training.confidence import auroc

RIDGE = 1e-3


def collect(folder: Path, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, labels and the ordinal of the complex of every sphere used."""
    ids = sorted(path.name for path in folder.iterdir() if path.is_dir())
    picked = np.random.default_rng(seed).permutation(len(ids))[:count]
    features, labels, groups = [], [], []
    for group, index in enumerate(picked):
        entry = ids[index]
        try:
            protein = read_protein(folder / entry / f"{entry}_protein.pdb")
            ligand = read_ligand(folder / entry / f"{entry}_ligand.sdf")
        except MolgenError as error:
            print(f"# {entry} left out: {error}")
            continue
        spheres = alpha_spheres(protein.coords)
        distance, _ = cKDTree(ligand.coords).query(spheres.centers)
        used = (distance < 2.5) | ((distance > 3.5) & (distance < 6.0))
        features.append(sphere_features(protein, spheres)[used])
        labels.append(distance[used] < 2.5)
        groups.append(np.full(used.sum(), group))
    return np.concatenate(features), np.concatenate(labels), np.concatenate(groups)


def fit(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coefficients and intercept of a ridge-penalised logistic regression."""
    mean, scale = features.mean(0), features.std(0)
    design = np.c_[(features - mean) / scale, np.ones(len(features))]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logit = design @ weights
        penalty = np.r_[weights[:-1], 0.0] * RIDGE
        gradient = design.T @ (1 / (1 + np.exp(-logit)) - labels) / len(labels) + penalty
        value = (np.logaddexp(0, logit) - labels * logit).mean()
        return value + 0.5 * penalty @ weights, gradient

    weights = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    coefficients = weights[:-1] / scale
    return coefficients, float(weights[-1] - coefficients @ mean)


def main() -> None:
    """Read the arguments, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--complexes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    features, labels, groups = collect(args.folder, args.complexes, args.seed)
    train = groups % 5 != 0
    coefficients, intercept = fit(features[train], labels[train])
    print("FEATURES = {")
    for name, value in zip(FEATURES, coefficients, strict=True):
        print(f'    "{name}": {value:.4g},')
    print(f"}}\nINTERCEPT = {intercept:.4g}")
    print(
        f"# spheres {len(labels)}, area under ROC left out: "
        f"{auroc(features[~train] @ coefficients, labels[~train]):.3f}"
    )


if __name__ == "__main__":
    main()
