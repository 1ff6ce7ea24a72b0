"""Options of `molgen generate` for the sampler sidegen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from molgen.cli.main import cli

TARGET = Path(__file__).resolve().parents[2] / "data/examples/6xg5.cif"
QUICK = """
num_poses: 1
box_edge: 16.0
device: cpu
search: {conformers: 1, num_starts: 8, num_chains: 1, rounds: 1, steps: 1, grid_spacing: 0.9,
         potential: null}
sidegen: {samples: 2, steps: 3, rounds: 0, starts: 8}
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "quick.yaml").write_text(QUICK)

    def call(*arguments):
        common = ["--pdb", TARGET, "--out", tmp_path / "out", "--config", tmp_path / "quick.yaml"]
        return CliRunner().invoke(cli, ["generate", *map(str, [*common, *arguments])])

    return call


def test_guidance_search_space_and_raw_poses_reach_the_run(run, tmp_path):
    result = run(
        *("--sampler", "sidegen", "--ligand", "Oc1ccccc1", "--guide", "clash=0.5,vina=0"),
        *("--sidegen-search", "best-of-n", "--sidegen-space", "cartesian"),
        *("--keep-raw", "--quiet"),
    )
    assert result.exit_code == 0, result.output
    settings = json.loads((tmp_path / "out/run.json").read_text())["config"]
    guidance = settings["sidegen"]["guidance"]
    assert (guidance["on"], guidance["clash"], guidance["vina"]) == (True, 0.5, 0.0)
    assert guidance["internal"] == 1.0  # not named: as it is
    assert settings["sidegen"]["inference"]["kind"] == "best-of-n" and settings["keep_raw"]
    assert settings["sidegen"]["space"] == "cartesian"
    assert (tmp_path / "out/raw_poses.sdf").is_file()


def test_a_seed_draws_the_same_poses_in_another_process(tmp_path):
    options = ("--sampler", "sidegen", "--ligand", "OCC(N)Cc1ccccc1", "--keep-raw", "--quiet")
    (tmp_path / "quick.yaml").write_text(QUICK)
    # all are processes: tests before may have changed torch's threads in this one, so its roundings
    for out, seed in (("first", 3), ("again", 3), ("other", 4)):
        command = [
            *(sys.executable, "-m", "molgen.cli.main", "generate", "--pdb", TARGET),
            *("--config", tmp_path / "quick.yaml", "--out", tmp_path / out, "--seed", seed),
        ]
        subprocess.run([*map(str, command), *options], check=True, timeout=300)
    for name in ("raw_poses.sdf", "poses.sdf"):
        first = (tmp_path / "first" / name).read_bytes()
        assert first == (tmp_path / "again" / name).read_bytes()
    assert (tmp_path / "other/raw_poses.sdf").read_bytes() != (
        tmp_path / "again/raw_poses.sdf"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--guide", "clash"], "'clash' is no weight; expected on, none or weights such as"),
        (["--guide", "clahs=1"], "sidegen.guidance.clahs: unknown key"),
        (["--guide", "clash=-1"], "sidegen.guidance.clash: must be at least 0.0"),
        (["--sidegen-space", "torus"], "sidegen.space: must be one of 'rigid-torsion'"),
        (["--sidegen-search", "trees"], "sidegen.inference.kind: must be one of 'none'"),
    ],
)
def test_options_that_mean_nothing_are_refused(run, tmp_path, arguments, message):
    result = run("--sampler", "sidegen", "--ligand", "C", *arguments)
    assert result.exit_code == 2 and message in result.stderr, result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--guide", "on"],
        ["--sidegen-space", "cartesian"],
        ["--sidegen-search", "tree"],
        ["--keep-raw"],
    ],
)
def test_other_samplers_do_not_ignore_them(run, arguments):
    result = run("--ligand", "C", *arguments)
    assert result.exit_code == 2
    assert f"{arguments[0]} needs --sampler sidegen, not search" in result.stderr


@pytest.mark.parametrize("options", [["--sampler", "sidegen"], ["--rank", "energy"]])
def test_what_has_no_confidence_of_searched_poses_cannot_be_unsure(run, options):
    result = run("--ligand", "C", "--unsure", "0.4", *options)
    assert result.exit_code == 2
    assert "--unsure needs --sampler search and a confidence" in result.stderr
