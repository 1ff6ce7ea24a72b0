"""`molgen generate` on the command line: bad input as one line, exit codes, what is printed."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from molgen.cli.main import cli
from molgen.io import read_structure, write_pdb

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"
TARGET = EXAMPLES / "6xg5.cif"
QUICK = """
num_poses: 2
box_edge: 16.0
device: cpu
search: {conformers: 2, num_starts: 32, num_chains: 2, rounds: 1, steps: 2, grid_spacing: 0.8,
         potential: null}
"""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the command into ``tmp_path/out`` with a short search."""
    (tmp_path / "quick.yaml").write_text(QUICK)

    def call(*arguments, pdb=TARGET):
        common = ["--pdb", pdb, "--out", tmp_path / "out"]
        if "--config" not in arguments:
            common += ["--config", tmp_path / "quick.yaml"]
        return CliRunner().invoke(cli, ["generate", *map(str, [*common, *arguments])])

    return call


def refused(result, *pieces):
    """Check for one line on stderr, nothing on stdout and exit code 2."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("molgen: error: ") and result.stderr.count("\n") == 1
    for piece in pieces:
        assert piece in result.stderr
    return True


def pdb_line(x: object, name: str = "CA", residue: str = "GLY", record: str = "ATOM  ") -> str:
    return f"{record}    1  {name:<3s} {residue} A   1    {x!s:>8s}   2.000   3.000  1.00  0.00\n"


STRUCTURES = {
    "empty.pdb": (b"", "file is empty"),
    "cut.cif.gz": (
        (EXAMPLES / "7n03.cif.gz").read_bytes()[:20000],
        "gzip file is truncated or damaged",
    ),
    "cut.cif": (gzip.decompress((EXAMPLES / "7n03.cif.gz").read_bytes())[:150000], "cut.cif: "),
    "letter.pdb": (b"Dear sir or madam,\n", "not a structure; expected PDB or mmCIF"),
    "ligand.pdb": (pdb_line("1.000", "C1", "LIG", "HETATM").encode(), "no protein found"),
    "nan.pdb": (pdb_line("nan").encode(), "nan.pdb"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_that_cannot_be_used(run, tmp_path, name):
    content, message = STRUCTURES[name]
    (tmp_path / name).write_bytes(content)
    assert refused(run(pdb=tmp_path / name), name, message)
    assert not (tmp_path / "out").exists()


def test_a_missing_structure(run, tmp_path):
    assert refused(run(pdb=tmp_path / "none.pdb"), "none.pdb: no such file")


@pytest.mark.parametrize(
    ("pocket", "message"),
    [
        ("Z:45", "no chain 'Z' for residue 'Z:45'; chains in the file: A"),
        ("A:9999", "no residue 'A:9999'; chain A has residues"),
        ("ligand:XYZ", "no hetero group 'ligand:XYZ'; the file has NDP A:301"),
        ("here", "--pocket 'here' is not understood; expected a ligand file, residues"),
        ("900,900,900", "the nearest protein atom of 6xg5 is"),
        ("auto:999", "pocket 999 asked for"),
        ("none.sdf", "none.sdf: no such file"),
    ],
)
def test_pockets_that_cannot_be_honoured(run, pocket, message):
    assert refused(run("--pocket", pocket, "--ligand", "C"), message)


@pytest.mark.parametrize(
    ("ligand", "message"),
    [
        ("CC(C", "neither an existing ligand file nor a valid SMILES"),
        ("*CC", "atom 1 (*) is of unknown element"),
        ("", "ligand is empty"),
        ("none.sdf", "none.sdf: no such file"),
        ("none.csv", "none.csv: no such file"),
    ],
)
def test_ligands_that_cannot_be_read(run, ligand, message):
    assert refused(run("--ligand", ligand), message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.sdf", "", "file is empty"),
        ("table.csv", "a,b\n1,2\n", "no 'smiles' column; expected a header such as"),
        ("header.csv", "name,smiles\n", "holds no ligand"),
        ("text.sdf", "not\na\nmolecule\n", "text.sdf"),
    ],
)
def test_ligand_files_that_cannot_be_read(run, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    assert refused(run("--ligand", tmp_path / name), name, message)


def test_nan_in_a_ligand_file(run, tmp_path):
    text = (EXAMPLES / "6xg5_TOP.sdf").read_text().split("\n")
    text[4] = "       nan" + text[4][10:]
    (tmp_path / "nan.sdf").write_text("\n".join(text))
    assert refused(run("--ligand", tmp_path / "nan.sdf"), "nan.sdf", "NaN")


@pytest.mark.parametrize(
    ("ligand", "message"),
    [
        ("C1#CC1", "no 3D conformer could be embedded"),
        ("F[Xe]F", "element Xe of atom 2 has no docking type"),
    ],
)
def test_ligands_that_cannot_be_docked_are_an_outcome(run, tmp_path, ligand, message):
    result = run("--ligand", ligand, "--rank", "energy")
    assert result.exit_code == 3 and result.stderr == ""
    assert "ligand: failed: " in result.stdout and message in result.stdout
    assert message in (tmp_path / "out/status.csv").read_text()


def test_a_covalent_ligand(run, tmp_path):
    structure = read_structure(TARGET)
    (ligand,) = structure.ligands
    coords = structure.atoms.coords.astype(np.float64)
    # outermost atom of the protein, and the ligand beyond it at the length of a bond
    anchor = coords[np.where(structure.atoms.hetero, -np.inf, coords[:, 0]).argmax()]
    points = coords[ligand.atoms]
    coords[ligand.atoms] = points - points[points[:, 0].argmin()] + anchor + [1.5, 0.0, 0.0]
    path = tmp_path / "covalent.pdb"
    write_pdb(path, replace(structure.atoms, coords=coords.astype(np.float32)))
    assert refused(run(pdb=path), "ligand TOP A:303 is covalently bonded to the protein")


def test_a_large_ligand_is_warned_of(run, monkeypatch):
    monkeypatch.setattr("molgen.api.generate.MAX_TESTED_ATOMS", 6)
    result = run("--ligand", "Oc1ccccc1", "--quiet")
    assert result.exit_code == 0 and result.stdout == ""
    expected = "molgen: warning: ligand: 7 heavy atoms, slow and untested above 6\n"
    assert result.stderr == expected


def test_a_salt_is_said(run):
    result = run("--ligand", "CCO.[Cl-]")
    assert result.exit_code == 0
    assert "  largest fragment kept, left out: [Cl-]\n" in result.stdout


def test_an_unreadable_row_stops_no_other(run, tmp_path):
    (tmp_path / "ligands.csv").write_text("name,smiles\ngood,CC\nbad,C1CC\nshort\nlast,CCO\n")
    result = run("--ligand", tmp_path / "ligands.csv", "--rank", "energy")
    assert result.exit_code == 3 and result.stderr == ""
    assert "good: 2 poses" in result.stdout and "last: 2 poses" in result.stdout
    assert "bad: failed: row 2 (bad): " in result.stdout
    assert "short: failed: row 3: 1 columns, expected 2" in result.stdout
    assert "Failed: 2 of 4 ligands, see status.csv" in result.stdout


def test_a_terminal_is_not_obeyed_by_names(run, tmp_path):
    (tmp_path / "ligands.csv").write_text("name,smiles\n\x1b[2Jgone,C\n")
    assert "\x1b" not in run("--ligand", tmp_path / "ligands.csv").output


def test_devices_that_are_not_there(run):
    assert refused(run("--device", "gpu"), "device 'gpu' is not known; expected auto, cpu or cuda")
    assert refused(run("--device", "cuda:99"), "device 'cuda:99' is not there; this machine has")


def test_settings_that_are_not_there(run, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("search:\n  conformer: 3\n")
    message = "search.conformer: unknown key (did you mean 'conformers'?)"
    assert refused(run("--config", bad), str(bad), message)
    assert refused(run("--sampler", "serch"), "unknown sampler 'serch' (did you mean 'search'?)")
    assert not (tmp_path / "out").exists()


def test_the_edge_of_the_box_can_be_given(run, tmp_path):
    assert run("--ligand", "Oc1ccccc1", "--box-edge", "18").exit_code == 0
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["pocket"]["edges"] == [18.0] * 3
    assert refused(run("--box-edge", "200", "--force"), "box edge: edges must lie between")


def test_wrong_usage(run):
    assert refused(run("--num-poses", "0"), "0 is not in the range", "generate --help)")
    assert "--resume and --force exclude each other" in run("--resume", "--force").stderr


def test_a_folder_with_content(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("keep")
    assert refused(run("--ligand", "C"), "out: is not empty; --resume continues an earlier run")
    assert run("--ligand", "C", "--force").exit_code == 0
    assert (tmp_path / "out/mine.txt").read_text() == "keep"
    again = run("--ligand", "C", "--resume")
    assert again.exit_code == 0 and "Kept from the earlier run: 1 of 1 ligands" in again.stdout


def test_a_place_that_cannot_be_written(run, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert refused(run("--ligand", "C"), "out: is a file; expected a folder for the results")


def test_the_pockets_are_listed(run, tmp_path):
    result = run("--ligand", "C", "--pocket", "auto")
    assert result.exit_code == 0 and "--pocket auto:RANK searches another one" in result.stdout
    assert ">    1 " in result.stdout and "\n     2 " in result.stdout
    listed = json.loads(run("--ligand", "C", "--pocket", "auto", "--json", "--force").stdout)
    assert [pocket["rank"] for pocket in listed["pockets"]][:2] == [1, 2]


def test_json_is_one_object(run, tmp_path):
    shutil.copy(EXAMPLES / "7n03_ZRP.sdf", tmp_path / "zrp.sdf")
    result = run("--ligand", tmp_path / "zrp.sdf", "--json")
    assert result.exit_code == 0 and result.stderr == ""
    printed = json.loads(result.stdout)
    assert printed["failed"] == 0 and printed["ligands"][0]["poses"][0]["rank"] == 1
    assert printed["pocket"]["edges"] == [16.0] * 3
