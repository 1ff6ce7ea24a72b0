"""The network that rates poses: messages from receptor atoms to the atoms of a pose, invariant.

Continuous-filter messages (Schütt et al., SchNet, arXiv 1706.08566) over the nearest receptor atoms
and the other atoms of the ligand. Every atom has a direction away from its bonded neighbours,
where lone pairs and hydrogens point; messages see the angles to it. The features of
`molgen.scoring.pose_features` join at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from molgen.config import limited
from molgen.errors import ConfigError
from molgen.geometry.neighbours import nearest
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


@dataclass(frozen=True)
class ConfidenceConfig:
    """Options of `ConfidenceNetwork`.

    Attributes:
        width: features of an atom.
        rounds: of messages.
        neighbours: nearest receptor atoms that a ligand atom hears.
        cutoff: Å, of receptor atoms.
        reach: Å, of the other atoms of the ligand.
        radial: Gaussians of a distance.
        dropout: before the last layer.
        contacts: False rates by the features of the pose alone.
    """

    width: int = limited(32, min=8)
    rounds: int = limited(2, min=1)
    neighbours: int = limited(20, min=1)
    cutoff: float = limited(7.0, above=0.0)
    reach: float = limited(8.0, above=0.0)
    radial: int = limited(16, min=2)
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
    coords: np.ndarray, ligand: LigandTopology, target: Target, features: np.ndarray, reach: float
) -> PoseSet:
    """Return poses with the receptor atoms that any of them can feel.

    Args:
        coords: (poses, atoms, 3) Å, in the frame of ``target``.
        reach: Å, the network's cutoff.
    """
    atoms = target.features[:, LEVEL] == 0
    lower, upper = coords.min((0, 1)) - reach, coords.max((0, 1)) + reach
    near = atoms & ((target.coords > lower) & (target.coords < upper)).all(1)
    center = coords.mean((0, 1))
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
        width = config.width
        if config.contacts:
            self.ligand = _Embedding(tuple(LIGAND_FEATURES.values()), width)
            self.target = _Embedding(tuple(TARGET_FEATURES.values()), width)
            self.rounds = nn.ModuleList(_Round(config) for _ in range(config.rounds))
            self.atom = nn.Sequential(nn.Linear(width, width), nn.SiLU())
        inputs = len(FEATURES) + (2 * width if config.contacts else 0)
        self.last = nn.Sequential(
            nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(config.dropout), nn.Linear(width, 2)
        )

    def forward(self, poses: PoseSet) -> Confidence:
        """Return logit and expected RMSD."""
        seen = [poses.features]
        if self.config.contacts:
            atoms = self._atoms(poses)
            seen += [atoms.mean(1), atoms.sum(1) / 25.0]
        out = self.last(torch.cat(seen, dim=1))
        return Confidence(out[:, 0], nn.functional.softplus(out[:, 1]) * 2.0)

    def _atoms(self, poses: PoseSet) -> Float[Tensor, "poses atoms width"]:
        config, shape = self.config, poses.coords.shape
        allowed = torch.ones(1, len(poses.target), dtype=torch.bool, device=poses.target.device)
        flat = poses.coords.reshape(1, -1, 3)
        index, distance = nearest(flat, poses.target[None], allowed, config.neighbours)
        near, distance = index.reshape(*shape[:2], -1), distance.reshape(*shape[:2], -1)
        unit = (poses.target[near] - poses.coords[:, :, None]) / distance.clamp_min(1e-3)[..., None]
        own = open_sides(poses)
        toward = (unit * own[:, :, None]).sum(-1)
        back = -(unit * poses.target_side[near]).sum(-1)
        outer = _Edges(
            gaussian_basis(distance, config.radial, config.cutoff),
            cosine_envelope(distance, config.cutoff),
        )
        apart = torch.cdist(poses.coords, poses.coords, compute_mode="donot_use_mm_for_euclid_dist")
        other = ~torch.eye(shape[1], dtype=torch.bool, device=apart.device)
        inner = _Edges(
            gaussian_basis(apart, config.radial, config.reach),
            cosine_envelope(apart, config.reach) * other,
        )
        angles = torch.stack([toward, back], dim=-1)
        target = self.target(poses.target_features)
        hidden = self.ligand(poses.ligand).expand(shape[0], -1, -1)
        for layer in self.rounds:
            hidden = layer(hidden, target, near, angles, outer, inner, poses.pair_kind)
        return self.atom(hidden)


class MeanNetwork(nn.Module):
    """Networks that answer together: the mean of their logits and of their expected RMSDs.

    Args:
        members: trained on the same data from different weights; they see equally far.
    """

    def __init__(self, members: Sequence[ConfidenceNetwork]) -> None:
        super().__init__()
        if not members or len({member.config.cutoff for member in members}) > 1:
            raise ConfigError("networks that answer together: expected some, with one cutoff")
        self.members = nn.ModuleList(members)
        self.config = members[0].config

    def forward(self, poses: PoseSet) -> Confidence:
        """Return the means for every pose."""
        said: list[Confidence] = [member(poses) for member in self.members]
        return Confidence(
            torch.stack([one.logit for one in said]).mean(0),
            torch.stack([one.rmsd for one in said]).mean(0),
        )


class _Edges(NamedTuple):
    radial: Tensor
    envelope: Tensor


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


class _Round(nn.Module):
    """One round: messages from the receptor, then from the ligand's own atoms."""

    def __init__(self, config: ConfidenceConfig) -> None:
        super().__init__()
        width = config.width
        self.norm, self.middle = nn.LayerNorm(width), nn.LayerNorm(width)
        self.receiver, self.sender = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.angles = nn.Linear(2, width, bias=False)
        self.filter = nn.Linear(config.radial, width)
        self.outer = _update(width)
        self.own = nn.Linear(width, width)
        self.pair = nn.Embedding(len(PAIR_KINDS), width)
        self.inner_filter = nn.Linear(config.radial, width)
        self.inner = _update(width)

    def forward(
        self,
        hidden: Tensor,
        target: Tensor,
        near: Tensor,
        angles: Tensor,
        outer: _Edges,
        inner: _Edges,
        pair_kind: Tensor,
    ) -> Tensor:
        own = self.norm(hidden)
        message = self.receiver(own)[:, :, None] + self.sender(target)[near] + self.angles(angles)
        message = nn.functional.silu(message) * self.filter(outer.radial)
        heard = (message * outer.envelope[..., None]).sum(2) / 4.0
        hidden = hidden + self.outer(torch.cat([own, heard], dim=-1))
        own = self.middle(hidden)
        weight = self.inner_filter(inner.radial) * self.pair(pair_kind) * inner.envelope[..., None]
        heard = torch.einsum("pijw,pjw->piw", weight, nn.functional.silu(self.own(own))) / 4.0
        return hidden + self.inner(torch.cat([own, heard], dim=-1))


def _update(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))
