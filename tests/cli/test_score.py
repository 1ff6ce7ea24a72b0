"""`molgen score` on the command line: bad input as one line, exit codes, what is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))
from score_fixtures import native, write_checkpoint, write_models

from molgen.cli.main import cli
from molgen.io import write_pdb


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def run(checkpoint):
    def call(*arguments, stdin=None):
        common = ["--model", checkpoint] if "--model" not in arguments else []
        given = ["score", *map(str, [*arguments, *common])]
        return CliRunner().invoke(cli, given, input=stdin)

    return call


def refused(result, *pieces):
    """Check for one line on stderr, nothing on stdout and exit code 2."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("molgen: error: ") and result.stderr.count("\n") == 1
    for piece in pieces:
        assert piece in result.stderr
    return True


def test_a_table_without_a_folder(run, tmp_path):
    write_models(tmp_path, 3)
    before = sorted(tmp_path.iterdir())
    result = run(tmp_path)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["rank", "model", "predicted"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert {line.split()[1] for line in lines[1:]} == {"m0", "m1", "m2"}
    assert sorted(tmp_path.iterdir()) == before
    assert run(tmp_path, "--quiet").stdout == result.stdout  # the table is the result


def test_json_and_paths_from_stdin(run, tmp_path):
    paths = write_models(tmp_path / "in", 2)
    (tmp_path / "bad.pdb").write_text("x\n")
    stdin = f"{paths[0]}\n\n  {paths[1]}\n{tmp_path}/bad.pdb\n{paths[0]}\n"
    result = run("-", "-", "--json", stdin=stdin)
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert {row["model"] for row in found["models"]} == {"m0", "m1"}
    assert [row["rank"] for row in found["models"]] == [1, 2]
    assert found["models"][0]["flags"] == [] and found["folder"] is None
    assert (
        found["failed"][0]["model"] == "bad" and "not a structure" in found["failed"][0]["reason"]
    )
    assert refused(run("-", stdin="\n"), "no models given")


def test_a_folder_with_a_reference(run, tmp_path):
    write_models(tmp_path / "in", 5)
    write_pdb(tmp_path / "native.pdb", native())
    out = tmp_path / "out"
    result = run(tmp_path / "in", "--reference", tmp_path / "native.pdb", "--out", out,
                 "--plots", "none")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "true" in result.stdout.splitlines()[0] and "Against CAD" in result.stdout
    assert "5 of 5 models scored in" in result.stdout and "report.html" in result.stdout
    assert run(tmp_path / "in", "--out", out, "--resume", "--quiet").stdout == ""
    again = run(tmp_path / "in", "--out", out, "--json", "--resume", "--plots", "none")
    assert json.loads(again.stdout)["resumed"] == 5
    assert refused(run(tmp_path / "in", "--out", out), "is not empty; --resume")


def test_some_failed(run, tmp_path):
    write_models(tmp_path, 1)
    (tmp_path / "z.pdb").write_text("x\n")
    result = run(tmp_path, tmp_path / "nowhere.pdb")
    assert result.exit_code == 3
    assert "failed: z: " in result.stderr
    assert "failed: nowhere: no such file or folder" in result.stderr


def test_requests_that_cannot_be_honoured(run, tmp_path):
    write_models(tmp_path, 1)
    (tmp_path / "empty").mkdir()
    assert refused(run(tmp_path / "empty"), "the folder holds no model; expected .pdb")
    assert refused(run(tmp_path / "*.cif"), "the pattern matches no file")
    assert refused(run(tmp_path, "--model", "none"), "no checkpoint 'none'", "known: ")
    assert refused(run(tmp_path, "--device", "tpu"), "device 'tpu' is not known")
    assert refused(run(tmp_path, "--reference", tmp_path / "no.pdb"), "reference: ", "no such file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'MODELS...'"),
        (["x", "--resume", "--force"], "--resume and --force exclude each other"),
        (["x", "--resume"], "--resume needs --out"),
        (["x", "--force"], "--force needs --out"),
        (["x", "--plots", "all"], "--plots needs --out"),
        (["x", "--plots", "some"], "'some' is not one of"),
        (["x", "--jobs", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_control_characters_do_not_reach_the_terminal(run, tmp_path):
    write_models(tmp_path, 1)
    (tmp_path / "\x1b[31mred.pdb").write_text("x\n")
    result = run(tmp_path)
    assert result.exit_code == 3 and "\x1b" not in result.output
