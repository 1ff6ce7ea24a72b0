"""Two public complexes as a store would hold them, and small batches of them."""

from __future__ import annotations

import pytest
import torch

from molgen.graphs.pose_graph import (
    ligand_of,
    stack_coords,
    stack_ligands,
    stack_targets,
    target_of,
)


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


def turned(graph, turn):
    """Return a target with all that has a direction turned."""
    from dataclasses import replace

    return replace(
        graph,
        coords=graph.coords @ turn.T,
        open_side=graph.open_side @ turn.T,
        frames=graph.frames @ turn.T,
    )


def doubled(graph):
    """Return a graph with its floating point tensors in float64."""
    from dataclasses import fields, replace

    values = {f.name: getattr(graph, f.name) for f in fields(graph)}
    floats = {k: v.double() for k, v in values.items() if torch.is_floating_point(v)}
    return replace(graph, **floats)
