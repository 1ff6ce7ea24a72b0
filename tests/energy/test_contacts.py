"""The contact potential: piecewise linear over its knots, zero beyond them."""

from __future__ import annotations

import numpy as np
import pytest

from molgen.energy.contacts import ContactPotential
from molgen.energy.vina_terms import CUTOFF
from molgen.errors import StoreError
from molgen.geometry.knots import KNOTS
from molgen.graphs.contact_histogram import contact_histogram

SHAPE = ContactPotential.zero().curves.shape


@pytest.fixture
def made() -> ContactPotential:
    return ContactPotential(np.random.default_rng(0).standard_normal(SHAPE))


def test_the_curve_runs_through_its_knots(made):
    found = made.energy(KNOTS, np.array(3), np.array(5))
    np.testing.assert_allclose(found, [*made.curves[3, 5], 0.0])
    middle = (KNOTS[1:] + KNOTS[:-1]) / 2
    expected = (found[1:] + found[:-1]) / 2
    np.testing.assert_allclose(made.energy(middle, np.array(3), np.array(5)), expected)


def test_it_ends_where_the_vina_potential_ends(made):
    assert KNOTS[-1] == CUTOFF
    assert made.energy(np.array(CUTOFF - 1e-9), np.array(0), np.array(0)) == pytest.approx(
        0.0, abs=1e-8
    )
    far = made.energy(np.array([CUTOFF, 8.1, 50.0, np.inf]), np.array(0), np.array(0))
    assert not far.any()


def test_the_energy_is_the_histogram_times_the_curves(made):
    distances = np.array([0.0, 1.3, 2.0, 3.3, 4.75, 7.9, 8.0, 12.0])
    receptor, ligand = np.array([4]), np.array([7])
    coords = np.zeros((len(distances), 1, 3))
    coords[:, 0, 0] = distances
    features = contact_histogram(coords, ligand, np.zeros((1, 3)), receptor, SHAPE, KNOTS)
    np.testing.assert_allclose(
        features @ made.curves.ravel(), made.energy(distances, receptor, ligand), atol=1e-6
    )


def test_arguments_broadcast(made):
    distance = np.full((2, 3, 4), 3.7)
    found = made.energy(distance, np.arange(3)[:, None], np.arange(4))
    assert found.shape == (2, 3, 4)
    for row in range(3):
        for column in range(4):
            expected = made.energy(np.array(3.7), np.array(row), np.array(column))
            assert found[1, row, column] == pytest.approx(float(expected))


def test_zero_changes_nothing():
    zero = ContactPotential.zero()
    assert zero.attraction == 1.0
    assert not zero.energy(KNOTS, np.array(0), np.array(0)).any()


@pytest.mark.parametrize("shape", [(1, 1, 12), SHAPE[:2], (*SHAPE[:2], len(KNOTS))])
def test_curves_of_another_shape_are_refused(shape):
    with pytest.raises(StoreError, match=r"has curves of shape .*, expected \(18, 18, 12\)"):
        ContactPotential(np.zeros(shape))
