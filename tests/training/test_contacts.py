"""The fit of the contact potential: by hand, on a planted signal, the same for the same seed."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from test_contact_data import complex_of

from molgen.errors import StoreError
from molgen.training.contact_data import ContactFile, save_contacts
from molgen.training.contacts import (
    ContactTraining,
    ScoredPoses,
    fit_contacts,
    load_poses,
    statistical_potential,
    top_one,
)

PRIOR = np.zeros((2, 1, 2))
SETTINGS = ContactTraining(epochs=20, learning_rate=0.05, ridge=0.01, smoothness=0.0, batch=8)


def poses_of(
    counts: list[list[float]], rmsd: list[float], fixed: list[float] | None = None
) -> ScoredPoses:
    """Return poses with contact counts (poses, 4) and, unless given, no other energy."""
    matrix = torch.tensor(counts)
    pose, feature = matrix.nonzero(as_tuple=True)
    return ScoredPoses(
        rmsd=torch.tensor(rmsd),
        is_native=torch.zeros(len(rmsd), dtype=torch.bool),
        fixed=torch.tensor(fixed) if fixed else torch.zeros(len(rmsd)),
        attraction=torch.zeros(len(rmsd)),
        pose=pose,
        feature=feature,
        count=matrix[pose, feature],
    )


@pytest.fixture
def planted() -> list[ScoredPoses]:
    """Forty complexes; near-native poses have more of contact 0, decoys of 3, the rest is noise."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(40):
        counts = rng.poisson(2.0, (6, 4)).astype(np.float32)
        counts[0, 0] += 3
        counts[1:, 3] += 3
        rmsd = [1.0, *rng.uniform(3, 9, 5).tolist()]
        found.append(poses_of(counts.tolist(), rmsd, rng.standard_normal(6).tolist()))
    return found


def test_statistical_potential_by_hand():
    # two receptor types, one ligand type, two distances: both types have 40 contacts and the
    # distances share all contacts evenly, so 20 are expected everywhere
    counts = np.array([[[10.0, 30.0]], [[30.0, 10.0]]])
    expected = [[[math.log(30 / 20), -math.log(40 / 30)]], [[-math.log(40 / 30), math.log(1.5)]]]
    found = statistical_potential(counts.ravel(), (2, 1, 2), pseudo_counts=10.0)
    np.testing.assert_allclose(found, expected)
    # unequal: type 0 has 3/4 of all contacts, distance 0 has 2/4
    counts = np.array([[[2.0, 1.0]], [[0.0, 1.0]]])
    found = statistical_potential(counts.ravel(), (2, 1, 2), pseudo_counts=1.0)
    expected = [
        [[-math.log(3 / 2.5), -math.log(2 / 2.5)]],
        [[-math.log(1 / 1.5), -math.log(2 / 1.5)]],
    ]
    np.testing.assert_allclose(found, expected)


def test_scores_by_hand():
    entry = replace(
        poses_of([[2.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]], [1.0, 5.0], [-3.0, -2.0]),
        attraction=torch.tensor([-1.0, -4.0]),
    )
    curves = torch.tensor([0.5, 9.0, -0.25, 9.0])
    found = entry.scores(curves, torch.tensor(0.5))
    # -3 + (2 * 0.5 - 0.25) - 0.5, and -2 - 2
    assert found.tolist() == pytest.approx([-2.75, -4.0])


def test_a_planted_signal_is_learned(planted):
    losses: list[float] = []
    curves, attraction = fit_contacts(
        planted, PRIOR, SETTINGS, lambda epoch, loss: losses.append(loss)
    )
    assert len(losses) == SETTINGS.epochs and losses[-1] < 0.5 * losses[0]
    near, *noise, decoy = curves.ravel()
    assert near < min(noise) and decoy > max(noise)
    assert attraction >= 0.0
    options = {"near_native": 2.0, "natives": True}
    before = top_one(planted, PRIOR, 1.0, **options)
    after = top_one(planted, curves, attraction, **options)
    assert sum(before) < 20 and sum(after) > 30


def test_the_prior_counts_where_nothing_else_does(planted):
    prior = np.array([[[-1.0, 0.0]], [[0.0, 1.0]]])
    stiff = replace(SETTINGS, ridge=1e3)
    curves, _ = fit_contacts(planted, prior, stiff)
    scale = curves[0, 0, 0] / prior[0, 0, 0]
    assert scale > 0
    np.testing.assert_allclose(curves, scale * prior, atol=0.05 * scale)


def test_the_same_seed_gives_the_same_curves(planted):
    first, again = (fit_contacts(planted, PRIOR, SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    other, _ = fit_contacts(planted, PRIOR, replace(SETTINGS, seed=1))
    assert (other != first[0]).any()


def test_shrink_is_a_factor_on_the_curves(planted):
    full, attraction = fit_contacts(planted, PRIOR, replace(SETTINGS, shrink=1.0))
    half, same = fit_contacts(planted, PRIOR, replace(SETTINGS, shrink=0.5))
    np.testing.assert_array_equal(half, 0.5 * full)
    assert attraction == same
    none, _ = fit_contacts(planted, PRIOR, replace(SETTINGS, shrink=0.0))
    assert not none.any()


def test_complexes_without_right_or_wrong_poses_are_no_use():
    right = poses_of([[1.0, 0.0, 0.0, 0.0]] * 2, [0.5, 1.0])
    wrong = poses_of([[1.0, 0.0, 0.0, 0.0]] * 2, [4.0, 5.0])
    for poses in ([], [right], [wrong, right]):
        with pytest.raises(StoreError, match="both near-native poses and decoys"):
            fit_contacts(poses, PRIOR, SETTINGS)


def test_top_one_leaves_native_minima_out_on_request():
    entry = poses_of([[0.0] * 4] * 3, [0.3, 6.0, 1.5], [-9.0, -8.0, -7.0])
    entry = replace(entry, is_native=torch.tensor([True, False, False]))
    options = {"near_native": 2.0}
    assert top_one([entry], PRIOR, 1.0, natives=True, **options) == [True]
    assert top_one([entry], PRIOR, 1.0, natives=False, **options) == [False]
    alone = replace(entry, is_native=torch.ones(3, dtype=torch.bool))
    assert top_one([alone], PRIOR, 1.0, natives=False, **options) == [False]  # nothing was found


def test_poses_come_from_the_contact_file(tmp_path):
    rng = np.random.default_rng(2)
    entries = [complex_of("1abc", 3, rng), complex_of("2abc", 0, rng), complex_of("3abc", 2, rng)]
    save_contacts(tmp_path / "contacts", entries, {})
    first, last = load_poses(ContactFile(tmp_path / "contacts"), [0, 1, 2], strain=0.5)
    entry = entries[2]
    np.testing.assert_array_equal(last.rmsd.numpy(), entry.rmsd)
    np.testing.assert_array_equal(last.is_native.numpy(), entry.is_native)
    np.testing.assert_allclose(
        last.fixed.numpy(), entry.vina + entry.repulsion + 0.5 * entry.strain, rtol=1e-6
    )
    curves = torch.from_numpy(rng.standard_normal(entry.crystal.size).astype(np.float32))
    expected = last.fixed.numpy() + entry.poses @ curves.numpy() + 0.3 * entry.attraction
    np.testing.assert_allclose(
        last.scores(curves, torch.tensor(0.3)).numpy(), expected, rtol=1e-4, atol=1e-4
    )
    assert len(first.rmsd) == 3
