"""Crystal poses with the local geometry of embedded conformers.

A model that only sees the bond lengths, angles and rings of crystals meets others when it samples:
there poses start from embedded conformers. For training, conformers are brought into the crystal
pose by torsions, rotation and translation: the conformer matching of DiffDock (Corso et al., arXiv
2210.01776), here by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from molgen.diffusion.spaces import RigidTorsion
from molgen.graphs.pose_graph import LigandTopology, stack_coords, stack_ligands

NEAR = 0.75
"""Å, RMSD to the crystal pose up to which a matched conformer is used."""
STEPS = 4
"""Of least squares, after the torsions of the crystal have been taken over."""
TOGETHER = 128
"""Conformers that are matched at once."""


@torch.no_grad()
def matched_conformers(
    ligands: Sequence[LigandTopology],
    crystals: Sequence[np.ndarray],
    conformers: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """Return the conformers of every ligand in its crystal pose.

    Args:
        crystals: (atoms, 3) Å of each ligand.
        conformers: (conformers, atoms, 3) Å of each ligand, anywhere.

    Returns:
        (found, atoms, 3) float32 Å of each ligand: those that come within `NEAR` of the crystal.
    """
    each = [(k, shape) for k, shapes in enumerate(conformers) for shape in shapes]
    each.sort(key=lambda one: len(one[1]))
    found: list[list[np.ndarray]] = [[] for _ in ligands]
    for begin in range(0, len(each), TOGETHER):
        part = each[begin : begin + TOGETHER]
        owners = [k for k, _ in part]
        centres = [crystals[k].mean(0) for k in owners]
        placed = _placed(
            [ligands[k] for k in owners],
            [crystals[k] - centre for k, centre in zip(owners, centres, strict=True)],
            [shape for _, shape in part],
        )
        for k, centre, coords in zip(owners, centres, placed, strict=True):
            moved = coords[: len(crystals[k])] + centre
            if np.sqrt(((moved - crystals[k]) ** 2).sum(1).mean()) <= NEAR:
                found[k].append(moved.astype(np.float32))
    return [
        np.array(one, dtype=np.float32).reshape(-1, *crystal.shape)
        for one, crystal in zip(found, crystals, strict=True)
    ]


def _placed(
    ligands: Sequence[LigandTopology], targets: Sequence[np.ndarray], shapes: Sequence[np.ndarray]
) -> np.ndarray:
    """Return (ligands, most atoms, 3): each conformer moved onto its target."""
    space, ligand = RigidTorsion(), stack_ligands(ligands)
    target = stack_coords(targets)[:, None].double()
    coords = stack_coords(shapes)[:, None].double()
    # a step to noise level 0: torsions and place of the target
    coords = space.step(coords, target, ligand, 0.0, 0.0, torch.Generator())
    for _ in range(STEPS):
        coords = space.moved(coords, target - coords, ligand)
    return np.asarray(coords[:, 0].numpy())
