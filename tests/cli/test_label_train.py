"""`molgen label` and `molgen train` on the command line: the chain, and errors as one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from molgen.cli.main import cli

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
QUICK = """
num_poses: 4
native_poses: 2
search: {conformers: 2, num_starts: 32, num_chains: 2, steps: 2, grid_spacing: 0.8, potential: null}
"""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def done(result) -> str:
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def refused(result, *pieces):
    """Check for one line on stderr, nothing on stdout and exit code 2."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("molgen: error: ") and result.stderr.count("\n") == 1
    for piece in pieces:
        assert piece in result.stderr


def test_the_chain(tmp_path):
    (tmp_path / "quick.yaml").write_text(QUICK)
    (tmp_path / "split").mkdir()
    (tmp_path / "split/val.txt").write_text("6XG5_TOP\n")
    (tmp_path / "split/test.txt").write_text("")
    (tmp_path / "fit.yaml").write_text("epochs: 2\n")
    labels, contacts, out = (tmp_path / name for name in ("labels", "contacts", "checkpoint"))

    poses = ["label", "poses", COMPLEXES, "--out", labels, "--config", tmp_path / "quick.yaml"]
    assert done(run(*poses)) == f"2 complexes labelled, 0 failed: {labels}\n"
    refused(run(*poses, "--seed", 5), "holds labels of other settings")
    refused(run(*poses, "--device", "cuda:99"), "cuda:99")
    for shard in ("0/2", "3/2", "1", "a/b"):
        asked = run(*poses, "--shard", shard)
        assert asked.exit_code == 2 and "expected I/N with I from 1 to N" in asked.stderr
    assert done(run(*poses, "--shard", "1/2")) == f"1 complexes labelled, 0 failed: {labels}\n"
    config = json.loads((labels / "labels.json").read_text())["config"]
    assert config["search"]["steps"] == 2 and config["search"]["rounds"] == 1  # label's own default

    printed = done(
        run("label", "contacts", COMPLEXES, "--poses", labels, "--out", contacts, "--json")
    )
    assert json.loads(printed) == {
        "file": str(contacts), "complexes": 2, "with poses": 2, "failed": 0,
    }  # fmt: skip

    train = ["train", "contacts", contacts, "--out", out, "--split", tmp_path / "split"]
    train += ["--config", tmp_path / "fit.yaml"]
    lines = done(run(*train)).splitlines()
    assert lines[0].startswith(f"{out}: trained on 1, measured on 1 complexes") and len(lines) == 5
    assert all("%" in line for line in lines[1:])
    refused(run(*train), "is not empty; --force replaces the checkpoint in it")
    result = json.loads(done(run(*train, "--force", "--json")))
    assert result["held_out"] == 1 and result["folder"] == str(out)
    assert done(run(*train, "--force", "--quiet")) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["label", "poses", "none", "--out", "out"], "none: no such folder"),
        (
            ["label", "contacts", "none", "--poses", "labels", "--out", "out"],
            "none: no such folder",
        ),
        (["label", "contacts", COMPLEXES, "--poses", "labels", "--out", "out"], "holds no labels"),
        (["train", "contacts", "none", "--out", "out"], "none: not readable as contacts"),
    ],
)
def test_input_that_is_not_there(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    refused(run(*arguments), message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poses: 3\n", "poses: unknown key"),
        ("search: {potential: 7}\n", "search.potential: must be text"),
        ("search: {potential: nothing}\n", "no checkpoint 'nothing'"),
        ("num_poses: 1\n", "num_poses: must be at least 2"),
    ],
)
def test_settings_that_cannot_be(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    config = ["--config", tmp_path / "bad.yaml"]
    refused(run("label", "poses", COMPLEXES, "--out", tmp_path / "out", *config), message)
    assert not (tmp_path / "out").exists()
