"""Noise on what a quality model sees in training, so that it cannot go by the style of a model.

Decoys come from one pipeline, models to be scored from many: what packing, relaxation and side
chains leave behind tells them apart far more sharply than it tells right from wrong. Noise on every
contact blurs such traces, and a factor common to a whole model hides those that survive averaging.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from molgen.config import limited
from molgen.graphs.residue_graph import ResidueGraph


@dataclass(frozen=True)
class AugmentConfig:
    """Amplitudes; every model draws its own, between nothing and these.

    Attributes:
        shift: Å, standard deviation of the move of a residue as a whole, each coordinate.
        jitter: Å, of the move of each backbone atom on top.
        torsion: rad, of noise on dihedral angles.
        area: of the logarithm of an atom contact's area, and of an atom's accessible area.
        drop: share of atom contacts that vanish.
        style: of the logarithm of factors on all contact areas, accessible areas and volumes of a
            model, one for each.
    """

    shift: float = limited(0.0, min=0.0)
    jitter: float = limited(0.0, min=0.0)
    torsion: float = limited(0.0, min=0.0)
    area: float = limited(0.0, min=0.0)
    drop: float = limited(0.0, min=0.0, below=1.0)
    style: float = limited(0.0, min=0.0)


def perturb(graph: ResidueGraph, config: AugmentConfig) -> ResidueGraph:
    """Return the graph with noise, drawn from torch's global generator."""
    count = graph.num_graphs
    device = graph.backbone.device

    def amplitude(most: float, place: Tensor) -> Tensor:
        return (most * torch.rand(count, device=device))[place]

    node = graph.graph
    backbone = graph.backbone
    shift = torch.randn_like(backbone[:, :1]) * amplitude(config.shift, node)[:, None, None]
    jitter = torch.randn_like(backbone) * amplitude(config.jitter, node)[:, None, None]
    torsions = graph.torsions
    torsions = torsions + torch.randn_like(torsions) * amplitude(config.torsion, node)[:, None]
    # atoms of residues that are no node belong to the protein of the node before them
    atom_graph = node[_filled(graph.atom_node)]
    contact_graph = atom_graph[graph.contact_atoms[0]]
    area = graph.contact_area * _factor(graph.contact_area, amplitude(config.area, contact_graph))
    kept = torch.rand_like(area) >= amplitude(config.drop, contact_graph)
    styles = torch.exp(config.style * torch.randn(3, count, device=device))
    area = area * kept * styles[0][contact_graph]
    half = graph.edge_index.shape[1] // 2
    known = graph.contact_edge >= 0
    edge_area = area.new_zeros(half).index_add(0, graph.contact_edge[known], area[known])
    wet = graph.atom_sasa * _factor(graph.atom_sasa, amplitude(config.area, atom_graph))
    wet = wet * styles[1][atom_graph]
    scalars = graph.scalars.clone()
    scalars[:, 0] *= styles[2][node]
    scalars[:, 2] *= styles[1][node]
    return replace(
        graph,
        backbone=backbone + shift + jitter,
        torsions=torsions,
        contact_area=area,
        edge_area=torch.cat([edge_area, edge_area]),
        atom_sasa=wet,
        scalars=scalars,
    )


def _factor(like: Tensor, amplitude: Tensor) -> Tensor:
    """Return log-normal factors of mean 1."""
    return torch.exp(torch.randn_like(like) * amplitude - 0.5 * amplitude**2)


def _filled(owner: Tensor) -> Tensor:
    """Return owners with -1 replaced by the last owner before it, the first by the next."""
    place = torch.arange(len(owner), device=owner.device)
    last = torch.where(owner >= 0, place, 0).cummax(0).values
    filled = owner[last]
    return torch.where(filled >= 0, filled, owner[owner >= 0][:1])
