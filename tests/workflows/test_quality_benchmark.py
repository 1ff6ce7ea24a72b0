"""The table beside VoroMQA: which targets it takes, and what a model without a score counts."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows/quality"))
import benchmark  # noqa: E402

MODELS = {name: 0.95 - 0.1 * k for k, name in enumerate("abcdefgh")}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return a function that runs the script on two targets, of which one is scored."""
    for target in ("T1", "T2"):
        rows = [
            {"model": name, "CAD_AA": cad, "voromqa_light": 1 - cad, "voromqa_dark": cad}
            for name, cad in MODELS.items()
        ]
        benchmark.write(tmp_path / "official" / target / "scores.csv", rows)
    scored = [{"model": name, "predicted_cad": cad} for name, cad in MODELS.items()]
    scored[0]["predicted_cad"] = ""  # the best model has no score
    benchmark.write(tmp_path / "own" / "T1" / "scores.csv", scored)

    def run(*options: str) -> dict[tuple[str, str], dict[str, str]]:
        paths = [str(tmp_path / "official"), "--scores", f"own={tmp_path / 'own'}"]
        argv = ["benchmark.py", *paths, "--out", str(tmp_path / "table"), *options]
        monkeypatch.setattr("sys.argv", argv)
        benchmark.main()
        with (tmp_path / "table/quality.csv").open(encoding="utf-8", newline="") as stream:
            return {(row["method"], row["target"]): row for row in csv.DictReader(stream)}

    return run


def test_only_the_targets_asked_for_are_compared(call):
    rows = call("--targets", "T1")
    assert {target for _, target in rows} == {"T1", "mean", "pooled"}
    assert rows["own", "pooled"]["models"] == str(len(MODELS))
    with pytest.raises(FileNotFoundError):
        call()


def test_a_model_without_a_score_is_the_worst(call):
    rows = call("--targets", "T1")
    assert float(rows["voromqa_dark", "T1"]["spearman"]) == 1.0
    assert float(rows["voromqa_light", "T1"]["spearman"]) == -1.0
    # in order, but for the best one, which comes last: 1 - 6 (49 + 7) / (8 (64 - 1))
    assert float(rows["own", "T1"]["spearman"]) == pytest.approx(1 / 3, abs=1e-3)
    assert float(rows["own", "T1"]["loss"]) == pytest.approx(0.1)
