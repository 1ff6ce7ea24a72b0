"""The reliability plot: what it is given is what it draws."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from molgen.report.plots import reliability


def test_reliability_draws_frequencies_over_mean_probabilities(tmp_path, monkeypatch):
    drawn = {}

    def errorbar(self, x, y, *, yerr, label, **_):
        drawn[label] = np.asarray(x), np.asarray(y), np.asarray(yerr)

    monkeypatch.setattr(Axes, "errorbar", errorbar)
    monkeypatch.setattr(Axes, "legend", lambda *_, **__: None)
    chance, right = [0.1, 0.1, 0.72, 0.78, 1.0], [False, True, True, True, True]
    reliability(tmp_path / "plot.png", {"poses": (chance, right)}, bins=4)
    x, y, error = drawn["poses (5)"]
    assert x == pytest.approx([10.0, 72.0, 89.0]) and y == pytest.approx([50.0, 100.0, 100.0])
    assert error.shape == (2, 3) and (error >= 0).all() and error[1, 1] == pytest.approx(0.0)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
