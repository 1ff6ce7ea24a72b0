"""Energy and gradient of a batch of poses in torch: the same mathematics as the compiled kernels.

A state is position (3, Å), unit quaternion (4, w first) and torsions (radians from the template);
a step is a shift, a rotation vector in the receptor frame and torsion changes (6 + torsions).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.energy.grid import interpolate
from molgen.geometry.rotations import (
    matrix_from_quaternion,
    multiply_quaternions,
    quaternion_from_rotation_vector,
)
from molgen.geometry.torsions import turn_torsions
from molgen.search.field import ReceptorField
from molgen.search.templates import LigandTemplate


class PoseEnergy:
    """Energy of states of one ligand in one receptor field.

    Args:
        field: grids and pair tables.
        template: conformers, tree and torsion preferences.
        torsion_weight: factor on the torsion preferences.
        device: where to compute.
        dtype: of states, coordinates and energies.
    """

    def __init__(
        self,
        field: ReceptorField,
        template: LigandTemplate,
        torsion_weight: float,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        tree = template.tree
        self.tree = tree
        self.device, self.dtype = device, dtype

        def numbers(array: object) -> Tensor:
            return torch.as_tensor(array, device=device, dtype=dtype)

        self.conformers = numbers(template.conformers)
        self._grids = torch.as_tensor(field.grids, device=device)
        self._origin, self._spacing = numbers(field.origin), field.spacing
        self._kind = torch.as_tensor(field.kind, device=device)
        self._tables, self._bins = (
            numbers(field.pair_tables).reshape(-1),
            field.pair_tables.shape[-1],
        )
        self._row = torch.as_tensor(field.pair_row, device=device)
        self._density, self._cutoff = field.density, field.cutoff
        # products with an incidence matrix add up in a fixed order, which index_add on a GPU does
        # not: same seed, same poses
        self._gap = torch.zeros(len(tree.pairs), tree.num_atoms, device=device, dtype=dtype)
        every = torch.arange(len(tree.pairs), device=device)
        self._gap[every, torch.as_tensor(tree.pairs[:, 0], device=device)] = 1.0
        self._gap[every, torch.as_tensor(tree.pairs[:, 1], device=device)] = -1.0
        self._moved = torch.zeros(tree.num_torsions, tree.num_atoms, device=device, dtype=dtype)
        for torsion, (begin, end) in enumerate(tree.span):
            self._moved[torsion, begin:end] = 1.0
        preference = numbers(template.torsion_energy * torsion_weight)
        self._preference = torch.cat([preference, preference[:, :1]], dim=1)

    def place(
        self, states: Float[Tensor, "poses size"], conformer: Int[Tensor, "poses"]
    ) -> Float[Tensor, "poses atoms 3"]:
        """Return coordinates in Å, tree order."""
        tree = self.tree
        turned = turn_torsions(self.conformers[conformer], states[:, 7:], tree.axis, tree.span)
        return turned @ matrix_from_quaternion(states[:, 3:7]).mT + states[:, None, :3]

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
        if self.tree.num_torsions:
            start, end = arm[:, self.tree.axis[:, 0]], arm[:, self.tree.axis[:, 1]]
            axis = torch.nn.functional.normalize(end - start, dim=-1)
            about = self._moved @ torque - torch.linalg.cross(end, self._moved @ force)
            strain, slope = self._preferences(states[:, 7:])
            energy = energy + strain
            parts.append((axis * about).sum(-1) + slope)
        return energy, torch.cat(parts, dim=1)

    def _atoms(
        self, coords: Float[Tensor, "poses atoms 3"]
    ) -> tuple[Float[Tensor, "poses"], Float[Tensor, "poses atoms 3"]]:
        """Return the field and pair energy and its gradient on the atoms."""
        with torch.enable_grad():
            coords = coords.detach().requires_grad_()
            energy = interpolate(self._grids, self._origin, self._spacing, self._kind, coords)
            total = energy.sum(1)
            if len(self._gap):
                distance = (self._gap @ coords).square().sum(-1).clamp_min(1e-12).sqrt()
                place = distance * self._density
                low = place.detach().long().clamp(max=self._bins - 2)
                entry = self._row * self._bins + low
                first, second = self._tables[entry], self._tables[entry + 1]
                pairs = (first + (place - low) * (second - first)) * (distance < self._cutoff)
                total = total + pairs.sum(1)
            (force,) = torch.autograd.grad(total.sum(), coords)
        return total.detach(), force

    def _preferences(
        self, torsions: Float[Tensor, "poses torsions"]
    ) -> tuple[Float[Tensor, "poses"], Float[Tensor, "poses torsions"]]:
        """Return the torsion energy and its slope over each torsion."""
        bins = self._preference.shape[1] - 1
        density = bins / (2.0 * torch.pi)
        place = torsions * density
        floor = place.floor()
        low = floor.long() % bins
        row = torch.arange(torsions.shape[1], device=torsions.device)
        first, second = self._preference[row, low], self._preference[row, low + 1]
        rise = second - first
        return (first + (place - floor) * rise).sum(1), rise * density


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
