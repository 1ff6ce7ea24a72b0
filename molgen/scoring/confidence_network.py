"""The network that rates poses: learned potentials of atom pairs that know their surroundings.

A receptor atom hears its neighbours in space (continuous-filter messages, Schütt et al., SchNet,
arXiv 1706.08566), a ligand atom those along its bonds. Neither depends on the pose: one description
serves all poses. It gives every pair of a ligand and a receptor atom curves over their distance,
piecewise linear as in `molgen.energy.contacts`, one for each product of the two angles at the pair
(every atom has a direction away from its bonded neighbours, where lone pairs and hydrogens point).
Their sum, what every atom makes of all its partners together, and the features of
`molgen.scoring.pose_features` give the answer. Invariant under rotation and translation.

The same pairs tell how far apart they are in the crystal (a distogram as in Senior et al., Nature
2020, 577, 706): trained beside the ratings, it teaches the descriptions from complexes that nobody
searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor, nn

from molgen.config import limited
from molgen.errors import ConfigError
from molgen.geometry.knots import KNOTS
from molgen.geometry.neighbours import nearest, radius_pairs
from molgen.geometry.radial import cosine_envelope, gaussian_basis
from molgen.graphs.pose_graph import (
    LEVEL,
    LIGAND_FEATURES,
    PAIR_KINDS,
    TARGET_FEATURES,
    LigandTopology,
    Target,
)
from molgen.scoring.pose_features import FEATURES

CUTOFF = float(KNOTS[-1])
"""Å, where the curves end."""

BINS = np.concatenate([[2.2], np.arange(2.5, CUTOFF + 0.01, 0.25)])
"""Å, upper ends of the bins of the distogram; what is farther apart has a bin of its own."""

_ANGLES = 4
"""Factors of a curve: 1, the angle at the ligand atom, that at the receptor atom, their product."""


@dataclass(frozen=True)
class ConfidenceConfig:
    """Options of `ConfidenceNetwork`.

    Attributes:
        width: features of an atom and of a pair.
        ligand_rounds: of messages along the bonds.
        target_rounds: of messages between receptor atoms.
        neighbours: nearest receptor atoms that a receptor atom hears.
        radial: Gaussians of a distance.
        channels: what an atom keeps of its partners.
        dropout: within every small network.
        contacts: False rates by the features of the pose alone.
    """

    width: int = limited(64, min=8)
    ligand_rounds: int = limited(4, min=1)
    target_rounds: int = limited(3, min=1)
    neighbours: int = limited(16, min=1)
    radial: int = limited(16, min=2)
    channels: int = limited(8, min=1)
    dropout: float = limited(0.1, min=0.0, below=1.0)
    contacts: bool = True


class PoseSet(NamedTuple):
    """Poses of one ligand in one pocket.

    Attributes:
        coords: Å, in the frame of ``target``.
        ligand: codes in the order of `LIGAND_FEATURES`.
        pair_kind: positions in `PAIR_KINDS`.
        target: receptor atoms, Å.
        target_features: codes in the order of `TARGET_FEATURES`.
        target_side: unit vectors away from the bonded neighbours, or 0.
        features: `molgen.scoring.pose_features`.
    """

    coords: Float[Tensor, "poses atoms 3"]
    ligand: Int[Tensor, "atoms categories"]
    pair_kind: Int[Tensor, "atoms atoms"]
    target: Float[Tensor, "nodes 3"]
    target_features: Int[Tensor, "nodes types"]
    target_side: Float[Tensor, "nodes 3"]
    features: Float[Tensor, "poses columns"]

    def to(self, device: torch.device | str) -> PoseSet:
        """Return the same on ``device``."""
        return PoseSet(*(value.to(device) for value in self))


def pose_set(
    coords: np.ndarray,
    ligand: LigandTopology,
    target: Target,
    features: np.ndarray,
    reach: float = CUTOFF,
) -> PoseSet:
    """Return poses with the receptor atoms around them.

    Args:
        coords: (poses, atoms, 3) Å, in the frame of ``target``.
        reach: Å; receptor atoms closer than this to an atom of any pose are kept.
    """
    center = coords.mean((0, 1))
    atoms = np.flatnonzero(target.features[:, LEVEL] == 0)
    tree = cKDTree(coords.reshape(-1, 3))
    apart, _ = tree.query(target.coords[atoms], distance_upper_bound=reach)
    near = atoms[np.isfinite(apart)]
    return PoseSet(
        torch.from_numpy((coords - center).astype(np.float32)),
        torch.from_numpy(ligand.features.astype(np.int64)),
        torch.from_numpy(ligand.pair_kind.astype(np.int64)),
        torch.from_numpy((target.coords[near] - center).astype(np.float32)),
        torch.from_numpy(target.features[near].astype(np.int64)),
        torch.from_numpy(target.open_side[near].astype(np.float32)),
        torch.from_numpy(features.astype(np.float32)),
    )


class Confidence(NamedTuple):
    """What the network says of every pose.

    Attributes:
        logit: of RMSD ≤ 2 Å, before calibration.
        rmsd: expected RMSD, Å.
    """

    logit: Float[Tensor, " poses"]
    rmsd: Float[Tensor, " poses"]


class ConfidenceNetwork(nn.Module):
    """Rates poses; rotating the whole input changes nothing."""

    def __init__(self, config: ConfidenceConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ConfidenceConfig()
        inputs, width = len(FEATURES), config.width
        if config.contacts:
            self.ligand = _Embedding(tuple(LIGAND_FEATURES.values()), width)
            self.target = _Embedding(tuple(TARGET_FEATURES.values()), width)
            self.ligand_rounds = nn.ModuleList(
                _LigandRound(config) for _ in range(config.ligand_rounds)
            )
            self.target_rounds = nn.ModuleList(
                _TargetRound(config) for _ in range(config.target_rounds)
            )
            self.ligand_norm, self.target_norm = nn.LayerNorm(width), nn.LayerNorm(width)
            self.pair = _Pair(config)
            self.energy = Curves(width, 1)
            self.partners = Curves(width, config.channels)
            self.ligand_sum = _small(width + config.channels, width, 1, config.dropout)
            self.target_sum = _small(width + config.channels, width, 1, config.dropout)
            self.distogram = nn.Linear(width, len(BINS) + 1)
            nn.init.zeros_(self.energy.values.weight)
            inputs += 3
        self.last = _small(inputs, width, 2, config.dropout)

    def forward(self, poses: PoseSet) -> Confidence:
        """Return logit and expected RMSD."""
        if not self.config.contacts:
            out = self.last(poses.features)
            return Confidence(out[:, 0], nn.functional.softplus(out[:, 1]) * 2.0)
        sums = self._sums(poses)
        out = self.last(torch.cat([poses.features, sums], dim=1))
        return Confidence(out[:, 0] + sums.sum(1), nn.functional.softplus(out[:, 1]) * 2.0)

    def distances(
        self, poses: PoseSet, atom: Int[Tensor, " pairs"], node: Int[Tensor, " pairs"]
    ) -> Float[Tensor, "pairs bins"]:
        """Return the logits of the distogram (`BINS`) of ligand atoms and receptor atoms."""
        ligand, target = self._described(poses)
        pairs = self.pair(ligand.index_select(0, atom), target.index_select(0, node))
        logits: Tensor = self.distogram(pairs)
        return logits

    def _described(self, poses: PoseSet) -> tuple[Tensor, Tensor]:
        """Return (atoms, width) and (nodes, width), the atoms with their surroundings."""
        config, kinds = self.config, poses.pair_kind
        ligand = self.ligand(poses.ligand)
        for layer in self.ligand_rounds:
            ligand = layer(ligand, kinds)
        points = poses.target[None]
        found = nearest(points, points, None, config.neighbours + 1)
        near, apart = (one[0, :, 1:] for one in found)  # the first is the atom itself
        radial = gaussian_basis(apart, config.radial, CUTOFF)
        envelope = cosine_envelope(apart, CUTOFF)[..., None]
        target = self.target(poses.target_features)
        for layer in self.target_rounds:
            target = layer(target, near, radial, envelope)
        return self.ligand_norm(ligand), self.target_norm(target)

    def _sums(self, poses: PoseSet) -> Float[Tensor, "poses 3"]:
        """Return the sums over pairs, over ligand atoms and over receptor atoms."""
        ligand, target = self._described(poses)
        (count, atoms), nodes = poses.coords.shape[:2], len(target)
        pose, atom, node = radius_pairs(poses.coords, poses.target, CUTOFF).unbind(1)
        kind, place = torch.unique(atom * nodes + node, return_inverse=True)
        pairs = self.pair(
            ligand.index_select(0, kind // nodes), target.index_select(0, kind % nodes)
        )
        offset = poses.target[node] - poses.coords[pose, atom]
        distance = offset.norm(dim=-1).clamp_min(1e-3)
        unit = offset / distance[:, None]
        toward = (unit * open_sides(poses)[pose, atom]).sum(-1)
        back = -(unit * poses.target_side[node]).sum(-1)
        angles = torch.stack([torch.ones_like(toward), toward, back, toward * back], dim=-1)
        energy = self.energy(pairs, place, distance, angles)[:, 0]
        heard = self.partners(pairs, place, distance, angles)
        by_atom = heard.new_zeros(count * atoms, heard.shape[1])
        by_atom = by_atom.index_add(0, pose * atoms + atom, heard).view(count, atoms, -1)
        by_node = heard.new_zeros(count * nodes, heard.shape[1])
        by_node = by_node.index_add(0, pose * nodes + node, heard).view(count, nodes, -1)
        # a receptor atom without partners says nothing, and begins to speak gradually
        touched = energy.new_zeros(count * nodes)
        touched = touched.index_add(0, pose * nodes + node, cosine_envelope(distance, CUTOFF))
        own = self.ligand_sum(torch.cat([ligand.expand(count, -1, -1), by_atom], dim=-1))
        other = self.target_sum(torch.cat([target.expand(count, -1, -1), by_node], dim=-1))
        return torch.stack(
            [
                energy.new_zeros(count).index_add(0, pose, energy),
                own[..., 0].sum(1),
                (other[..., 0] * touched.view(count, nodes).tanh()).sum(1) / 4.0,
            ],
            dim=1,
        )


class MeanNetwork(nn.Module):
    """Networks that answer together: the mean of their logits and of their expected RMSDs.

    Args:
        members: trained on the same data from different weights.
    """

    def __init__(self, members: Sequence[ConfidenceNetwork]) -> None:
        super().__init__()
        if not members:
            raise ConfigError("networks that answer together: expected at least one")
        self.members = nn.ModuleList(members)
        self.config = members[0].config

    def forward(self, poses: PoseSet) -> Confidence:
        """Return the means for every pose."""
        said: list[Confidence] = [member(poses) for member in self.members]
        return Confidence(
            torch.stack([one.logit for one in said]).mean(0),
            torch.stack([one.rmsd for one in said]).mean(0),
        )


def open_sides(poses: PoseSet) -> Float[Tensor, "poses atoms 3"]:
    """Return the unit vector of every ligand atom away from its bonded neighbours, or 0."""
    single, aromatic = PAIR_KINDS.index("single"), PAIR_KINDS.index("aromatic")
    bonded = (poses.pair_kind >= single) & (poses.pair_kind <= aromatic)
    offset = poses.coords[:, None] - poses.coords[:, :, None]  # from the first to the second
    unit = offset / offset.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    side = -(unit * bonded[..., None]).sum(2)
    length = side.norm(dim=-1, keepdim=True)
    return torch.where(length > 0.1, side / length.clamp_min(1e-3), torch.zeros_like(side))


class _Embedding(nn.Module):
    """Sum of one embedding for every category."""

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in sizes)

    def forward(self, codes: Int[Tensor, "*batch categories"]) -> Float[Tensor, "*batch width"]:
        parts = [table(codes[..., k]) for k, table in enumerate(self.tables)]
        return torch.stack(parts).sum(0)


class _LigandRound(nn.Module):
    """Messages between ligand atoms up to three bonds apart, and their mean over the ligand."""

    def __init__(self, config: ConfidenceConfig) -> None:
        super().__init__()
        width = config.width
        self.norm, self.sender = nn.LayerNorm(width), nn.Linear(width, width)
        self.kind = nn.Embedding(len(PAIR_KINDS), width)
        self.update = _small(3 * width, width, width, config.dropout)

    def forward(self, hidden: Tensor, pair_kind: Tensor) -> Tensor:
        own = self.norm(hidden)
        sent = nn.functional.silu(self.sender(own))
        weight = self.kind(pair_kind) * (pair_kind > 0)[..., None]
        heard = torch.einsum("ijw,jw->iw", weight, sent) / 4.0
        whole = sent.mean(0, keepdim=True).expand_as(own)
        updated: Tensor = hidden + self.update(torch.cat([own, heard, whole], dim=-1))
        return updated


class _TargetRound(nn.Module):
    """Messages between neighbouring receptor atoms."""

    def __init__(self, config: ConfidenceConfig) -> None:
        super().__init__()
        width = config.width
        self.norm = nn.LayerNorm(width)
        self.receiver, self.sender = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.filter = nn.Linear(config.radial, width)
        self.update = _small(2 * width, width, width, config.dropout)

    def forward(self, hidden: Tensor, near: Tensor, radial: Tensor, envelope: Tensor) -> Tensor:
        own = self.norm(hidden)
        sent = self.sender(own).index_select(0, near.flatten()).view(*near.shape, own.shape[1])
        message = nn.functional.silu(self.receiver(own)[:, None] + sent)
        heard = (message * self.filter(radial) * envelope).sum(1) / 4.0
        updated: Tensor = hidden + self.update(torch.cat([own, heard], dim=-1))
        return updated


class _Pair(nn.Module):
    """What a ligand and a receptor atom are to each other."""

    def __init__(self, config: ConfidenceConfig) -> None:
        super().__init__()
        width = config.width
        self.ligand, self.target = nn.Linear(width, width), nn.Linear(width, width)
        self.left, self.right = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.last = nn.Sequential(
            nn.SiLU(), nn.Dropout(config.dropout), nn.Linear(width, width), nn.SiLU()
        )

    def forward(
        self, ligand: Float[Tensor, "pairs width"], target: Float[Tensor, "pairs width"]
    ) -> Float[Tensor, "pairs width"]:
        joined = self.ligand(ligand) + self.target(target) + self.left(ligand) * self.right(target)
        pairs: Tensor = self.last(joined)
        return pairs


class Curves(nn.Module):
    """Curves over the distance of a pair, one for every factor of its angles; their sum."""

    knots: Tensor

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.values = nn.Linear(width, (len(KNOTS) - 1) * count * _ANGLES)
        nn.init.normal_(self.values.weight, std=0.02)
        nn.init.zeros_(self.values.bias)
        self.register_buffer("knots", torch.tensor(KNOTS, dtype=torch.float32), persistent=False)

    def forward(
        self,
        pairs: Float[Tensor, "kinds width"],
        place: Int[Tensor, " contacts"],
        distance: Float[Tensor, " contacts"],
        angles: Float[Tensor, "contacts factors"],
    ) -> Float[Tensor, "contacts count"]:
        """Return the values at contacts; ``place`` is the row of each in ``pairs``."""
        intervals = len(self.knots) - 1
        values = self.values(pairs).view(len(pairs), intervals, self.count * _ANGLES)
        values = nn.functional.pad(values, (0, 0, 0, 1)).flatten(0, 1)  # 0 at the last knot
        before = (torch.bucketize(distance, self.knots, right=True) - 1).clamp(0, intervals - 1)
        part = (distance - self.knots[before]) / self.knots.diff()[before]
        row = place * (intervals + 1) + before
        # index_select: the gradient of an index is many times slower on a CPU
        ends = values.index_select(0, row), values.index_select(0, row + 1)
        between = torch.lerp(*ends, part[:, None])
        return (between.view(len(row), self.count, _ANGLES) * angles[:, None]).sum(-1)


def _small(inputs: int, width: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, outputs)
    )
