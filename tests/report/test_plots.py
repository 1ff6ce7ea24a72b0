"""Plots draw what they are given, under its name."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from molgen.metrics import Outcome
from molgen.report.plots import by_rotatable_bonds, cumulative_rmsd, reliability, rotatable_bars


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


def test_failures_stay_in_the_denominator_of_the_curve(tmp_path, monkeypatch):
    ends = []
    monkeypatch.setattr(Axes, "step", lambda self, x, y, *_, **__: ends.append(y[-1]))
    monkeypatch.setattr(Axes, "legend", lambda *_, **__: None)
    cumulative_rmsd(tmp_path / "x.png", {"run": [Outcome("a", (1.0,)), Outcome("b", reason="no")]})
    assert ends == [50.0, 50.0]  # top-1 and oracle


def test_success_by_rotatable_bonds_is_that_of_the_top_pose():
    table = by_rotatable_bonds([Outcome("a", (3.0, 1.0), extra={"rotatable_bonds": 2})])
    assert (table["0–3"].successes, table["0–3"].total) == (0, 1)


def test_every_run_is_in_the_legend_whatever_its_name_and_bins(tmp_path, monkeypatch):
    shown = []
    legend = Axes.legend

    def spy(self, *arguments, **options):
        shown.extend(self.get_legend_handles_labels()[1])
        return legend(self, *arguments, **options)

    monkeypatch.setattr(Axes, "legend", spy)

    def run(*bonds: int) -> list[Outcome]:
        return [Outcome("a", rmsds=(1.0,), extra={"rotatable_bonds": b}) for b in bonds]

    runs = {"all": run(0, 5, 8), "_hidden": run(5), r"a$\q$": run(8)}
    rotatable_bars(tmp_path / "bars.png", runs)
    assert shown == ["all", " _hidden", r"a\$\q\$"]
    shown.clear()
    cumulative_rmsd(tmp_path / "lines.png", runs)
    assert shown[::2] == ["all top-1", " _hidden top-1", r"a\$\q\$ top-1"]
