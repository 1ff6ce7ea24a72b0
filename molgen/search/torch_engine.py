"""The search on any torch device: generations of minimised poses, the CUDA way of `engine`.

Several ligands, each in its own receptor, are searched at once: what one of them needs leaves most
of a GPU idle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.geometry.rotations import matrix_from_rotation_vector, random_quaternions
from molgen.search.engine import CANDIDATES, POOL, SAME
from molgen.search.selection import distinct
from molgen.search.settings import SearchSettings
from molgen.search.torch_pose import PoseEnergy, Problem, minimize_states, step_states

_BRIEF = 12
"""Evaluations spent on a random start."""
_FINAL = 60
"""Evaluations of the final minimisation."""
_APART = 1.5
"""Å RMSD between the parents of a generation."""

Population = tuple[Tensor, Tensor, Tensor]
"""States (ligands, poses, 7 + torsions), conformers and energies (ligands, poses); an infinite
energy marks a place without a pose."""


def torch_search(
    problems: Sequence[Problem],
    settings: SearchSettings,
    generators: Sequence[torch.Generator],
    device: torch.device | str,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return distinct minima as (poses, atoms, 3) Å in tree order and their energies, best first.

    Where `engine.search` follows few chains for many steps, a device wants many poses for few: a
    quarter of ``num_starts`` is changed at random and minimised in every generation, drawn from
    the best ``num_chains`` distinct minima so far, until as many minimisations are spent.

    Args:
        problems: ligands in their receptors, searched together.
        settings: effort and torsion weight.
        generators: a CPU generator for every problem; all its random numbers come from it.
        device: where to compute.

    Raises:
        ConfigError: the boxes of the problems differ in their number of grid points.
    """
    energy = PoseEnergy(problems, settings.torsion_weight, torch.device(device))
    starts = [_random_starts(*pair, settings.num_starts) for pair in zip(problems, generators,
                                                                        strict=True)]  # fmt: skip
    pool = _minimized(energy, _padded([s for s, _ in starts]), _padded([c for _, c in starts]),
                      _BRIEF)  # fmt: skip
    size = max(settings.num_chains, settings.num_starts // 4)
    spent = [settings.steps + settings.steps_per_torsion * count for count in energy.torsions]
    generations = [math.ceil(settings.rounds * settings.num_chains * one / size) for one in spent]
    draws = _Draws(generators, energy)
    for generation in range(max(generations)):
        pool = _condensed(energy, pool)
        parents = _distinct(energy, pool, _APART, settings.num_chains)
        chosen = torch.stack([
            one[torch.randint(len(one), (size,), generator=generator).to(one.device)]
            for one, generator in zip(parents, generators, strict=True)
        ])  # fmt: skip
        states, conformer = _mutated(energy, *_taken(pool, chosen)[:2], draws)
        children = _minimized(energy, states, conformer, settings.iterations)
        over = [generation >= last for last in generations]
        children[2][torch.tensor(over, device=energy.device)] = torch.inf
        pool = _joined(pool, children)
    pool = _condensed(energy, pool)
    none = torch.isinf(pool[2])
    pool = _minimized(energy, pool[0], pool[1], _FINAL)
    pool[2][none] = torch.inf
    pool = _best(pool, POOL)
    result = []
    coords = _placed(energy, pool).cpu().numpy()
    for ligand, kept in enumerate(_distinct(energy, pool, settings.distinct, POOL)):
        places = kept.cpu().numpy()
        values = pool[2][ligand].double().cpu().numpy()
        result.append((coords[ligand, places, : energy.atoms[ligand]], values[places]))
    return result


def _minimized(
    energy: PoseEnergy,
    states: Float[Tensor, "ligands poses size"],
    conformer: Int[Tensor, "ligands poses"],
    iterations: int,
) -> Population:
    states = states.to(device=energy.device, dtype=energy.dtype)
    conformer = conformer.to(energy.device)
    found, value = minimize_states(energy, states.flatten(0, 1), conformer.flatten(), iterations)
    return found.reshape(states.shape), conformer, value.reshape(conformer.shape)


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """Return tensors (poses, ...) of one or more ligands stacked, padded with zeros."""
    shape = [max(row.shape[axis] for row in rows) for axis in range(rows[0].ndim)]
    out = rows[0].new_zeros(len(rows), *shape)
    for k, row in enumerate(rows):
        out[k][tuple(slice(count) for count in row.shape)] = row
    return out


def _taken(pool: Population, chosen: Int[Tensor, "ligands picks"]) -> Population:
    """Return the chosen places of every ligand."""
    ligand = torch.arange(len(chosen), device=chosen.device)[:, None]
    states, conformer, value = (part[ligand, chosen] for part in pool)
    return states, conformer, value


def _joined(first: Population, second: Population) -> Population:
    states, conformer, value = (torch.cat(pair, 1) for pair in zip(first, second, strict=True))
    return states, conformer, value


def _best(pool: Population, count: int) -> Population:
    """Return the ``count`` entries of lowest energy of every ligand, sorted."""
    return _taken(pool, torch.sort(pool[2], stable=True).indices[:, :count])


def _condensed(energy: PoseEnergy, pool: Population) -> Population:
    """Return the best distinct minima of every ligand, sorted, as `engine.condense` does."""
    pool = _best(pool, CANDIDATES)
    kept = _distinct(energy, pool, SAME, POOL)
    found = _taken(pool, _padded(kept))
    for ligand, places in enumerate(kept):
        found[2][ligand, len(places) :] = torch.inf
    return found


def _placed(energy: PoseEnergy, pool: Population) -> Float[Tensor, "ligands poses atoms 3"]:
    coords = energy.place(pool[0].flatten(0, 1), pool[1].flatten())
    return coords.double().unflatten(0, pool[1].shape)


def _distinct(energy: PoseEnergy, pool: Population, rmsd: float, limit: int) -> list[Tensor]:
    """Return of every ligand the places of a sorted pool without repeats."""
    coords = _placed(energy, pool).cpu().numpy()
    counts = torch.isfinite(pool[2]).sum(1).tolist()
    kept = [
        distinct(np.ascontiguousarray(xyz[:, :atoms]), np.arange(count), rmsd, limit, alike)
        for xyz, atoms, count, alike in zip(
            coords, energy.atoms, counts, energy.symmetries, strict=True
        )
    ]
    return [torch.as_tensor(places, device=energy.device) for places in kept]


def _random_starts(
    problem: Problem, generator: torch.Generator, count: int
) -> tuple[Float[Tensor, "poses size"], Int[Tensor, "poses"]]:
    """Return uniform random states in the box, on the CPU, and their conformers."""
    field, template = problem
    edges = torch.as_tensor((np.array(field.grids.shape[1:]) - 1) * field.spacing)
    margin = (edges / 4).clamp_max(3.0)
    share = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    position = torch.as_tensor(field.origin) + margin + share * (edges - 2 * margin)
    turn = torch.rand(count, template.tree.num_torsions, generator=generator, dtype=torch.float64)
    torsions = (2.0 * turn - 1.0) * torch.pi
    conformer = torch.randint(len(template.conformers), (count,), generator=generator)
    return torch.cat([position, random_quaternions(count, generator), torsions], 1), conformer


class _Draws:
    """Random numbers of every ligand from its own generator, whatever the others are."""

    def __init__(self, generators: Sequence[torch.Generator], energy: PoseEnergy) -> None:
        self.generators, self.torsions = generators, energy.torsions
        self.device, self.dtype = energy.device, energy.dtype

    def uniform(self, *shape: int) -> Float[Tensor, "ligands ..."]:
        """Return numbers from 0 to 1."""
        return self._sent([torch.rand(*shape, generator=generator, dtype=torch.float64)
                           for generator in self.generators])  # fmt: skip

    def of_torsions(self, poses: int) -> Float[Tensor, "ligands poses torsions"]:
        """Return the same for every torsion."""
        return self._sent([
            torch.rand(poses, count, generator=generator, dtype=torch.float64)
            for generator, count in zip(self.generators, self.torsions, strict=True)
        ])  # fmt: skip

    def directions(self, poses: int) -> Float[Tensor, "ligands poses 3"]:
        """Return unit vectors."""
        drawn = self._sent([random_quaternions(poses, one)[:, 1:] for one in self.generators])
        return torch.nn.functional.normalize(drawn, dim=-1)

    def _sent(self, rows: list[Tensor]) -> Tensor:
        return _padded(rows).to(device=self.device, dtype=self.dtype)


def _mutated(
    energy: PoseEnergy,
    states: Float[Tensor, "ligands poses size"],
    conformer: Int[Tensor, "ligands poses"],
    draws: _Draws,
) -> tuple[Float[Tensor, "ligands poses size"], Int[Tensor, "ligands poses"]]:
    """Return one random change of every state, with the odds of the compiled kernels.

    One of: one or two torsions, a shift by up to 1 Å an axis, a small turn, a half turn, another
    conformer; a torsion move is followed by one of the others in half of the cases.
    """
    poses = states.shape[1]
    torsions = torch.tensor(energy.torsions, device=energy.device)[:, None]
    shapes = torch.tensor(energy.conformers, device=energy.device)[:, None]

    turning = draws.uniform(poses) < torsions / (torsions + 3.0)
    second = draws.uniform(poses) > 0.7
    number = torch.arange(states.shape[2] - 7, device=energy.device)
    picks = torch.zeros_like(states[..., 7:], dtype=torch.bool)
    for use in (turning, turning & second):
        pick = torch.minimum((draws.uniform(poses) * torsions).long(), torsions - 1)
        picks = picks | ((pick[..., None] == number) & use[..., None])
    anew = draws.of_torsions(poses) < 0.6
    fresh = (2.0 * draws.of_torsions(poses) - 1.0) * torch.pi
    angles = states[..., 7:]
    nudged = angles + (2.0 * draws.of_torsions(poses) - 1.0)
    angles = torch.where(picks, torch.where(anew, fresh, nudged), angles)

    rigid = ~turning | (draws.uniform(poses) < 0.5)
    choice = torch.where(rigid, draws.uniform(poses), 2.0)
    shift = (2.0 * draws.uniform(poses, 3) - 1.0) * (choice < 0.3)[..., None]
    axis = draws.directions(poses)
    amount = torch.where(choice > 0.65, torch.pi, 1.2 * draws.uniform(poses))
    amount = torch.where((choice >= 0.3) & (choice < 0.85), amount, 0.0)
    turn = amount[..., None] * axis
    # the turn is about the centre of the pose, a step turns about its root
    changed = torch.cat([states[..., :7], angles], dim=-1)
    coords = energy.place(changed.flatten(0, 1), conformer.flatten())
    centre = energy.centers(coords).reshape(shift.shape)
    still = torch.cat([torch.zeros_like(shift), turn, torch.zeros_like(angles)], dim=-1)
    turned = step_states(changed.flatten(0, 1), still.flatten(0, 1)).reshape(states.shape)
    arm = matrix_from_rotation_vector(turn) @ (changed[..., :3] - centre)[..., None]
    position = centre + arm.squeeze(-1) + shift

    other = torch.minimum((draws.uniform(poses) * shapes).long(), shapes - 1)
    swap = (choice >= 0.85) & (choice <= 1.0)
    found = torch.cat([position, turned[..., 3:7], angles], -1)
    return found, torch.where(swap, other, conformer)
