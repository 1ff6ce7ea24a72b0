"""`molgen relax` on the command line: what is printed, exit codes, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from molgen.cli.main import cli

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"
QUICK = "{platform: CPU, physics: {flexible: 0, reach: 6, iterations: 30, soften: 5}}"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that relaxes the crystal ligand of 6XG5 into ``tmp_path/out``."""
    monkeypatch.setattr("os.isatty", lambda fd: False)
    (tmp_path / "quick.yaml").write_text(QUICK)

    def call(*arguments, poses=EXAMPLES / "6xg5_TOP.sdf", pdb=EXAMPLES / "6xg5.cif"):
        common = ["--pdb", pdb, "--poses", poses, "--out", tmp_path / "out"]
        common += ["--config", tmp_path / "quick.yaml"]
        return CliRunner().invoke(cli, ["relax", *map(str, [*common, *arguments])])

    return call


def test_what_is_printed(run, tmp_path):
    result = run()
    assert result.exit_code == 0 and result.stderr == "", result.output
    assert "Receptor: TOP A:303 removed from the receptor" in result.stdout
    assert "TOP: 1 poses, 1 accepted; 1 passed PoseBusters before, 1 pass now" in result.stdout
    assert f"Results: {tmp_path / 'out/poses.sdf'}" in result.stdout
    kept = run("--resume", "--json")
    printed = json.loads(kept.stdout)
    assert printed["resumed"] == 1 and printed["ligands"][0]["poses"][0]["outcome"] == "accepted"


def test_a_ligand_that_cannot_be_typed_is_an_outcome(run, tmp_path):
    record = (EXAMPLES / "6xg5_TOP.sdf").read_text().split("\n")
    atom = next(i for i, line in enumerate(record[4:], 4) if line[31:33] == "O ")
    record[atom] = record[atom][:31] + "Se" + record[atom][33:]
    (tmp_path / "selenium.sdf").write_text("\n".join(record))
    result = run(poses=tmp_path / "selenium.sdf")
    assert result.exit_code == 3, result.output
    assert "MMFF94 has no parameters for atom 13 (Se)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"poses": EXAMPLES / "7n03_ZRP.sdf"}, "expected poses in the frame of the structure"),
        ({"poses": EXAMPLES / "none.sdf"}, "none.sdf: no such file"),
        ({"pdb": EXAMPLES / "none.pdb"}, "none.pdb: no such file"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, message):
    result = run(**arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.count("\n") == 1 and message in result.stderr
    assert not (tmp_path / "out").exists()


def test_settings_that_are_not_there(run):
    result = run("--platform", "OpenGL")
    assert result.exit_code == 2 and "OpenMM platform 'OpenGL' is not there" in result.stderr
