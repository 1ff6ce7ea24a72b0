"""Measure the error of the receptor grid against the exact Vina energy, by grid spacing.

    python workflows/energies/grid_error.py DIR [DIR ...] [--count 15]

Poses: the crystal pose, and it displaced at random (up to 1 Å and 20 degrees). Each then counts
once as it is; hard clashes (exact energy above +5 kcal/mol) are told apart.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from complexes import read_complexes

from molgen.energy.grid import VinaGrid
from molgen.energy.vina import Vina
from molgen.geometry.rotations import matrix_from_rotation_vector
from molgen.graphs.energy_topology import build_energy_topology

SPACINGS = (0.25, 0.375, 0.4, 0.5)


def displaced(
    coords: torch.Tensor, count: int, shift: float, degrees: float, generator: torch.Generator
) -> torch.Tensor:
    """Return random rigid displacements of a pose about its centre, (count, atoms, 3)."""
    centre = coords.mean(0)
    turn = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    turn = torch.nn.functional.normalize(turn, dim=-1)
    turn = turn * torch.rand(count, 1, generator=generator) * np.radians(degrees)
    rotation = matrix_from_rotation_vector(turn)
    move = (2 * torch.rand(count, 1, 3, generator=generator, dtype=torch.float64) - 1) * shift
    return (coords - centre) @ rotation.mT + centre + move


def main() -> None:
    """Print the error table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=15)
    parser.add_argument("--poses", type=int, default=200)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    crystal: dict[float, list[float]] = {spacing: [] for spacing in SPACINGS}
    moved: dict[float, list[np.ndarray]] = {spacing: [] for spacing in SPACINGS}
    exact: list[np.ndarray] = []
    build: dict[float, float] = dict.fromkeys(SPACINGS, 0.0)
    complexes = 0
    for complex_ in read_complexes(options.folders, options.count, edge=25.0):
        topology = build_energy_topology(complex_.ligand.mol, complex_.protein, complex_.pocket)
        coords = torch.as_tensor(complex_.ligand.coords)
        poses = torch.cat([coords[None], displaced(coords, options.poses, 1.0, 20.0, generator)])
        with torch.no_grad():
            reference = Vina().bind(topology).terms(poses)["inter"].numpy()
        exact.append(reference[1:])
        for spacing in SPACINGS:
            start = time.perf_counter()
            grid = VinaGrid(spacing).bind(topology)
            build[spacing] += time.perf_counter() - start
            error = grid(poses).numpy() - reference
            crystal[spacing].append(float(error[0]))
            moved[spacing].append(error[1:])
        complexes += 1
    truth = np.concatenate(exact)
    soft = truth < 5.0
    print(f"{complexes} complexes, {len(truth)} displaced poses, {soft.sum()} below +5 kcal/mol")
    print("| spacing | crystal: mean | crystal: MAE | displaced: mean | MAE | 95 % | Pearson | s |")
    print("|---|---|---|---|---|---|---|---|")
    for spacing in SPACINGS:
        first = np.array(crystal[spacing])
        error = np.concatenate(moved[spacing])[soft]
        r = np.corrcoef(truth[soft], truth[soft] + error)[0, 1]
        print(
            f"| {spacing} | {first.mean():+.3f} | {np.abs(first).mean():.3f} | {error.mean():+.3f} "
            f"| {np.abs(error).mean():.3f} | {np.quantile(np.abs(error), 0.95):.3f} | {r:.5f} "
            f"| {build[spacing] / complexes:.1f} |"
        )


if __name__ == "__main__":
    main()
