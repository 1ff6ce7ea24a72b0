"""`molgen train quality`: a store to a checkpoint with all its files, resumable."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from made_store import make_store

from molgen.api import train_quality as use_case
from molgen.cli.main import cli
from molgen.datasets.quality import QualityStore
from molgen.errors import ConfigError
from molgen.scoring.quality import read_domain
from molgen.scoring.quality_model import load_quality
from molgen.training import loop
from molgen.training.quality_data import QualityData

FILES = {
    "model.safetensors", "config.json", "SHA256SUMS", "MODEL_CARD.md", "domain.json",
    "metrics.json", "history.csv", "history.png",
}  # fmt: skip
SETTINGS = """
model: sgcn_5
fractions: [0.5, 0.5, 0.0]
sampling: {models: 24, group: 3}
loop: {epochs: 3, warmup: 2, save_minutes: 0.0}
encoder: {order: 2}
"""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "made")


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(SETTINGS)
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["train", "quality", *map(str, arguments)])


def test_a_checkpoint_has_everything_and_predicts(store, config, tmp_path):
    out = tmp_path / "out"
    result = run(store, "--out", out, "--config", config, "--seed", 5, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert {path.name for path in out.iterdir()} == FILES
    assert printed["trained_on"] == 18 and printed["held_out"] == 18 and printed["epochs"] == 3
    model = load_quality(str(out))
    assert model.encoder.config.order == 2
    data = QualityData([QualityStore(store)])
    with torch.no_grad():
        assert model(data.load([0]).graph).shape == (14,)
    rows = list(csv.DictReader((out / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[-1]["train_loss"]) > 0
    card = (out / "MODEL_CARD.md").read_text()
    facts = json.loads((out / "metrics.json").read_text())
    for piece in (facts["data_sha256"], facts["code"], '"seed": 5', "15 made-up, 3 native", "made"):
        assert piece in card
    assert set(facts["metrics"]) >= {"target_pearson", "pooled_pearson", "residue_pearson"}
    domain = read_domain(str(out))  # as scoring reads it
    assert domain["residues"][0] >= 14 and domain["chains"] == (2, 2)
    assert (out / "history.png").read_bytes()[:4] == b"\x89PNG"
    result = run(store, "--out", out, "--config", config, "--resume")
    assert result.exit_code == 2 and "is finished; --force replaces it" in result.stderr
    again = run(store, "--out", out, "--config", config, "--force", "--quiet")
    assert (again.exit_code, again.stdout) == (0, "")


def test_a_run_starts_from_a_checkpoint(store, config, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(store, "--out", first, "--config", config, "--quiet").exit_code == 0
    still = tmp_path / "still.yaml"  # so slow that the start is the end
    still.write_text(
        SETTINGS.replace("loop: {", "loop: {learning_rate: 1.0e-30, weight_decay: 0.0, ")
    )
    found = run(store, "--out", second, "--config", still, "--init", first, "--quiet")
    assert found.exit_code == 0, found.output
    before, after = (dict(load_quality(str(f)).named_parameters()) for f in (first, second))
    for name, value in before.items():
        torch.testing.assert_close(value, after[name], msg=name)
    assert "Start: weights" in (second / "MODEL_CARD.md").read_text()
    other = tmp_path / "other.yaml"
    other.write_text(config.read_text().replace("order: 2", "order: 3"))
    refused = run(store, "--out", tmp_path / "x", "--config", other, "--init", first)
    assert refused.exit_code == 2 and "with other options than" in refused.stderr


def test_a_killed_run_ends_with_the_same_weights(store, config, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run(store, "--out", whole, "--config", config, "--quiet").exit_code == 0

    steps = 0
    step = loop._Run._step

    def dying(self, batch):
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_step", dying)
        assert run(store, "--out", broken, "--config", config).exit_code == 130
    course = {"history.csv", "history.png"}  # of the epochs so far
    assert {path.name for path in broken.iterdir()} == {"training.safetensors"} | course
    refused = run(store, "--out", broken, "--config", config)
    assert refused.exit_code == 2 and "--resume continues a run" in refused.stderr
    other = run(store, "--out", broken, "--config", config, "--resume", "--seed", 9)
    assert other.exit_code == 2 and "other settings or data" in other.stderr
    assert run(store, "--out", broken, "--config", config, "--resume").exit_code == 0
    assert (whole / "model.safetensors").read_bytes() == (broken / "model.safetensors").read_bytes()


def test_several_stores_and_given_lists(store, tmp_path):
    second = make_store(tmp_path / "second", targets=2, models=5)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/val.txt").write_text("t2\nt3\n")
    result = use_case.train_quality(
        [store, second],
        tmp_path / "out",
        run=use_case.smoke(use_case.read_run(None, {"model": "message_passing"})),
        split=tmp_path / "lists",
        device="cpu",
    )
    assert (result.held_out, result.trained_on, result.epochs) == (12, 4 * 6 + 2 * 5, 2)
    facts = json.loads((tmp_path / "out/metrics.json").read_text("utf-8"))
    assert (facts["train_targets"], facts["model"]) == (4, "message_passing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modell: x\n", r"unknown key.*model"),
        ("encoder: 3\n", "encoder: must hold keys and values"),
        ("loop: {epochs: 0}\n", "loop.epochs: must be at least 1"),
        ("sampling: {kinds: {native: -1}}\n", "sampling.kinds.native: must be at least 0"),
    ],
)
def test_settings_that_cannot_be(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        use_case.read_run(tmp_path / "bad.yaml", {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none", "--out", "out"), "no manifest.json"),
        (("{store}", "--out", "out", "--model", "sgcn"), "unknown quality model 'sgcn'"),
        (("{store}", "--out", "out", "--device", "tpu"), "device 'tpu' is not known"),
        (("{store}", "--out", "{store}"), "which is no part of a checkpoint"),
        (("{store}", "--out", "out", "--split", "none"), "val.txt: no split there"),
    ],
)
def test_one_line_says_what_is_wrong(store, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run(*(argument.format(store=store) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
