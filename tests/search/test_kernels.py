"""The compiled kernels: moves, gradients against finite differences, grids against sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from molgen.energy.contacts import ContactPotential
from molgen.geometry.dihedral import dihedral_of
from molgen.search import kernels
from molgen.search.field import DENSITY, build_field, contact_tables


def energy_of(made, state, conformer):
    """Return energy and gradient of one state."""
    xyz, force = np.empty((2, made.tree.num_atoms, 3))
    gradient = np.empty(6 + made.tree.num_torsions)
    energy = kernels.pose_energy(state, conformer, made.packed, made.grids, xyz, force, gradient)
    return energy, gradient


def exact(made, coords):
    """Return receptor energies summed over atom pairs."""
    tables, row, kind = contact_tables(made.receptor, made.tree, made.potential)
    return kernels.receptor_energies(
        coords, made.receptor.coords, row, kind, tables, float(DENSITY), made.field.cutoff
    )


def identity(made):
    state = np.zeros(made.states.shape[1])
    state[3] = 1.0
    return state


def test_the_gradient_is_that_of_finite_steps(made):
    step_length, wrong, total = 1e-5, 0, 0
    for state, conformer in zip(made.states, made.conformer, strict=True):
        _, gradient = energy_of(made, state, conformer)
        for component in range(len(gradient)):
            step = np.zeros_like(gradient)
            step[component] = 1.0
            ends = []
            for sign in (1, -1):
                moved = np.empty_like(state)
                kernels.move(state, step, sign * step_length, moved)
                ends.append(energy_of(made, moved, conformer)[0])
            slope = (ends[0] - ends[1]) / (2 * step_length)
            wrong += not np.isclose(slope, gradient[component], rtol=1e-4, atol=1e-3)
            total += 1
    # grid cells and tables have kinks, and a few of the 440 steps cross one
    assert wrong <= 0.02 * total


def test_outside_the_box_a_wall_pushes_back(made):
    state = identity(made)
    state[0] = 40.0
    energy, gradient = energy_of(made, state, 0)
    assert energy > 30.0 * kernels.WALL
    # every atom beyond the wall in x adds the slope of the wall
    np.testing.assert_allclose(gradient[0], kernels.WALL * made.tree.num_atoms, rtol=1e-9)


def test_rigid_moves_keep_all_distances(made):
    conformers = made.template.conformers
    states = made.states.copy()
    states[:, 7:] = 0.0
    placed = kernels.place_all(states, made.conformer, made.packed)
    for state, conformer, coords in zip(states, made.conformer, placed, strict=True):
        np.testing.assert_allclose(pdist(coords), pdist(conformers[conformer]), atol=1e-9)
        w, x, y, z = state[3:7]
        expected = Rotation.from_quat([x, y, z, w]).apply(conformers[conformer]) + state[:3]
        np.testing.assert_allclose(coords, expected, atol=1e-9)


def test_a_torsion_turns_its_dihedral_and_nothing_else(made):
    template = made.template.conformers[0]
    for torsion in range(made.tree.num_torsions):
        state = identity(made)
        state[7 + torsion] = 0.7
        coords = kernels.place_all(state[None], np.zeros(1, dtype=np.int64), made.packed)[0]
        for other, quad in enumerate(made.template.quads):
            turned = float(dihedral_of(coords, quad) - dihedral_of(template, quad))
            expected = 0.7 if other == torsion else 0.0
            assert np.cos(turned - expected) == pytest.approx(1.0, abs=1e-12)
        # bonds and angles: all distances over one and two bonds
        near = made.ligand_near
        before, after = (
            np.linalg.norm(c[near[:, 0]] - c[near[:, 1]], axis=1) for c in (template, coords)
        )
        np.testing.assert_allclose(after, before, atol=1e-9)


@pytest.fixture(autouse=True)
def ligand_near(made):
    """Add the atom pairs one and two bonds apart, in tree order."""
    from rdkit import Chem

    apart = Chem.GetDistanceMatrix(made.ligand.mol)[np.ix_(made.tree.order, made.tree.order)]
    made.ligand_near = np.argwhere((apart > 0) & (apart < 2.5))


def test_a_step_moves_and_turns_in_the_frame_of_the_receptor(made):
    state, out = made.states[0], np.empty_like(made.states[0])
    step = np.zeros(len(state) - 1)
    step[:6] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6]
    kernels.move(state, step, 1.0, out)
    np.testing.assert_allclose(out[:3], state[:3] + step[:3])
    before, after = (Rotation.from_quat(s[[4, 5, 6, 3]]) for s in (state, out))
    expected = Rotation.from_rotvec(step[3:6]) * before
    assert (after * expected.inv()).magnitude() < 1e-9
    assert np.linalg.norm(out[3:7]) == pytest.approx(1.0, abs=1e-12)


def test_grids_give_the_energies_of_pair_sums(made):
    rng = np.random.default_rng(1)
    calm = rng.uniform(-1.2, 1.2, (60, made.tree.num_atoms, 3))  # no atom touches the shell
    errors = {}
    for spacing in (0.4, 0.2):
        field = build_field(made.receptor, made.pocket, made.tree, made.potential, spacing)
        force = np.empty_like(calm[0])
        found = [
            kernels.field_energy(
                xyz, field.kind, field.grids, field.origin, 1.0 / field.spacing, force
            )
            for xyz in calm
        ]
        errors[spacing] = np.abs(np.array(found) - exact(made, calm))
    # linear reading of curves with kinks; some thousandths of a kcal/mol for each atom
    assert errors[0.4].mean() < 0.02 * made.tree.num_atoms
    assert errors[0.2].mean() < 0.5 * errors[0.4].mean()


def test_learned_curves_reach_the_grids(made):
    curves = np.random.default_rng(2).normal(0, 0.1, ContactPotential.zero().curves.shape)
    potential = type(made.potential)(made.potential.weights, ContactPotential(curves))
    coords = np.random.default_rng(1).uniform(-1.2, 1.2, (5, made.tree.num_atoms, 3))
    tables, row, kind = contact_tables(made.receptor, made.tree, potential)
    total = kernels.receptor_energies(
        coords, made.receptor.coords, row, kind, tables, float(DENSITY), made.field.cutoff
    )
    contacts = ContactPotential(curves)
    distance = np.linalg.norm(coords[:, :, None] - made.receptor.coords, axis=-1)
    learned = contacts.energy(
        distance,
        made.receptor.types[None, None, :, 1],
        made.tree.contacts.astype(np.int64)[None, :, None],
    ).sum(axis=(1, 2))
    # tables of 1/32 Å read linearly
    np.testing.assert_allclose(total, exact(made, coords) + learned, atol=0.03)


def test_minimisation_goes_down_and_keeps_the_quaternion(made):
    before = [energy_of(made, s, c)[0] for s, c in zip(made.states, made.conformer, strict=True)]
    states = made.states.copy()
    after = kernels.minimize_all(states, made.conformer, made.packed, made.grids, 60, 1.0)
    assert (after <= np.array(before) + 1e-9).all() and np.median(before - after) > 1.0
    np.testing.assert_allclose(np.linalg.norm(states[:, 3:7], axis=1), 1.0, atol=1e-9)
    again = [energy_of(made, s, c)[0] for s, c in zip(states, made.conformer, strict=True)]
    np.testing.assert_allclose(again, after, atol=1e-6)


def test_chains_start_anew_from_their_seeds(made):
    arguments = (made.packed, made.grids)
    energies = np.zeros(4)
    runs = [
        kernels.monte_carlo(
            made.states[:4].copy(), made.conformer[:4], energies, *arguments,
            np.array(seeds), 5, 10, 1.0, 1.2,
        )
        for seeds in ([1, 2, 3, 4], [1, 2, 3, 4], [5, 2, 3, 4])
    ]  # fmt: skip
    for same, other in zip(runs[0], runs[1], strict=True):
        np.testing.assert_array_equal(same, other)
    assert not np.array_equal(runs[0][0][0], runs[2][0][0])
    np.testing.assert_array_equal(runs[0][0][1:], runs[2][0][1:])  # chains are independent
