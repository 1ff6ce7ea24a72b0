"""Noise in the training of quality models: what it changes, and what must still fit together."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))
from made_models import contacts_of

from molgen.graphs.residue_graph import to_graph
from molgen.training.quality_augment import AugmentConfig, perturb

MODELS = [contacts_of(31, 0), contacts_of(18, 1)]


@pytest.fixture
def graph():
    torch.manual_seed(0)
    return to_graph(MODELS)


def test_without_amplitudes_nothing_changes(graph):
    found = perturb(graph, AugmentConfig())
    for name in ("backbone", "torsions", "scalars", "contact_area", "atom_sasa", "edge_index"):
        torch.testing.assert_close(getattr(found, name), getattr(graph, name), equal_nan=True)
    torch.testing.assert_close(found.edge_area, graph.edge_area, rtol=1e-5, atol=1e-4)


def test_pairs_stay_the_sums_of_their_contacts(graph):
    found = perturb(graph, AugmentConfig(area=0.5, drop=0.3, style=0.2))
    half = len(found.edge_area) // 2
    sums = torch.zeros(half).index_add(0, found.contact_edge, found.contact_area)
    torch.testing.assert_close(found.edge_area, torch.cat([sums, sums]))
    assert 0 < (found.contact_area == 0).float().mean() < 0.3
    assert (found.contact_area != graph.contact_area).all()


def test_a_style_is_one_factor_for_a_whole_model(graph):
    found = perturb(graph, AugmentConfig(style=0.2))
    owner = graph.graph[graph.atom_node]
    for name, place in (("contact_area", owner[graph.contact_atoms[0]]), ("atom_sasa", owner)):
        ratio = getattr(found, name) / getattr(graph, name)
        means = [ratio[place == k].nanmean() for k in range(2)]
        for k, mean in enumerate(means):
            torch.testing.assert_close(
                ratio[(place == k) & ratio.isfinite()] / mean,
                torch.ones(int(((place == k) & ratio.isfinite()).sum())),
            )
        assert abs(means[0] - means[1]) > 1e-3
    wet = found.scalars[:, 2] / graph.scalars[:, 2]
    torch.testing.assert_close(wet, (found.atom_sasa / graph.atom_sasa)[::4], rtol=1e-4, atol=0)
    assert torch.equal(found.scalars[:, 1], graph.scalars[:, 1])  # buriedness counts steps


def test_amplitudes_are_what_they_say():
    many = to_graph([contacts_of(40, seed) for seed in range(60)])
    torch.manual_seed(1)
    found = perturb(many, AugmentConfig(shift=0.6, torsion=0.3, area=0.4))
    moved = found.backbone - many.backbone
    assert torch.allclose(moved, moved[:, :1].expand_as(moved), atol=1e-4)  # residues as a whole
    sizes = torch.stack([moved[many.graph == k].std() for k in range(60)])
    assert sizes.max() < 0.75 and sizes.min() < 0.1  # from nothing to the amplitude
    expected = 0.6 / np.sqrt(3)  # root mean square over uniform amplitudes
    assert float(moved.square().mean().sqrt()) == pytest.approx(expected, rel=0.1)
    known = many.torsions.isfinite()
    assert torch.equal(known, found.torsions.isfinite())
    turn = (found.torsions - many.torsions)[known]
    assert float(turn.square().mean().sqrt()) == pytest.approx(0.3 / np.sqrt(3), rel=0.1)
    ratio = (found.contact_area / many.contact_area)[many.contact_area > 1e-3]
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.02)


def test_atoms_of_no_node_go_with_their_neighbours():
    lonely = replace(MODELS[0], atom_node=np.where(np.arange(124) < 6, -1, MODELS[0].atom_node))
    graph = to_graph([lonely, MODELS[1]])
    found = perturb(graph, AugmentConfig(area=0.3, style=0.1))
    assert torch.isfinite(found.contact_area).all() and torch.isfinite(found.atom_sasa).all()
