"""How many stereocentres the raw poses of SIDEGEN have right, in both pose spaces.

    python workflows/sidegen/handedness.py FOLDER [--limit 20] [--model CHECKPOINT]

FOLDER holds <id>/<id>_protein.pdb and <id>_ligand.sdf. Draws 20 poses of each of the first ligands
with stereocentres and prints the share of centres, and of whole poses, with the configuration of
the input.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from ablation import EDGE
from rdkit import Chem

from molgen.diffusion.sampler import SidegenSampler
from molgen.diffusion.spaces import SPACES
from molgen.io import read_ligand, read_protein
from molgen.search.samplers import SamplerSettings
from molgen.search.settings import SidegenSettings
from molgen.structure import Ligand, Pocket


def main() -> None:
    """Draw, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=SidegenSettings().checkpoint, metavar="CHECKPOINT")
    parser.add_argument("--limit", type=int, default=20, help="ligands")
    parser.add_argument("--poses", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    right: dict[str, list[np.ndarray]] = {space: [] for space in SPACES}
    for folder in sorted(path for path in options.folder.iterdir() if path.is_dir()):
        ligand = read_ligand(folder / f"{folder.name}_ligand.sdf")
        if not len(centres(ligand.mol)) or len(right["cartesian"]) == options.limit:
            continue
        protein = read_protein(folder / f"{folder.name}_protein.pdb")
        pocket = Pocket(ligand.coords.mean(0), np.full(3, EDGE), "answer")
        for space, found in right.items():
            drawn = SidegenSettings(options.model, space=space, samples=options.poses)
            sampler = SidegenSampler(protein, pocket, SamplerSettings(sidegen=drawn))
            found.append(kept(ligand, sampler.propose(ligand, 0)))
    for space, found in right.items():
        single = np.concatenate([one.ravel() for one in found])
        whole = np.concatenate([one.all(1) for one in found])
        print(
            f"{space}: {len(found)} ligands, {100 * single.mean():.1f} % of {single.size} centres, "
            f"{100 * whole.mean():.1f} % of {whole.size} poses"
        )


def centres(mol: Chem.Mol) -> list[int]:
    """Return the atoms with a configuration."""
    return [a.GetIdx() for a in mol.GetAtoms() if a.GetChiralTag() != Chem.CHI_UNSPECIFIED]


def kept(ligand: Ligand, poses: np.ndarray) -> np.ndarray:
    """Return which centres have the configuration of the input, (poses, centres) bool."""
    where = centres(ligand.mol)
    wanted = [ligand.mol.GetAtomWithIdx(k).GetChiralTag() for k in where]
    rows = []
    for coords in poses:
        mol = ligand.placed(coords)
        Chem.AssignAtomChiralTagsFromStructure(mol)
        rows.append([mol.GetAtomWithIdx(k).GetChiralTag() for k in where])
    return np.array(rows) == np.array(wanted)


if __name__ == "__main__":
    main()
