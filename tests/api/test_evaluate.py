"""`evaluate`: every reference counts, failures keep their reason, arms compare pairwise."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.api.evaluate import compare, evaluate, unique_labels
from molgen.api.evaluation_files import to_markdown, write_evaluation
from molgen.api.pose_folders import find_poses, find_references
from molgen.cli.evaluate import command
from molgen.errors import InputError, LigandError, OutputError
from molgen.io import read_ligand, read_structure, write_pdb, write_sdf

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
LIGAND = EXAMPLES / "6xg5_TOP.sdf"


def moved(mol: Chem.Mol, distance: float) -> Chem.Mol:
    copy = Chem.Mol(mol)
    xyz = copy.GetConformer().GetPositions() + np.array([0.0, 0.0, distance])
    copy.GetConformer().SetPositions(np.ascontiguousarray(xyz))
    return copy


def output(folder: Path, mol: Chem.Mol | None, distances=(), **status) -> None:
    """Write what `molgen generate` writes for one ligand, poses moved by ``distances`` Å."""
    folder.mkdir(parents=True)
    if mol is not None:
        poses = [(moved(mol, d), {"rank": k, "score": -9 + k}) for k, d in enumerate(distances, 1)]
        write_sdf(folder / "poses.sdf", poses)
    row = {"name": "x", "status": "ok", "reason": "", "seconds": "2.5"} | status
    (folder / "status.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> Path:
    """Four references of the same complex under different names; one without receptor."""
    folder = tmp_path_factory.mktemp("references")
    ligand = read_ligand(LIGAND)
    structure = read_structure(EXAMPLES / "6xg5.cif")
    middle = ligand.coords.mean(axis=0)
    itself = tuple(
        group
        for group in structure.groups
        if np.linalg.norm(structure.atoms.coords[group.atoms].mean(axis=0) - middle) < 2
    )
    text = write_pdb(None, structure.receptor(without=itself))
    for name in ("1aaa", "2bbb", "3ccc", "4ddd"):
        (folder / name).mkdir()
        write_sdf(folder / name / f"{name}_ligand.sdf", [(ligand.mol, {})])
        (folder / name / f"{name}_protein.pdb").write_text(text)
    (folder / "index.csv").write_text("id\n")
    return folder


@pytest.fixture
def run(tmp_path) -> Path:
    mol = read_ligand(LIGAND).mol
    output(tmp_path / "arm" / "1aaa", mol, (0.0, 3.0))
    output(tmp_path / "arm" / "2bbb", mol, (4.0, 1.5))
    output(tmp_path / "arm" / "3ccc", None, status="failed", reason="no 3D embedding")
    return tmp_path / "arm"


def test_counts_and_distances_by_hand(run, references):
    result = evaluate(run, references, jobs=1)
    rates = {name: rate.successes for name, rate in result.summary["rates"].items()}
    assert result.summary["attempted"] == 4 and result.summary["produced"] == 2
    assert result.summary["failed"] == {"no 3D embedding": 1, "not in the run": 1}
    assert (rates["top1_2A"], rates["top5_2A"], rates["oracle_1A"]) == (1, 2, 1)
    assert (rates["valid"], rates["joint_2A"]) == (1, 1)
    first = result.entries[0]
    assert [pose.rmsd for pose in first.poses] == pytest.approx([0.0, 3.0], abs=1e-3)
    assert [pose.centroid_distance for pose in first.poses] == pytest.approx([0, 3], abs=1e-3)
    assert [pose.aligned_rmsd for pose in first.poses] == pytest.approx([0, 0], abs=1e-3)
    assert first.poses[0].valid is True and first.poses[1].valid is None
    assert first.seconds == 2.5 and first.poses[0].score == -8
    everything = evaluate(run, references, jobs=1, check_all=True)
    assert everything.entries[1].poses[0].valid is False
    assert "minimum_distance_to_protein" in everything.entries[1].poses[0].failed_checks


def test_a_receptor_that_holds_the_ligand_is_freed_of_it_whatever_its_name(tmp_path):
    ligand, structure = read_ligand(LIGAND), read_structure(EXAMPLES / "6xg5.cif")
    output(tmp_path / "arm", ligand.mol, (0.0,))
    for name in ("whole.pdb", "x_protein.pdb"):
        (tmp_path / name).write_text(write_pdb(None, structure.receptor()))
        result = evaluate(tmp_path / "arm", LIGAND, protein=tmp_path / name, jobs=1)
        assert result.entries[0].poses[0].valid is True


def test_attempted_only_and_unknown_entries(run, references):
    assert evaluate(run, references, jobs=1, attempted_only=True).summary["attempted"] == 3
    output(run / "9zzz", read_ligand(LIGAND).mol, (0.0,))
    result = evaluate(run, references, jobs=1)
    assert result.extra == ("9zzz",) and result.summary["attempted"] == 4


def test_processes_give_the_same(run, references):
    once = evaluate(run, references, jobs=1)
    assert evaluate(run, references, jobs=2).entries == once.entries


def test_files(run, references, tmp_path):
    result = evaluate(run, references, jobs=1)
    out = tmp_path / "out"
    write_evaluation(out, [result])
    with (out / "evaluation.csv").open() as stream:
        rows = {row["id"]: row for row in csv.DictReader(stream)}
    assert rows["2bbb"]["oracle_rank"] == "2" and rows["3ccc"]["reason"] == "no 3D embedding"
    assert len((out / "poses.csv").read_text().splitlines()) == 1 + 4
    record = json.loads((out / "summary.json").read_text())
    assert record["runs"][0]["rates"]["joint_2A"]["successes"] == 1
    assert record["versions"]["posebusters"]
    for name in ("rmsd_cumulative", "success", "success_by_rotatable_bonds"):
        assert (out / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(OutputError, match="--force"):
        write_evaluation(out, [result])
    (out / "mine.txt").write_text("keep")
    write_evaluation(out, [result], force=True)
    assert (out / "mine.txt").read_text() == "keep"
    with pytest.raises(OutputError, match="molgen generate"):
        write_evaluation(run / "1aaa", [result], force=True)


def test_force_replaces_an_evaluation_and_nothing_of_somebody_else(run, references, tmp_path):
    result = evaluate(run, references, jobs=1)
    out = tmp_path / "out"
    write_evaluation(out, [result, replace(result, label="other")])
    (out / "empty").mkdir()
    (out / "mine").mkdir()
    (out / "mine" / "summary.csv").write_text("keep")
    write_evaluation(out, [result], force=True)
    assert (out / "mine" / "summary.csv").read_text() == "keep" and (out / "empty").is_dir()
    assert not (out / "other").exists() and (out / "evaluation.csv").is_file()
    with pytest.raises(OutputError, match="summary.csv: is of no earlier evaluation"):
        write_evaluation(out / "mine", [result], force=True)


def test_comparing_arms(run, references, tmp_path):
    mol = read_ligand(LIGAND).mol
    output(tmp_path / "other" / "1aaa", mol, (0.1,))
    output(tmp_path / "other" / "2bbb", mol, (0.2,))
    runs = [evaluate(path, references, jobs=1) for path in (run, tmp_path / "other")]
    difference = compare(runs)[0].differences["top1_2A"]
    assert difference.difference == pytest.approx(0.25)
    assert (difference.only_first, difference.only_second) == (1, 0)
    text = to_markdown(runs)
    assert "other minus arm" in text and "+25.0" in text and "1 × no 3D embedding" in text
    write_evaluation(tmp_path / "out", runs)
    assert (tmp_path / "out" / "arm" / "evaluation.csv").is_file()
    assert len((tmp_path / "out" / "summary.csv").read_text().splitlines()) == 3


def test_single_output_against_one_file(run):
    result = evaluate(run / "1aaa", LIGAND, protein=EXAMPLES / "6xg5.cif")
    assert result.summary["attempted"] == 1
    assert result.summary["rates"]["joint_2A"].successes == 1  # the ligand is no receptor
    alone = evaluate(run / "1aaa", LIGAND)
    assert "valid" not in alone.summary["rates"] and alone.entries[0].poses[0].valid is None


def test_recorded_verdicts_are_taken_over_without_a_receptor(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    mol = read_ligand(LIGAND).mol
    verdict = {"posebusters_pass": False, "posebusters_failed": "bond_lengths,bond_angles"}
    write_sdf(folder / "poses.sdf", [(mol, verdict)])
    entry = evaluate(folder, LIGAND).entries[0]
    assert entry.poses[0].valid is False
    assert entry.poses[0].failed_checks == ("bond_lengths", "bond_angles")
    assert "as recorded" in entry.notes[0]


def test_several_ligands_in_one_output(tmp_path, references):
    mol = read_ligand(LIGAND).mol
    folder = tmp_path / "batch"
    folder.mkdir()
    (folder / "status.csv").write_text(
        "name,status,reason,seconds\n1aaa,ok,,1\n2bbb,failed,salt,1\n../../evil,ok,,1\n"
    )
    (folder / "1aaa").mkdir()
    write_sdf(folder / "1aaa" / "poses.sdf", [(mol, {})])
    entries = {entry.name: entry for entry in find_poses(folder)}
    assert entries["1aaa"].poses is not None and entries["../../evil"].poses is None
    assert evaluate(folder, references, jobs=1).summary["failed"]["salt"] == 1


def test_one_bad_entry_is_a_reason(tmp_path, references, run):
    (run / "1aaa" / "poses.sdf").write_text("rubbish\n$$$$\n")
    output(run / "4ddd", Chem.MolFromMolBlock(_ethanol()), (0.0,))
    result = evaluate(run, references, jobs=1)
    reasons = {entry.name: entry.reason for entry in result.entries}
    assert "unreadable poses" in reasons["1aaa"]
    assert "different molecules" in reasons["4ddd"]
    assert result.summary["produced"] == 1


def _ethanol() -> str:
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    from rdkit.Chem import AllChem

    AllChem.EmbedMolecule(mol, randomSeed=1)
    return Chem.MolToMolBlock(mol)


def test_bad_places(tmp_path, references, run):
    with pytest.raises(InputError, match="no such folder"):
        evaluate(tmp_path / "none", references)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no poses\.sdf"):
        evaluate(tmp_path / "empty", references)
    with pytest.raises(InputError, match="no reference ligands"):
        evaluate(run, tmp_path / "empty")
    with pytest.raises(InputError, match="no such reference"):
        evaluate(run, tmp_path / "none")
    with pytest.raises(InputError, match="no such protein"):
        evaluate(run, references, protein=tmp_path / "none.pdb")
    output(tmp_path / "strange" / "zzz", None)
    output(tmp_path / "strange" / "yyy", None)
    with pytest.raises(InputError, match="has a reference of that name"):
        evaluate(tmp_path / "strange", references)
    (run / "1aaa" / "run.json").write_text("{")
    with pytest.raises(InputError, match="run record"):
        evaluate(run, references)


def test_flat_reference_folder(tmp_path):
    write_sdf(tmp_path / "1aaa_ligand.sdf", [(read_ligand(LIGAND).mol, {})])
    write_sdf(tmp_path / "1aaa_ligand_start_conf.sdf", [(read_ligand(LIGAND).mol, {})])
    assert list(find_references(tmp_path, None)) == ["1aaa"]


def test_labels():
    assert unique_labels([Path("a/x"), Path("b/x")]) == ["a/x", "b/x"]
    assert unique_labels([Path("a"), Path("b")], ("p", "q")) == ["p", "q"]
    with pytest.raises(InputError, match="differ"):
        unique_labels([Path("a"), Path("b")], ("p", "p"))
    with pytest.raises(InputError, match="twice"):
        unique_labels([Path("a"), Path("a")])


def test_command_line(run, references, tmp_path):
    arguments = ["--poses", str(run), "--reference", str(references), "--jobs", "1"]
    shown = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert "top-1 ≤ 2 Å" in shown.output and (tmp_path / "out" / "summary.md").is_file()
    as_json = CliRunner().invoke(command, [*arguments, "--json"])
    assert json.loads(as_json.stdout)["runs"][0]["attempted"] == 4
    wrong = CliRunner().invoke(command, [*arguments, "--label", "a", "--label", "b"])
    assert wrong.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_output(run, references, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        write_evaluation(tmp_path / "out", [evaluate(run, references, jobs=1)])


@pytest.mark.parametrize("what", ["reference", "structure", "protein", "poses"])
def test_what_cannot_be_read_is_said(tmp_path, run, what):
    empty = tmp_path / ("empty.pdb" if what == "protein" else "empty.sdf")
    empty.write_text("")
    given = {"poses": run / "1aaa", "reference": LIGAND}
    given |= {"reference": EXAMPLES / "6xg5.cif"} if what == "structure" else {what: empty}
    if what == "poses":
        failed = evaluate(**given, jobs=1).summary["failed"]
        assert failed == {"unreadable poses": 1}
        return
    with pytest.raises(InputError, match="empty is empty|file is empty|6xg5.cif: "):
        evaluate(**given, jobs=1)


def test_one_broken_reference_does_not_take_the_others_along(run, references, tmp_path):
    copy = tmp_path / "references"
    shutil.copytree(references, copy)
    (copy / "2bbb" / "2bbb_ligand.sdf").write_text("")
    (copy / "4ddd" / "4ddd_ligand.sdf").write_text("garbage\n")
    result = evaluate(run, copy, jobs=1)
    assert result.summary["failed"] == {"reference not usable": 2, "no 3D embedding": 1}
    assert result.summary["produced"] == 1
    reasons = {entry.name: entry.reason for entry in result.entries}
    assert "2bbb_ligand.sdf" in reasons["2bbb"] and "empty" in reasons["2bbb"]


def test_an_unforeseen_error_fails_its_entry(run, references, monkeypatch):
    def broken(name, truths, mols):
        raise KeyError(name)

    monkeypatch.setattr("molgen.api.evaluate_entry._measure", broken)
    result = evaluate(run / "1aaa", references / "1aaa" / "1aaa_ligand.sdf", jobs=1)
    assert result.entries[0].reason.startswith("evaluation failed: KeyError: ")


def test_checks_are_made_against_the_reference_that_fits(run, references, tmp_path):
    other = read_ligand(EXAMPLES / "7n03_ZRP.sdf").mol
    write_sdf(tmp_path / "two.sdf", [(other, {}), (read_ligand(LIGAND).mol, {})])
    protein = references / "1aaa" / "1aaa_protein.pdb"
    result = evaluate(run / "1aaa", tmp_path / "two.sdf", protein=protein, jobs=1)
    assert result.entries[0].poses[0].valid
    assert result.entries[0].heavy_atoms == read_ligand(LIGAND).num_atoms


@pytest.mark.parametrize("order", [(0.0, 30.0), (30.0, 0.0)])
def test_the_nearest_copy_of_the_reference_counts(tmp_path, order):
    mol = read_ligand(LIGAND).mol
    output(tmp_path / "run", mol, (0.0,))
    write_sdf(tmp_path / "two.sdf", [(moved(mol, distance), {}) for distance in order])
    (pose,) = evaluate(tmp_path / "run", tmp_path / "two.sdf", jobs=1).entries[0].poses
    assert pose.rmsd == pytest.approx(0.0, abs=1e-3)


def test_a_copy_of_the_reference_that_cannot_be_read_is_noted(tmp_path):
    mol = read_ligand(LIGAND).mol
    output(tmp_path / "run", mol, (0.0,))
    write_sdf(tmp_path / "two.sdf", [(mol, {})] * 2)
    first, second, _ = (tmp_path / "two.sdf").read_text().split("$$$$\n")
    broken = second.replace(" C ", " Cx", 1)
    assert broken != second
    (tmp_path / "two.sdf").write_text(f"{first}$$$$\n{broken}$$$$\n")
    (entry,) = evaluate(tmp_path / "run", tmp_path / "two.sdf", jobs=1).entries
    assert entry.poses[0].rmsd == pytest.approx(0.0, abs=1e-3)
    assert entry.notes == ("1 of 2 records of the reference cannot be used",)


def test_rows_of_a_table_keep_their_own_poses(tmp_path, references):
    """A failed ligand is not credited with the poses of one whose folder has its name."""
    mol = read_ligand(LIGAND).mol
    out = tmp_path / "run"
    output(out / "1aaa", mol, [0.1])
    (out / "1aaa" / "status.csv").unlink()
    header = "name,folder,status,reason,seconds\n"
    (out / "status.csv").write_text(header + "2bbb,1aaa,ok,,1\n1aaa,1aaa_2,failed,no conformer,1\n")
    entries = {entry.name: entry for entry in find_poses(out)}
    assert entries["2bbb"].poses == out / "1aaa" / "poses.sdf"
    assert entries["1aaa"].poses is None and entries["1aaa"].reason == "no conformer"
    (out / "status.csv").write_text(header + "1aaa,1aaa,ok,,1\n1aaa,1aaa_2,failed,no,1\n")
    twice = {entry.name: entry.poses for entry in find_poses(out)}  # called after their folders
    assert twice == {"1aaa": out / "1aaa" / "poses.sdf", "1aaa_2": None}
    (out / "status.csv").write_text(header + "4ddd,1aaa,ok,,1\n")
    assert [entry.name for entry in find_poses(out)] == ["4ddd"]


def bad_then_good(path: Path, mol: Chem.Mol) -> None:
    """Write a pose whose first coordinates are no numbers, and the crystal pose after it."""
    write_sdf(path, [(moved(mol, 9.0), {"score": -9}), (mol, {"score": -8})])
    lines = path.read_text().splitlines(keepends=True)
    lines[4] = "       nan       nan       nan" + lines[4][30:]
    path.write_text("".join(lines))


def test_a_pose_that_cannot_be_read_keeps_its_rank_and_is_a_miss(tmp_path, references):
    mol = read_ligand(LIGAND).mol
    bad_then_good(tmp_path / "poses.sdf", mol)
    result = evaluate(tmp_path / "poses.sdf", LIGAND, jobs=1)
    rows = result.entries[0].poses
    assert [row.rank for row in rows] == [1, 2] and rows[0].rmsd == np.inf
    assert rows[1].rmsd == pytest.approx(0.0, abs=1e-3) and rows[1].score == -8
    assert not rows[0].valid and rows[0].check_problem == "record cannot be read"
    rates = result.summary["rates"]
    assert rates["top1_2A"].successes == 0 and rates["oracle_2A"].successes == 1
    assert result.entries[0].notes[-1] == "poses that cannot be read count as misses"


def test_poses_may_be_packed_or_mol2_and_nothing_else(tmp_path):
    mol = read_ligand(LIGAND).mol
    write_sdf(tmp_path / "x.sdf", [(mol, {})])
    (tmp_path / "x.sdf.gz").write_bytes(gzip.compress((tmp_path / "x.sdf").read_bytes()))
    (tmp_path / "x.mol2").write_text(MOL2)
    (entry,) = evaluate(tmp_path / "x.sdf.gz", LIGAND, jobs=1).entries
    assert (entry.name, len(entry.poses)) == ("x", 1)
    (entry,) = evaluate(tmp_path / "x.mol2", tmp_path / "x.mol2", jobs=1).entries
    assert entry.poses[0].rmsd == pytest.approx(0.0, abs=1e-3)
    (tmp_path / "x.pdb").write_text("ATOM")
    with pytest.raises(InputError, match=r"x.pdb: expected poses as .sdf"):
        find_poses(tmp_path / "x.pdb")


MOL2 = """@<TRIPOS>MOLECULE
methanol
2 1
SMALL
NO_CHARGES
@<TRIPOS>ATOM
1 C1 1.0 0.0 0.3 C.3 1 LIG 0.0
2 O1 2.4 0.0 0.1 O.3 1 LIG 0.0
@<TRIPOS>BOND
1 1 2 1
"""


def test_references_are_ligands_in_space(tmp_path):
    """A drawing is no reference; salts and hydrogens change neither match nor rotors."""
    mol = read_ligand(LIGAND).mol
    write_sdf(tmp_path / "poses.sdf", [(mol, {})])
    plain = evaluate(tmp_path / "poses.sdf", LIGAND, jobs=1).entries[0]
    salt = Chem.CombineMols(Chem.AddHs(mol, addCoords=True), Chem.MolFromSmiles("[Cl-]"))
    write_sdf(tmp_path / "salt.sdf", [(salt, {})])
    entry = evaluate(tmp_path / "poses.sdf", tmp_path / "salt.sdf", jobs=1).entries[0]
    assert entry.poses[0].rmsd == pytest.approx(0.0, abs=1e-3)
    assert (entry.heavy_atoms, entry.rotatable_bonds) == (21, plain.rotatable_bonds)
    flat = Chem.Mol(mol)
    AllChem.Compute2DCoords(flat)
    write_sdf(tmp_path / "flat.sdf", [(flat, {})])
    with pytest.raises(LigandError, match="no 3D coordinates"):
        evaluate(tmp_path / "poses.sdf", tmp_path / "flat.sdf", jobs=1)


def test_failed_ligands_do_not_make_a_run_look_fast(tmp_path):
    output(tmp_path / "run" / "a", read_ligand(LIGAND).mol, (0.0,), seconds="2.5")
    for name in "bcd":
        output(tmp_path / "run" / name, None, status="failed", reason="bad", seconds="0.01")
    assert evaluate(tmp_path / "run", LIGAND, jobs=1).summary["medians"]["seconds"] == 2.5
