"""What an energy is: a term is bound to a topology and then maps coordinates to kcal/mol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from molgen.graphs.energy_topology import EnergyTopology
from molgen.registry import Registry

ENERGIES = Registry(
    "energy",
    {
        "vina": "molgen.energy.vina:Vina",
        "vina_grid": "molgen.energy.grid:VinaGrid",
        "geometry": "molgen.energy.geometry:Geometry",
        "chirality": "molgen.energy.chirality:Chirality",
        "internal_clash": "molgen.energy.sterics:InternalClash",
        "receptor_clash": "molgen.energy.sterics:ReceptorClash",
        "torsion": "molgen.energy.torsion:TorsionStrain",
        "learned": "molgen.energy.learned:LearnedEnergies",
        "scf_energy": "molgen.energy.learned:ScfEnergy",
        "orbital_gap": "molgen.energy.learned:OrbitalGap",
        "partial_charges": "molgen.energy.learned:PartialCharges",
    },
)
"""Terms by name; each is a frozen dataclass of its options with a ``bind`` method."""


class BoundEnergy(torch.nn.Module):
    """The energy of one ligand, in one receptor where the term needs one.

    A module without trainable weights: numbers are float64 on the CPU until ``.to(device, dtype)``
    moves them to where the coordinates are.
    """

    def forward(self, coords: Float[Tensor, "poses atoms 3"]) -> Float[Tensor, "poses"]:
        """Return the energy of every pose, kcal/mol; coordinates in Å, order of the molecule."""
        parts = self.terms(coords)
        return torch.stack(list(parts.values())).sum(0) if parts else coords.sum((1, 2)) * 0.0

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return named parts, each (poses,) kcal/mol; unless documented otherwise they add up."""
        raise NotImplementedError

    def _keep(self, **arrays: np.ndarray) -> None:
        """Store arrays as buffers that follow ``.to``; integers as int64."""
        for name, array in arrays.items():
            tensor = torch.from_numpy(np.array(array))
            if not (tensor.is_floating_point() or tensor.dtype == torch.bool):
                tensor = tensor.long()
            self.register_buffer(name, tensor, persistent=False)


@runtime_checkable
class EnergyTerm(Protocol):
    """Options of an energy, independent of any molecule."""

    def bind(self, topology: EnergyTopology) -> BoundEnergy:
        """Return the energy of one topology."""
        ...


@dataclass(frozen=True)
class WeightedSum:
    """A sum of terms, itself a term.

    Attributes:
        parts: (name, weight, term) of every part; names are those of the separate energies.
    """

    parts: tuple[tuple[str, float, EnergyTerm], ...]

    def bind(self, topology: EnergyTopology) -> BoundEnergy:
        """Return the weighted sum bound part by part."""
        return _BoundSum({name: (weight, term.bind(topology)) for name, weight, term in self.parts})


class _BoundSum(BoundEnergy):
    def __init__(self, parts: dict[str, tuple[float, BoundEnergy]]) -> None:
        super().__init__()
        self._weights = {name: weight for name, (weight, _) in parts.items()}
        self._parts = torch.nn.ModuleDict({name: energy for name, (_, energy) in parts.items()})

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return every part, weighted."""
        return {name: self._weights[name] * part(coords) for name, part in self._parts.items()}
