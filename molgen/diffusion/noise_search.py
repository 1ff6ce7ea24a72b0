"""Search over initial noise: the zero-order search of Ma et al. (arXiv 2501.09732, section 3).

Without noise in its steps a sampler maps an initial noise to one pose. From the best noise so far
(the pivot) a neighbour is drawn, walked to its pose and verified; the better one is the next pivot.
Every pose has a pivot of its own, so that poses stay as different as the draws they come from.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.diffusion.inference import Verifier, Walk
from molgen.search.settings import InferenceSettings


def search_noise(
    walk: Walk,
    start: Float[Tensor, "1 poses atoms 3"],
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the best pose of every pivot after ``budget`` walks.

    The pose of a noise is one pose only where the steps are deterministic (eta 0); otherwise a
    neighbour is another draw.
    """
    pivot = walk.start(start, generator)
    coords = walk.run(pivot, generator)
    energies = verify(coords[0])
    for _ in range(settings.budget - 1):
        trial = neighbour(walk, pivot, settings.reach, generator)
        found = walk.run(trial, generator)
        energy = verify(found[0])
        better = energy < energies
        keep = better[None, :, None, None]
        pivot, coords = torch.where(keep, trial, pivot), torch.where(keep, found, coords)
        energies = torch.where(better, energy, energies)
    return coords, energies


def neighbour(
    walk: Walk,
    pivot: Float[Tensor, "1 poses atoms 3"],
    reach: float,
    generator: torch.Generator,
) -> Float[Tensor, "1 poses atoms 3"]:
    """Return noises near others: sqrt(1 - reach²) of the old and ``reach`` of a new one.

    The size of the noise stays what it was. What rigid-torsion space keeps (bonds, angles) is kept:
    there the centre shrinks, while orientation and torsions, uniform on circles, only turn.
    """
    shrink = math.sqrt(1.0 - reach**2)
    middle = pivot.mean(2, keepdim=True)
    shrunk = pivot - (1.0 - shrink) * middle if walk.rigid else shrink * pivot
    return walk.noised(shrunk, reach * walk.levels[0], generator)
