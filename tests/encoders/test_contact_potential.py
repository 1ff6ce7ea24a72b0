"""The potential counted on natives: its numbers by hand, its scale, and what nature must show."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from made_models import contacts_of

from molgen.encoders import contact_potential as potential
from molgen.encoders.contact_potential import ContactPotential
from molgen.graphs.model_contacts import model_contacts
from molgen.graphs.residue_graph import ATOM_TYPES, to_graph
from molgen.io import read_structure

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
MADE = [contacts_of(31, 0), contacts_of(18, 1), contacts_of(40, 2)]


def fitted(natives):
    made = ContactPotential()
    made.fit(natives)
    return made


@pytest.fixture(scope="module")
def real():
    files = ("6xg5.cif", "7n03.cif.gz", "7x9k.cif.gz")
    proteins = [read_structure(EXAMPLES / name).atoms for name in files]
    return fitted([model_contacts(p.select(~p.hetero))[0] for p in proteins])


def separation(model, one, other):
    """Return the class of a contact, written out."""
    i, j = model.atom_node[one], model.atom_node[other]
    if model.chain[i] != model.chain[j]:
        return 2
    return {1: 0}.get(abs(int(model.number[i]) - int(model.number[j])), 1 + (abs(i - j) >= 7))


def test_energies_are_minus_the_logarithm_of_observed_over_expected():
    area, wet = np.zeros((3, 167, 167)), np.zeros(167)
    for model in MADE:
        np.add.at(wet, model.atom_type, model.atom_sasa)
        for (one, other), size in zip(model.contact_atoms, model.contact_area, strict=True):
            s, t = model.atom_type[one], model.atom_type[other]
            group = separation(model, one, other)
            area[group, s, t] += size
            area[group, t, s] += size
    total = area.sum() + wet.sum()
    share = (area.sum((0, 2)) + wet) / total
    c, s, t = np.unravel_index(area.argmax(), area.shape)
    expected = total * share[s] * share[t] * (area[c].sum() / total)
    pseudo = potential.PSEUDO_AREA
    made = fitted(MADE)
    energy = -np.log((area[c, s, t] + pseudo) / (expected + pseudo))
    assert made.pair[c, s, t] == pytest.approx(energy, rel=1e-4) and energy < 0
    assert torch.equal(made.pair, made.pair.transpose(1, 2))
    s = wet.argmax()
    energy = -np.log((wet[s] + pseudo) / (wet.sum() * share[s] + pseudo))
    assert made.solvent[s] == pytest.approx(energy, rel=1e-4)


def test_natives_are_the_scale():
    made = fitted(MADE)
    graph = to_graph(MADE)
    with torch.no_grad():
        nodes, pairs = made(graph)
    assert nodes.shape == (89, potential.NODE_FEATURES)
    assert pairs.shape == (graph.edge_index.shape[1] // 2, potential.EDGE_FEATURES)
    for kind in graph.residue_type.unique():
        own = nodes[graph.residue_type == kind]
        if len(own) > 3:
            torch.testing.assert_close(own.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
            assert (own.std(0) < 1.01).all() and (own[:, -1].std() - 1).abs() < 1e-3


def test_a_pair_has_the_sum_of_its_contacts():
    made, model = fitted(MADE), MADE[0]
    with torch.no_grad():
        _, pairs = made(to_graph([model]))
    own = np.flatnonzero(model.contact_edge == 5)
    energy = sum(
        made.pair[
            separation(model, one, other), int(model.atom_type[one]), int(model.atom_type[other])
        ]
        * float(model.contact_area[k])
        for k, (one, other) in zip(own, model.contact_atoms[own], strict=True)
    )
    assert pairs[5, 0] == pytest.approx(float(energy) / 100, rel=1e-4)
    assert pairs[5, 1] == pytest.approx(float(energy) / float(model.edge_area[5]), rel=1e-4)


def test_nature_hides_what_is_greasy(real):
    def kind(residue, atom):
        return ATOM_TYPES.index((residue, atom))

    assert real.solvent[kind("LYS", "NZ")] < 0 < real.solvent[kind("ILE", "CD1")]
    far = real.pair[2]
    leucine, isoleucine, lysine = kind("LEU", "CD1"), kind("ILE", "CD1"), kind("LYS", "NZ")
    assert far[leucine, isoleucine] < 0 < far[leucine, lysine]


def test_without_natives_it_says_nothing():
    with torch.no_grad():
        nodes, pairs = ContactPotential()(to_graph(MADE))
    assert not nodes.any() and not pairs.any()
