"""Tetrahedral atoms turned to the side that the ligand asks for.

Distances are the same in a mirror image, so messages alone cannot tell left from right. Here every
tetrahedral atom sees v, the triple product of the unit vectors to three neighbours times its
handedness: 0.77 in the right configuration, -0.77 in the wrong one. Atoms move along the slope of
v, which turns with the pose and keeps its sign in a mirror.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.geometry.volumes import unit_bonds, volume_slopes
from molgen.graphs.pose_graph import LigandGraph


class Handedness(nn.Module):
    """What tetrahedral atoms hear of their configuration, and how that moves them.

    A new one hardly does either.

    Args:
        width: features of an atom.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.volume = nn.Linear(width, width), nn.Linear(3, width, bias=False)
        self.told, self.turn = nn.Linear(width, width), nn.Linear(width, 1)
        for layer in (self.told, self.turn):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        h: Float[Tensor, "complexes poses atoms width"],
        x: Float[Tensor, "complexes poses atoms 3"],
        ligand: LigandGraph,
    ) -> tuple[
        Float[Tensor, "complexes poses atoms width"], Float[Tensor, "complexes poses atoms 3"]
    ]:
        """Return what to add to the features and to the coordinates (Å)."""
        middle = ligand.centres[:, None, :, 0, None].expand(-1, h.shape[1], -1, -1)
        asked = ligand.handedness[:, None].to(x)
        volume, slopes = volume_slopes(unit_bonds(x, ligand.centres))
        volume = volume * asked
        seen = torch.stack([volume, volume**2, volume**3], -1)
        rows = middle.expand(-1, -1, -1, h.shape[-1])
        hidden = self.own(h.gather(2, rows)) + self.volume(seen.to(h.dtype))
        told = self.told(nn.functional.silu(hidden)) * asked.abs()[..., None]
        heard = torch.zeros_like(h).scatter_add(2, rows, told.to(h.dtype))
        return heard, self._move(x, self.turn(hidden).to(x) * asked[..., None], slopes, ligand)

    @staticmethod
    def _move(x: Tensor, turn: Tensor, slopes: Tensor, ligand: LigandGraph) -> Tensor:
        """Return the moves of all atoms, ``turn`` Å along the slope at every centre."""
        ends = turn[..., None] * slopes
        steps = torch.cat([-ends.sum(-2, keepdim=True), ends], -2).flatten(2, 3)
        index = ligand.centres.flatten(1)[:, None, :, None].expand_as(steps)
        return torch.zeros_like(x).scatter_add(2, index, steps)
