"""`molgen decoys` from the command line."""

from __future__ import annotations

from click.testing import CliRunner

from molgen.cli.main import cli
from molgen.decoys.recipes import RECIPES


def test_a_batch_of_which_nothing_works_is_a_failure(tmp_path):
    (tmp_path / "bad.pdb").write_text("no structure\n")
    out = tmp_path / "out"
    arguments = ["decoys", str(tmp_path / "bad.pdb"), "--out", str(out), "--per-native", "1"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2 and "0 decoys of 1 natives" in result.stdout
    said = f"molgen: error: none of 1 worked; {out / 'status.csv'} says why"
    assert said in " ".join(result.stderr.split())
    assert (out / "status.csv").is_file()


def test_the_help_names_every_kind():
    shown = CliRunner().invoke(cli, ["decoys", "--help"]).output
    kinds = shown.partition("Kinds: ")[2].partition(".")[0]
    assert sorted(kinds.replace("\n", " ").replace(" ", "").split(",")) == sorted(RECIPES)
