"""Energy guidance: gradients of physical energies move the estimate of the clean poses.

Late in sampling, where the estimate is nearly a pose, it goes a few steps down the gradient of a
weighted sum of energies before the sampler steps towards it. A step that does not lower the energy
of a pose is taken back and tried at half its length, so guidance never raises the energy it is
given. In rigid-torsion space every step is made along torsions, rotation and translation. What is
moved is the estimate x̂_0 and not the noisy pose, as in universal guidance (Bansal
et al., arXiv 2302.07121, forward guidance on x̂_0 with several steps).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from molgen.diffusion.sampling import Mover
from molgen.search.settings import GuidanceSettings

if TYPE_CHECKING:
    from molgen.energy import BoundEnergy
    from molgen.graphs.energy_topology import EnergyTopology

TERMS: dict[str, tuple[str, dict[str, float]]] = {
    "clash": ("receptor_clash", {}),
    "vina": ("vina", {}),
    "internal": ("internal_clash", {}),
    "bounds": ("geometry", {"planar": 0.0}),
    "planarity": ("geometry", {"bond": 0.0, "angle": 0.0, "rigid": 0.0}),
    "chirality": ("chirality", {}),
}
"""Weights of `GuidanceSettings`: name of the energy and its options."""
LEARNED = ("scf", "gap", "charges")
"""Weights of the terms of one network."""
CARTESIAN_ONLY = ("bounds", "planarity", "chirality")
"""What no pose of rigid-torsion space can violate."""


def build_guide(
    settings: GuidanceSettings, topology: EnergyTopology, center: np.ndarray, space: str
) -> EnergyGuide | None:
    """Return the guide of one ligand in one receptor; None where nothing would act.

    Args:
        topology: with the receptor in its own frame.
        center: (3,) Å, of the pocket: the origin of the poses.
        space: of the poses.

    Raises:
        StoreError: a learned energy has a weight and its checkpoint cannot be read.
    """
    from molgen.energy import ENERGIES, WeightedSum

    if not settings.on:
        return None
    parts = []
    for name, (energy, options) in TERMS.items():
        weight = getattr(settings, name)
        if weight and not (name in CARTESIAN_ONLY and space != "cartesian"):
            term: Any = ENERGIES[energy]
            parts.append((name, weight, term(**options)))
    if learns(settings):
        term = ENERGIES["learned"]
        weights = {name: getattr(settings, name) for name in LEARNED}
        parts.append(("learned", 1.0, term(**weights)))
    if not parts:
        return None
    return EnergyGuide(WeightedSum(tuple(parts)).bind(in_pocket(topology, center)), settings)


def learns(settings: GuidanceSettings) -> bool:
    """Tell whether a learned energy has a weight."""
    return any(getattr(settings, name) for name in LEARNED)


def in_pocket(topology: EnergyTopology, center: np.ndarray) -> EnergyTopology:
    """Return the topology with the receptor relative to the centre of the pocket."""
    moved = replace(topology.receptor, coords=topology.receptor.coords - np.asarray(center))
    return replace(topology, receptor=moved)


class EnergyGuide:
    """Moves the estimates of one ligand down an energy; a `molgen.diffusion.sampling.Guide`.

    Args:
        energy: of poses (poses, atoms, 3) in the frame of the pocket, kcal/mol.
        settings: when and how far; the weights are those of ``energy`` already.
    """

    def __init__(
        self, energy: BoundEnergy | Callable[[Tensor], Tensor], settings: GuidanceSettings
    ) -> None:
        self.energy, self.settings = energy, settings

    def acts(self, sigma: float) -> bool:
        """Tell whether anything is moved at noise ``sigma`` Å."""
        return ramp(self.settings, sigma) > 0

    def __call__(self, clean: Tensor, sigma: float, mover: Mover) -> Tensor:
        """Return estimates (1, poses, atoms, 3) Å of no higher energy than those given."""
        share = ramp(self.settings, sigma)
        if not share:
            return clean
        if isinstance(self.energy, torch.nn.Module):
            self.energy.to(clean.device, clean.dtype)
        return self._descended(clean[0], share, mover)[None]

    def _descended(self, coords: Tensor, share: float, mover: Mover) -> Tensor:
        settings = self.settings
        rate = torch.full_like(coords[:, :1, :1], share * settings.rate)
        lowest, gradient = self._evaluate(coords)
        for _ in range(settings.iterations):
            move = rate * gradient
            length = move.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            move = move * (settings.largest * share / length).clamp_max(1.0)
            trial = mover(coords[None], -move[None])[0]
            energy, slope = self._evaluate(trial)
            lower = (energy < lowest)[:, None, None]
            coords = torch.where(lower, trial, coords)
            gradient = torch.where(lower, slope, gradient)
            lowest = torch.where(lower[:, 0, 0], energy, lowest)
            rate = torch.where(lower, rate, 0.5 * rate)
        return coords

    def _evaluate(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        """Return the energies (poses,) and their gradient like ``coords``."""
        with torch.enable_grad():
            given = coords.detach().requires_grad_()
            energy = self.energy(given)
            (gradient,) = torch.autograd.grad(energy.sum(), given)
        return energy.detach(), gradient.nan_to_num(0.0)


def ramp(settings: GuidanceSettings, sigma: float) -> float:
    """Return how much guidance acts at noise ``sigma`` Å: 0 above start, 1 below full."""
    if sigma >= settings.start:
        return 0.0
    if sigma <= settings.full:
        return 1.0
    return (settings.start - sigma) / (settings.start - settings.full)
