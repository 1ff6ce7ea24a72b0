"""The benchmark workflow's plumbing, with a stand-in for `molgen` that only writes files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("snakemake", reason="snakemake is not installed")
pytest.importorskip("vina", reason="the optional package vina is not installed")

ROOT = Path(__file__).resolve().parents[2]

STAND_IN = """#!{python}
import pathlib, sys

arguments = sys.argv[1:]
out = pathlib.Path(arguments[arguments.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
with open("calls.txt", "a") as calls:
    print(*arguments, file=calls)
if arguments[0] == "generate":
    for option in ("--pdb", "--ligand", "--pocket"):
        assert pathlib.Path(arguments[arguments.index(option) + 1]).is_file(), option
    if "BUG" in str(out):
        sys.exit(1)
    (out / "status.csv").write_text("name,status\\n")
    sys.exit(3 if "FAIL" in str(out) else 2 if "BAD" in str(out) else 0)
(out / "summary.csv").write_text("")
"""


@pytest.fixture
def place(tmp_path):
    """Return a folder with a stand-in `molgen`, three entries in an archive and a config."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    molgen = binaries / "molgen"
    molgen.write_text(STAND_IN.format(python=sys.executable))
    molgen.chmod(molgen.stat().st_mode | stat.S_IXUSR)
    for name in ("1AAA_XYZ", "2BBB_FAIL", "3CCC_BAD"):
        folder = tmp_path / "raw" / "bench" / name
        folder.mkdir(parents=True)
        for kind in ("protein.pdb", "ligand.sdf", "ligand_start_conf.sdf"):
            (folder / f"{name}_{kind}").write_text("")
    subprocess.run(["tar", "-cJf", "bench.tar.xz", "-C", "raw", "bench"], cwd=tmp_path, check=True)
    (tmp_path / "vina.yaml").write_text("vina: {exhaustiveness: 8}\n")
    return tmp_path


def run(place: Path, *, check: bool = True, **changes) -> subprocess.CompletedProcess[str]:
    defaults = yaml.safe_load((ROOT / "workflows/posebench/config.yaml").read_text())
    settings = {
        **defaults,
        "out": "runs",
        "sets": {"bench": {"source": "bench.tar.xz", "folder": "bench"}},
        "arms": {
            "molgen": {"sampler": "search", "config": None},
            "vina_given": {"sampler": "vina", "config": "vina.yaml"},
            "vina_conformers": {"sampler": "vina", "config": "vina.yaml"},
        },
        **changes,
    }
    (place / "config.yaml").write_text(yaml.safe_dump(settings))
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--keep-going"]
    command += ["--snakefile", str(ROOT / "workflows/posebench/Snakefile")]
    command += ["--configfile", "config.yaml"]
    result = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


def calls(place: Path, command: str) -> list[str]:
    lines = (place / "calls.txt").read_text().splitlines()
    return sorted(line for line in lines if line.startswith(command))


def test_every_entry_runs_in_every_arm_and_failures_stop_nothing(place):
    run(place)
    generated = calls(place, "generate")
    assert len(generated) == 3 * 3
    assert (
        "generate --pdb runs/data/bench/1AAA_XYZ/1AAA_XYZ_protein.pdb"
        " --ligand runs/data/bench/1AAA_XYZ/1AAA_XYZ_ligand_start_conf.sdf"
        " --pocket runs/data/bench/1AAA_XYZ/1AAA_XYZ_ligand.sdf --sampler vina --config vina.yaml"
        " --num-poses 40 --seed 0 --device cpu --out runs/bench/vina_given/1AAA_XYZ --quiet"
    ) in generated
    evaluated = calls(place, "evaluate")
    assert len(evaluated) == 3 + 1
    assert any(line.count("--poses") == 3 for line in evaluated)
    assert (place / "runs/bench/table/summary.csv").is_file()


def test_arms_of_vina_without_the_package_stop_before_the_first_entry(place, monkeypatch):
    (place / "without").mkdir()
    (place / "without/sitecustomize.py").write_text("import sys\nsys.modules['vina'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(place / "without"))
    stopped = run(place, check=False)
    assert stopped.returncode != 0 and not (place / "runs").exists()
    assert "the arms of Vina need the packages vina and meeko" in stopped.stderr


def test_several_sets_are_also_evaluated_as_one(place):
    (place / "raw/second/4DDD_XYZ").mkdir(parents=True)
    for kind in ("protein.pdb", "ligand.sdf", "ligand_start_conf.sdf"):
        (place / f"raw/second/4DDD_XYZ/4DDD_XYZ_{kind}").write_text("")
    sets = {name: {"source": "raw", "folder": name} for name in ("bench", "second")}
    run(place, sets=sets, arms={"molgen": {"sampler": "search", "config": None}})
    (together,) = (line for line in calls(place, "evaluate") if "runs/all/table" in line)
    assert together.split()[1:5] == ["--poses", "runs/all/molgen", "--reference", "runs/all/data"]
    names = ["1AAA_XYZ", "2BBB_FAIL", "3CCC_BAD", "4DDD_XYZ"]
    assert sorted(path.name for path in (place / "runs/all/data").glob("[0-9]*")) == names
    produced = sorted(path.parent.name for path in (place / "runs/all/molgen").glob("*/status.csv"))
    assert produced == names


def test_an_archive_may_hold_its_entries_at_any_depth_and_paths_may_have_spaces(place):
    source = place / "raw/my sets/deep"
    source.mkdir(parents=True)
    (place / "raw/bench").rename(source / "bench")
    packed = ["tar", "-cf", "deep.tar", "-C", "raw", "my sets"]
    subprocess.run(packed, cwd=place, check=True)
    sets = {"bench": {"source": "deep.tar", "folder": "my sets/deep/bench"}}
    run(place, sets=sets, out="my runs", arms={"molgen": {"sampler": "search", "config": None}})
    assert len(calls(place, "generate")) == 3
    assert (place / "my runs/bench/table/summary.csv").is_file()


def test_changed_settings_run_again(place):
    arms = {"molgen": {"sampler": "search", "config": None}}
    run(place, arms=arms)
    run(place, arms=arms)
    assert len(calls(place, "generate")) == 3
    run(place, arms=arms, seed=7)
    assert [line.count("--seed 7") for line in calls(place, "generate")].count(1) == 3


def test_limit_and_shard_choose_entries(place):
    run(place, limit=2, shard="2/2")
    assert {line.split("/")[3] for line in calls(place, "generate")} == {"2BBB_FAIL"}
    # What is not run must not be there either: every reference counts as attempted.
    assert [p.name for p in (place / "runs/data/bench").iterdir() if p.is_dir()] == ["2BBB_FAIL"]


def test_a_bug_of_molgen_is_not_taken_for_a_failure(place):
    (place / "raw/bench/1AAA_XYZ").rename(place / "raw/bench/1AAA_BUG")
    for path in (place / "raw/bench/1AAA_BUG").iterdir():
        path.rename(path.with_name(path.name.replace("XYZ", "BUG")))
    result = run(place, check=False, sets={"bench": {"source": "raw", "folder": "bench"}})
    assert result.returncode != 0
    assert len(calls(place, "generate")) == 9  # the others still ran
    assert not (place / "runs/bench/table").exists()


def test_shipped_configs_name_files_that_exist():
    for name in ("posebench", "test"):
        settings = yaml.safe_load((ROOT / f"workflows/{name}/config.yaml").read_text())
        for arm in settings["arms"].values():
            assert arm["config"] is None or (ROOT / arm["config"]).is_file()
    smoke = yaml.safe_load((ROOT / "workflows/test/config.yaml").read_text())
    for chosen in smoke["sets"].values():
        folder = ROOT / chosen["source"] / chosen["folder"]
        for entry in folder.iterdir():
            for kind in ("protein.pdb", "ligand.sdf", "ligand_start_conf.sdf"):
                assert (entry / f"{entry.name}_{kind}").is_file()


def test_arm_settings_are_settings_of_generate():
    from molgen.api.generate import GenerateConfig
    from molgen.config import load

    paths = sorted((ROOT / "workflows").glob("*/arms/*.yaml"))
    assert len(paths) >= 5
    for path in paths:
        assert load(GenerateConfig, path).num_poses == 10  # an unknown key or a bad value raises
