"""The plumbing of the contact workflow, with a stand-in for `molgen` that only writes files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("snakemake", reason="snakemake is not installed")

ROOT = Path(__file__).resolve().parents[2]

STAND_IN = """#!{python}
import pathlib, sys

arguments = sys.argv[1:]
with open("calls.txt", "a") as calls:
    print(*arguments, file=calls)
out = pathlib.Path(arguments[arguments.index("--out") + 1])
command = " ".join(arguments[:2])
if command == "label contacts":
    out.write_text("")
else:
    out.mkdir(parents=True, exist_ok=True)
    (out / "status.csv").write_text("id,status,reason\\n")
    (out / "kept").write_text("")
if command == "label poses" and pathlib.Path("stop").is_file():
    sys.exit(1)
"""


@pytest.fixture
def place(tmp_path):
    """Return a folder with a stand-in `molgen` and a collection."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    molgen = binaries / "molgen"
    molgen.write_text(STAND_IN.format(python=sys.executable))
    molgen.chmod(molgen.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "raw").mkdir()
    return tmp_path


def run(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    command += ["--snakefile", str(ROOT / "workflows/contacts/Snakefile")]
    command += ["--config", "raw=raw", "out=out", *options]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def calls(place: Path) -> list[str]:
    return (place / "calls.txt").read_text().splitlines()


def test_two_rounds_the_second_with_the_potential_of_the_first(place):
    result = run(place, "limits=[0, 30]", "seeds=[4, 5]", "split_seed=7", "train_seed=8")
    assert result.returncode == 0, result.stdout + result.stderr
    made = calls(place)
    assert sorted(made) == sorted(
        [
            "preprocess raw --out out/store --split sequence --seed 7 --workers 1 --resume --quiet",
            "label poses raw --out out/round1/labels --seed 4 --config out/round1/labels.yaml"
            " --quiet",
            "label contacts raw --poses out/round1/labels --out out/round1/contacts.safetensors"
            " --quiet",
            "train contacts out/round1/contacts.safetensors --out out/round1/checkpoint"
            " --split out/store/splits/sequence-seed7 --seed 8",
            "label poses raw --out out/round2/labels --limit 30 --seed 5"
            " --config out/round2/labels.yaml --quiet",
            "label contacts raw --poses out/round1/labels --poses out/round2/labels"
            " --out out/round2/contacts.safetensors --quiet",
            "train contacts out/round2/contacts.safetensors --out out/round2/checkpoint"
            " --split out/store/splits/sequence-seed7 --seed 8",
        ]
    )
    assert made[-1].endswith("--seed 8") and "round2" in made[-1]
    potentials = [
        yaml.safe_load((place / f"out/round{k}/labels.yaml").read_text())["search"]["potential"]
        for k in (1, 2)
    ]
    assert potentials == [None, "out/round1/checkpoint"]


def test_a_stopped_round_keeps_its_labels(place):
    (place / "stop").touch()
    assert run(place).returncode != 0
    assert (place / "out/round1/labels/kept").is_file()
    assert not (place / "out/round1/labels/status.csv").is_file()
    (place / "stop").unlink()
    assert run(place).returncode == 0
    assert (place / "out/round2/checkpoint").is_dir()


def test_one_value_a_round(place):
    result = run(place, "seeds=[0]")
    assert result.returncode != 0
    assert "limits and seeds need one value for every round" in result.stdout + result.stderr


def test_the_settings_are_those_of_the_commands(tmp_path):
    from molgen.api.label_search import LabelConfig
    from molgen.config import load

    path = tmp_path / "labels.yaml"
    path.write_text(json.dumps({"search": {"potential": "out/round1/checkpoint"}}))
    found = load(LabelConfig, path)
    assert found.search.potential == "out/round1/checkpoint"
    assert found.search.rounds == LabelConfig().search.rounds
