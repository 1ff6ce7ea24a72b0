"""The output folder of `molgen generate`: resumed after any stop, replaced, never clobbered."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molgen.api import docking as module
from molgen.api.generate import generate
from molgen.api.output_folder import LigandResult, _write_status
from molgen.checkpoints import checkpoint_folder, save_domain
from molgen.config import to_dict
from molgen.errors import DependencyError, LigandError, MolgenWarning, OutputError
from molgen.io.locks import held
from molgen.structure import Poses

NAMES = ("phenol", "cresol", "thymol", "anisole")
ROWS = "name,smiles\n" + "".join(
    f"{name},{smiles}\n"
    for name, smiles in zip(
        NAMES, ("Oc1ccccc1", "Cc1ccccc1O", "CC(C)c1ccc(C)cc1O", "COc1ccccc1"), strict=True
    )
)


@pytest.fixture
def ligands(tmp_path: Path) -> Path:
    path = tmp_path / "ligands.csv"
    path.write_text(ROWS)
    return path


class Watched:
    """A sampler that counts its calls and can fail on a ligand."""

    def __init__(self, real, failures):
        self.real, self.failures, self.calls = real, failures, []

    def sample(self, ligand, num_poses, seed):
        self.calls.append(ligand.name)
        if ligand.name in self.failures:
            raise self.failures[ligand.name]
        return self.real.sample(ligand, num_poses, seed)


@pytest.fixture
def watch(monkeypatch):
    """Return a function that puts a `Watched` sampler in the place of the next ones."""
    build = module.build_sampler

    def start(**failures):
        samplers = []

        def make(*arguments):
            samplers.append(Watched(build(*arguments), failures))
            return samplers[-1]

        monkeypatch.setattr(module, "build_sampler", make)
        return samplers

    return start


def content(folder: Path) -> dict[str, bytes]:
    """Return what must be the same however often a run was stopped."""
    paths = [*folder.rglob("poses.sdf"), folder / "summary.csv"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*")]


def test_resume_after_a_stop_between_ligands(tmp_path, target, quick, ligands, watch):
    generate(target, tmp_path / "whole", ligand=ligands, config=quick)
    out = tmp_path / "out"
    watch(thymol=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        generate(target, out, ligand=ligands, config=quick)
    samplers = watch()
    result = generate(target, out, ligand=ligands, config=quick, resume=True)
    assert samplers[-1].calls == ["thymol", "anisole"] and result.resumed == 2
    assert content(out) == content(tmp_path / "whole")
    generate(target, out, ligand=ligands, config=quick, resume=True)
    assert samplers[-1].calls == []
    assert content(out) == content(tmp_path / "whole")


def test_resume_after_a_stop_while_a_ligand_is_written(tmp_path, target, quick, ligands):
    generate(target, tmp_path / "whole", ligand=ligands, config=quick)
    out = tmp_path / "out"
    generate(target, out, ligand=ligands, config=quick)
    for name in ("summary.csv", "status.csv", "run.json", "report.html"):
        (out / name).unlink()
    (out / "phenol/record.json").write_text("{}")  # started, poses not written
    (out / "phenol/poses.sdf").unlink()
    (out / "cresol/record.json").write_text("{}")  # poses written, outcome not
    (out / "cresol/.poses.sdf.kq2").write_text("half a record")
    (out / "thymol/record.json").write_text('{"key": "cut sho')
    (out / "anisole/poses.sdf").unlink()
    result = generate(target, out, ligand=ligands, config=quick, resume=True)
    assert result.resumed == 0 and not hidden(out)
    assert content(out) == content(tmp_path / "whole")


KILLED = """
import os, signal
from molgen.api import docking
from molgen.cli.main import cli
build = docking.build_sampler
def make(*arguments):
    sampler = build(*arguments)
    real = sampler.sample
    def sample(ligand, *rest):
        if ligand.name == "thymol":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(ligand, *rest)
    sampler.sample = sample
    return sampler
docking.build_sampler = make
cli()
"""


def test_resume_after_a_killed_process(tmp_path, target, quick, ligands):
    out = tmp_path / "out"
    settings = tmp_path / "quick.yaml"
    settings.write_text(json.dumps(to_dict(quick)))
    arguments = ["generate", "--pdb", target, "--ligand", ligands, "--out", out]
    arguments += ["--config", settings, "--json"]

    def run(*command):
        command = [sys.executable, *command]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    killed = run("-c", KILLED, *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (out / "thymol/record.json").exists() and not (out / "status.csv").exists()
    again = run("-m", "molgen.cli.main", *arguments, "--resume")
    assert again.returncode == 0 and json.loads(again.stdout)["resumed"] == 2, again.stderr
    generate(target, tmp_path / "whole", ligand=ligands, config=quick)
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize("change", ["seed", "pocket", "ligand", "structure"])
def test_resume_keeps_nothing_of_another_question(tmp_path, target, quick, watch, change):
    out, pdb = tmp_path / "out", tmp_path / target.name
    shutil.copy(target, pdb)
    generate(pdb, out, ligand="C", config=quick)
    samplers = watch()
    generate(pdb, out, ligand="C", config=quick, resume=True)
    assert samplers[-1].calls == []
    if change == "structure":
        pdb.write_text(pdb.read_text() + "# edited\n")
    with pytest.warns(MolgenWarning, match="1 of 1 ligands done again"):
        generate(
            pdb,
            out,
            ligand="O" if change == "ligand" else "C",
            pocket="auto" if change == "pocket" else None,
            config=replace(quick, seed=7) if change == "seed" else quick,
            resume=True,
        )
    assert samplers[-1].calls == ["ligand"]


def test_a_stop_amid_another_question_leaves_an_unfinished_run(
    tmp_path, target, quick, ligands, watch
):
    out = tmp_path / "out"
    generate(target, out, ligand=ligands, config=quick)
    watch(cresol=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        generate(target, out, ligand=ligands, config=replace(quick, seed=7), resume=True)
    left = {path.name for path in out.iterdir() if path.is_file()}
    assert not left & {"run.json", "status.csv", "summary.csv", "report.html"}


def test_poses_that_changed_are_made_again(tmp_path, target, quick, ligands, watch):
    out = tmp_path / "out"
    generate(target, out, ligand=ligands, config=quick)
    whole = content(out)
    path = out / "thymol/poses.sdf"
    path.write_bytes(path.read_bytes()[:200])
    samplers = watch()
    with pytest.warns(MolgenWarning, match="1 of 4 ligands done again"):
        generate(target, out, ligand=ligands, config=quick, resume=True)
    assert samplers[-1].calls == ["thymol"] and content(out) == whole


def test_what_an_earlier_run_left_of_other_ligands_is_said(tmp_path, target, quick, ligands):
    out = tmp_path / "out"
    generate(target, out, ligand=ligands, config=quick)
    with pytest.warns(MolgenWarning, match=r"other ligands, too \(anisole, cresol"):
        generate(target, out, ligand="Oc1ccccc1C", config=quick, resume=True)
    few = tmp_path / "few.csv"
    few.write_text("".join(ligands.read_text().splitlines(keepends=True)[:2]))
    with pytest.warns(MolgenWarning, match=r"other ligands, too \(poses\.sdf, "):
        generate(target, out, ligand=few, config=quick, resume=True)


def test_two_runs_do_not_share_a_folder(tmp_path, target, quick, ligands):
    out = tmp_path / "out"
    out.mkdir()
    with held(out), pytest.raises(OutputError, match="another run is writing there"):
        generate(target, out, ligand=ligands, config=quick)
    assert generate(target, out, ligand="C", config=quick).failed == 0


@pytest.mark.parametrize("how", ["resume", "force"])
def test_a_linked_folder_leads_nowhere(tmp_path, target, quick, ligands, how):
    out, outside = tmp_path / "out", tmp_path / "outside"
    generate(target, out, ligand=ligands, config=quick)
    (out / "thymol").rename(outside)
    (out / "thymol").symlink_to(outside)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    with pytest.raises(OutputError, match="thymol: is a link, which may lead out of"):
        generate(target, out, ligand=ligands, config=quick, **{how: True})
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


def test_a_failed_ligand_leaves_no_poses_of_an_earlier_attempt(tmp_path, target, quick, watch):
    out = tmp_path / "out"
    generate(target, out, ligand="C", config=quick)
    samplers = watch(ligand=LigandError("no such luck"))
    result = generate(target, out, ligand="C", config=replace(quick, seed=2), resume=True)
    assert result.ligands[0].reason == "no such luck" and not (out / "poses.sdf").exists()
    # the failure is an outcome: it is not tried again
    assert generate(
        target, out, ligand="C", config=replace(quick, seed=2), resume=True
    ).ligands == (result.ligands)
    assert samplers[-1].calls == []


def test_a_crash_on_one_ligand_is_kept_for_reading(tmp_path, target, quick, ligands, watch):
    out = tmp_path / "out"
    watch(cresol=KeyError("odd"))
    result = generate(target, out, ligand=ligands, config=quick)
    assert [ligand.status for ligand in result.ligands] == ["ok", "failed", "ok", "ok"]
    assert result.ligands[1].reason == "unexpected KeyError: 'odd'"
    record = json.loads((out / "cresol/record.json").read_text())
    assert "Traceback" in record["traceback"]
    samplers = watch()
    again = generate(target, out, ligand=ligands, config=quick, resume=True)
    assert samplers[-1].calls == ["cresol"] and again.failed == 0


def test_a_bug_with_a_single_ligand_stays_a_bug(tmp_path, target, quick, watch):
    watch(ligand=KeyError("odd"))
    with pytest.raises(KeyError):
        generate(target, tmp_path / "out", ligand="C", config=quick)


@pytest.mark.parametrize("error", [DependencyError("no vina"), OutputError("disk full")])
def test_what_no_ligand_is_to_blame_for_ends_the_run(
    tmp_path, target, quick, ligands, watch, error
):
    watch(cresol=error)
    with pytest.raises(type(error)):
        generate(target, tmp_path / "out", ligand=ligands, config=quick)


def test_the_best_score_of_a_ligand_is_its_lowest(tmp_path):
    poses = ({"score": -5.0}, {"score": -9.0})  # by confidence
    _write_status(tmp_path, [LigandResult("a", "", "ok", "", 1.0, "C", (), poses)])
    (row,) = csv.DictReader((tmp_path / "status.csv").open())
    assert float(row["best_score"]) == -9.0


def test_no_pose_is_a_failure(tmp_path, target, quick, watch, monkeypatch):
    def nothing(self, ligand, num_poses, seed):
        return Poses(ligand, np.zeros((0, ligand.num_atoms, 3)), np.zeros(0))

    monkeypatch.setattr(Watched, "sample", nothing)
    watch()
    result = generate(target, tmp_path / "out", ligand="CC", config=quick)
    assert (result.ligands[0].status, result.ligands[0].reason) == ("failed", "no pose found")


def test_a_folder_with_content_is_refused(tmp_path, target, quick):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="is not empty; --resume continues .* --force replaces"):
        generate(target, tmp_path, ligand="C", config=quick)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_of_no_run_is_not_resumed(tmp_path, target, quick):
    (tmp_path / "notes.txt").write_text("keep")
    (tmp_path / "poses.sdf").write_text("mine")
    with pytest.raises(OutputError, match=r"poses\.sdf is of no earlier run, nothing to resume"):
        generate(target, tmp_path, ligand="C", config=quick, resume=True)
    assert (tmp_path / "poses.sdf").read_text() == "mine"
    (tmp_path / "poses.sdf").unlink()
    assert generate(target, tmp_path, ligand="C", config=quick, resume=True).failed == 0


def test_force_replaces_no_file_of_no_run(tmp_path, target, quick):
    (tmp_path / "summary.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"summary\.csv is of no earlier run, not replaced"):
        generate(target, tmp_path, ligand="C", config=quick, force=True)
    assert content(tmp_path) == {"summary.csv": b"mine"}


@pytest.mark.parametrize("how", ["resume", "force"])
def test_input_among_the_results_is_refused(tmp_path, target, quick, ligands, how):
    out = tmp_path / "out"
    generate(target, out, ligand=ligands, config=quick)
    before = content(out)
    for poses in (out / "cresol" / "poses.sdf", out / "phenol" / ".." / "summary.csv"):
        with pytest.raises(OutputError, match="lies in the folder of the results"):
            generate(target, out, ligand=str(poses), config=quick, **{how: True})
    assert content(out) == before


def test_force_removes_our_outputs_only(tmp_path, target, quick, ligands):
    out = tmp_path / "out"
    generate(target, out, ligand=ligands, config=quick)
    (out / "mine.txt").write_text("keep")
    (out / "cresol/mine.txt").write_text("keep")
    (out / "thymol/.poses.sdf.x1").write_text("left by a kill")
    (out / "foreign").mkdir()
    (out / "foreign/poses.sdf").write_text("another program's")
    elsewhere = tmp_path / "elsewhere"
    generate(target, elsewhere, ligand="C", config=quick)
    (out / "link").symlink_to(elsewhere, target_is_directory=True)
    generate(target, out, ligand="C", config=quick, force=True)
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} >= {
        "mine.txt", "cresol/mine.txt", "foreign/poses.sdf", "poses.sdf", "run.json",
    }  # fmt: skip
    assert not (out / "phenol").exists() and not (out / "thymol").exists()
    assert not (out / "cresol/poses.sdf").exists()
    assert (elsewhere / "poses.sdf").is_file()


def test_bad_input_removes_nothing(tmp_path, target, quick):
    out = tmp_path / "out"
    generate(target, out, ligand="C", config=quick)
    before = content(out)
    with pytest.raises(LigandError):
        generate(target, out, ligand="not a ligand", config=quick, force=True)
    assert content(out) == before


def test_places_that_cannot_be_written(tmp_path, target, quick):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file; expected a folder"):
        generate(target, tmp_path / "file", ligand="C", config=quick)
    with pytest.raises(OutputError, match="cannot be used for the results"):
        generate(target, tmp_path / "file/below", ligand="C", config=quick)


def test_a_folder_without_permission(tmp_path, target, quick):
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o500)
    try:
        (out / "probe").touch()
    except PermissionError:
        with pytest.raises(OutputError, match="cannot be written"):
            generate(target, out, ligand="C", config=quick)
    else:
        pytest.skip("this user may write everywhere")
    finally:
        out.chmod(0o700)


def test_force_leaves_other_runs_in_the_folder_alone(tmp_path, target, quick):
    generate(target, tmp_path / "runs" / "a", ligand="Oc1ccccc1", config=quick)
    before = content(tmp_path / "runs" / "a")
    generate(target, tmp_path / "runs", ligand="C", config=quick, force=True)
    assert content(tmp_path / "runs" / "a") == before


def test_resume_keeps_nothing_of_other_weights(tmp_path, target, quick, watch):
    weights = tmp_path / "weights"
    shutil.copytree(checkpoint_folder("confidence-2"), weights)
    config = replace(quick, rank="confidence", confidence=str(weights))
    generate(target, tmp_path / "out", ligand="Oc1ccccc1", config=config)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert len(record["checkpoints"][str(weights)]) == 64
    for changed, calls in ((False, []), (True, ["ligand"])):
        if changed:
            save_domain(weights, {"elements": [6, 8]})
        samplers = watch()
        generate(target, tmp_path / "out", ligand="Oc1ccccc1", config=config, resume=True)
        assert samplers[0].calls == calls
