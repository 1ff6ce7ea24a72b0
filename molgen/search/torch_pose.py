"""Energy and gradient of a batch of poses in torch: the same mathematics as the compiled kernels.

A state is position (3, Å), unit quaternion (4, w first) and torsions (radians from the template);
a step is a shift, a rotation vector in the receptor frame and torsion changes (6 + torsions).
Poses of several ligands, each in its own receptor, share a batch: ligand after ligand, as many of
each, padded to the most atoms and torsions. Padding has no energy and never moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.energy.grid import interpolate
from molgen.errors import ConfigError
from molgen.geometry.rotations import (
    matrix_from_quaternion,
    multiply_quaternions,
    quaternion_from_rotation_vector,
)
from molgen.geometry.torsions import stack_trees, turn_torsions
from molgen.search.field import ReceptorField
from molgen.search.templates import LigandTemplate

Problem = tuple[ReceptorField, LigandTemplate]
"""A ligand and the receptor as it sees it."""


class PoseEnergy:
    """Energy of states of one or more ligands, each in its receptor field.

    Args:
        problems: grids, pair tables, conformers, tree and torsion preferences of each ligand.
        torsion_weight: factor on the torsion preferences.
        device: where to compute.
        dtype: of states, coordinates and energies.

    Raises:
        ConfigError: the boxes of the fields differ in their number of grid points.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        torsion_weight: float,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        fields, templates = [field for field, _ in problems], [one for _, one in problems]
        if len({(field.grids.shape[1:], field.spacing) for field in fields}) > 1:
            raise ConfigError("ligands searched together: expected boxes of the same size")
        trees = [template.tree for template in templates]
        self.device, self.dtype = device, dtype
        self.atoms = [tree.num_atoms for tree in trees]
        self.torsions = [tree.num_torsions for tree in trees]
        self.conformers = [len(template.conformers) for template in templates]
        self.symmetries = [template.symmetries for template in templates]
        count, atoms, torsions = len(problems), max(self.atoms), max(self.torsions)
        pairs = max(len(tree.pairs) for tree in trees)

        def numbers(array: np.ndarray) -> Tensor:
            return torch.as_tensor(array, device=device, dtype=dtype)

        self._grids = torch.as_tensor(np.concatenate([f.grids for f in fields]), device=device)
        self._spacing = fields[0].spacing
        self._origin = numbers(np.stack([field.origin for field in fields]))
        self._tables = numbers(np.concatenate([f.pair_tables for f in fields])).reshape(-1)
        self._bins = fields[0].pair_tables.shape[-1]
        self._density, self._cutoff = fields[0].density, fields[0].cutoff
        shapes = np.zeros((count, max(self.conformers), atoms, 3))
        kind, real = np.zeros((count, atoms), dtype=np.int64), np.zeros((count, atoms))
        row, meets = np.zeros((count, pairs), dtype=np.int64), np.zeros((count, pairs))
        # products with an incidence matrix add up in a fixed order, which index_add on a GPU does
        # not: same seed, same poses
        gap = np.zeros((count, pairs, atoms))
        moved = np.zeros((count, torsions, atoms))
        bins = templates[0].torsion_energy.shape[2]
        preference = np.zeros((count, max(self.conformers), torsions, bins + 1))
        kinds = tables = 0
        for k, (field, template, tree) in enumerate(zip(fields, templates, trees, strict=True)):
            shapes[k, : len(template.conformers), : tree.num_atoms] = template.conformers
            kind[k, : tree.num_atoms], real[k, : tree.num_atoms] = kinds + field.kind, 1.0
            every = np.arange(len(tree.pairs))
            row[k, every], meets[k, every] = tables + field.pair_row, 1.0
            gap[k, every, tree.pairs[:, 0]] = 1.0
            gap[k, every, tree.pairs[:, 1]] = -1.0
            for torsion, (begin, end) in enumerate(tree.span):
                moved[k, torsion, begin:end] = 1.0
            energy = template.torsion_energy * torsion_weight
            whole = np.concatenate([energy, energy[..., :1]], axis=2)
            preference[k, : len(whole), : tree.num_torsions] = whole
            kinds, tables = kinds + len(field.grids), tables + len(field.pair_tables)
        self._shapes, self._gap, self._moved = numbers(shapes), numbers(gap), numbers(moved)
        self._real, self._meets = numbers(real), numbers(meets)
        self._kind = torch.as_tensor(kind, device=device)
        self._row = torch.as_tensor(row, device=device)
        self._preference = numbers(preference)
        self._tree = stack_trees([(tree.axis, tree.span, tree.num_atoms) for tree in trees], device)
        self._ligand = torch.arange(count, device=device)[:, None]

    def place(
        self, states: Float[Tensor, "poses size"], conformer: Int[Tensor, "poses"]
    ) -> Float[Tensor, "poses atoms 3"]:
        """Return coordinates in Å, tree order."""
        count = len(self.atoms)
        start = self._shapes[self._ligand, conformer.reshape(count, -1)]
        angles = states[:, 7:].reshape(count, start.shape[1], -1)
        turned = turn_torsions(start, angles, self._tree).flatten(0, 1)
        return turned @ matrix_from_quaternion(states[:, 3:7]).mT + states[:, None, :3]

    def centers(self, coords: Float[Tensor, "poses atoms 3"]) -> Float[Tensor, "poses 3"]:
        """Return the mean position of the atoms of every pose, Å."""
        weight = self._real / self._real.sum(1, keepdim=True)
        return torch.einsum("lpad,la->lpd", self._by_ligand(coords), weight).flatten(0, 1)

    @torch.no_grad()
    def __call__(
        self, states: Float[Tensor, "poses size"], conformer: Int[Tensor, "poses"]
    ) -> tuple[Float[Tensor, "poses"], Float[Tensor, "poses freedom"]]:
        """Return energies and their gradients with respect to a step."""
        coords = self.place(states, conformer)
        energy, force = self._atoms(coords)
        arm = coords - states[:, None, :3]
        torque = torch.linalg.cross(arm, force)
        parts = [force.sum(1), torque.sum(1)]
        if states.shape[1] > 7:
            arms, moved = self._by_ligand(arm), self._moved[:, None]
            start, end = (arms[self._ligand, :, self._tree.axis[..., k]] for k in (0, 1))
            start, end = start.transpose(1, 2), end.transpose(1, 2)
            axis = torch.nn.functional.normalize(end - start, dim=-1)
            push = torch.linalg.cross(end, moved @ self._by_ligand(force))
            about = moved @ self._by_ligand(torque) - push
            strain, slope = self._preferences(states[:, 7:], conformer)
            energy = energy + strain
            parts.append((axis * about).sum(-1).flatten(0, 1) + slope)
        return energy, torch.cat(parts, dim=1)

    def _by_ligand(self, values: Tensor) -> Tensor:
        """Return (poses, ...) as (ligands, poses of each, ...)."""
        return values.unflatten(0, (len(self.atoms), -1))

    def _atoms(
        self, coords: Float[Tensor, "poses atoms 3"]
    ) -> tuple[Float[Tensor, "poses"], Float[Tensor, "poses atoms 3"]]:
        """Return the field and pair energy and its gradient on the atoms."""
        origin = torch.zeros_like(self._origin[0])
        with torch.enable_grad():
            coords = coords.detach().requires_grad_()
            stacked = self._by_ligand(coords)
            kind = self._kind[:, None].expand(stacked.shape[:3]).flatten(0, 1)
            inside = (stacked - self._origin[:, None, None]).flatten(0, 1)
            energy = interpolate(self._grids, origin, self._spacing, kind, inside)
            total = (self._by_ligand(energy) * self._real[:, None]).sum(2)
            if self._gap.shape[1]:
                distance = (self._gap[:, None] @ stacked).square().sum(-1).clamp_min(1e-12).sqrt()
                place = distance * self._density
                low = place.detach().long().clamp(max=self._bins - 2)
                entry = self._row[:, None] * self._bins + low
                first, second = self._tables[entry], self._tables[entry + 1]
                felt = (distance < self._cutoff) * self._meets[:, None]
                total = total + ((first + (place - low) * (second - first)) * felt).sum(2)
            (force,) = torch.autograd.grad(total.sum(), coords)
        return total.detach().flatten(), force

    def _preferences(
        self, torsions: Float[Tensor, "poses torsions"], conformer: Int[Tensor, "poses"]
    ) -> tuple[Float[Tensor, "poses"], Float[Tensor, "poses torsions"]]:
        """Return the torsion energy and its slope over each torsion."""
        bins = self._preference.shape[3] - 1
        density = bins / (2.0 * torch.pi)
        place = self._by_ligand(torsions) * density
        floor = place.floor()
        low = floor.long() % bins
        row = torch.arange(torsions.shape[1], device=torsions.device)
        shape = self._by_ligand(conformer)[:, :, None]
        ligand = self._ligand[:, :, None]
        first = self._preference[ligand, shape, row, low]
        second = self._preference[ligand, shape, row, low + 1]
        rise = second - first
        energy = (first + (place - floor) * rise).sum(2).flatten()
        return energy, (rise * density).flatten(0, 1)


def step_states(
    states: Float[Tensor, "poses size"], step: Float[Tensor, "poses freedom"]
) -> Float[Tensor, "poses size"]:
    """Return states displaced by shift, rotation vector (about the root) and torsion changes."""
    turn = quaternion_from_rotation_vector(step[:, 3:6])
    quaternion = torch.nn.functional.normalize(multiply_quaternions(turn, states[:, 3:7]), dim=-1)
    return torch.cat([states[:, :3] + step[:, :3], quaternion, states[:, 7:] + step[:, 6:]], dim=1)


@torch.no_grad()
def minimize_states(
    energy: PoseEnergy,
    states: Float[Tensor, "poses size"],
    conformer: Int[Tensor, "poses"],
    iterations: int,
    max_step: float = 1.0,
) -> tuple[Float[Tensor, "poses size"], Float[Tensor, "poses"]]:
    """Return minimised states and their energies (BFGS, every pose with its own step length).

    One iteration evaluates one trial step of all poses; a pose whose trial does not lower its
    energy enough keeps its place and halves the step, so no pose waits for another.

    Args:
        energy: what to minimise.
        states: starts.
        conformer: template conformer of every state.
        iterations: evaluations.
        max_step: Å or radians that one component may change at once.
    """
    value, gradient = energy(states, conformer)
    identity = torch.eye(gradient.shape[1], device=states.device, dtype=states.dtype)
    inverse = identity.expand(len(states), -1, -1).clone()
    fresh = torch.ones(len(states), dtype=torch.bool, device=states.device)
    direction = -gradient
    scale = _capped(direction, max_step)
    for _ in range(iterations):
        step = scale[:, None] * direction
        trial = step_states(states, step)
        new_value, new_gradient = energy(trial, conformer)
        wanted = value + 1e-4 * (step * gradient).sum(1)
        accepted = new_value <= wanted
        change = new_gradient - gradient
        inverse, fresh = _updated(inverse, fresh, step, change, accepted, identity)
        taken = accepted[:, None]
        states = torch.where(taken, trial, states)
        value = torch.where(accepted, new_value, value)
        gradient = torch.where(taken, new_gradient, gradient)
        # a direction that fails even when short comes from a bad curvature: start over downhill
        stuck = ~accepted & (scale < 0.01 * _capped(direction, max_step))
        newton = -(inverse @ gradient[..., None]).squeeze(-1)
        stuck = stuck | (accepted & ((newton * gradient).sum(1) >= 0.0))
        inverse = torch.where(stuck[:, None, None], identity, inverse)
        fresh = fresh | stuck
        downhill = torch.where(stuck[:, None], -gradient, newton)
        renewed = accepted | stuck
        direction = torch.where(renewed[:, None], downhill, direction)
        scale = torch.where(renewed, _capped(direction, max_step), 0.5 * scale)
    return states, value


def _capped(direction: Float[Tensor, "poses freedom"], max_step: float) -> Float[Tensor, "poses"]:
    """Return the largest factor up to 1 that keeps every component within ``max_step``."""
    return (max_step / direction.abs().amax(1).clamp_min(1e-9)).clamp_max(1.0)


def _updated(
    inverse: Float[Tensor, "poses freedom freedom"],
    fresh: Tensor,
    step: Float[Tensor, "poses freedom"],
    change: Float[Tensor, "poses freedom"],
    accepted: Tensor,
    identity: Float[Tensor, "freedom freedom"],
) -> tuple[Float[Tensor, "poses freedom freedom"], Tensor]:
    """Return inverse Hessians after a BFGS update of the accepted poses with positive curvature."""
    along = (step * change).sum(1)
    use = accepted & (along > 1e-8)
    safe = torch.where(use, along, 1.0)
    start = (safe / change.square().sum(1).clamp_min(1e-12))[:, None, None] * identity
    base = torch.where((use & fresh)[:, None, None], start, inverse)
    product = (base @ change[..., None]).squeeze(-1)
    weight = (1.0 + (change * product).sum(1) / safe) / safe
    outer = step[:, :, None] * step[:, None, :]
    mixed = product[:, :, None] * step[:, None, :]
    updated = base + weight[:, None, None] * outer - (mixed + mixed.mT) / safe[:, None, None]
    return torch.where(use[:, None, None], updated, inverse), fresh & ~use
