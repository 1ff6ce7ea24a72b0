"""Inference on a CPU takes poses a few at a time: nothing but rounding may come of it."""

from __future__ import annotations

import pytest
import torch

from molgen.diffusion import network as module
from molgen.diffusion.ltmp import NodeGroup
from molgen.diffusion.model import load_sidegen
from molgen.graphs.pose_graph import FAR
from molgen.search.settings import SidegenSettings


@pytest.fixture(scope="module")
def seen(batch):
    """Return (network, noisy, sigma, ligand, target) of the shipped model, float32."""
    target, ligand, coords = batch
    poses = coords[:, :1].float().expand(-1, 7, -1, -1)
    noise = torch.randn(poses.shape, generator=torch.Generator().manual_seed(2))
    noisy = (poses + 2.0 * noise) * ligand.mask[:, None, :, None]
    network = load_sidegen(SidegenSettings().checkpoint).network
    graph = type(target)(
        **{k: v.float() if v.is_floating_point() else v for k, v in vars(target).items()}
    )
    return network, noisy, torch.full(poses.shape[:2], 2.0), ligand, graph


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
def test_slices_of_poses_give_what_all_together_give(space, seen, monkeypatch):
    network, noisy, sigma, ligand, graph = seen

    def run(atoms):
        monkeypatch.setattr(module, "CACHED", atoms)
        with torch.no_grad():
            return network(noisy, sigma, ligand, network.encode(graph), space)[-1]

    together, sliced = run(10**9), run(2 * noisy.shape[0] * noisy.shape[2])
    assert (together - noisy).abs().max() > 0.1
    torch.testing.assert_close(sliced, together, atol=1e-4, rtol=0)


def test_inference_gives_what_training_sees(seen, monkeypatch):
    network, noisy, sigma, ligand, graph = seen
    monkeypatch.setattr(module, "CACHED", 1)
    training = network(noisy, sigma, ligand, network.encode(graph), "cartesian")[-1]
    assert training.requires_grad
    with torch.no_grad():
        inference = network(noisy, sigma, ligand, network.encode(graph), "cartesian")[-1]
    torch.testing.assert_close(inference, training.detach(), atol=1e-4, rtol=0)


def test_node_groups_split_the_nodes_by_level(batch):
    graph = batch[0]
    coords = graph.coords.flatten(0, 1)
    for level in (0, 1):
        group = NodeGroup.of(graph, level)
        wanted = graph.mask & (graph.features[..., 3] == level)
        for row in range(len(graph.mask)):
            found = group.rows[row, : wanted[row].sum()]
            assert torch.equal(found, wanted[row].nonzero().squeeze(1) + row * wanted.shape[1])
            assert torch.equal(group.coords[row, : len(found)], coords[found])
            assert (group.coords[row, len(found) :] == FAR).all()
