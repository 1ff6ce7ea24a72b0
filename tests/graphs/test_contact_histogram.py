"""The features of the contact potential: their product with the curves is its energy."""

from __future__ import annotations

import numpy as np

from molgen.energy.contacts import ContactPotential
from molgen.geometry.knots import KNOTS
from molgen.graphs.contact_histogram import contact_histogram
from molgen.graphs.contact_types import LIGAND_CONTACTS, RECEPTOR_CONTACTS


def test_the_product_with_the_curves_is_the_energy():
    rng = np.random.default_rng(0)
    shape = np.array([len(RECEPTOR_CONTACTS), len(LIGAND_CONTACTS), len(KNOTS) - 1])
    potential = ContactPotential(rng.standard_normal(shape))
    ligand = rng.integers(0, shape[1], 12)
    receptor = rng.integers(0, shape[0], 60)
    coords = rng.uniform(-4, 4, (5, 12, 3))
    atoms = rng.uniform(-9, 9, (60, 3))
    features = contact_histogram(coords, ligand, atoms, receptor, shape, KNOTS)
    distance = np.linalg.norm(coords[:, :, None] - atoms, axis=-1)
    energy = potential.energy(distance, receptor[None, None, :], ligand[None, :, None])
    # features are float32
    np.testing.assert_allclose(
        features @ potential.curves.ravel(), energy.sum(axis=(1, 2)), atol=1e-4
    )


def test_a_contact_shares_itself_between_two_knots():
    shape = np.array([1, 1, len(KNOTS) - 1])
    none = np.zeros(1, dtype=np.int64)

    def weights(distance: float) -> np.ndarray:
        coords = np.array([[[distance, 0.0, 0.0]]])
        return contact_histogram(coords, none, np.zeros((1, 3)), none, shape, KNOTS)[0]

    expected = np.zeros(len(KNOTS) - 1)
    expected[[4, 5]] = 0.75, 0.25  # 3.3 Å lies a quarter of the way from 3.2 to 3.6
    np.testing.assert_allclose(weights(3.3), expected, atol=1e-6)
    expected[:] = 0.0
    expected[-1] = 0.5  # the potential is zero at the last knot, 8 Å
    np.testing.assert_allclose(weights(7.6), expected, atol=1e-6)
    assert not weights(8.0).any() and not weights(20.0).any()
