"""The two pose spaces: free atoms, and rigid parts joined by torsions.

A space says how noise is added to a pose, how the prior looks and how one ancestral step of the
DDPM goes. With x_t = x_0 + σ_t ε the posterior of the step t -> s is

    x_s = x̂_0 + √(σ_s² - ς²) / σ_t (x_t - x̂_0) + T ς ε,    ς = η σ_s √(σ_t² - σ_s²) / σ_t

(η = 1: Ho et al., arXiv 2006.11239, eq. 7, in our scaling; then the first factor is σ_s² / σ_t²).
A temperature T below 1 draws from where the model is surest.
In rigid-torsion space the difference is that of the centres, the rotation vector and the torsion
angles between both poses, each with a noise of its own size, so that bond lengths, angles and rings
never change.

In both spaces the centre of the ligand is a variable of its own with noise `CENTRE` σ: with
independent atoms alone it would keep almost no noise at all.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from molgen.geometry.alignment import superposition
from molgen.geometry.rotations import (
    matrix_from_quaternion,
    matrix_from_rotation_vector,
    random_quaternions,
    rotation_vector_from_matrix,
)
from molgen.geometry.torsions import batch_dihedrals, turn_in_order
from molgen.graphs.pose_graph import LigandGraph
from molgen.registry import Registry

CENTRE = 0.5
"""Noise of the ligand's centre, as a share of σ."""
ROTATION = 1.0 / 3.0
"""Noise of the orientation, rad per Å of σ: 3 Å is the radius of gyration of a small ligand."""
TORSION = 1.0 / 1.5
"""Noise of torsions, rad per Å of σ."""
UNIFORM = 1.5
"""rad; above this noise rotations are drawn uniformly."""

Coords = Float[Tensor, "complexes poses atoms 3"]
Sigma = Float[Tensor, "complexes poses"]


@runtime_checkable
class PoseSpace(Protocol):
    """One way of adding noise to poses and of taking it away."""

    def noise(
        self, coords: Coords, ligand: LigandGraph, sigma: Sigma, generator: torch.Generator
    ) -> Coords:
        """Return poses at noise level ``sigma`` of clean ones."""

    def step(
        self,
        noisy: Coords,
        clean: Coords,
        ligand: LigandGraph,
        ratio: float,
        spread: float,
        generator: torch.Generator,
    ) -> Coords:
        """Return poses of a lower level; ``ratio`` and ``spread`` are those of `posterior`."""

    def moved(self, coords: Coords, moves: Coords, ligand: LigandGraph) -> Coords:
        """Return poses whose atoms went along ``moves`` as far as the space lets them."""


SPACES = Registry(
    "pose space",
    {
        "cartesian": "molgen.diffusion.spaces:Cartesian",
        "rigid-torsion": "molgen.diffusion.spaces:RigidTorsion",
    },
)


def draw(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers like a tensor.

    A CPU generator draws on the CPU, so that a seed means the same on every device.
    """
    numbers = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32)
    return numbers.to(like)


def centre(coords: Coords, mask: Bool[Tensor, "complexes atoms"]) -> Tensor:
    """Return the centres of poses, (complexes, poses, 1, 3)."""
    weight = mask[:, None, :, None].to(coords)
    return (coords * weight).sum(2, keepdim=True) / weight.sum(2, keepdim=True)


class Cartesian:
    """Every atom has noise of its own (the space of the paper)."""

    def noise(
        self, coords: Coords, ligand: LigandGraph, sigma: Sigma, generator: torch.Generator
    ) -> Coords:
        """Return poses at noise level ``sigma`` of clean ones."""
        return coords + sigma[..., None, None] * self._epsilon(coords, ligand, generator)

    def step(
        self,
        noisy: Coords,
        clean: Coords,
        ligand: LigandGraph,
        ratio: float,
        spread: float,
        generator: torch.Generator,
    ) -> Coords:
        """Return poses of a lower level; ``ratio`` and ``spread`` are those of `posterior`."""
        epsilon = self._epsilon(noisy, ligand, generator) if spread else 0.0
        return clean + ratio * (noisy - clean) + spread * epsilon

    def moved(self, coords: Coords, moves: Coords, ligand: LigandGraph) -> Coords:
        """Return poses with every atom moved."""
        return coords + moves * ligand.mask[:, None, :, None]

    @staticmethod
    def _epsilon(coords: Coords, ligand: LigandGraph, generator: torch.Generator) -> Coords:
        own = draw(tuple(coords.shape), coords, generator)
        shared = draw((*coords.shape[:2], 1, 3), coords, generator)
        own = own - centre(own, ligand.mask) + CENTRE * shared
        return own * ligand.mask[:, None, :, None]


class RigidTorsion:
    """Centre, orientation and torsions; bond lengths, angles and rings stay as they are."""

    def noise(
        self, coords: Coords, ligand: LigandGraph, sigma: Sigma, generator: torch.Generator
    ) -> Coords:
        """Return poses at noise level ``sigma`` of clean ones."""
        shape = (*coords.shape[:2], ligand.quads.shape[1])
        turns = TORSION * sigma[..., None] * draw(shape, coords, generator)
        shaped = self._aligned(
            turn_in_order(coords, turns, ligand.quads, ligand.moving), coords, ligand
        )
        return self._scattered(shaped, ligand, sigma, generator)

    def step(
        self,
        noisy: Coords,
        clean: Coords,
        ligand: LigandGraph,
        ratio: float,
        spread: float,
        generator: torch.Generator,
    ) -> Coords:
        """Return poses of a lower level; ``ratio`` and ``spread`` are those of `posterior`.

        The estimate may have any geometry: its torsions and place are taken, the geometry is that
        of ``noisy``.
        """
        shift = batch_dihedrals(clean, ligand.quads) - batch_dihedrals(noisy, ligand.quads)
        shift = torch.remainder(shift + math.pi, 2 * math.pi) - math.pi
        turns = (1 - ratio) * shift
        if spread:
            turns = turns + TORSION * spread * draw(tuple(turns.shape), turns, generator)
        shaped = turn_in_order(noisy, turns, ligand.quads, ligand.moving)
        shaped = self._aligned(shaped, clean, ligand)
        if ratio:  # what is left of the difference in place
            rotation, _ = self._onto(clean, noisy, ligand)
            # on the CPU: to launch its hundred small operations on a GPU takes longer
            turn = ratio * rotation_vector_from_matrix(rotation.cpu())
            rest = matrix_from_rotation_vector(turn).to(rotation.device)
            middle = centre(shaped, ligand.mask)
            shift = ratio * (centre(noisy, ligand.mask) - middle)
            shaped = (shaped - middle) @ rest.mT + middle + shift
        if spread:
            level = torch.full(noisy.shape[:2], spread, dtype=noisy.dtype)
            shaped = self._scattered(shaped, ligand, level, generator)
        return shaped * ligand.mask[:, None, :, None]

    def moved(self, coords: Coords, moves: Coords, ligand: LigandGraph) -> Coords:
        """Return poses that went along ``moves`` by torsions, rotation and translation.

        Least squares over the velocities that the variables give the atoms, with a little damping.
        """
        turns = _following_turns(coords, moves, ligand)
        shaped = turn_in_order(coords, turns, ligand.quads, ligand.moving)
        return self._aligned(shaped, coords + moves, ligand) * ligand.mask[:, None, :, None]

    def _aligned(self, moving: Coords, target: Coords, ligand: LigandGraph) -> Coords:
        rotation, shift = self._onto(moving, target, ligand)
        return moving @ rotation.mT + shift[..., None, :]

    @staticmethod
    def _onto(moving: Coords, target: Coords, ligand: LigandGraph) -> tuple[Tensor, Tensor]:
        weights = ligand.mask[:, None].to(moving)
        # float32 SVD of a nearly flat cloud is not stable enough
        rotation, shift = superposition(moving.double(), target.double(), weights.double())
        return rotation.to(moving), shift.to(moving)

    @staticmethod
    def _scattered(
        coords: Coords, ligand: LigandGraph, sigma: Sigma, generator: torch.Generator
    ) -> Coords:
        """Return poses with random moves and rotations about their centres."""
        rotation = _random_rotations(sigma.to(generator.device), generator).to(coords)
        middle = centre(coords, ligand.mask)
        moves = draw((*coords.shape[:2], 1, 3), coords, generator)
        shift = CENTRE * sigma.to(coords)[..., None, None] * moves
        moved = (coords - middle) @ rotation.mT + middle + shift
        return moved * ligand.mask[:, None, :, None]


def _random_rotations(
    sigma: Sigma, generator: torch.Generator
) -> Float[Tensor, "complexes poses 3 3"]:
    """Return rotations at noise level ``sigma``, drawn and made where the generator is."""
    rotation = matrix_from_rotation_vector(
        ROTATION * sigma[..., None] * draw((*sigma.shape, 3), sigma, generator)
    )
    uniform = ROTATION * sigma > UNIFORM
    if not bool(uniform.any()):
        return rotation
    seed = torch.Generator().manual_seed(
        int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    )
    free = matrix_from_quaternion(random_quaternions(sigma.numel(), seed)).to(sigma)
    return torch.where(uniform[..., None, None], free.reshape(*sigma.shape, 3, 3), rotation)


def _following_turns(
    coords: Coords, moves: Coords, ligand: LigandGraph
) -> Float[Tensor, "complexes poses torsions"]:
    """Return the turns in radians that bring atoms nearest to where ``moves`` takes them."""
    torsions = ligand.quads.shape[1]
    mask = ligand.mask[:, None, None, :, None].to(coords)
    index = ligand.quads[:, None, :, 1:3, None].expand(-1, coords.shape[1], -1, -1, 3)
    begin, end = coords[:, :, None].expand(-1, -1, torsions, -1, -1).gather(3, index).unbind(3)
    axis = torch.nn.functional.normalize(end - begin, dim=-1)[..., None, :]
    swung = torch.linalg.cross(axis.expand(-1, -1, -1, coords.shape[2], -1),
                               coords[:, :, None] - end[..., None, :])  # fmt: skip
    swung = swung * ligand.moving[:, None, ..., None].to(coords)
    units = torch.eye(3, dtype=coords.dtype, device=coords.device)
    around = torch.linalg.cross(
        units[:, None].expand(*coords.shape[:2], -1, coords.shape[2], -1),
        (coords - centre(coords, ligand.mask))[:, :, None].expand(-1, -1, 3, -1, -1),
    )
    along = units[:, None].expand_as(around)
    speeds = (torch.cat([swung, around, along], 2) * mask).flatten(3)
    normal = speeds @ speeds.mT
    damping = 1e-3 * normal.diagonal(dim1=-2, dim2=-1) + 1e-6
    wanted = speeds @ (moves * mask[:, :, 0]).flatten(2)[..., None]
    found = torch.linalg.solve(normal + torch.diag_embed(damping), wanted)
    return found[..., :torsions, 0]


def posterior(
    sigma: float, lower: float, eta: float, temperature: float = 1.0
) -> tuple[float, float]:
    """Return the weight of the old noise and the size of the new one, Å, in a step of the sampler.

    With ``eta`` 1 this is ancestral sampling, with 0 the deterministic DDIM (Song et al., arXiv
    2010.02502, eq. 12, in our scaling). ``temperature`` is a factor on the new noise.
    """
    if lower <= 0:
        return 0.0, 0.0
    spread = eta * lower * math.sqrt(max(0.0, sigma**2 - lower**2)) / sigma
    return math.sqrt(max(0.0, lower**2 - spread**2)) / sigma, temperature * spread
