"""The Vina scoring function: hand-calculated pairs, tables, memory slices, parity with numba."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import made
from rdkit import Chem

from molgen.energy import vina
from molgen.energy.vina_terms import CUTOFF, VinaWeights, pair_energy
from molgen.graphs.atom_types import ACCEPTOR, DONOR, HYDROPHOBIC, RADII, TYPES
from molgen.graphs.energy_topology import build_energy_topology

F64 = torch.float64


def terms_at(surface, hydrophobic=False, bonding=False, contact=3.6):
    values = vina.pair_terms(
        torch.tensor([(surface + contact) ** 2], dtype=F64), torch.tensor([contact], dtype=F64),
        torch.tensor([hydrophobic]), torch.tensor([bonding]), VinaWeights(),
    )  # fmt: skip
    return dict(zip(vina.PAIR_TERMS, values[0].tolist(), strict=True))


def test_pair_terms_by_hand():
    # Trott & Olson 2010, table 1 and equations 3-7, at chosen surface distances
    touching = terms_at(0.0, hydrophobic=True, bonding=True)
    assert touching["gauss1"] == pytest.approx(-0.035579)  # exp(0)
    assert touching["gauss2"] == pytest.approx(-0.005156 * math.exp(-2.25))
    assert touching["repulsion"] == 0.0
    assert touching["hydrophobic"] == pytest.approx(-0.035069)  # full below 0.5 Å
    assert touching["hydrogen_bond"] == pytest.approx(0.0, abs=1e-12)  # starts below 0 Å
    overlap = terms_at(-0.35, bonding=True)
    assert overlap["repulsion"] == pytest.approx(0.840245 * 0.35**2)
    assert overlap["hydrogen_bond"] == pytest.approx(-0.587439 / 2)  # half way to -0.7 Å
    assert overlap["hydrophobic"] == 0.0
    assert terms_at(1.0, hydrophobic=True)["hydrophobic"] == pytest.approx(-0.035069 / 2)
    assert terms_at(3.0)["gauss2"] == pytest.approx(-0.005156)
    assert set(terms_at(CUTOFF - 3.6 + 1e-6, True, True).values()) <= {0.0, -0.0}


def test_torch_and_numpy_forms_agree_for_all_types():
    every = np.arange(len(TYPES))
    first, second = (grid.ravel() for grid in np.meshgrid(every, every))
    for distance in (1.5, 2.7, 3.3, 4.4, 7.9, 8.1):
        expected = pair_energy(np.full(len(first), distance), first, second, VinaWeights())
        found = vina.pair_terms(
            torch.full((len(first),), distance**2, dtype=F64),
            torch.as_tensor(RADII[first] + RADII[second]),
            torch.as_tensor(HYDROPHOBIC[first] & HYDROPHOBIC[second]),
            torch.as_tensor((DONOR[first] & ACCEPTOR[second]) | (ACCEPTOR[first] & DONOR[second])),
            VinaWeights(),
        )
        np.testing.assert_allclose(found.sum(-1).numpy(), expected, atol=1e-12)


def test_intermolecular_part_is_the_sum_over_all_pairs():
    topology, coords = made.case()
    receptor = topology.receptor
    distance = np.linalg.norm(coords[:, :, None].numpy() - receptor.coords, axis=-1)
    expected = pair_energy(
        distance, topology.types[:, None].astype(int), receptor.types[None, :], VinaWeights()
    ).sum((1, 2))
    energy = vina.Vina().bind(topology)
    found = energy.terms(coords)
    np.testing.assert_allclose(found["inter"].numpy(), expected, rtol=1e-10)
    # butenyl amide with benzyl: the rotor term divides, Trott & Olson equation 9
    divisor = 1 + 0.05846 * topology.rotors
    torch.testing.assert_close(found["affinity"], found["inter"] / divisor)
    torch.testing.assert_close(found["total"], (found["inter"] + found["intra"]) / divisor)
    bare = vina.Vina(intramolecular=False).bind(topology)
    torch.testing.assert_close(bare(coords), found["affinity"])


def test_slices_change_neither_energy_nor_gradient(monkeypatch):
    topology, coords = made.case(7)
    energy = vina.Vina().bind(topology)
    results = []
    for size in (10**9, 2 * topology.num_atoms * len(topology.receptor.coords)):
        monkeypatch.setattr(vina, "_SLICE", size)
        leaf = coords.clone().requires_grad_()
        value = energy(leaf)
        value.sum().backward()
        results.append((value.detach(), leaf.grad))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize(
    ("smiles", "rotors"),
    [
        # halves for bonds that end in a group without further heavy neighbours
        ("CCCC", 1.0), ("CCCO", 1.5), ("OCCO", 2.0), ("CC(=O)NC", 0.0), ("c1ccccc1-c1ccccc1", 1.0),
        ("CC#CCC", 0.0), ("C1CCCCC1", 0.0),
    ],
)  # fmt: skip
def test_rotor_counts(smiles, rotors):
    assert build_energy_topology(Chem.MolFromSmiles(smiles)).rotors == rotors


def test_coinciding_atoms_give_a_finite_gradient():
    topology, coords = made.case(1)
    coords[0, 0] = torch.as_tensor(topology.receptor.coords[0])
    coords[0, -1] = coords[0, 0]
    coords.requires_grad_()
    value = vina.Vina().bind(topology)(coords)
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(coords.grad).all()
