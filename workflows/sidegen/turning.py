"""How exactly the poses that SIDEGEN draws turn with the input.

    python workflows/sidegen/turning.py FOLDER [--model CHECKPOINT]

FOLDER holds <id>/<id>_protein.pdb and <id>_ligand.sdf. Draws 40 raw poses of every complex, and
again after the whole input was turned at random, three times: with the turned coordinates as they
are, rounded to float32, and to 0.001 Å as a PDB file has them. Prints for each turn how many poses
lie elsewhere by more than 0.001 Å, and the median and largest distance of an atom.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from ablation import EDGE
from scipy.spatial.transform import Rotation

from molgen.diffusion.sampler import SidegenSampler
from molgen.diffusion.spaces import SPACES
from molgen.io import read_ligand, read_protein
from molgen.search.samplers import SamplerSettings
from molgen.search.settings import SidegenSettings
from molgen.structure import Ligand, Pocket, Protein

CLOSE = 1e-3
"""Å"""

ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as they are": np.asarray,
    "float32": np.float32,
    "0.001 Å": partial(np.round, decimals=3),
}
"""Of the turned coordinates."""


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=SidegenSettings().checkpoint, metavar="CHECKPOINT")
    parser.add_argument("--poses", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for folder in sorted(path for path in options.folder.iterdir() if path.is_dir()):
        protein = read_protein(folder / f"{folder.name}_protein.pdb")
        ligand = read_ligand(folder / f"{folder.name}_ligand.sdf")
        for space in SPACES:
            drawn = SidegenSettings(options.model, space=space, samples=options.poses)
            settings = SamplerSettings(sidegen=drawn)
            plain = poses(protein, ligand, settings, np.eye(3))
            for seed, (kind, rounding) in product(range(options.turns), ROUNDINGS.items()):
                turn = Rotation.random(random_state=seed).as_matrix()
                found = poses(protein, ligand, settings, turn, rounding)
                apart = np.abs(found - plain @ turn.T).max((1, 2))
                print(
                    f"{folder.name} {space} {kind}: "
                    f"{(apart > CLOSE).sum()} of {len(apart)} poses, "
                    f"median {np.median(apart):.1e} Å, largest {apart.max():.1e} Å",
                    flush=True,
                )


def poses(
    protein: Protein,
    ligand: Ligand,
    settings: SamplerSettings,
    turn: np.ndarray,
    rounding: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
    """Return the poses drawn into the turned input, (poses, atoms, 3) Å."""
    center = turn @ ligand.coords.mean(0).astype(np.float64)
    coords = rounding(protein.coords.astype(np.float64) @ turn.T)
    pocket = Pocket(center, np.full(3, EDGE), "turned")
    sampler = SidegenSampler(replace(protein, coords=coords), pocket, settings)
    return sampler.propose(ligand, 0)


if __name__ == "__main__":
    main()
