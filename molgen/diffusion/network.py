"""The SIDEGEN network: noisy ligand poses and an encoded target in, clean poses out.

A stack of ligand-target message passing (LTMP) blocks. In every block a ligand atom hears all atoms
of its own molecule (*intra* compound edges) and the nearest target nodes within a cutoff that
widens with the noise (*inter* compound edges), each fading out before another takes its place; the
target nodes hear the ligand in turn; and the atoms move along their edges (Satorras et al., arXiv
2102.09844, eq. 4). The edges are found anew from the moved atoms before every block. All that
enters is invariant, all motions are sums of difference vectors: rotating the whole input rotates
the output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from molgen.config import limited
from molgen.encoders.registry import build_target_encoder
from molgen.geometry.neighbours import fading_nearest, gather_nodes
from molgen.geometry.radial import cosine_envelope, gaussian_basis
from molgen.graphs.pose_graph import (
    FAR,
    LEVEL,
    LIGAND_FEATURES,
    PAIR_KINDS,
    LigandGraph,
    TargetGraph,
)

REACH = 12.0
"""Å, of the Gaussians of distances within the ligand."""
CACHED = 600
"""Ligand atoms of all poses that a CPU looks at together: their messages fit its cache."""
SPACE_CODES = {"cartesian": 0, "rigid-torsion": 1}


@dataclass(frozen=True)
class SidegenConfig:
    """Options of `Sidegen`.

    Attributes:
        encoder: name in `molgen.encoders.registry.TARGET_ENCODERS`.
        target: False takes the target away: the ligand alone, as in GeoDiff.
        predicts: "clean": poses enter shrunk by c_skip, and training weights their error by
            1 / c_out² (Karras et al.); "noise": they enter as they are, and the weight is 1 / σ²,
            as where a DDPM predicts the noise. For the ablation.
        width: features of a node.
        blocks: LTMP blocks.
        atoms, residues: nearest target atoms and residues that a ligand atom hears.
        atom_cutoff, residue_cutoff: Å at no noise.
        fade: Å before the first node too many over which a node stops being heard; 0: at once.
            Steep, it lets small differences grow while poses are drawn.
        widen: Å that both cutoffs grow by per Å of noise, up to `widest`.
        widest: largest growth, Å.
        radial: Gaussians of a distance.
        spread: Å, typical distance of an atom from its ligand's centre along one axis.
        centre_spread: Å, typical distance of the ligand's centre from the pocket's along one axis.
    """

    encoder: str = "egnn"
    target: bool = True
    predicts: Literal["clean", "noise"] = "clean"
    width: int = limited(64, min=8)
    blocks: int = limited(6, min=1)
    atoms: int = limited(24, min=1)
    residues: int = limited(8, min=1)
    atom_cutoff: float = limited(7.0, above=0.0)
    residue_cutoff: float = limited(12.0, above=0.0)
    fade: float = limited(5.0, min=0.0)
    widen: float = limited(1.0, min=0.0)
    widest: float = limited(4.0, min=0.0)
    radial: int = limited(20, min=2)
    spread: float = limited(3.0, above=0.0)
    centre_spread: float = limited(1.5, above=0.0)


class NodeGroup(NamedTuple):
    """The nodes of one level, atoms or residues, of a target.

    Attributes:
        rows: among the nodes of all complexes, padded with any.
        coords: Å; padding lies far away.
    """

    rows: Int[Tensor, "complexes members"]
    coords: Float[Tensor, "complexes members 3"]

    @classmethod
    def of(cls, graph: TargetGraph, level: int) -> NodeGroup:
        """Return the nodes of ``level`` (see `TARGET_FEATURES`)."""
        member = graph.mask & (graph.features[..., LEVEL] == level)
        size = max(1, int(member.sum(1).max()))
        index = member.byte().argsort(dim=1, descending=True, stable=True)[:, :size]
        coords = gather_nodes(graph.coords, index)
        first = torch.arange(len(index), device=index.device) * member.shape[1]
        return cls(index + first[:, None], coords.where(member.gather(1, index)[..., None], FAR))


class EncodedTarget(NamedTuple):
    """A target seen by the encoder once, for all steps and poses.

    Attributes:
        places: coordinates in Å, open side and level of its nodes.
        features: of its nodes.
        atoms, residues: its nodes by level.
    """

    places: Float[Tensor, "complexes nodes 7"]
    features: Float[Tensor, "complexes nodes width"]
    atoms: NodeGroup
    residues: NodeGroup


class Sidegen(nn.Module):
    """Estimates clean poses."""

    Config = SidegenConfig

    def __init__(
        self,
        config: SidegenConfig | None = None,
        encoder_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = config = config or SidegenConfig()
        width = config.width
        self.encoder: Any = None
        if config.target:
            self.encoder = build_target_encoder(config.encoder, encoder_options)
            features = self.encoder.width_out + self.encoder.vectors_out
            self.target_in = nn.Linear(features, width)
        self.atoms = nn.ModuleList(nn.Embedding(n, width) for n in LIGAND_FEATURES.values())
        self.level = nn.Sequential(nn.Linear(34, width), nn.SiLU(), nn.Linear(width, width))
        self.pairs = nn.Embedding(2 * len(PAIR_KINDS), width)
        self.blocks = nn.ModuleList(
            _LtmpBlock(config, answers=k + 1 < config.blocks) for k in range(config.blocks)
        )

    def encode(self, graph: TargetGraph) -> EncodedTarget | None:
        """Return the encoded target; None if this network has no eyes for it."""
        if self.encoder is None:
            return None
        found = self.encoder(graph)
        scalars, vectors = found.split([self.encoder.width_out, 3 * self.encoder.vectors_out], -1)
        if self.encoder.vectors_out:
            # + 1e-6: the root has no slope at 0, where padding is
            squared = vectors.unflatten(-1, (-1, 3)).square().sum(-1)
            scalars = torch.cat([scalars, (squared + 1e-6).sqrt()], -1)
        level = graph.features[..., LEVEL, None].to(graph.coords)
        places = torch.cat([graph.coords, graph.open_side, level], -1)
        features = self.target_in(scalars)
        return EncodedTarget(places, features, NodeGroup.of(graph, 0), NodeGroup.of(graph, 1))

    def forward(
        self,
        noisy: Float[Tensor, "complexes poses atoms 3"],
        sigma: Float[Tensor, "complexes poses"],
        ligand: LigandGraph,
        target: EncodedTarget | None,
        space: Literal["cartesian", "rigid-torsion"],
    ) -> list[Float[Tensor, "complexes poses atoms 3"]]:
        """Return the estimates of the clean poses after every block, the last one being the best.

        Args:
            noisy: Å relative to the centre of the pocket.
            sigma: noise level of every pose, Å.
            target: from `encode`; its frame is that of ``noisy``.
            space: that the noise was added in.
        """
        few = max(1, CACHED // (noisy.shape[0] * noisy.shape[2]))
        if noisy.device.type != "cpu" or torch.is_grad_enabled() or few >= noisy.shape[1]:
            return self._estimate(noisy, sigma, ligand, target, space)
        parts = [
            self._estimate(x, level, ligand, target, space)
            for x, level in zip(noisy.split(few, 1), sigma.split(few, 1), strict=True)
        ]
        return [torch.cat(blocks, 1) for blocks in zip(*parts, strict=True)]

    def _estimate(
        self,
        noisy: Tensor,
        sigma: Tensor,
        ligand: LigandGraph,
        target: EncodedTarget | None,
        space: str,
    ) -> list[Tensor]:
        config, mask = self.config, ligand.mask
        x = self._shrunk(noisy, sigma, ligand, space)
        h = torch.stack([t(ligand.features[..., k]) for k, t in enumerate(self.atoms)]).sum(0)
        level = self.level(_level_features(sigma, SPACE_CODES[space]))
        h = h[:, None] + level[:, :, None]
        kind = ligand.pair_kind + len(PAIR_KINDS) * ligand.rigid
        pair_mask = mask[:, :, None] & mask[:, None, :]
        pair_mask = pair_mask & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        bonded = (ligand.pair_kind >= 1) & (ligand.pair_kind <= 5)
        state = _State(
            atom_mask=mask[:, None, :, None].to(x),
            pair_mask=pair_mask[:, None],
            bonded=bonded[:, None].to(x),
            pairs=self.pairs(kind)[:, None],
            before=gaussian_basis(_distances(noisy), config.radial, REACH),
            level=level,
            near=None if target is None else self._near(target, sigma),
        )
        g = None if target is None else target.features[:, None]
        estimates = []
        for block in self.blocks:
            h, x, g = block(h, x, g, state)
            estimates.append(x)
        return estimates

    def _near(self, target: EncodedTarget, sigma: Tensor) -> _Near:
        """Return what the search for the neighbours of the poses needs."""
        config, (count, poses) = self.config, sigma.shape
        sizes = [config.atoms, config.residues]
        sizes = [min(n, g.coords.shape[1]) for n, g in zip(sizes, target[2:], strict=True)]
        cutoff = torch.cat(
            [sigma.new_full((sizes[0],), config.atom_cutoff),
             sigma.new_full((sizes[1],), config.residue_cutoff)]
        )  # fmt: skip
        growth = (config.widen * sigma).clamp_max(config.widest)
        pose = torch.arange(count * poses, device=sigma.device).reshape(count, poses)
        first = torch.arange(count, device=sigma.device)[:, None]
        lift = (pose - first) * target.places.shape[1]
        return _Near(target, sizes, cutoff + growth[..., None, None], lift[..., None, None])

    def _shrunk(self, noisy: Tensor, sigma: Tensor, ligand: LigandGraph, space: str) -> Tensor:
        """Return the poses shrunk towards the centre by what noise adds to their size.

        This is c_skip of Karras et al. (arXiv 2206.00364, table 1), apart for the centre of the
        ligand and its atoms around it; a rigid pose has its true size already.
        """
        from molgen.diffusion.spaces import CENTRE, centre

        if self.config.predicts == "noise":
            return noisy * ligand.mask[:, None, :, None]
        own = sigma[..., None, None]
        middle = centre(noisy, ligand.mask)
        kept = 1.0 / (1.0 + (CENTRE * own / self.config.centre_spread) ** 2)
        inner = 1.0 / (1.0 + (own / self.config.spread) ** 2) if space == "cartesian" else 1.0
        return (middle * kept + (noisy - middle) * inner) * ligand.mask[:, None, :, None]


class _Near(NamedTuple):
    """Which target nodes the atoms hear.

    Attributes:
        target: that they belong to.
        sizes: nearest atoms and residues that are looked at.
        cutoff: of each of these, Å, (complexes, poses, 1, heard).
        lift: what takes the row of a node among those of all complexes to its row among those of
            all poses, (complexes, poses, 1, 1).
    """

    target: EncodedTarget
    sizes: list[int]
    cutoff: Tensor
    lift: Tensor


class _State(NamedTuple):
    """What stays the same over the blocks."""

    atom_mask: Tensor
    pair_mask: Tensor
    bonded: Tensor
    pairs: Tensor
    before: Tensor
    level: Tensor
    near: _Near | None


class _LtmpBlock(nn.Module):
    """One exchange of messages within the ligand and with the target, and one move."""

    def __init__(self, config: SidegenConfig, *, answers: bool) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.norm = nn.LayerNorm(width)
        self.film = nn.Linear(width, 2 * width)
        self.receive, self.send = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.pair = nn.Linear(width, width, bias=False)
        self.distance = nn.Linear(2 * config.radial, width, bias=False)
        self.intra = nn.Sequential(nn.SiLU(True), nn.Linear(width, width), nn.SiLU(True))
        self.intra_move = _small(nn.Linear(width, 1))
        heard = 2 * width
        if config.target:
            heard += width
            self.target_norm = nn.LayerNorm(width)
            self.hear = nn.Linear(width, width)
            self.tell = nn.Linear(width, width, bias=False)
            self.contact = nn.Linear(config.radial + 4, width, bias=False)
            self.inter = nn.Sequential(nn.SiLU(True), nn.Linear(width, width), nn.SiLU(True))
            self.inter_move = _small(nn.Linear(width, 1))
            self.answer = (
                nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))
                if answers
                else None
            )
        self.update = nn.Sequential(
            nn.Linear(heard, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(
        self, h: Tensor, x: Tensor, g: Tensor | None, state: _State
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        scale, shift = self.film(state.level)[:, :, None].chunk(2, dim=-1)
        seen = self.norm(h) * (1 + scale) + shift

        offset = x[..., None, :, :] - x[..., :, None, :]
        squared = offset.square().sum(-1)
        distance = (squared + 1e-8).sqrt()
        basis = gaussian_basis(distance, self.config.radial, REACH)
        # in place: on a CPU the time goes into touching new memory
        message = self.distance(torch.cat([basis, state.before], dim=-1))
        message += self.pair(state.pairs)
        message += self.send(seen)[..., None, :, :]
        message += self.receive(seen)[..., :, None, :]
        message = self.intra(message)
        message *= state.pair_mask[..., None]
        parts = [seen, message.sum(-2) / 8.0]
        pull = self.intra_move(message).squeeze(-1).to(x) * state.pair_mask / (distance + 1.0)
        move = (pull[..., None] * offset).sum(-2) / 4.0

        if g is not None:
            own = _open_side(offset, squared, state.bonded)
            heard, pull, g = self._exchange(seen, x, own, g, state)
            parts.append(heard)
            move = move + pull
        h = h + self.update(torch.cat([p.to(seen.dtype) for p in parts], dim=-1))
        return h, x + move * state.atom_mask, g

    def _exchange(
        self, seen: Tensor, x: Tensor, own: Tensor, g: Tensor, state: _State
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the atoms hear of the target, how that moves them, and the new target.

        ``own`` are the open sides of the atoms, (complexes, poses, atoms, 3); ``g`` is (complexes,
        1, nodes, width) until the poses have told the target of themselves.
        """
        assert state.near is not None
        nodes, width = g.shape[2], g.shape[3]
        index, share = self._neighbours(x, state.near)
        share = share * state.atom_mask
        row = (index + state.near.lift).flatten()
        row_seen = index.flatten()
        places = state.near.target.places.flatten(0, 1).index_select(0, row_seen)
        there, side, level = places.reshape(*index.shape, -1).split([3, 3, 1], -1)
        offset = there - x[..., None, :]
        distance = (offset.square().sum(-1) + 1e-8).sqrt()
        unit = offset / distance[..., None]
        own = own[..., None, :]
        edge = torch.cat(
            [
                gaussian_basis(distance, self.config.radial, self.config.residue_cutoff),
                (own * unit).sum(-1, keepdim=True),
                (side * unit).sum(-1, keepdim=True),
                (own * side).sum(-1, keepdim=True),
                level,
            ],
            dim=-1,
        )
        known = self.target_norm(g)
        told = self.tell(known)
        # float32: adding up bfloat16 rows (here backwards, below forwards) is slow on a GPU
        told = told.to(x.dtype).reshape(-1, width)
        message = told.index_select(0, row_seen if g.shape[1] == 1 else row)
        message = message.reshape(*index.shape, width)
        message += self.contact(edge)
        message += self.hear(seen)[..., None, :]
        message = self.inter(message)
        message *= share[..., None].to(message.dtype)
        heard = message.sum(-2) / 4.0
        pull = self.inter_move(message).squeeze(-1).to(x) * share / (distance + 1.0)
        move = (pull[..., None] * offset).sum(-2) / 2.0
        if self.answer is not None:
            count, poses = x.shape[:2]
            back = x.new_zeros(count * poses * nodes, width)
            back = back.index_add_(0, row, message.to(x.dtype).reshape(-1, width)) / 4.0
            back = back.reshape(count, poses, nodes, width).to(known.dtype)
            known = known.expand_as(back)
            g = g + self.answer(torch.cat([known, back], dim=-1))
        return heard, move, g

    def _neighbours(self, x: Tensor, near: _Near) -> tuple[Tensor, Tensor]:
        """Return rows of the nodes near every atom, and how much of each is heard (0 to 1)."""
        count, poses, atoms = x.shape[:3]
        flat = x.detach().reshape(count, poses * atoms, 3)
        rows, distances, weights, fade = [], [], [], self.config.fade
        groups = (near.target.atoms, near.target.residues)
        for group, most in zip(groups, near.sizes, strict=True):
            found, distance, weight = fading_nearest(flat, group.coords, None, most, fade)
            rows.append(group.rows.gather(1, found.flatten(1)).reshape(found.shape))
            distances.append(distance)
            weights.append(weight)
        index = torch.cat(rows, -1).reshape(count, poses, atoms, -1)
        distance = torch.cat(distances, -1).reshape(index.shape)
        weight = torch.cat(weights, -1).reshape(index.shape)
        return index, cosine_envelope(distance, near.cutoff) * weight


def _small(layer: nn.Linear) -> nn.Linear:
    """Let a layer begin near zero, so that a new network leaves the poses where they are."""
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)
    return layer


def _distances(x: Tensor) -> Tensor:
    offset = x[..., None, :, :] - x[..., :, None, :]
    return (offset.square().sum(-1) + 1e-8).sqrt()


def _open_side(offset: Tensor, squared: Tensor, bonded: Tensor) -> Tensor:
    """Return the unit vector away from the bonded neighbours of every atom, 0 without a side.

    Args:
        offset: from every atom to every other, Å.
        squared: lengths.
        bonded: 1 where two atoms are.
    """
    side = ((bonded / (squared + 1e-4).sqrt())[..., None] * offset).sum(-2)
    return side / -(side.square().sum(-1, keepdim=True) + 1e-2).sqrt()


def _level_features(sigma: Tensor, space: int) -> Tensor:
    """Return (complexes, poses, 34): waves of log σ, log σ itself and the space."""
    log = torch.log(sigma.clamp_min(1e-3))
    frequency = torch.exp(
        torch.linspace(math.log(0.5), math.log(16.0), 16, device=sigma.device, dtype=sigma.dtype)
    )
    phase = log[..., None] * frequency
    flag = torch.full_like(log, float(space))
    return torch.cat([phase.sin(), phase.cos(), torch.stack([log, flag], -1)], dim=-1)
