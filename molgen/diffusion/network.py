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
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.config import limited
from molgen.diffusion.ltmp import REACH, EncodedTarget, LtmpBlock, Near, NodeGroup, State
from molgen.encoders.registry import build_target_encoder
from molgen.geometry.radial import gaussian_basis
from molgen.graphs.pose_graph import LEVEL, LIGAND_FEATURES, PAIR_KINDS, LigandGraph, TargetGraph

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
        chirality: True lets tetrahedral atoms see their configuration in Cartesian space, where a
            pose cannot bring it along (`molgen.diffusion.handedness`).
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
    chirality: bool = True
    spread: float = limited(3.0, above=0.0)
    centre_spread: float = limited(1.5, above=0.0)


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
            LtmpBlock(config, answers=k + 1 < config.blocks) for k in range(config.blocks)
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
        state = State(
            atom_mask=mask[:, None, :, None].to(x),
            pair_mask=pair_mask[:, None],
            bonded=bonded[:, None].to(x),
            pairs=self.pairs(kind)[:, None],
            before=gaussian_basis(_distances(noisy), config.radial, REACH),
            level=level,
            near=None if target is None else self._near(target, sigma),
            turns=ligand if config.chirality and space == "cartesian" else None,
        )
        g = None if target is None else target.features[:, None]
        estimates = []
        for block in self.blocks:
            h, x, g = block(h, x, g, state)
            estimates.append(x)
        return estimates

    def _near(self, target: EncodedTarget, sigma: Tensor) -> Near:
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
        return Near(target, sizes, cutoff + growth[..., None, None], lift[..., None, None])

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


def _distances(x: Tensor) -> Tensor:
    offset = x[..., None, :, :] - x[..., :, None, :]
    return (offset.square().sum(-1) + 1e-8).sqrt()


def _level_features(sigma: Tensor, space: int) -> Tensor:
    """Return (complexes, poses, 34): waves of log σ, log σ itself and the space."""
    log = torch.log(sigma.clamp_min(1e-3))
    frequency = torch.exp(
        torch.linspace(math.log(0.5), math.log(16.0), 16, device=sigma.device, dtype=sigma.dtype)
    )
    phase = log[..., None] * frequency
    flag = torch.full_like(log, float(space))
    return torch.cat([phase.sin(), phase.cos(), torch.stack([log, flag], -1)], dim=-1)
