"""Small protein models and an untrained checkpoint, for the tests of `molgen score`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from molgen.io import read_structure, write_pdb
from molgen.structure import Protein

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"
NATIVE = EXAMPLES / "6xg5.cif"
RESIDUES = 40


@cache
def native() -> Protein:
    """Return the first 40 residues of entry 6XG5."""
    atoms = read_structure(NATIVE).atoms
    chain = atoms.select(~atoms.hetero)
    return chain.select(chain.residue_index() < RESIDUES)


def moved(noise: float, seed: int = 0) -> Protein:
    """Return the native with every atom moved at random; ``noise`` in Å."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0.0, noise, native().coords.shape).astype(np.float32)
    return replace(native(), coords=native().coords + shift)


def write_models(folder: Path, count: int) -> list[Path]:
    """Write models m0.pdb, m1.pdb, ... of growing error; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"m{number}.pdb" for number in range(count)]
    for number, path in enumerate(paths):
        write_pdb(path, moved(0.25 * number, number))
    return paths


def write_checkpoint(folder: Path) -> Path:
    """Write a checkpoint of S-GCN(5) with random weights that tell residues apart."""
    import torch

    from molgen.scoring.quality_model import build_quality, save_quality

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_quality("sgcn_5")
    save_quality(folder, model)
    return folder
