"""The receptor part of the Vina energy on a grid, read by trilinear interpolation.

One grid per docking type of the ligand; reading one costs eight look-ups an atom instead of a
pass over hundreds of receptor atoms. The error is that of the interpolation (docs/energies.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.energy.terms import BoundEnergy
from molgen.energy.vina_terms import CUTOFF, VinaWeights, bin_distances, pair_energy
from molgen.errors import ConfigError
from molgen.geometry.neighbours import radius_pairs
from molgen.graphs.energy_topology import EnergyTopology

WALL = 5.0
"""Slope in kcal/mol/Å of the penalty outside the box, per atom and axis."""

DENSITY = 32
"""Bins per Å of the distance tables that fill a grid."""

_SLICE = 8_000
"""Grid points whose neighbours are held at once."""


@dataclass(frozen=True)
class VinaGrid:
    """The receptor part of the Vina energy over the pocket box, without rotor division.

    Attributes:
        spacing: Å between grid points.
        weights: of the Vina function.
    """

    spacing: float = 0.375
    weights: VinaWeights = VinaWeights()

    def bind(self, topology: EnergyTopology) -> BoundGrid:
        """Return the energy of one ligand on grids over the pocket.

        Raises:
            ConfigError: the topology has no pocket.
        """
        if topology.pocket is None:
            raise ConfigError("vina_grid needs a topology with a pocket, which gives the box")
        kinds, kind = np.unique(topology.types, return_inverse=True)
        shape = np.ceil(topology.pocket.edges / self.spacing).astype(np.int64) + 1
        grids = build_grids(
            torch.from_numpy(topology.receptor.coords),
            topology.receptor.types,
            kinds,
            topology.pocket.lower,
            (int(shape[0]), int(shape[1]), int(shape[2])),
            self.spacing,
            self.weights,
        )
        return BoundGrid(grids, topology.pocket.lower, self.spacing, kind)


class BoundGrid(BoundEnergy):
    """Receptor energy of one ligand, read from grids.

    Args:
        grids: (kinds, nx, ny, nz) kcal/mol.
        origin: (3,) first grid point, Å.
        spacing: Å between points.
        kind: (atoms,) grid of every ligand atom.
    """

    grids: Tensor
    origin: Tensor
    kind: Tensor

    def __init__(
        self,
        grids: Float[Tensor, "kinds nx ny nz"],
        origin: np.ndarray,
        spacing: float,
        kind: np.ndarray,
    ) -> None:
        super().__init__()
        self.register_buffer("grids", grids, persistent=False)
        self._keep(origin=np.asarray(origin, dtype=np.float64), kind=kind)
        self._spacing = spacing

    def terms(self, coords: Float[Tensor, "poses atoms 3"]) -> dict[str, Tensor]:
        """Return inter, (poses,) kcal/mol."""
        energy = interpolate(self.grids, self.origin, self._spacing, self.kind, coords)
        return {"inter": energy.sum(-1)}


def interpolate(
    grids: Float[Tensor, "kinds nx ny nz"],
    origin: Float[Tensor, "3"],
    spacing: float,
    kind: Int[Tensor, "atoms"] | Int[Tensor, "poses atoms"],
    coords: Float[Tensor, "poses atoms 3"],
) -> Float[Tensor, "poses atoms"]:
    """Return the energy of every atom, kcal/mol.

    Outside the box the value at its wall plus `WALL` for every Å and axis.
    """
    _, nx, ny, nz = grids.shape
    last = coords.new_tensor([nx - 1.001, ny - 1.001, nz - 1.001])
    place = (coords - origin) / spacing
    inside = torch.minimum(place.clamp_min(0.0), last)
    penalty = WALL * spacing * (place - inside).abs().sum(-1)
    cell = inside.detach().long()
    part = inside - cell
    corner = ((kind * nx + cell[..., 0]) * ny + cell[..., 1]) * nz + cell[..., 2]
    offsets = [dx * ny * nz + dy * nz + dz for dx in (0, 1) for dy in (0, 1) for dz in (0, 1)]
    around = corner[..., None] + torch.tensor(offsets, device=coords.device)
    values = grids.reshape(-1)[around].to(coords.dtype)
    for axis in range(3):  # x, y, z halve the eight corners in turn
        half = values.shape[-1] // 2
        low, high = values[..., :half], values[..., half:]
        values = low + part[..., axis, None] * (high - low)
    return values.squeeze(-1) + penalty


@torch.no_grad()
def build_grids(
    receptor: Float[Tensor, "receptor 3"],
    receptor_types: np.ndarray,
    kinds: np.ndarray,
    origin: np.ndarray,
    shape: tuple[int, int, int],
    spacing: float,
    weights: VinaWeights,
) -> Float[Tensor, "kinds nx ny nz"]:
    """Return grids for ligand docking types on the device and in the dtype of ``receptor``.

    Args:
        receptor: receptor atoms, Å.
        receptor_types: (receptor,) their docking types.
        kinds: (kinds,) docking types to build a grid for.
        origin: (3,) first grid point, Å.
        shape: points along each axis.
        spacing: Å between points.
        weights: of the Vina function.
    """
    device, dtype = receptor.device, receptor.dtype
    rows, row_of = np.unique(receptor_types, return_inverse=True)
    distance = bin_distances(DENSITY)
    table = pair_energy(distance[None, :, None], rows[:, None, None], kinds[None, None, :], weights)
    bins = len(distance)
    tables = torch.as_tensor(table, device=device, dtype=dtype).reshape(-1, len(kinds))
    row = torch.as_tensor(row_of.astype(np.int64), device=device)
    axes = [
        float(origin[d]) + spacing * torch.arange(shape[d], device=device, dtype=dtype)
        for d in range(3)
    ]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 1, 3)
    grids = torch.zeros(len(points), len(kinds), device=device, dtype=dtype)
    for begin in range(0, len(points), _SLICE):
        piece = points[begin : begin + _SLICE]
        point, _, other = radius_pairs(piece, receptor, CUTOFF).unbind(-1)
        place = torch.linalg.norm(piece[point, 0] - receptor[other], dim=-1) * DENSITY
        low = place.long()
        entry = row[other] * bins + low
        energy = torch.lerp(tables[entry], tables[entry + 1], (place - low)[:, None])
        grids.index_add_(0, begin + point, energy)
    return grids.T.reshape(len(kinds), *shape).contiguous()
