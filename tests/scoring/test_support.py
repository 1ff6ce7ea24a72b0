"""Draws that lie near a pose speak for it: the density, the odds, the fit and the checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import InputError, StoreError
from molgen.scoring.support import (
    LEAST,
    SupportModel,
    draw_density,
    load_support,
    log_odds,
    save_support,
    supported,
)
from molgen.structure import Ligand, Poses

CHLOROBENZENE = Chem.MolFromSmiles("Clc1ccccc1")


def ring() -> np.ndarray:
    """Return chlorobenzene, (7, 3) Å in the order of its SMILES."""
    angles = np.arange(6) * np.pi / 3
    hexagon = np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
    return np.concatenate([3.14 * hexagon[:1], 1.4 * hexagon])


def test_the_density_of_draws_by_hand():
    pose = ring()
    draws = pose + np.array([[[0.0, 0.0, z]] for z in (0.0, 2.0, 4.0, 100.0)])
    found = draw_density(CHLOROBENZENE, np.stack([pose, pose + np.array([0.0, 0.0, 2.0])]), draws)
    at, near, far = np.exp(-0.5 * np.array([0.0, 1.0, 4.0]))  # RMSDs over 2 Å
    np.testing.assert_allclose(found, [(at + near + far) / 4, (at + near + near) / 4])


def test_a_draw_of_the_other_face_of_a_ring_is_the_same():
    pose = ring()
    flipped = pose[[0, 1, 6, 5, 4, 3, 2]]
    np.testing.assert_allclose(draw_density(CHLOROBENZENE, pose[None], flipped[None]), 1.0)
    assert draw_density(CHLOROBENZENE, pose[None], pose[None, ::-1])[0] < 1.0


def test_odds_are_multiplied_by_a_power_of_the_density():
    model = SupportModel()
    model.weight.fill_(0.5)
    found = model.logit(np.array([0.2, 0.8, 0.0, 1.0]), np.array([0.99, 0.24, 0.99, 0.99]))
    np.testing.assert_allclose(found[:2], [np.log(0.25), np.log(4.0) + np.log(0.5)])
    assert np.isfinite(found).all() and found[2] < found[0] < found[3]


def made(rng: np.random.Generator, weight: float, ligands: int = 400) -> list[list[np.ndarray]]:
    """Return confidences, densities and which pose is right, drawn from the model itself."""
    confidence, density, right = [], [], []
    for _ in range(ligands):
        confidence.append(rng.uniform(0.05, 0.6, 12))
        density.append(rng.beta(0.3, 2.0, 12))
        logit = log_odds(confidence[-1]) + weight * np.log(density[-1] + LEAST)
        chance = np.exp(logit - logit.max())
        right.append(np.arange(12) == rng.choice(12, p=chance / chance.sum()))
    return [confidence, density, right]


@pytest.mark.parametrize("weight", [0.0, 1.3])
def test_the_fit_finds_the_weight_and_calibrates(weight):
    rng = np.random.default_rng(0)
    model = SupportModel()
    model.fit(*made(rng, weight))
    assert float(model.weight) == pytest.approx(weight, abs=0.15)
    confidence, density, right = made(rng, weight)
    said = [model.supported(*one) for one in zip(confidence, density, strict=True)]
    first = [k.argmax() for k in said]
    hits = np.mean([one[k] for one, k in zip(right, first, strict=True)])
    assert hits == pytest.approx(np.mean([k.max() for k in said]), abs=0.06)
    assert np.mean(np.concatenate(said)) == pytest.approx(1 / 12, abs=0.01)


def test_a_fit_needs_a_right_pose():
    one = np.array([0.2, 0.4])
    with pytest.raises(InputError, match="none of 1 ligands has a right pose"):
        SupportModel().fit([one], [one], [one > 1.0])


def test_draws_reorder_rated_poses_and_nothing_else():
    ligand = Ligand("ring", CHLOROBENZENE)
    coords = ring() + np.array([[[0.0, 0.0, 0.0]], [[20.0, 0.0, 0.0]]])
    poses = Poses(ligand, coords, np.array([-5.0, -6.0]), confidence=np.array([0.3, 0.4]))
    model = SupportModel()
    model.weight.fill_(1.0)
    found = supported(poses, coords[:1], model)
    assert found.confidence is not None and found.confidence[0] > found.confidence[1]
    np.testing.assert_allclose(found.confidence, model.supported(*density_of(poses, coords[:1])))
    np.testing.assert_array_equal(found.coords, poses.coords)
    np.testing.assert_array_equal(found.scores, poses.scores)


def density_of(poses: Poses, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    assert poses.confidence is not None
    return poses.confidence, draw_density(poses.ligand.mol, poses.coords, draws)


def test_a_checkpoint_keeps_its_numbers(tmp_path):
    model = SupportModel()
    model.fit(*made(np.random.default_rng(1), 0.8, ligands=30))
    save_support(tmp_path / "made", model)
    again = load_support(str(tmp_path / "made"))
    given = np.array([0.1, 0.7]), np.array([0.0, 0.4])
    np.testing.assert_array_equal(again.supported(*given), model.supported(*given))
    with pytest.raises(StoreError, match="is a 'support', expected 'confidence'"):
        from molgen.scoring.confidence import load_confidence

        load_confidence(str(tmp_path / "made"))
