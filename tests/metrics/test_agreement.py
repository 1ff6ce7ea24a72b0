"""Agreement of predicted with true quality, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molgen.metrics.agreement import MIN_MODELS, agreement, calibration, correlation

TRUE = np.array([0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_shifted_copy_agrees_fully_but_for_its_error():
    found = correlation(TRUE + 0.1, TRUE)
    assert found[1:4] == pytest.approx((1.0, 1.0, 1.0))
    assert found.loss == 0.0
    assert found.error == pytest.approx(0.1)


def test_loss_is_what_the_top_ranked_model_lacks():
    predicted = np.array([0.9, 0.1, 0.2, 0.3, 0.4])
    found = correlation(predicted, TRUE)
    assert found.loss == pytest.approx(0.4)
    # ranks 5 1 2 3 4 against 1 2 3 4 5: 1 - 6 * (16 + 4 * 1) / 120
    assert found.spearman == pytest.approx(0.0)
    # four of ten pairs, those with the first model, are discordant
    assert found.kendall == pytest.approx(0.2)


def test_what_does_not_vary_has_no_correlation():
    found = correlation(np.full(5, 0.3), TRUE)
    assert math.isnan(found.pearson) and math.isfinite(found.error)
    assert correlation(np.zeros(0), np.zeros(0)).models == 0


def test_targets_are_judged_one_by_one_and_together():
    owner = ["a"] * 5 + ["b"] * 5 + ["c"] * (MIN_MODELS - 1)
    true = np.concatenate([TRUE, TRUE + 0.4, TRUE[:-1]])
    predicted = np.concatenate([TRUE, -TRUE, TRUE[:-1]])
    found = agreement(owner, predicted, true)
    assert list(found.targets) == ["a", "b"]
    assert found.targets["a"].pearson == pytest.approx(1.0)
    assert found.targets["b"].pearson == pytest.approx(-1.0)
    assert found.mean.pearson == pytest.approx(0.0)
    assert found.mean.models == 10
    assert found.mean.loss == pytest.approx(0.2)
    assert found.pooled.models == 14
    assert found.pooled.pearson == pytest.approx(float(np.corrcoef(predicted, true)[0, 1]))


def test_calibration_bins():
    lines = calibration(np.array([0.05, 0.15, 0.18, 1.0]), np.array([0.1, 0.3, 0.1, 0.9]))
    assert [line.models for line in lines] == [1, 2, 1]
    assert lines[1].predicted == pytest.approx(0.165)
    assert lines[1].true == pytest.approx(0.2)
    assert (lines[2].low, lines[2].high) == (0.9, 1.0)
