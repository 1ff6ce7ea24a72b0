"""Training of quality models: sampling, losses and metrics by hand, and that it learns."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

sys.path.insert(0, str(Path(__file__).parent))
from made_store import make_store

from molgen.datasets.quality import QualityStore
from molgen.errors import InputError
from molgen.scoring.quality_model import build_quality
from molgen.training.loop import LoopConfig, fit
from molgen.training.quality import (
    QualityLoss,
    QualityLossModule,
    QualityTask,
    QualityTraining,
    predict,
    ranking_loss,
    residue_loss,
    thinned,
)
from molgen.training.quality_data import (
    EpochSampler,
    QualityData,
    SamplingConfig,
    kind_weight,
    pack_groups,
)
from molgen.training.quality_metrics import (
    bootstrap_intervals,
    mean_metrics,
    pearson,
    ranks,
    target_metrics,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> QualityData:
    folder = tmp_path_factory.mktemp("stores")
    return QualityData([QualityStore(make_store(folder / "a", targets=6, models=6))])


def test_an_epoch_draws_every_target_alike(data):
    config = SamplingConfig(models=120, group=3, max_nodes=100)
    sampler = EpochSampler(data, range(len(data)), config, seed=4)
    batches = sampler.batches(0)
    drawn = [p for batch in batches for p in batch]
    assert len(drawn) == 120
    _, counts = np.unique(data.targets[drawn], return_counts=True)
    assert counts.min() >= 18 and counts.max() <= 21  # 20 each, in groups of 3
    assert all(data.sizes[batch].sum() <= 100 for batch in batches)
    for batch in batches:  # models of a group are neighbours, so that they can be compared
        assert max(np.unique(data.targets[batch], return_counts=True)[1]) >= min(3, len(batch))
    assert sampler.batches(0) == batches != sampler.batches(1)


def test_weights_of_kinds_and_targets(data):
    kinds = {"native": 0.0, "made*": 2.0}
    config = SamplingConfig(models=60, group=2, kinds=kinds)
    drawn = np.concatenate(EpochSampler(data, range(len(data)), config, 0).batches(0))
    assert "native" not in data.kinds[drawn].tolist()
    assert [kind_weight(k, kinds) for k in ("native", "made-up", "model")] == [0.0, 2.0, 1.0]
    assert kind_weight("made-up", {"m*": 3.0, "made*": 4.0}) == 4.0
    with pytest.raises(InputError, match="every kind has the weight 0"):
        EpochSampler(data, [0], SamplingConfig(kinds={"*": 0.0}), 0)
    weights = data.weights.copy()
    try:
        data.weights[data.targets == "t0"] = 0.1
        config = SamplingConfig(models=600, group=1)
        drawn = np.concatenate(EpochSampler(data, range(len(data)), config, 0).batches(0))
    finally:
        data.weights[:] = weights
    share = (data.targets[drawn] == "t0").mean()
    assert 0.005 < share < 0.05  # 0.1 / 5.1 = 0.02


def test_packing_by_hand():
    sizes = np.array([4, 4, 4, 9, 20])
    assert pack_groups([(0, 1), (2,), (3,), (4,)], sizes, 12) == [[0, 1, 2], [3], [4]]
    assert pack_groups([(0, 1, 2, 3)], sizes, 10) == [[0, 1], [2], [3]]
    assert pack_groups([], sizes, 10) == []


def test_a_batch_holds_graph_and_labels_of_its_models(data):
    batch = data.load([7, 0])
    assert batch.graph.num_graphs == 2 and len(batch.graph) == 15 + 14
    assert batch.cad.tolist() == pytest.approx([math.exp(-0.25), 1.0], abs=1e-5)
    assert batch.cad_local.isnan().nonzero().flatten().tolist() == [0, 15]
    assert batch.target[0] != batch.target[1]
    assert batch.to("cpu").graph.num_graphs == 2


def test_losses_by_hand():
    nan = float("nan")
    predicted, true = torch.tensor([0.5, 0.9, 0.3]), torch.tensor([0.4, nan, 0.6])
    assert residue_loss(predicted, true, "mse").item() == pytest.approx((0.01 + 0.09) / 2)
    # Huber at 0.1, doubled so that it is the square near zero: 0.01 and 2 * 0.1 * (0.3 - 0.05)
    assert residue_loss(predicted, true, "huber").item() == pytest.approx((0.01 + 0.05) / 2)
    assert residue_loss(predicted, torch.full((3,), nan), "mse").item() == 0.0

    score, cad = torch.tensor([0.5, 0.6, 0.9]), torch.tensor([0.7, 0.4, 0.1])
    target = torch.tensor([1, 1, 2])  # one pair: true gap 0.3, predicted -0.1
    found = ranking_loss(score, cad, target, "difference", 0.05)
    assert found.item() == pytest.approx(0.4**2)
    found = ranking_loss(score, cad, target, "logistic", 0.05)
    assert found.item() == pytest.approx(0.05 * math.log(1 + math.exp(0.1 / 0.05)))
    # the other order is no worse than a tie, and a tie in truth does not count
    better = ranking_loss(score.flip(0), cad, target, "logistic", 0.05)
    assert better < found
    assert ranking_loss(score, torch.full((3,), 0.5), target, "logistic", 0.05).item() == 0.0
    assert ranking_loss(score, cad, torch.arange(3), "difference", 0.05).item() == 0.0


def test_the_loss_is_the_weighted_sum_of_its_terms(data):
    batch = data.load([0, 1, 2, 9])
    config = QualityLoss(residue=2.0, lddt=0.5, score=3.0, ranking=0.7, kind="huber")
    model = build_quality(
        "sgcn_5",
        encoder={"order": 2, "widths": [8, 8], "normalised": [], "activate_last": True},
        head={"plain": False, "hidden": [8], "lddt": True, "pooled": True},
    )
    terms = QualityLossModule(model, config)(batch)
    assert set(terms) == {"loss", "residue", "lddt", "score", "ranking"}
    expected = sum(getattr(config, k) * v for k, v in terms.items() if k != "loss")
    torch.testing.assert_close(terms["loss"], expected)
    terms["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())
    plain = QualityLossModule(build_quality("message_passing"), QualityLoss())(batch)
    assert set(plain) == {"loss", "residue"}


def test_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 6, 50).astype(float)
    b = a + rng.standard_normal(50)
    assert pearson(a, b) == pytest.approx(pearsonr(a, b).statistic)
    assert pearson(ranks(a), ranks(b)) == pytest.approx(spearmanr(a, b).statistic)
    assert math.isnan(pearson(np.ones(5), a[:5])) and math.isnan(pearson(a[:1], b[:1]))


def test_metrics_per_target_by_hand():
    true = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.5])
    targets = ["a"] * 5 + ["few"] * 2 + ["flat"] * 5
    predicted = np.array([1, 2, 3, 5, 4, 0, 1, 3, 1, 2, 4, 5], dtype=float)
    table = target_metrics(targets, predicted, true)
    assert list(table) == ["a"]  # two models cannot be ranked, nor equal ones
    assert table["a"]["top1_loss"] == pytest.approx(0.1)
    assert table["a"]["spearman"] == pytest.approx(0.9)
    found = mean_metrics(targets, predicted, true)
    assert found["targets"] == 1 and found["target_spearman"] == pytest.approx(0.9)
    assert found["pooled_pearson"] == pytest.approx(pearsonr(predicted, true).statistic)
    assert found["score_mse"] == pytest.approx(((predicted - true) ** 2).mean())


def test_intervals_hold_95_percent_of_what_other_targets_would_give():
    rng = np.random.default_rng(1)
    targets = np.repeat(np.arange(200).astype(str), 8)
    true = rng.random(len(targets))
    predicted = true + 0.4 * rng.standard_normal(len(targets))
    found = bootstrap_intervals(targets, predicted, true, rng)
    table = target_metrics(targets, predicted, true)
    for name in ("pearson", "spearman", "top1_loss"):
        values = np.array([row[name] for row in table.values()])
        half = 1.96 * values.std() / math.sqrt(200)
        low, high = found[name if name == "top1_loss" else f"target_{name}"]
        assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
        assert high == pytest.approx(values.mean() + half, abs=0.15 * half)
    # the models are independent: the correlation of 1600 has the standard error (1 - r²) / √1600
    low, high = found["pooled_pearson"]
    pooled = pearson(predicted, true)
    assert low < pooled < high
    assert high - low == pytest.approx(2 * 1.96 * (1 - pooled**2) / 40, rel=0.2)


def test_it_learns_to_tell_good_from_bad(data, tmp_path):
    config = QualityTraining(
        sampling=SamplingConfig(models=48, group=3, max_nodes=300),
        loop=LoopConfig(epochs=12, learning_rate=0.01, warmup=5, ema=0.9),
        loss=QualityLoss(score=1.0, ranking=0.2),
    )
    torch.manual_seed(0)
    model = build_quality("sgcn_5", encoder={"order": 3})
    task = QualityTask(model, data, ["t0", "t1", "t2", "t3"], ["t4", "t5"], config)
    result = fit(task, config.loop, tmp_path / "state", seed=0, fingerprint="")
    first, best = result.history[0], result.history[result.best_epoch]
    assert best["train_loss"] < 0.5 * first["train_loss"]
    assert best["val_pooled_pearson"] > 0.8 and best["val_targets"] == 2
    found = predict(model, data, data.of_targets(["t5", "t4"]), "cpu", 60)
    assert found.metrics(data.targets)["pooled_pearson"] == pytest.approx(
        best["val_pooled_pearson"], abs=1e-4
    )
    # kind by kind, from models predicted one by one
    table = found.by_kind(data.kinds)
    assert sum(row["models"] for row in table.values()) == len(found.positions)
    kind = data.kinds[found.positions[0]]
    alone = [p for p in found.positions if data.kinds[p] == kind]
    single = predict(model, data, alone, "cpu", 1)
    assert table[kind]["predicted"] == pytest.approx(single.score.mean(), abs=1e-6)
    assert table[kind]["residue_pearson"] == pytest.approx(
        np.corrcoef(single.local, single.true_local)[0, 1], abs=1e-6
    )


def test_validation_is_thinned_evenly(data):
    chosen = thinned(data, list(range(36)), 30)
    assert len(chosen) == 30 and chosen == thinned(data, list(range(36)), 30)
    assert np.unique(data.targets[chosen], return_counts=True)[1].tolist() == [5] * 6
    assert thinned(data, [5, 3], 12) == [5, 3]
    # fewer targets where their models would be too few to rank
    few = thinned(data, list(range(36)), 12)
    assert np.unique(data.targets[few], return_counts=True)[1].tolist() == [6, 6]


def test_a_split_that_leaves_nothing_is_refused(data):
    parts = data.split(None, 0, (0.5, 0.5, 0.0))
    assert sorted(parts["train"] + parts["val"]) == [f"t{k}" for k in range(6)]
    with pytest.raises(InputError, match="leaves 6 targets to train on and 0 to validate"):
        data.split(None, 0, (1.0, 0.0, 0.0))
