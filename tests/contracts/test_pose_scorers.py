"""What every scorer of poses must do, one suite over the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import RegistryError
from molgen.geometry.rotations import matrix_from_rotation_vector
from molgen.io import read_ligand, read_protein
from molgen.scoring.pose_features import TERMS
from molgen.scoring.pose_scorers import POSE_SCORERS, PoseScorer, best_first, build_pose_scorer
from molgen.structure import Poses

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"
CHECKPOINT = "confidence-2"


@pytest.fixture(scope="module")
def protein():
    return read_protein(EXAMPLES / "6xg5.cif")


@pytest.fixture(scope="module")
def poses():
    """Eight poses round the crystal's, with energies, not sorted."""
    ligand = read_ligand(EXAMPLES / "6xg5_TOP.sdf")
    rng = np.random.default_rng(0)
    shift = rng.normal(0.0, 1.0, (8, 1, 3)) * np.linspace(0.0, 3.0, 8)[:, None, None]
    terms = {name: rng.normal(-5.0, 1.0, 8) for name in TERMS}
    scores = sum(terms[name] for name in ("receptor", "contacts", "internal", "strain"))
    return Poses(ligand, np.asarray(ligand.coords, dtype=np.float64) + shift, scores, terms)


@pytest.fixture(scope="module", params=list(POSE_SCORERS))
def scorer(request, protein):
    return build_pose_scorer(request.param, protein, CHECKPOINT)


def merit(scorer, poses):
    rated = scorer.rated(poses)
    return -rated.scores if rated.confidence is None else rated.confidence


def test_it_keeps_the_protocol_and_knows_searched_poses(scorer, poses):
    assert isinstance(scorer, PoseScorer) and scorer.refuses(poses) == ""
    assert scorer.together >= 0 and (scorer.checkpoint is None or scorer.checkpoint == CHECKPOINT)


def test_poses_are_rated_in_their_order_and_otherwise_left_alone(scorer, poses):
    rated = scorer.rated(poses)
    np.testing.assert_array_equal(rated.coords, poses.coords)
    np.testing.assert_array_equal(rated.scores, poses.scores)
    assert np.isfinite(merit(scorer, poses)).all()


def test_it_is_alive_and_says_the_same_twice(scorer, poses):
    once, again = merit(scorer, poses), merit(scorer, poses)
    np.testing.assert_array_equal(once, again)
    assert np.ptp(once) > 1e-3


def test_another_order_of_the_poses_changes_nothing(scorer, poses):
    order = np.random.default_rng(1).permutation(len(poses))
    mixed = merit(scorer, poses.take(order))
    np.testing.assert_allclose(mixed, merit(scorer, poses)[order], atol=1e-5)


def turned_merit(scorer, poses, protein, turn):
    """Return what a scorer of the turned receptor says of the turned poses."""
    turned = replace(protein, coords=(protein.coords @ turn.T).astype(protein.coords.dtype))
    (name,) = (name for name, kind in POSE_SCORERS.items() if isinstance(scorer, kind))
    other = build_pose_scorer(name, turned, CHECKPOINT)
    return merit(other, replace(poses, coords=poses.coords @ turn.T))


def test_turning_everything_changes_nothing(scorer, poses, protein):
    import torch

    turn = matrix_from_rotation_vector(torch.tensor([0.3, -1.1, 0.7], dtype=torch.float64)).numpy()
    # receptor coordinates are rounded to 0.01 Å, as those of training are; the last two poses lie
    # in the receptor, where that weighs more
    found = turned_merit(scorer, poses, protein, turn)
    np.testing.assert_allclose(found[:6], merit(scorer, poses)[:6], atol=0.01)


def test_a_quarter_turn_changes_no_pose(scorer, poses, protein):
    turn = np.array(
        [[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]
    )  # rounding stays as it is
    assert np.linalg.det(turn) == pytest.approx(1.0)
    found = turned_merit(scorer, poses, protein, turn)
    np.testing.assert_allclose(found, merit(scorer, poses), atol=1e-3)


def test_one_pose_or_none_can_be_rated(scorer, poses):
    assert len(merit(scorer, poses.take(np.array([3])))) == 1
    assert len(merit(scorer, poses.take(np.array([], dtype=int)))) == 0


def test_more_poses_than_it_wants_at_once_change_nothing(scorer, poses):
    """`--num-poses 100` must not change what is said of the first forty."""
    many = poses.take(np.tile(np.arange(8), 7))
    lift = np.repeat(np.arange(7.0), 8)  # so that the last sixteen have the highest scores
    terms = poses.take(np.tile(np.arange(8), 7)).terms
    terms = terms | {"internal": terms["internal"] + 10 * lift}
    many = replace(many, scores=many.scores + 10 * lift, terms=terms)
    first = many.take(np.arange(40))
    np.testing.assert_allclose(merit(scorer, many)[:40], merit(scorer, first), atol=1e-5)


def test_poses_outside_the_field_do_not_vote(scorer, poses):
    copies = poses.take(np.tile(np.arange(8), 2))
    found = merit(scorer, poses)
    rated = scorer.rated(copies, np.arange(16) < 8)
    said = -rated.scores if rated.confidence is None else rated.confidence
    np.testing.assert_allclose(said, np.tile(found, 2), atol=1e-5)


def test_the_best_come_first(scorer, poses):
    found = best_first(scorer.rated(poses))
    value = -found.scores if found.confidence is None else found.confidence
    assert (np.diff(value) <= 0).all() and len(found) == len(poses)


def test_of_equal_confidence_the_lower_score_is_first(poses):
    found = best_first(replace(poses, confidence=np.array([0.5, 0.9] * 4)))
    assert (found.confidence[:4] == 0.9).all() and (found.confidence[4:] == 0.5).all()
    assert (np.diff(found.scores[:4]) >= 0).all() and (np.diff(found.scores[4:]) >= 0).all()


def test_an_unknown_name_is_refused_with_the_nearest(protein):
    with pytest.raises(RegistryError, match=r"unknown pose scorer 'confidense'.*confidence"):
        build_pose_scorer("confidense", protein, CHECKPOINT)


def test_the_shipped_confidence_says_what_it_said(poses, protein):
    rated = build_pose_scorer("confidence", protein, CHECKPOINT).rated(poses)
    # the last two, whose probabilities are not all but 1
    assert rated.confidence[6:] == pytest.approx([0.664803, 0.730435], rel=1e-3)
    assert rated.expected_rmsd[6:] == pytest.approx([1.59304, 1.37586], rel=1e-3)


def test_confidence_keeps_silent_about_elements_it_never_saw(poses, protein):
    scorer = build_pose_scorer("confidence", protein, CHECKPOINT)
    mol = Chem.RWMol(poses.ligand.mol)
    mol.GetAtomWithIdx(0).SetAtomicNum(92)
    foreign = replace(poses, ligand=replace(poses.ligand, mol=mol.GetMol()))
    assert not scorer.refuses(poses) and "elements" in scorer.refuses(foreign)


def test_confidence_keeps_silent_about_fragments_and_where_nothing_fits(poses, protein):
    scorer = build_pose_scorer("confidence", protein, CHECKPOINT)
    few = replace(poses.ligand, mol=Chem.MolFromSmiles("CCO"))
    assert "fewer than 6 heavy atoms" in scorer.refuses(replace(poses, ligand=few))
    clashing = replace(poses, scores=poses.scores - poses.scores.min())
    assert "no pose has a negative score" in scorer.refuses(clashing)
