"""Two public complexes as a store would hold them, and small batches of them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.graphs.energy_topology import build_energy_topology
from molgen.graphs.pose_graph import (
    ligand_of,
    stack_coords,
    stack_ligands,
    stack_targets,
    target_of,
)
from molgen.io import read_ligand, read_protein

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows" / "test" / "complexes"


@pytest.fixture(scope="session")
def complexes(encoded_complexes):
    return encoded_complexes()


@pytest.fixture(scope="session")
def batch(complexes):
    """Return (target, ligand, coords (2, 3, atoms, 3)) in float64 around the ligands' centres."""
    centres = [c.ligand_coords.mean(0) for c in complexes]
    targets = [target_of(c).within(m, 11.0) for c, m in zip(complexes, centres, strict=True)]
    coords = stack_coords([c.ligand_coords - m for c, m in zip(complexes, centres, strict=True)])
    target = doubled(stack_targets(targets))
    ligand = stack_ligands([ligand_of(c) for c in complexes], [c.ligand_coords for c in complexes])
    return target, ligand, coords.double()[:, None].expand(-1, 3, -1, -1)


@pytest.fixture(scope="session")
def case():
    """Return (topology, centre, coords (1, 4, atoms, 3)): a crystal pose, shaken by 0.5 Å."""
    folder = COMPLEXES / "6XG5_TOP"
    ligand = read_ligand(folder / "6XG5_TOP_ligand.sdf")
    protein = read_protein(folder / "6XG5_TOP_protein.pdb")
    centre = ligand.coords.mean(0).astype(np.float64)
    topology = build_energy_topology(ligand.mol, protein.select(protein.near(centre[None], 14.0)))
    coords = torch.from_numpy(ligand.coords - centre).double()
    shake = torch.randn(4, *coords.shape, generator=torch.Generator().manual_seed(0)).double()
    return topology, centre, (coords + 0.5 * shake)[None]


def first(graph):
    """Return the first complex of a graph alone."""
    return replace(graph, **{f.name: getattr(graph, f.name)[:1] for f in fields(graph)})


def turned(graph, turn):
    """Return a target with all that has a direction turned."""
    return replace(
        graph,
        coords=graph.coords @ turn.T,
        open_side=graph.open_side @ turn.T,
        frames=graph.frames @ turn.T,
    )


def doubled(graph):
    """Return a graph with its floating point tensors in float64."""
    values = {f.name: getattr(graph, f.name) for f in fields(graph)}
    floats = {k: v.double() for k, v in values.items() if torch.is_floating_point(v)}
    return replace(graph, **floats)
