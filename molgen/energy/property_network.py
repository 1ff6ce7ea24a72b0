"""A network of ligand properties: SCF energy, HOMO-LUMO gap and partial charges from heavy atoms.

Messages pass between all atoms of a ligand within a cutoff. They see distances and how two atoms
are connected, and nothing that a rotation, a shift or a mirror changes. The noise level of the
coordinates is an input: from noisy coordinates the network predicts the property of the clean pose,
as the energy models of SIDEGEN do (Wu, Cao & Yao, arXiv 2309.16684).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.geometry.radial import cosine_envelope, gaussian_basis
from molgen.graphs.pose_graph import LIGAND_FEATURES, PAIR_KINDS, LigandGraph

SHORT_REACH = 3.1
"""Å, of the narrow Gaussians (0.1 Å) that resolve bond lengths and angles."""
_SHORT = 32
_LEVELS = 12
_LEVEL_UNIT, _LEVEL_REACH = 0.02, 6.0
"""Å; the noise enters as Gaussians of log(1 + σ / 0.02 Å), evenly from 0 to 6."""
_CHARGE_SHIFT = 3  # of the formal charge in LIGAND_FEATURES

_REST = {
    "other": 1.5,
    "single": 1.48,
    "double": 1.28,
    "triple": 1.18,
    "aromatic": 1.39,
    "1-3": 2.45,
}
"""Å, where the springs of `_Springs` start to learn their lengths."""
_BOND, _ANGLE = 20.0, 4.0
"""Å⁻², and their strengths, in units of the energy scale (about 15 kcal/mol)."""
_YIELD = 0.3
"""Å, deviation at which a spring has half of the energy of a harmonic one."""


@dataclass(frozen=True)
class PropertyConfig:
    """Options of `PropertyNetwork`.

    Attributes:
        width: features of an atom.
        edge: features of a pair.
        blocks: rounds of messages.
        radial: wide Gaussians of a distance.
        cutoff: Å, where atoms stop hearing each other.
    """

    width: int = limited(48, min=8)
    edge: int = limited(32, min=8)
    blocks: int = limited(3, min=1)
    radial: int = limited(16, min=2)
    cutoff: float = limited(6.0, above=0.0)


class Properties(NamedTuple):
    """What the network predicts, in its own units: multiples of the scales of the model.

    Attributes:
        energy: sum over atoms and pairs.
        gap: a weighted mean over atoms.
        charges: e; they add up to the formal charge; 0 for padding.
    """

    energy: Float[Tensor, "ligands poses"]
    gap: Float[Tensor, "ligands poses"]
    charges: Float[Tensor, "ligands poses atoms"]


class PropertyNetwork(nn.Module):
    """Invariant message passing over the heavy atoms of ligands."""

    Config = PropertyConfig

    def __init__(self, config: PropertyConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or PropertyConfig()
        width, edge = config.width, config.edge
        tables = [nn.Embedding(n, width) for n in LIGAND_FEATURES.values()]
        for table in tables:
            nn.init.normal_(table.weight, std=0.4)
        self.atoms = nn.ModuleList(tables)
        self.pairs = nn.Embedding(len(PAIR_KINDS), edge)
        self.distance = nn.Linear(config.radial + _SHORT, edge)
        self.level_to_edge = nn.Linear(_LEVELS, edge)
        self.level_to_atom = nn.Linear(_LEVELS, width)
        self.edge = nn.Sequential(nn.SiLU(), nn.Linear(edge, edge), nn.SiLU())
        self.blocks = nn.ModuleList(_Block(width, edge) for _ in range(config.blocks))
        self.last = nn.LayerNorm(width)
        self.atom_energy = _head(width)
        self.pair_energy = _Message(width, edge)
        self.pair_energy_out = _small(nn.Linear(width, 1))
        self.springs = _Springs(width)
        self.gap_value, self.gap_weight = _head(width), _head(width)
        self.charge = _head(width)

    def forward(
        self,
        coords: Float[Tensor, "ligands poses atoms 3"],
        sigma: Float[Tensor, "ligands poses"],
        ligand: LigandGraph,
    ) -> Properties:
        """Return the properties of every pose.

        Args:
            coords: Å.
            sigma: standard deviation of the noise on every coordinate, Å; 0 for clean poses.
        """
        mask = ligand.mask
        offset = coords[..., None, :, :] - coords[..., :, None, :]
        distance = (offset.square().sum(-1) + 1e-8).sqrt()
        pair_mask = mask[:, :, None] & mask[:, None, :]
        pair_mask = pair_mask & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        share = cosine_envelope(distance, self.config.cutoff) * pair_mask[:, None]
        level = gaussian_basis(torch.log1p(sigma / _LEVEL_UNIT), _LEVELS, _LEVEL_REACH)
        basis = torch.cat(
            [
                gaussian_basis(distance, self.config.radial, self.config.cutoff),
                gaussian_basis(distance, _SHORT, SHORT_REACH),
            ],
            dim=-1,
        )
        edges = self.edge(
            self.distance(basis)
            + self.pairs(ligand.pair_kind)[:, None]
            + self.level_to_edge(level)[:, :, None, None]
        )
        h = torch.stack([t(ligand.features[..., k]) for k, t in enumerate(self.atoms)]).sum(0)
        springs = self.springs(h, distance, level, ligand, pair_mask)
        h = h[:, None] + self.level_to_atom(level)[:, :, None]
        for block in self.blocks:
            h = block(h, edges, share)
        found = self._read(self.last(h), edges, share, ligand)
        return found._replace(energy=found.energy + springs)

    def _read(self, h: Tensor, edges: Tensor, share: Tensor, ligand: LigandGraph) -> Properties:
        atoms = ligand.mask[:, None].to(h)
        of_pairs = self.pair_energy_out(self.pair_energy(h, edges))[..., 0] * share
        energy = (self.atom_energy(h)[..., 0] * atoms).sum(-1) + of_pairs.sum((-1, -2))
        weight = self.gap_weight(h)[..., 0].masked_fill(~ligand.mask[:, None], -1e9)
        gap = (weight.softmax(-1) * self.gap_value(h)[..., 0]).sum(-1)
        charge = self.charge(h)[..., 0] * atoms
        formal = ((ligand.features[..., 1] - _CHARGE_SHIFT) * ligand.mask).sum(-1)[:, None].to(h)
        missing = (formal - charge.sum(-1)) / atoms.sum(-1)
        return Properties(energy, gap, charge + missing[..., None] * atoms)


class _Springs(nn.Module):
    """Strain of bond lengths and 1-3 distances: what bends a pose costs most.

    Lengths and strengths follow from the graph alone, as in a force field; a spring yields beyond
    `_YIELD`, and all of them by a factor that depends on the noise level.
    """

    rest: Tensor
    strength: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ends = nn.Linear(width, width)
        self.kind = nn.Embedding(len(PAIR_KINDS), width)
        self.learned = nn.Sequential(
            nn.SiLU(), nn.Linear(width, width), nn.SiLU(), _small(nn.Linear(width, 2))
        )
        self.trust = nn.Linear(_LEVELS, 1)
        rest = torch.tensor([_REST.get(name, 0.0) for name in PAIR_KINDS])
        angle = torch.tensor([name == "1-3" for name in PAIR_KINDS])
        strength = torch.where(angle, _ANGLE, _BOND) * (rest > 0)
        self.register_buffer("rest", rest, persistent=False)
        self.register_buffer("strength", strength, persistent=False)

    def forward(
        self, h: Tensor, distance: Tensor, level: Tensor, ligand: LigandGraph, pairs: Tensor
    ) -> Float[Tensor, "ligands poses"]:
        ends = self.ends(h)
        pair = ends[:, :, None] + ends[:, None] + self.kind(ligand.pair_kind)
        shift, log = self.learned(pair).unbind(-1)
        rest = self.rest[ligand.pair_kind] + 0.2 * shift
        strength = self.strength[ligand.pair_kind] * log.exp() * pairs
        squared = (distance - rest[:, None]).square()
        energy = strength[:, None] * squared / (1.0 + squared / _YIELD**2)
        return 0.5 * self.trust(level)[..., 0].sigmoid() * energy.sum((-1, -2))


class _Message(nn.Module):
    """What one atom says to another, before it is added up."""

    def __init__(self, width: int, edge: int) -> None:
        super().__init__()
        self.here, self.there = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.between = nn.Linear(edge, width, bias=False)

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        here, there = self.here(h)[..., :, None, :], self.there(h)[..., None, :, :]
        return nn.functional.silu(here + there + self.between(edges))


class _Block(nn.Module):
    def __init__(self, width: int, edge: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.message = _Message(width, edge)
        self.update = nn.Sequential(
            nn.Linear(2 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, edges: Tensor, share: Tensor) -> Tensor:
        seen = self.norm(h)
        heard = (self.message(seen, edges) * share[..., None]).sum(-2) / 4.0
        return h + self.update(torch.cat([seen, heard], dim=-1))


def _head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), _small(nn.Linear(width, 1)))


def _small(layer: nn.Linear) -> nn.Linear:
    """Let a layer begin near zero, so that a new network predicts the mean."""
    nn.init.normal_(layer.weight, std=1e-2)
    nn.init.zeros_(layer.bias)
    return layer
