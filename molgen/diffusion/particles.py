"""Particle resampling: Feynman-Kac steering (Singhal et al., arXiv 2501.06848).

Particles of a group walk together. Every few steps a particle gets the weight

    G = exp(r(x̂_0 now) - r(x̂_0 at the last resampling)),   r = -E / temperature,

the *difference* potential of the paper, and the group is drawn anew in proportion. The potentials
multiply to exp(r(x_0)), so the particles aim at p(x) exp(r(x)), p being what the model draws.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.diffusion.inference import Verifier, Walk, lowest, repeated
from molgen.search.settings import InferenceSettings


def steer(
    walk: Walk,
    start: Float[Tensor, "1 poses atoms 3"],
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the survivors of a last resampling, and where they are too few the best of the rest.

    ``budget`` times as many particles as poses walk, in groups of ``group`` and a few more where
    the number does not divide.
    """
    coords, energies, chosen = walk_particles(
        walk, repeated(start, settings.budget), verify, settings, generator
    )
    kept = torch.unique(chosen)  # copies of a finished pose add nothing
    others = torch.ones(coords.shape[1], dtype=torch.bool)
    others[kept] = False
    order = torch.cat([_by_energy(energies, kept), _by_energy(energies, others.nonzero()[:, 0])])
    order = order[: start.shape[1]]
    return lowest(coords[:, order], energies[order], len(order))


def _by_energy(energies: Tensor, places: Tensor) -> Tensor:
    """Return places on the CPU, that of lowest energy first."""
    return places[energies[places].argsort().cpu()]


def walk_particles(
    walk: Walk,
    start: Float[Tensor, "1 particles atoms 3"],
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return particles at their end, their energies and the last resampling.

    The particles that the last resampling draws follow p(x) exp(-E / temperature).
    """
    coords = walk.start(start, generator)
    count = coords.shape[1]
    groups = torch.arange(count) % max(1, count // settings.group)
    reward = coords.new_zeros(count)
    for step in range(len(walk.levels)):
        clean = walk.estimate(coords, step)
        if step and step % settings.interval == 0:
            now = -verify(walk.projected(coords, clean)[0]) / settings.temperature
            chosen = resampled(now - reward, groups, generator)
            coords, clean, reward = coords[:, chosen], clean[:, chosen], now[chosen]
        coords = walk.advance(coords, clean, step, generator)
    energies = verify(coords[0])
    last = resampled(-energies / settings.temperature - reward, groups, generator)
    return coords, energies, last


def resampled(
    log_weights: Float[Tensor, " particles"],
    groups: Int[Tensor, " particles"],
    generator: torch.Generator,
) -> Int[Tensor, " particles"]:
    """Return for every particle the member of its group that takes its place.

    Systematic resampling: one random number a group, each member drawn in proportion to its weight
    up to rounding. Groups are told apart by number.
    """
    weights = log_weights.detach().cpu().double().nan_to_num(-torch.inf)
    chosen = torch.arange(len(weights))
    for group in groups.unique().tolist():
        members = (groups == group).nonzero().squeeze(1)
        own = weights[members]
        shift = torch.rand(1, generator=generator, dtype=torch.float64)
        if not torch.isfinite(own).any():
            continue  # nothing to choose by
        share = torch.softmax(own, 0).cumsum(0)
        points = (torch.arange(len(members)) + shift) / len(members)
        chosen[members] = members[torch.searchsorted(share, points).clamp_max(len(members) - 1)]
    return chosen
