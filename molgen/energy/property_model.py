"""A model of ligand properties: network, scales and composition reference; its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.checkpoints import FORMAT, load_model, save_model
from molgen.config import build, to_dict
from molgen.energy.property_network import Properties, PropertyConfig, PropertyNetwork
from molgen.graphs.pose_graph import LIGAND_FEATURES, LigandGraph

KIND = "ligand-properties"
ELEMENTS = LIGAND_FEATURES["element"]
COMPOSITION = ELEMENTS + 2
"""Numbers that the reference energy is linear in: atoms of every element, charge, its square."""
_SCALES = {"energy_scale": 10.0, "gap_mean": 70.0, "gap_scale": 25.0}
"""kcal/mol, before `PropertyModel.set_scales`."""


def composition(features: np.ndarray) -> np.ndarray:
    """Return the composition of a ligand, (COMPOSITION,) float64.

    Args:
        features: (atoms, 7) codes in the order of `LIGAND_FEATURES`.
    """
    counts = np.zeros(COMPOSITION)
    np.add.at(counts, features[:, 0].astype(np.int64), 1.0)
    counts[1] += features[:, 5].sum()
    charge = float((features[:, 1].astype(np.int64) - 3).sum())
    counts[-2:] = charge, charge**2
    return counts


class PropertyModel(nn.Module):
    """The network with the units of what it predicts.

    Attributes:
        reference: kcal/mol, coefficients of `composition`: the energy that only depends on it.
    """

    reference: Tensor
    energy_scale: Tensor
    gap_mean: Tensor
    gap_scale: Tensor

    def __init__(self, config: PropertyConfig | None = None) -> None:
        super().__init__()
        self.network = PropertyNetwork(config)
        self.register_buffer("reference", torch.zeros(COMPOSITION, dtype=torch.float64))
        for name, value in _SCALES.items():
            self.register_buffer(name, torch.tensor(value))

    def forward(
        self,
        coords: Float[Tensor, "ligands poses atoms 3"],
        sigma: Float[Tensor, "ligands poses"],
        ligand: LigandGraph,
    ) -> Properties:
        """Return energy and gap in kcal/mol and charges in e of the clean poses.

        The energy is the total SCF energy less the reference of the composition.

        Args:
            coords: Å.
            sigma: standard deviation of the noise on every coordinate, Å; 0 for clean poses.
        """
        found = self.network(coords, sigma, ligand)
        return Properties(
            self.energy_scale * found.energy,
            self.gap_mean + self.gap_scale * found.gap,
            found.charges,
        )

    def set_scales(self, reference: np.ndarray, energy: float, gap: tuple[float, float]) -> None:
        """Take over the reference, the scale of energies, and mean and spread of gaps."""
        self.reference.copy_(torch.from_numpy(np.asarray(reference, dtype=np.float64)))
        for name, value in zip(_SCALES, (energy, *gap), strict=True):
            getattr(self, name).fill_(value)

    def config(self) -> dict[str, Any]:
        """Return the content of config.json, all options spelled out."""
        return {
            "format": FORMAT,
            "kind": KIND,
            "name": "properties",
            "options": {"network": to_dict(self.network.config)},
        }


def save_properties(folder: Path, model: PropertyModel) -> None:
    """Write model.safetensors, config.json and SHA256SUMS into ``folder``."""
    save_model(folder, model)


def load_properties(name: str) -> PropertyModel:
    """Return the model of a checkpoint (a shipped name or a folder), on the CPU.

    Raises:
        StoreError: no such checkpoint, damaged, of another kind, or it does not fit its config.
    """
    return load_model(name, kind=KIND, rebuild=_rebuilt)


def _rebuilt(config: Mapping[str, Any]) -> PropertyModel:
    return PropertyModel(build(PropertyConfig, config["options"]["network"], "network"))
