"""The search on any torch device: generations of minimised poses, the CUDA way of `engine`."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.geometry.rotations import matrix_from_rotation_vector, random_quaternions
from molgen.search.field import ReceptorField
from molgen.search.selection import distinct
from molgen.search.settings import SearchSettings
from molgen.search.templates import LigandTemplate
from molgen.search.torch_pose import PoseEnergy, minimize_states, step_states

_POOL = 1500
"""Best minima that are kept from generation to generation."""
_BRIEF = 12
"""Evaluations spent on a random start."""
_FINAL = 60
"""Evaluations of the final minimisation."""
_FINALISTS = 500
"""Distinct poses that go on to it."""
_APART = 1.5
"""Å RMSD between the parents of a generation."""

Population = tuple[Tensor, Tensor, Tensor]
"""States (poses, 7 + torsions), conformers (poses,), energies (poses,)."""


def torch_search(
    field: ReceptorField,
    template: LigandTemplate,
    settings: SearchSettings,
    generator: torch.Generator,
    device: torch.device | str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct minima as (poses, atoms, 3) Å in tree order and their energies, best first.

    Where `engine.search` follows few chains for many steps, a device wants many poses for few: a
    quarter of ``num_starts`` is changed at random and minimised in every generation, drawn from
    the best ``num_chains`` distinct minima so far, until as many minimisations are spent. All
    random numbers come from ``generator``, a CPU generator.
    """
    device = torch.device(device)
    energy = PoseEnergy(field, template, settings.torsion_weight, device)
    states, conformer = _random_starts(field, template, settings.num_starts, generator)
    pool = _minimized(energy, states, conformer, _BRIEF)
    steps = settings.steps + settings.steps_per_torsion * template.tree.num_torsions
    size = max(settings.num_chains, settings.num_starts // 4)
    generations = math.ceil(settings.rounds * settings.num_chains * steps / size)
    for _ in range(generations):
        pool = _best(pool, _POOL)
        parents = _distinct(energy, pool, _APART, settings.num_chains)
        drawn = torch.randint(len(parents), (size,), generator=generator)
        chosen = parents[drawn.to(device)]
        states, conformer = _mutated(energy, pool[0][chosen], pool[1][chosen], generator)
        children = _minimized(energy, states, conformer, settings.iterations)
        pool = _joined(pool, children)
    pool = _best(pool, _POOL)
    kept = _distinct(energy, pool, 0.3 * settings.distinct, _FINALISTS)
    pool = _best(_minimized(energy, pool[0][kept], pool[1][kept], _FINAL), _POOL)
    kept = _distinct(energy, pool, settings.distinct, _POOL)
    coords = energy.place(pool[0][kept], pool[1][kept])
    return coords.double().cpu().numpy(), pool[2][kept].double().cpu().numpy()


def _minimized(
    energy: PoseEnergy,
    states: Float[Tensor, "poses size"],
    conformer: Int[Tensor, "poses"],
    iterations: int,
) -> Population:
    states = states.to(device=energy.device, dtype=energy.dtype)
    conformer = conformer.to(energy.device)
    states, value = minimize_states(energy, states, conformer, iterations)
    return states, conformer, value


def _joined(first: Population, second: Population) -> Population:
    return (
        torch.cat([first[0], second[0]]),
        torch.cat([first[1], second[1]]),
        torch.cat([first[2], second[2]]),
    )


def _best(pool: Population, count: int) -> Population:
    """Return the ``count`` entries of lowest energy, sorted."""
    order = torch.sort(pool[2], stable=True).indices[:count]
    return pool[0][order], pool[1][order], pool[2][order]


def _distinct(energy: PoseEnergy, pool: Population, rmsd: float, limit: int) -> Tensor:
    """Return indices of a sorted pool without repeats."""
    coords = energy.place(pool[0], pool[1]).double().cpu().numpy()
    kept = distinct(coords, np.arange(len(coords)), rmsd, limit)
    return torch.as_tensor(kept, device=energy.device)


def _random_starts(
    field: ReceptorField, template: LigandTemplate, count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "poses size"], Int[Tensor, "poses"]]:
    """Return uniform random states in the box, on the CPU, and their conformers."""
    edges = torch.as_tensor((np.array(field.grids.shape[1:]) - 1) * field.spacing)
    margin = (edges / 4).clamp_max(3.0)
    share = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    position = torch.as_tensor(field.origin) + margin + share * (edges - 2 * margin)
    turn = torch.rand(count, template.tree.num_torsions, generator=generator, dtype=torch.float64)
    torsions = (2.0 * turn - 1.0) * torch.pi
    conformer = torch.randint(len(template.conformers), (count,), generator=generator)
    return torch.cat([position, random_quaternions(count, generator), torsions], 1), conformer


def _mutated(
    energy: PoseEnergy,
    states: Float[Tensor, "poses size"],
    conformer: Int[Tensor, "poses"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "poses size"], Int[Tensor, "poses"]]:
    """Return one random change of every state, with the odds of the compiled kernels.

    One of: one or two torsions, a shift by up to 1 Å an axis, a small turn, a half turn, another
    conformer; a torsion move is followed by one of the others in half of the cases.
    """
    poses, torsions = len(states), states.shape[1] - 7

    def uniform(*shape: int) -> Tensor:
        drawn = torch.rand(*shape, generator=generator, dtype=torch.float64)
        return drawn.to(device=states.device, dtype=states.dtype)

    turning = uniform(poses) < torsions / (torsions + 3.0)
    picks = torch.zeros(poses, torsions, dtype=torch.bool, device=states.device)
    second = uniform(poses) > 0.7
    for attempt in range(2 if torsions else 0):
        pick = (uniform(poses) * torsions).long().clamp_max(torsions - 1)
        use = turning if attempt == 0 else turning & second
        picks[torch.arange(poses, device=states.device)[use], pick[use]] = True
    anew = uniform(poses, torsions) < 0.6
    fresh = (2.0 * uniform(poses, torsions) - 1.0) * torch.pi
    angles = states[:, 7:]
    nudged = angles + (2.0 * uniform(poses, torsions) - 1.0)
    angles = torch.where(picks, torch.where(anew, fresh, nudged), angles)

    rigid = ~turning | (uniform(poses) < 0.5)
    choice = torch.where(rigid, uniform(poses), 2.0)
    shift = (2.0 * uniform(poses, 3) - 1.0) * (choice < 0.3)[:, None]
    axis = random_quaternions(poses, generator, device=states.device, dtype=states.dtype)[:, 1:]
    axis = torch.nn.functional.normalize(axis, dim=-1)
    amount = torch.where(choice > 0.65, torch.pi, 1.2 * uniform(poses))
    amount = torch.where((choice >= 0.3) & (choice < 0.85), amount, 0.0)
    turn = amount[:, None] * axis
    # the turn is about the centre of the pose, a step turns about its root
    changed = torch.cat([states[:, :7], angles], dim=1)
    centre = energy.place(changed, conformer).mean(1)
    still = torch.cat([torch.zeros_like(shift), turn, torch.zeros_like(angles)], dim=1)
    turned = step_states(changed, still)
    arm = (matrix_from_rotation_vector(turn) @ (changed[:, :3] - centre)[..., None]).squeeze(-1)
    position = centre + arm + shift

    other = (uniform(poses) * len(energy.conformers)).long().clamp_max(len(energy.conformers) - 1)
    swap = (choice >= 0.85) & (choice <= 1.0)
    return torch.cat([position, turned[:, 3:7], angles], 1), torch.where(swap, other, conformer)
