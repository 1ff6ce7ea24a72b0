"""The torch search against the compiled one: same energies, same gradients, same minimum."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "energy"))
import made
from rdkit import Chem

from molgen.energy.contacts import ContactPotential
from molgen.energy.vina import Vina
from molgen.energy.vina_terms import VinaWeights
from molgen.graphs.energy_topology import build_energy_topology
from molgen.search import kernels
from molgen.search.conformers import embed_conformers
from molgen.search.engine import pack, random_starts, search
from molgen.search.field import Potential, TypedReceptor, build_field
from molgen.search.settings import SearchSettings
from molgen.search.templates import build_template
from molgen.search.torch_engine import torch_search
from molgen.search.torch_pose import PoseEnergy, minimize_states, step_states
from molgen.structure import Ligand

SETTINGS = SearchSettings(
    conformers=3, num_starts=128, num_chains=12, rounds=2, steps=8, iterations=20
)


@pytest.fixture(scope="module")
def case():
    ligand = Ligand("made", Chem.MolFromSmiles("OCc1ccc(CC(=O)N)cc1"))
    template = build_template(ligand, embed_conformers(ligand, SETTINGS.conformers, 1))
    protein = made.protein(120, seed=3)
    receptor = TypedReceptor.of(protein)
    potential = Potential(VinaWeights(), ContactPotential.zero())
    field = build_field(receptor, made.pocket(14.0), template.tree, potential, 0.4)
    return ligand, template, field


def states_of(field, template, count):
    states, conformer = random_starts(field, template, count, np.random.default_rng(0))
    states[0, 0] += 20.0  # outside the box: the wall
    return states, conformer


def test_energies_and_gradients_are_those_of_the_kernels(case):
    _, template, field = case
    ligand, receptor = pack(field, template, SETTINGS)
    states, conformer = states_of(field, template, 20)
    torsions = template.tree.num_torsions
    xyz, force = np.empty((2, template.tree.num_atoms, 3))
    gradient = np.empty(6 + torsions)
    energies, gradients, coords = [], [], []
    for state, shape in zip(states, conformer, strict=True):
        energies.append(kernels.pose_energy(state, shape, ligand, receptor, xyz, force, gradient))
        gradients.append(gradient.copy())
        coords.append(xyz.copy())
    energy = PoseEnergy(
        field, template, SETTINGS.torsion_weight, torch.device("cpu"), torch.float64
    )
    batch, shapes = torch.as_tensor(states), torch.as_tensor(conformer)
    found, slope = energy(batch, shapes)
    np.testing.assert_allclose(energy.place(batch, shapes).numpy(), coords, atol=1e-9)
    np.testing.assert_allclose(found.numpy(), energies, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(slope.numpy(), gradients, atol=1e-4, rtol=1e-5)


def test_gradient_is_that_of_finite_steps(case):
    _, template, field = case
    energy = PoseEnergy(field, template, 0.05, torch.device("cpu"), torch.float64)
    states, conformer = (torch.as_tensor(part) for part in states_of(field, template, 6))
    _, gradient = energy(states, conformer)
    for component in range(gradient.shape[1]):
        step = torch.zeros_like(gradient)
        step[:, component] = 1e-6
        ahead, _ = energy(step_states(states, step), conformer)
        behind, _ = energy(step_states(states, -step), conformer)
        slope = (ahead - behind) / 2e-6
        # the tables have kinks; a pose that sits on one may disagree
        close = torch.isclose(slope, gradient[:, component], rtol=1e-3, atol=1e-2)
        assert close.sum() >= len(close) - 1


def test_kernel_pairs_are_the_exact_intramolecular_part(case):
    ligand, template, field = case
    packed, _ = pack(field, template, SETTINGS)
    exact = Vina().bind(build_energy_topology(ligand.mol))
    states, conformer = random_starts(field, template, 10, np.random.default_rng(4))
    placed = kernels.place_all(states, conformer, packed)
    force = np.zeros((template.tree.num_atoms, 3))
    tables = [
        kernels.internal_energy(
            xyz, packed[4], packed[5], field.pair_tables, field.density, field.cutoff, force
        )
        for xyz in placed
    ]
    coords = np.empty_like(placed)
    coords[:, template.tree.order] = placed  # tree order to molecule order
    expected = exact.intramolecular(torch.as_tensor(coords))
    # tables of 1/32 Å read linearly
    np.testing.assert_allclose(tables, expected.numpy(), atol=5e-3, rtol=2e-3)


def test_minimisation_descends_to_a_flat_place(case):
    _, template, field = case
    energy = PoseEnergy(field, template, 0.05, torch.device("cpu"), torch.float64)
    states, conformer = (torch.as_tensor(part) for part in states_of(field, template, 30))
    before, steep = energy(states, conformer)
    minima, after = minimize_states(energy, states, conformer, 80)
    _, flat = energy(minima, conformer)
    assert (after <= before + 1e-9).all()
    assert flat.norm(dim=1).median() < 0.1 * steep.norm(dim=1).median()
    torch.testing.assert_close(minima[:, 3:7].norm(dim=1), torch.ones(30, dtype=torch.float64))


def test_search_finds_the_minimum_of_the_compiled_engine(case):
    _, template, field = case
    _, expected = search(field, template, SETTINGS, np.random.default_rng(0))
    runs = [
        torch_search(field, template, SETTINGS, torch.Generator().manual_seed(0), "cpu")
        for _ in range(2)
    ]
    coords, energies = runs[0]
    assert coords.shape == (len(energies), template.tree.num_atoms, 3)
    assert (np.diff(energies) >= 0).all()
    assert energies[0] == pytest.approx(expected[0], abs=0.3)
    # the same seed gives the same poses
    assert np.array_equal(coords, runs[1][0]) and np.array_equal(energies, runs[1][1])
    if torch.cuda.is_available():
        _, device = torch_search(
            field, template, SETTINGS, torch.Generator().manual_seed(0), "cuda"
        )
        assert device[0] == pytest.approx(expected[0], abs=0.3)
