"""The torch search against the compiled one: same energies, same gradients, same minimum."""

import sys
from dataclasses import replace
from functools import partial
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
from molgen.errors import ConfigError
from molgen.graphs.energy_topology import build_energy_topology
from molgen.search import kernels, torch_engine
from molgen.search.engine import pack, random_starts, search
from molgen.search.field import Potential, TypedReceptor, build_field
from molgen.search.settings import SearchSettings
from molgen.search.templates import build_template
from molgen.search.torch_engine import torch_search
from molgen.search.torch_pose import PoseEnergy, minimize_states, step_states
from molgen.structure import Ligand
from molgen.structure.conformers import embed_conformers

SETTINGS = SearchSettings(
    conformers=3, num_starts=128, num_chains=12, rounds=2, steps=8, iterations=20
)


def made_case(smiles, seed):
    """Return a ligand, its template and the field of made receptor atoms."""
    ligand = Ligand("made", Chem.MolFromSmiles(smiles))
    template = build_template(ligand, embed_conformers(ligand, SETTINGS.conformers, 1))
    receptor = TypedReceptor.of(made.protein(120, seed=seed))
    potential = Potential(VinaWeights(), ContactPotential.zero())
    field = build_field(receptor, made.pocket(14.0), template.tree, potential, 0.4)
    return ligand, template, field


@pytest.fixture(scope="module")
def case():
    return made_case("OCc1ccc(CC(=O)N)cc1", 3)


@pytest.fixture(scope="module")
def others():
    """Two more problems (field, template): without torsions and pairs, and with more of both."""
    cases = [made_case("c1ccccc1", 4), made_case("CCCC(=O)NCc1ccccc1C(F)(F)F", 5)]
    return [(field, template) for _, template, field in cases]


def energy_of(*problems):
    return PoseEnergy(problems, SETTINGS.torsion_weight, torch.device("cpu"), torch.float64)


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
    energy = energy_of((field, template))
    batch, shapes = torch.as_tensor(states), torch.as_tensor(conformer)
    found, slope = energy(batch, shapes)
    np.testing.assert_allclose(energy.place(batch, shapes).numpy(), coords, atol=1e-9)
    np.testing.assert_allclose(found.numpy(), energies, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(slope.numpy(), gradients, atol=1e-4, rtol=1e-5)


def test_gradient_is_that_of_finite_steps(case):
    _, template, field = case
    energy = energy_of((field, template))
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
    energy = energy_of((field, template))
    states, conformer = (torch.as_tensor(part) for part in states_of(field, template, 30))
    before, steep = energy(states, conformer)
    minima, after = minimize_states(energy, states, conformer, 80)
    _, flat = energy(minima, conformer)
    assert (after <= before + 1e-9).all()
    assert flat.norm(dim=1).median() < 0.1 * steep.norm(dim=1).median()
    torch.testing.assert_close(minima[:, 3:7].norm(dim=1), torch.ones(30, dtype=torch.float64))


def test_ligands_of_different_size_feel_what_they_feel_alone(case, others):
    _, template, field = case
    problems = [others[0], (field, template), others[1]]
    drawn = [random_starts(*pair, 6, np.random.default_rng(k)) for k, pair in enumerate(problems)]
    together = energy_of(*problems)
    size = max(states.shape[1] for states, _ in drawn)
    states = np.concatenate([np.pad(s, ((0, 0), (0, size - s.shape[1]))) for s, _ in drawn])
    conformer = torch.as_tensor(np.concatenate([shape for _, shape in drawn]))
    batch = torch.as_tensor(states)
    found, slope = together(batch, conformer)
    coords = together.place(batch, conformer)
    centers = together.centers(coords)
    for k, (pair, (own, shape)) in enumerate(zip(problems, drawn, strict=True)):
        alone, part = energy_of(pair), slice(6 * k, 6 * k + 6)
        given = torch.as_tensor(own), torch.as_tensor(shape)
        expected, gradient = alone(*given)
        atoms, freedom = pair[1].tree.num_atoms, gradient.shape[1]
        torch.testing.assert_close(found[part], expected)
        torch.testing.assert_close(slope[part, :freedom], gradient)
        assert not slope[part, freedom:].any()  # padding never moves
        torch.testing.assert_close(coords[part, :atoms], alone.place(*given))
        torch.testing.assert_close(centers[part], alone.place(*given).mean(1))


def test_boxes_of_different_size_are_not_searched_together(case):
    _, template, field = case
    smaller = replace(field, grids=field.grids[:, 1:])
    with pytest.raises(ConfigError, match="boxes of the same size"):
        energy_of((field, template), (smaller, template))


def test_searched_together_they_find_what_they_find_alone(case, others, monkeypatch):
    monkeypatch.setattr(torch_engine, "POOL", 30)
    # in single precision a batch rounds otherwise than its parts, and so short a search goes astray
    exact = partial(PoseEnergy, dtype=torch.float64)
    monkeypatch.setattr(torch_engine, "PoseEnergy", exact)
    problems = [(case[2], case[1]), *others]
    generators = [torch.Generator().manual_seed(k) for k in range(3)]
    found = torch_search(problems, SETTINGS, generators, "cpu")
    for k, (pair, (coords, energies)) in enumerate(zip(problems, found, strict=True)):
        assert coords.shape == (len(energies), pair[1].tree.num_atoms, 3)
        assert np.isfinite(energies).all() and (np.diff(energies) >= 0).all()
        generator = torch.Generator().manual_seed(k)
        ((_, alone),) = torch_search([pair], SETTINGS, [generator], "cpu")
        assert energies[0] == pytest.approx(alone[0], abs=1e-6)
        # the coordinates are those of the energies
        own, _ = energy_of(pair)._atoms(torch.as_tensor(coords[:5]))
        strain = SETTINGS.torsion_weight * pair[1].preferences(coords[:5])
        np.testing.assert_allclose(own.numpy() + strain, energies[:5], atol=0.02)


def test_search_finds_the_minimum_of_the_compiled_engine(case):
    _, template, field = case
    _, expected = search(field, template, SETTINGS, np.random.default_rng(0))

    def searched(device):
        generator = torch.Generator().manual_seed(0)
        return torch_search([(field, template)], SETTINGS, [generator], device)[0]

    runs = [searched("cpu") for _ in range(2)]
    coords, energies = runs[0]
    assert coords.shape == (len(energies), template.tree.num_atoms, 3)
    assert (np.diff(energies) >= 0).all()
    assert energies[0] == pytest.approx(expected[0], abs=0.3)
    # the same seed gives the same poses
    assert np.array_equal(coords, runs[1][0]) and np.array_equal(energies, runs[1][1])
    if torch.cuda.is_available():
        assert searched("cuda")[1][0] == pytest.approx(expected[0], abs=0.3)


def test_a_rigid_ligand_comes_back_with_as_many_poses_as_from_the_compiled_engine(made):
    """A pool of the best minima of any kind fills with copies of the deepest one."""
    settings = replace(SETTINGS, num_starts=512, rounds=3)
    ligand = Ligand("indole", Chem.MolFromSmiles("c1ccc2[nH]ccc2c1"))
    template = build_template(ligand, embed_conformers(ligand, 2, 1))
    field = build_field(made.receptor, made.pocket, template.tree, made.potential, 0.5)
    coords, energies = search(field, template, settings, np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    ((found, values),) = torch_search([(field, template)], settings, [generator], "cpu")
    assert len(coords) > 50
    assert len(found) > 0.6 * len(coords)
    assert values[0] == pytest.approx(energies[0], abs=0.1)
