"""`molgen score` after a stop: what is kept, what is done again, what --force removes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from score_fixtures import moved, native, write_checkpoint, write_models

from molgen.api.score import ScoreConfig, score
from molgen.api.score_inputs import find_models
from molgen.api.score_job import ScoreJob
from molgen.api.score_pool import score_files
from molgen.api.score_records import FileResult, Journal, ModelRecord
from molgen.errors import InputError, OutputError, StoreError
from molgen.io import write_pdb

RESULTS = ("scores.csv", "residues.csv")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def config(checkpoint):
    return ScoreConfig(model=str(checkpoint), device="cpu", plots="none")


@pytest.fixture
def models(tmp_path):
    return write_models(tmp_path / "in", 4)


def content(folder):
    return {name: (folder / name).read_bytes() for name in RESULTS}


def test_everything_is_kept_when_nothing_changed(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    before = content(out)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "models").iterdir()}
    result = score(models, out, config=config, resume=True)
    assert result.resumed == 4 and content(out) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in (out / "models").iterdir()}


def test_a_structure_that_never_reached_the_disk_is_written_again(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    lost = sorted((out / "models").iterdir())[1]
    before = lost.read_bytes()
    lost.write_bytes(b"")  # what a power cut can leave
    assert score(models, out, config=config, resume=True).resumed == 3
    assert lost.read_bytes() == before


def test_the_parent_of_the_processes_needs_no_torch():
    code = "import sys, molgen.api.score\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("cut", [0, 1, 200, -1])
def test_a_journal_cut_anywhere(models, config, tmp_path, cut):
    """A kill leaves whole lines and at most a part of one more."""
    out = tmp_path / "out"
    score(models, out, config=config)
    before = content(out)
    journal = out / "records.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + lines[1] + lines[2][:cut])
    for name in (*RESULTS, "status.csv", "run.json", "report.html"):
        (out / name).unlink()
    result = score(models, out, config=config, resume=True)
    assert result.resumed == 2 and content(out) == before
    assert len(journal.read_bytes().splitlines()) == 4


def test_what_changed_is_scored_again(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    write_pdb(models[1], moved(1.0, 7))
    (out / "models" / "m2.pdb").unlink()
    more = write_models(tmp_path / "in", 5)
    write_pdb(models[1], moved(1.0, 7))
    result = score(more, out, config=config, resume=True)
    assert result.resumed == 2  # m0 and m3
    score(more, tmp_path / "fresh", config=config)
    assert content(out) == content(tmp_path / "fresh")


def test_other_weights_or_reference_start_over(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    write_pdb(tmp_path / "native.pdb", native())
    result = score(models, out, config=config, resume=True, reference=tmp_path / "native.pdb")
    assert result.resumed == 0 and result.agreement["models"] == 4
    assert "true_cad" in (out / "scores.csv").read_text().splitlines()[0]
    back = score(models, out, config=config, resume=True)
    assert back.resumed == 4 and not back.agreement


def test_a_failed_file_is_not_tried_again(config, tmp_path):
    (tmp_path / "bad.pdb").write_text("nothing\n")
    write_pdb(tmp_path / "good.pdb", native())
    score([tmp_path / "bad.pdb", tmp_path / "good.pdb"], tmp_path / "out", config=config)
    again = score([tmp_path / "bad.pdb", tmp_path / "good.pdb"], tmp_path / "out", config=config,
                  resume=True)  # fmt: skip
    assert again.resumed == 2 and len(again.failed) == 1


def test_a_file_that_was_missing_is_looked_for_again(config, tmp_path):
    write_pdb(tmp_path / "good.pdb", native())
    given = [tmp_path / "late.pdb", tmp_path / "good.pdb"]
    assert score(given, tmp_path / "out", config=config).incomplete == 1
    write_pdb(tmp_path / "late.pdb", native())
    result = score(given, tmp_path / "out", config=config, resume=True)
    assert (result.incomplete, result.resumed) == (0, 1)


def test_force_removes_our_files_and_no_others(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    (out / "mine.txt").write_text("keep")
    (out / "models" / "notes.txt").write_text("keep")
    (out / "models" / ".m0.pdb.x").write_text("left by a kill")
    with pytest.raises(OutputError, match="--resume continues an earlier run, --force replaces"):
        score(models[:1], out, config=config)
    score(models[:1], out, config=config, force=True)
    assert sorted(path.name for path in (out / "models").iterdir()) == ["m0.pdb", "notes.txt"]
    assert (out / "mine.txt").read_text() == "keep"


def test_force_leaves_folders_of_someone_else(models, config, tmp_path):
    out = tmp_path / "out"
    (out / "models").mkdir(parents=True)
    (out / "models" / "precious.pdb").write_text("keep")
    score(models[:1], out, config=config, force=True)
    assert (out / "models" / "precious.pdb").read_text() == "keep"


@pytest.mark.parametrize("again", [{"force": True}, {"resume": True}])
def test_models_that_lie_where_the_results_go_are_refused(again, models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    before = {path: path.read_bytes() for path in (out / "models").iterdir()}
    for given, reference in (([out / "models"], None), (models, out / "models" / "m0.pdb")):
        with pytest.raises(OutputError, match=r"m0\.pdb: lies in the folder of the results"):
            score(given, out, config=config, reference=reference, **again)
    assert before == {path: path.read_bytes() for path in (out / "models").iterdir()}
    assert (out / "run.json").is_file()


def test_own_models_are_not_written_over(models, config, tmp_path):
    (tmp_path / "in").rename(tmp_path / "models")
    own = sorted((tmp_path / "models").iterdir())
    before = own[0].read_bytes()
    with pytest.raises(OutputError, match="lies in the folder of the results"):
        score(own, tmp_path, config=config, force=True)
    assert own[0].read_bytes() == before


def test_nothing_is_removed_before_the_input_stands(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    before = content(out)
    with pytest.raises(InputError):
        score([tmp_path / "none.pdb"], out, config=config, force=True)
    with pytest.raises(StoreError):
        score(models, out, config=ScoreConfig(model="none"), force=True)
    assert content(out) == before


def test_the_journal_refuses_what_is_no_line_of_it(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"key":1}\nnot json\n[]\n{"key":"half')
    with Journal(path, keep=True) as journal:
        assert journal.read("half") is None and "half" not in journal
        record = ModelRecord("a", "a.pdb", flags=("x",), truth={"true_cad": None})
        journal.add("k", FileResult("a", "sum", (record,)))
        assert journal.read("k") == FileResult("a", "sum", (record,))
    with Journal(path, keep=True) as journal:
        assert "k" in journal and path.read_bytes().startswith(
            b'{"key":1}\nnot json\n[]\n{"key":"k"'
        )
    with Journal(path, keep=False) as journal:
        assert "k" not in journal


@pytest.mark.slow
def test_processes_give_what_one_does_and_one_may_die(checkpoint, tmp_path):
    write_models(tmp_path / "in", 12)
    files = find_models([tmp_path / "in"])
    job = ScoreJob(str(checkpoint), "cpu", None, None)
    expected = [r.records[0].predicted_cad for r in score_files(files, job, 1)]
    found = []
    for result in score_files(files, job, 2):
        if not found:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        found.append(result)
    assert [result.name for result in found] == [file.name for file in files]
    assert [result.records[0].predicted_cad for result in found] == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.slow
def test_a_killed_run_goes_on(checkpoint, tmp_path):
    write_models(tmp_path / "in", 60)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "molgen.cli.main", "score", str(tmp_path / "in"), "--out",
               str(out), "--model", str(checkpoint), "--plots", "none", "--jobs", "2"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = out / "records.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = journal.read_bytes().count(b"\n")
    assert 3 <= done and not (out / "run.json").exists()
    ended = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    run = json.loads((out / "run.json").read_text())
    assert run["models"] == 60 and run["resumed"] >= min(done, 60) - 1
    assert len((out / "scores.csv").read_text().splitlines()) == 61
    assert len(list((out / "models").glob("*.pdb"))) == 60


def test_a_stop_before_the_record_of_the_run(models, config, tmp_path):
    out = tmp_path / "out"
    score(models, out, config=config)
    (out / "run.json").unlink()
    assert score(models, out, config=config, resume=True).resumed == 4
