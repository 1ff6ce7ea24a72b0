"""The ligand-target message passing (LTMP) block of SIDEGEN, and what it is given.

A ligand atom hears all atoms of its own molecule and the nearest target nodes, each fading out
before another takes its place; the target nodes hear the ligand in turn; the atoms move along their
edges (Satorras et al., arXiv 2102.09844, eq. 4). The equations stand in docs/sidegen.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from molgen.diffusion.handedness import Handedness
from molgen.geometry.neighbours import fading_nearest, gather_nodes
from molgen.geometry.radial import cosine_envelope, gaussian_basis
from molgen.graphs.pose_graph import FAR, LEVEL, LigandGraph, TargetGraph

if TYPE_CHECKING:
    from molgen.diffusion.network import SidegenConfig

REACH = 12.0
"""Å, of the Gaussians of distances within the ligand."""


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


class Near(NamedTuple):
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


class State(NamedTuple):
    """What stays the same over the blocks."""

    atom_mask: Tensor
    pair_mask: Tensor
    bonded: Tensor
    pairs: Tensor
    before: Tensor
    level: Tensor
    near: Near | None
    turns: LigandGraph | None


class LtmpBlock(nn.Module):
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
        self.handed = Handedness(width) if config.chirality else None

    def forward(
        self, h: Tensor, x: Tensor, g: Tensor | None, state: State
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
        if self.handed is not None and state.turns is not None:
            heard, turn = self.handed(seen, x, state.turns)
            h, move = h + heard, move + turn
        h = h + self.update(torch.cat([p.to(seen.dtype) for p in parts], dim=-1))
        return h, x + move * state.atom_mask, g

    def _exchange(
        self, seen: Tensor, x: Tensor, own: Tensor, g: Tensor, state: State
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

    def _neighbours(self, x: Tensor, near: Near) -> tuple[Tensor, Tensor]:
        """Return rows of the nodes near every atom, and how much of each is heard (0 to 1)."""
        count, poses, atoms = x.shape[:3]
        flat = x.reshape(count, poses * atoms, 3)
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


def _open_side(offset: Tensor, squared: Tensor, bonded: Tensor) -> Tensor:
    """Return the unit vector away from the bonded neighbours of every atom, 0 without a side.

    Args:
        offset: from every atom to every other, Å.
        squared: lengths.
        bonded: 1 where two atoms are.
    """
    side = ((bonded / (squared + 1e-4).sqrt())[..., None] * offset).sum(-2)
    return side / -(side.square().sum(-1, keepdim=True) + 1e-2).sqrt()
