"""Confidence of poses: invariant, calibrated, and kept by its checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from molgen.errors import ConfigError, StoreError
from molgen.geometry.knots import KNOTS
from molgen.graphs.pose_graph import ligand_of, target_of
from molgen.io import read_ligand, read_protein
from molgen.scoring.confidence import (
    ConfidenceModel,
    ConfidenceScorer,
    load_confidence,
    save_confidence,
)
from molgen.scoring.confidence_network import (
    CUTOFF,
    Confidence,
    ConfidenceConfig,
    ConfidenceNetwork,
    Curves,
    MeanNetwork,
    pose_set,
)
from molgen.scoring.pose_features import FEATURES, TERMS, pose_features
from molgen.scoring.pose_scorers import best_first
from molgen.structure import Poses
from molgen.training.confidence import (
    ConfidenceLoss,
    ConfidenceLossModule,
    Rated,
    auroc,
    measures,
)
from molgen.training.confidence_data import RatedPoses
from molgen.training.confidence_metrics import calibration_error, measured

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"
SMALL = ConfidenceConfig(width=8, ligand_rounds=1, target_rounds=1)


@pytest.fixture(scope="module")
def complex_():
    from molgen.datasets.encode import describe_pose

    protein, ligand = read_protein(EXAMPLES / "6xg5.cif"), read_ligand(EXAMPLES / "6xg5_TOP.sdf")
    near = protein.select(protein.near(ligand.coords, 10.0))
    return describe_pose(near, ligand, ligand.coords, ligand.coords.mean(0)), near, ligand


@pytest.fixture(scope="module")
def shaken(complex_):
    """Five poses: the crystal's and moved ones, with energies."""
    coords = np.asarray(complex_[2].coords, dtype=np.float64)
    rng = np.random.default_rng(0)
    moved = [coords + rng.normal(0.0, size, 3) for size in (0.0, 0.3, 1.0, 2.0, 3.0)]
    terms = {name: rng.normal(-5.0, 1.0, 5) for name in TERMS}
    return np.array(moved), terms


def set_of(complex_, coords, terms):
    target, ligand = target_of(complex_[0]), ligand_of(complex_[0])
    return pose_set(coords, ligand, target, pose_features(coords, terms))


def said(network, complex_, coords, terms, turn=None):
    given = set_of(complex_, coords, terms)
    if turn is not None:
        given = given._replace(
            coords=given.coords @ turn.T + 5.0,
            target=given.target @ turn.T + 5.0,
            target_side=given.target_side @ turn.T,
        )
    with torch.no_grad():
        return network.eval()(given)


def test_turning_the_whole_input_changes_nothing_moving_the_pose_does(complex_, shaken):
    torch.manual_seed(0)
    network = ConfidenceNetwork()
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    turn = turn * torch.linalg.det(turn)
    plain, turned = said(network, complex_, *shaken), said(network, complex_, *shaken, turn)
    torch.testing.assert_close(plain.logit, turned.logit, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(plain.rmsd, turned.rmsd, atol=1e-4, rtol=1e-4)
    assert plain.logit.std() > 1e-3  # alive: poses are told apart


def test_the_order_of_the_poses_does_not_matter(complex_, shaken):
    torch.manual_seed(1)
    network, (coords, terms) = ConfidenceNetwork(), shaken
    order = [3, 0, 4, 2, 1]
    plain = said(network, complex_, coords, terms)
    mixed = said(network, complex_, coords[order], {k: v[order] for k, v in terms.items()})
    torch.testing.assert_close(plain.logit[order], mixed.logit, atol=1e-5, rtol=1e-5)


def test_contacts_are_heard(complex_, shaken):
    """The same energies and poses without a receptor give other ratings."""
    torch.manual_seed(2)
    network, given = ConfidenceNetwork(), set_of(complex_, *shaken)
    with torch.no_grad():
        near = network.eval()(given).logit
        far = network(given._replace(target=given.target + 100.0)).logit
    assert (near - far).abs().max() > 1e-3


def test_a_receptor_atom_that_crosses_the_cutoff_changes_nothing_at_once(complex_, shaken):
    """Of the pairs; the receptor's own atoms hear their nearest, which is why one stands alone."""
    torch.manual_seed(7)
    network, given = ConfidenceNetwork(), set_of(complex_, *shaken)
    torch.nn.init.normal_(network.energy.values.weight, std=0.1)
    one = torch.zeros(1, 3)
    alone = given._replace(
        coords=torch.zeros(1, 1, 3), ligand=given.ligand[:1], pair_kind=given.pair_kind[:1, :1],
        target_features=given.target_features[:1], target_side=given.target_side[:1],
        features=given.features[:1],
    )  # fmt: skip
    with torch.no_grad():
        inside, at, outside = (
            network.eval()(alone._replace(target=one + torch.tensor([x, 0.0, 0.0]))).logit
            for x in (CUTOFF - 1.0, CUTOFF - 1e-4, CUTOFF + 1e-4)
        )
    torch.testing.assert_close(at, outside, atol=1e-3, rtol=1e-3)
    assert (inside - outside).abs() > 1e-3


def test_a_pose_is_rated_alike_alone_where_the_receptor_is_the_same(complex_, shaken):
    torch.manual_seed(8)
    network, given = ConfidenceNetwork(), set_of(complex_, *shaken)
    with torch.no_grad():
        together = network.eval()(given).logit
        alone = network(given._replace(coords=given.coords[2:3], features=given.features[2:3]))
    torch.testing.assert_close(together[2:3], alone.logit, atol=1e-4, rtol=1e-4)


def test_curves_by_hand():
    curves = Curves(4, 1)
    torch.nn.init.zeros_(curves.values.weight)
    with torch.no_grad():  # interval and factor: the value at knot k is k + 1, times 10 for angles
        at_knots = torch.arange(1.0, len(KNOTS))[:, None] * torch.tensor([1.0, 10.0, 0.0, 0.0])
        curves.values.bias.copy_(at_knots.flatten())
    distance = torch.tensor([2.1, CUTOFF - 0.4, 1.0])
    angles = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0]])
    found = curves(torch.zeros(1, 4), torch.zeros(3, dtype=torch.long), distance, angles)[:, 0]
    last = 12.0 * 0.5  # half way from the value at 7.2 Å to nothing at 8 Å
    expected = [2.0 + 0.25, last + 10 * last * 0.5, 1.5 - 15.0]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_features_by_hand():
    coords = np.zeros((3, 1, 3))
    coords[1, 0, 0], coords[2, 0, 0] = 1.0, 9.0
    terms = {name: np.zeros(3) for name in TERMS} | {"receptor": np.array([-4.0, -4.0, -1.0])}
    found = dict(zip(FEATURES, pose_features(coords, terms).T, strict=True))
    np.testing.assert_allclose(found["above_best"], [0.0, 0.0, 1.5])
    np.testing.assert_allclose(found["rank"], [0.0, 0.0, 0.1])
    weight = np.exp(-3.0 / 1.5)
    np.testing.assert_allclose(
        found["agreement"], np.array([2.0, 2.0, weight]) / (2.0 + weight), rtol=1e-6
    )
    # a pose that starts at the known one is judged among the others and does not count
    apart = pose_features(coords, terms, np.array([True, False, True]))
    best = dict(zip(FEATURES, apart.T, strict=True))["agreement"]
    np.testing.assert_allclose(best[:2], 1.0 / (1.0 + weight), rtol=1e-6)


def test_calibration_finds_the_line_that_made_the_outcomes():
    rng = np.random.default_rng(0)
    logits = [rng.normal(0.0, 3.0, 40) for _ in range(1500)]
    line = ConfidenceModel()
    for name, value in (("slope", 0.5), ("offset", -1.0), ("share", 2.0)):
        getattr(line, name).fill_(value)
    softmax = np.exp(logits[0]) / np.exp(logits[0]).sum()
    by_hand = 1 / (1 + np.exp(-(0.5 * logits[0] + 2.0 * softmax - 1.0)))
    np.testing.assert_allclose(line.probability(logits[0]), by_hand)
    right = [rng.random(40) < line.probability(one) for one in logits]
    model = ConfidenceModel()
    model.calibrate(logits, right)
    assert float(model.slope) == pytest.approx(0.5, abs=0.03)
    assert float(model.offset) == pytest.approx(-1.0, abs=0.06)
    assert float(model.share) == pytest.approx(2.0, abs=0.5)


def test_poses_outside_the_field_are_no_rivals():
    model, logit = ConfidenceModel(), np.array([1.0, 0.0, 0.5])
    model.share.fill_(1.0)
    field = np.array([True, True, False])
    found = model.probability(logit, field)
    np.testing.assert_allclose(found[:2], model.probability(logit[:2]))
    same = model.probability(np.array([1.0, 0.0, 1.0]), field)
    assert same[2] == same[0]  # judged among the field as its twin in it


def test_confidence_is_the_calibrated_probability(complex_, shaken):
    torch.manual_seed(6)
    network = ConfidenceNetwork(SMALL)
    model = ConfidenceModel(network)
    model.slope.fill_(0.5)
    model.offset.fill_(-1.0)
    logit = said(network, complex_, *shaken).logit
    found = said(model, complex_, *shaken).confidence
    torch.testing.assert_close(found, torch.sigmoid(0.5 * logit - 1.0))


def test_the_loss_by_hand(complex_, shaken, monkeypatch):
    rmsd, logit = torch.tensor([0.5, 1.5, 5.0, 6.0, 7.0]), torch.tensor([2.0, 0.3, -1.0, 0.5, 0.0])
    network = ConfidenceNetwork(SMALL)
    monkeypatch.setattr(network, "forward", lambda poses: Confidence(logit, rmsd))
    batch = RatedPoses([set_of(complex_, *shaken)], [rmsd])
    found = ConfidenceLossModule(network, ConfidenceLoss(ranking=0.7))(batch)
    right = -torch.cat([logsigmoid(logit[:2]), logsigmoid(-logit[2:])]).mean()
    ranking = -logit.softmax(0)[:2].sum().log()
    torch.testing.assert_close(found["right"], right)
    torch.testing.assert_close(found["ranking"], ranking)
    assert found["rmsd"].item() == pytest.approx(0.0, abs=1e-7)
    torch.testing.assert_close(found["loss"], right + 0.7 * ranking)


def test_the_pose_taken_is_the_surest_or_that_of_the_lowest_energy():
    rmsd, energy = np.array([1.0, 5.0, 9.0]), np.array([0.0, -1.0, 0.5])
    logits = {"a": [3.0, 0.0, 1.0], "b": [0.0, 2.0, 1.0], "c": [2.0, 0.0, 1.0]}
    rated = [Rated(name, rmsd, energy, np.array(one), np.zeros(3)) for name, one in logits.items()]
    while_training = measures(rated)
    on_the_card = {
        name: row["value"] for name, row in measured(rated, ConfidenceModel().probability).items()
    }
    for found in (while_training, on_the_card):
        assert found["top1"] == pytest.approx(2 / 3)
        assert (found["top1_energy"], found["oracle"]) == (0.0, 1.0)


def test_measures_by_hand():
    # pairs: (0.9 > 0.1), (0.9 > 0.5), (0.4 > 0.1), (0.4 < 0.5): 3 of 4
    assert auroc(np.array([0.9, 0.1, 0.4, 0.5]), np.array([1, 0, 1, 0], bool)) == 0.75
    chance, right = np.array([0.95, 0.95, 0.15, 0.15]), np.array([1, 0, 0, 0], bool)
    assert calibration_error(chance, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.15)


def test_a_checkpoint_gives_the_same_answers_and_a_damaged_one_none(tmp_path, complex_, shaken):
    torch.manual_seed(3)
    model = ConfidenceModel(ConfidenceNetwork(ConfidenceConfig(width=16))).eval()
    model.slope.fill_(0.7)
    save_confidence(tmp_path, model)
    again = load_confidence(str(tmp_path))
    a, b = (said(one, complex_, *shaken) for one in (model, again))
    assert torch.equal(a.confidence, b.confidence) and again.config() == model.config()
    weights = tmp_path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(StoreError, match="SHA256SUMS"):
        load_confidence(str(tmp_path))


def test_several_networks_answer_with_their_mean(tmp_path, complex_, shaken):
    torch.manual_seed(5)
    members = [ConfidenceNetwork(ConfidenceConfig(width=width)) for width in (8, 16)]
    together = ConfidenceModel(MeanNetwork(members)).eval()
    alone = [said(member, complex_, *shaken) for member in members]
    mean = torch.stack([one.logit for one in alone]).mean(0)
    found = said(together, complex_, *shaken)
    torch.testing.assert_close(found.confidence, torch.sigmoid(mean))
    torch.testing.assert_close(found.rmsd, torch.stack([one.rmsd for one in alone]).mean(0))
    save_confidence(tmp_path, together)
    again = load_confidence(str(tmp_path))
    assert torch.equal(said(again, complex_, *shaken).confidence, found.confidence)
    assert again.config() == together.config()
    with pytest.raises(ConfigError, match="expected at least one"):
        MeanNetwork([])


def test_poses_are_rated_in_their_receptor(tmp_path, complex_, shaken):
    torch.manual_seed(4)
    save_confidence(tmp_path, ConfidenceModel().eval())
    _, protein, ligand = complex_
    coords, terms = shaken
    poses = Poses(ligand, coords, np.arange(5.0), terms)
    rated = best_first(ConfidenceScorer(protein, str(tmp_path)).rated(poses))
    assert np.all(np.diff(rated.confidence) <= 0) and len(rated) == 5
    assert sorted(rated.scores) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.all((rated.confidence > 0) & (rated.confidence < 1) & (rated.expected_rmsd > 0))
    first = int(rated.scores[0])
    np.testing.assert_array_equal(rated.coords[0], coords[first])
