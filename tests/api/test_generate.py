"""`molgen generate`: what it writes, and what its result may and may not depend on."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from molgen.api.generate import generate
from molgen.api.generate_inputs import read_target
from molgen.api.relax_inputs import read_poses, read_relax_target
from molgen.config import to_dict
from molgen.diffusion.sampler import SidegenSampler
from molgen.energy.relax_settings import RelaxConfig, RelaxSettings
from molgen.errors import ConfigError, LigandError, MolgenWarning
from molgen.io import cocrystal_ligand, read_structure, write_pdb, write_sdf
from molgen.metrics import ligand_rmsd
from molgen.search.settings import GuidanceSettings, SidegenSettings
from molgen.structure.cavities import find_cavities

PHENOLS = [("phenol", "Oc1ccccc1"), ("cresol", "Cc1ccccc1O"), ("thymol", "CC(C)c1ccc(C)cc1O")]


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("name", "smiles"), *rows])
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_folder_holds_what_the_manual_says(tmp_path, target, quick):
    out = tmp_path / "run"
    result = generate(target, out, config=quick, command="molgen generate ...")
    assert {path.name for path in out.iterdir()} == {
        "poses.sdf", "summary.csv", "status.csv", "run.json", "report.html", "record.json",
    }  # fmt: skip
    poses = list(Chem.SDMolSupplier(str(out / "poses.sdf"), removeHs=False))
    assert len(poses) == 2
    names = {"rank", "score", "affinity", "posebusters_pass", "posebusters_failed"}
    for rank, mol in enumerate(poses, start=1):
        assert names <= set(mol.GetPropNames()) and mol.GetIntProp("rank") == rank
        assert mol.GetProp("_Name") == "TOP"
        assert any(atom.GetSymbol() == "H" for atom in mol.GetAtoms())
        assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == result.ligands[0].smiles
    summary = read_csv(out / "summary.csv")
    assert [row["rank"] for row in summary] == ["1", "2"]
    assert [row["score"] for row in summary] == [mol.GetProp("score") for mol in poses]
    (status,) = read_csv(out / "status.csv")
    assert (status["name"], status["status"], status["poses"]) == ("TOP", "ok", "2")
    assert "TOP A:303" in status["notes"]
    run = json.loads((out / "run.json").read_text())
    assert run["seed"] == 0 and run["device"] == "cpu" and run["command"] == "molgen generate ..."
    checksum = hashlib.sha256(target.read_bytes()).hexdigest()
    assert run["inputs"] == {"target": {"file": "6xg5.cif", "sha256": checksum}}
    assert run["config"] == to_dict(quick)
    assert {"python", "rdkit", "posebusters"} <= set(run["versions"]) and run["timings"]["total"]
    assert any("NDP" in note for note in run["notes"])  # a cofactor that stays is named
    assert "TOP" in (out / "report.html").read_text()


def test_the_same_seed_gives_the_same_bytes_in_a_fresh_process(tmp_path, target, quick):
    generate(target, tmp_path / "here", config=quick)
    settings = tmp_path / "quick.yaml"
    settings.write_text(json.dumps(to_dict(quick)))  # JSON is YAML
    done = subprocess.run(
        [
            *(sys.executable, "-m", "molgen.cli.main", "generate", "--pdb", str(target)),
            *("--out", str(tmp_path / "there"), "--config", str(settings)),
        ],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")  # quiet in a pipe
    files = [(tmp_path / place / "poses.sdf").read_bytes() for place in ("here", "there")]
    assert files[0] == files[1]
    generate(target, tmp_path / "other", config=replace(quick, seed=1))
    assert (tmp_path / "other/poses.sdf").read_bytes() != files[0]


def moved_target(path: Path, target: Path, noise: float, rng: np.random.Generator) -> Path:
    """Write the target with its ligand turned about its centre and every atom of it shaken."""
    structure = read_structure(target)
    (ligand,) = structure.ligands
    coords = structure.atoms.coords.astype(np.float64)
    points = coords[ligand.atoms]
    others = cKDTree(np.delete(coords, ligand.atoms, axis=0))
    centre = points.mean(axis=0)
    shake = rng.normal(0, noise, points.shape)
    moved = points
    while noise and (moved is points or others.query(moved)[0].min() < 2.2):
        # a turn that puts an atom at bonding distance of the protein makes another ligand of it
        moved = centre + Rotation.random(rng=rng).apply(points - centre) + shake
    coords[ligand.atoms] = moved
    write_pdb(path, replace(structure.atoms, coords=coords.astype(np.float32)))
    return path


def test_the_coordinates_of_the_input_ligand_do_not_matter(tmp_path, target, quick):
    rng = np.random.default_rng(3)
    found = []
    for number, noise in enumerate([0.0, 0.03]):
        pdb = moved_target(tmp_path / f"{number}.pdb", target, noise, rng)
        out = tmp_path / f"out{number}"
        result = generate(pdb, out, pocket="-8.0,28.3,17.3:16", config=quick)
        assert any("TOP A:303 removed" in note for note in result.notes)
        found.append((out / "poses.sdf").read_bytes())
    assert found[0] == found[1]


def test_the_conformer_of_a_ligand_file_does_not_matter(tmp_path, target, quick):
    mol = Chem.MolFromMolFile(str(target.with_name("6xg5_TOP.sdf")))
    found = []
    for number, turn in enumerate([Rotation.identity(), Rotation.from_rotvec([1.0, 2.0, 3.0])]):
        conformer = mol.GetConformer()
        conformer.SetPositions(turn.apply(conformer.GetPositions()) + 7.0 * number)
        Chem.MolToMolFile(mol, str(tmp_path / f"{number}.sdf"))
        source = tmp_path / f"{number}.sdf"
        generate(target, tmp_path / f"out{number}", ligand=source, pocket="ligand", config=quick)
        found.append((tmp_path / f"out{number}/poses.sdf").read_text().split("\n", 1)[1])
    assert found[0] == found[1]


def test_the_order_of_the_rows_does_not_matter(tmp_path, target, quick):
    for name, rows in (("there", PHENOLS), ("back", PHENOLS[::-1])):
        source = table(tmp_path / f"{name}.csv", rows)
        result = generate(target, tmp_path / name, ligand=source, config=quick)
        assert [ligand.name for ligand in result.ligands] == [row[0] for row in rows]
    for name, _ in PHENOLS:
        there, back = (tmp_path / place / name / "poses.sdf" for place in ("there", "back"))
        assert there.read_bytes() == back.read_bytes()


def test_one_bad_row_stops_no_other(tmp_path, target, quick):
    rows = [PHENOLS[0], ("broken", "c1ccc"), ("no embedding", "C1#CC1"), PHENOLS[1]]
    source = table(tmp_path / "ligands.csv", rows)
    result = generate(target, tmp_path / "out", ligand=source, config=quick)
    status = read_csv(tmp_path / "out/status.csv")
    assert [row["status"] for row in status] == ["ok", "failed", "failed", "ok"]
    assert "row 2 (broken)" in status[1]["reason"]
    assert "no 3D conformer" in status[2]["reason"]
    assert result.failed == 2
    summary = read_csv(tmp_path / "out/summary.csv")
    assert {row["name"] for row in summary} == {"phenol", "cresol"}
    report = (tmp_path / "out/report.html").read_text()
    assert "no embedding" in report and "no 3D conformer" in report


def test_a_ligand_unlike_those_of_training_is_docked_and_said(tmp_path, target, quick):
    source = table(tmp_path / "ligands.csv", [PHENOLS[0], ("silane", "C[Si](C)(C)CCCO")])
    with pytest.warns(MolgenWarning, match=r"silane: outside what confidence-2 .* elements Si"):
        generate(target, tmp_path / "out", ligand=source, config=replace(quick, rank="confidence"))
    first, second = read_csv(tmp_path / "out/status.csv")
    assert first["notes"] == "" and second["status"] == "ok"
    outside, ranked = second["notes"].split("; ")
    assert outside == "outside what confidence-2 was trained on: elements Si"
    assert ranked.startswith("ranked by energy, without a confidence: it has elements")


def test_learned_energies_that_do_not_know_a_ligand_are_named(tmp_path, target, quick):
    guided = replace(quick.sidegen, samples=2, steps=2, guidance=GuidanceSettings(on=True, scf=0.2))
    config = replace(quick, sampler="sidegen", rank="energy", sidegen=guided)
    selenide = "C[Se]Cc1ccccc1O"
    with pytest.warns(MolgenWarning, match=r"ligand: outside what energies-1 .* elements Se"):
        generate(target, tmp_path / "out", ligand=selenide, config=config)
    (status,) = read_csv(tmp_path / "out/status.csv")
    assert "outside what energies-1 was trained on: elements Se" in status["notes"]


@pytest.mark.parametrize("rank, measure", [("energy", "score"), ("confidence", "confidence")])
def test_relaxed_poses_are_returned_only_where_better(tmp_path, target, quick, rank, measure):
    physics = RelaxSettings(flexible=0.0, reach=6.0, iterations=40, soften=10)
    config = replace(
        quick, rank=rank, relax=True, num_poses=3, relaxation=RelaxConfig("CPU", physics=physics)
    )
    out = tmp_path / "out"
    generate(target, out, config=config)
    rows = read_csv(out / "summary.csv")
    files = {
        name: list(Chem.SDMolSupplier(str(out / name), removeHs=False))
        for name in ("poses.sdf", "unrelaxed_poses.sdf", "relaxed_poses.sdf")
    }
    assert [len(mols) for mols in files.values()] == [3, 3, 3]
    found, relaxed = files["unrelaxed_poses.sdf"], files["relaxed_poses.sdf"]
    words = [row["relaxation"] for row in rows]
    assert set(words) <= {"accepted", "refused"} and (rank != "energy" or "accepted" in words)
    for mol, row in zip(files["poses.sdf"], rows, strict=True):
        where = mol.GetConformer().GetPositions()
        source = relaxed if row["relaxation"] == "accepted" else found
        (origin,) = (m for m in source if np.array_equal(m.GetConformer().GetPositions(), where))
        before, after = (float(origin.GetProp(f"{measure}_{k}")) for k in ("before", "after"))
        better = after < before if measure == "score" else after > before
        was, now = (
            set(origin.GetProp(f"posebusters_failed_{k}").split(", ")) - {""}
            for k in ("before", "after")
        )
        gained, lost = bool(was and not now), len(now) > len(was)
        assert (row["relaxation"] == "accepted") == (gained or (better and not lost))
        if measure == "score":
            kept = after if row["relaxation"] == "accepted" else before
            assert float(row["score"]) == pytest.approx(kept, abs=1e-3)
        assert (row["relaxation_reason"] == "") == (row["relaxation"] == "accepted")
    sign = 1.0 if measure == "score" else -1.0
    order = [(row["posebusters_pass"] == "false", sign * float(row[measure])) for row in rows]
    assert order == sorted(order)
    if rank == "confidence":  # poses are ranked by what was found, whatever came of them
        generate(target, tmp_path / "found", config=replace(config, relax=False))
        same = [row["confidence"] for row in read_csv(tmp_path / "found/summary.csv")]
        assert sorted(same) == sorted(row["confidence"] for row in rows)


AGAIN = SidegenSettings(samples=3, steps=3, rounds=1, starts=32)


def test_a_ligand_in_doubt_is_searched_twice(tmp_path, target, quick):
    once = replace(quick, num_poses=40)
    outs = {"never": once, "surely": replace(once, unsure=1.0, again=AGAIN)}
    outs |= {"again": outs["surely"], "sure": replace(once, unsure=1e-6, again=AGAIN)}
    outs["undrawn"] = replace(outs["surely"], support=None)
    rows, notes = {}, {}
    for name, config in outs.items():
        generate(target, tmp_path / name, config=config)
        rows[name] = read_csv(tmp_path / name / "summary.csv")
        notes[name] = read_csv(tmp_path / name / "status.csv")[0]["notes"]
        used = json.loads((tmp_path / name / "run.json").read_text())["checkpoints"]
        assert ("sidegen-3" in used) == (name != "never")
        assert ("support-1" in used) == (name not in ("never", "undrawn"))
    poses = {name: (tmp_path / name / "poses.sdf").read_bytes() for name in outs}
    assert poses["sure"] == poses["never"] and poses["surely"] == poses["again"]
    assert "searched twice" in notes["surely"]
    assert not any("twice" in notes[name] for name in ("sure", "never"))

    # what SIDEGEN drew changes confidences, not poses; those that fall out are the last of 40
    said = {name: {row["score"]: row["confidence"] for row in rows[name]} for name in rows}
    both = said["surely"].keys() & said["undrawn"].keys()
    assert len(both) > 10 and all(said["surely"][s] != said["undrawn"][s] for s in both)

    # poses of both, none of them twice, the most confident first
    found, first = ({row["score"] for row in rows[name]} for name in ("surely", "never"))
    assert found & first and found - first
    order = [
        (row["posebusters_pass"] == "false", -float(row["confidence"])) for row in rows["surely"]
    ]
    assert order == sorted(order)
    mols = list(Chem.SDMolSupplier(str(tmp_path / "surely/poses.sdf")))
    apart = [ligand_rmsd(mol, mols[k + 1 :]).min() for k, mol in enumerate(mols[:-1])]
    assert min(apart) > quick.search.distinct - 1e-3


def test_what_the_first_search_found_is_not_lost(tmp_path, target, quick, monkeypatch):
    def fails(sampler, ligand, num_poses, seed):
        raise LigandError(f"{ligand.name}: no conformer")

    monkeypatch.setattr(SidegenSampler, "sample", fails)
    generate(target, tmp_path / "once", config=quick)
    generate(target, tmp_path / "out", config=replace(quick, unsure=1.0, again=AGAIN))
    (status,) = read_csv(tmp_path / "out/status.csv")
    assert status["status"] == "ok"
    assert "not searched a second time: TOP: no conformer" in status["notes"]
    found = [(tmp_path / name / "poses.sdf").read_bytes() for name in ("out", "once")]
    assert found[0] == found[1]


@pytest.mark.parametrize("options", [{"rank": "energy"}, {"sampler": "sidegen", "sidegen": AGAIN}])
def test_only_rated_poses_of_the_search_can_be_in_doubt(tmp_path, target, quick, options):
    generate(target, tmp_path / "out", config=replace(quick, unsure=1.0, **options))
    assert "twice" not in read_csv(tmp_path / "out/status.csv")[0]["notes"]


def test_relaxation_is_refused_where_energies_are_missing(tmp_path, target, quick):
    with pytest.raises(ConfigError, match="relax does not go with sampler vina"):
        generate(target, tmp_path / "out", config=replace(quick, sampler="vina", relax=True))
    with pytest.raises(ConfigError, match="relax does not go with keep_raw"):
        generate(target, tmp_path / "out", config=replace(quick, keep_raw=True, relax=True))


def test_names_cannot_leave_the_folder_or_meet(tmp_path, target, quick):
    names = [
        "../../up", "/etc/passwd", "same", "same", "SAME", "summary.csv", "record.json", "..",
        "<b onload=x>bold</b>", "a\x1b[31mred",
    ]  # fmt: skip
    source = table(tmp_path / "ligands.csv", [(name, "C") for name in names])
    result = generate(target, tmp_path / "deep/out", ligand=source, config=quick)
    assert result.failed == 0 and [r.name for r in result.ligands] == names
    folders = [r.folder for r in result.ligands]
    assert len({folder.lower() for folder in folders}) == len(names)
    for folder in folders:
        assert (tmp_path / "deep/out" / folder).resolve().parent == tmp_path / "deep/out"
        assert (tmp_path / "deep/out" / folder / "poses.sdf").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "ligands.csv"]
    assert (tmp_path / "deep/out/summary.csv").is_file()
    assert "<b onload" not in (tmp_path / "deep/out/report.html").read_text()


def test_every_record_of_an_sdf_is_docked(tmp_path, target, quick):
    records = [target.with_name(name).read_text() for name in ("6xg5_TOP.sdf", "7n03_ZRP.sdf")]
    broken = "broken\n\n\n  not a counts line\nM  END\n$$$$\n"
    text = "".join(r if "$$$$" in r else r.rstrip("\n") + "\n$$$$\n" for r in records)
    (tmp_path / "many.sdf").write_text(text + broken)
    result = generate(target, tmp_path / "out", ligand=tmp_path / "many.sdf", config=quick)
    assert [ligand.status for ligand in result.ligands] == ["ok", "ok", "failed"]
    assert all((tmp_path / "out" / r.folder / "poses.sdf").is_file() for r in result.ligands[:2])


def test_a_salt_is_cut_and_said(tmp_path, target, quick):
    result = generate(target, tmp_path / "out", ligand="Oc1ccccc1.[Na+].[Cl-]", config=quick)
    (ligand,) = result.ligands
    assert ligand.smiles == "Oc1ccccc1"
    assert any("largest fragment kept, left out: [Cl-], [Na+]" in note for note in ligand.notes)


def test_the_geometric_pockets_are_listed(tmp_path, target, quick):
    result = generate(target, tmp_path / "out", ligand="C", pocket="auto:2", config=quick)
    pockets = json.loads((tmp_path / "out/run.json").read_text())["pockets"]
    assert pockets == list(result.pockets)
    assert [p["rank"] for p in pockets] == list(range(1, len(pockets) + 1))
    assert [p["rank"] for p in pockets if p["chosen"]] == [2]
    np.testing.assert_allclose(pockets[1]["center"], result.pocket.center, atol=1e-3)
    assert all(p["residues"] and p["volume"] > 0 for p in pockets)
    other = generate(target, tmp_path / "named", ligand="C", pocket="ligand", config=quick)
    assert not other.pockets and "pockets" not in json.loads(
        (tmp_path / "named/run.json").read_text()
    )


def test_the_reposed_ligand_leaves_the_receptor_wherever_the_pocket_is(tmp_path, target, quick):
    far = generate(target, tmp_path / "out", pocket="A:150", config=quick)
    assert any("TOP A:303 removed" in note for note in far.notes)
    kept = generate(target, tmp_path / "kept", pocket="A:150", ligand="C", config=quick)
    assert not any("removed" in note for note in kept.notes)


def test_settings_made_by_hand_are_checked(tmp_path, target, quick):
    with pytest.raises(ConfigError, match="num_poses: must be at least 1"):
        generate(target, tmp_path / "out", config=replace(quick, num_poses=0))
    assert not (tmp_path / "out").exists()


def test_a_long_smiles_is_no_path(tmp_path, target, quick):
    with pytest.raises(LigandError, match="neither an existing ligand file nor a valid SMILES"):
        generate(target, tmp_path / "out", ligand="C(" * 3000, config=quick)


def test_progress_goes_to_stderr_when_asked(tmp_path, target, quick, capfd):
    for name, progress in (("bar", True), ("none", False)):
        generate(target, tmp_path / name, ligand="C", config=quick, progress=progress)
        written = capfd.readouterr()
        assert written.out == "" and ("ligand" in written.err) == progress


def test_a_cofactor_stays_when_another_ligand_is_docked(tmp_path, target):
    lines = target.read_text().splitlines(keepends=True)
    path = tmp_path / "holo.cif"
    path.write_text("".join(x for x in lines if not (x.startswith("HETATM") and " TOP " in x)))
    for pocket in (None, "auto", "A:27,A:31,A:5"):
        docked = read_target(path, pocket, edge=25.0, repose=False)
        assert docked.removed == () and "NDP" in set(docked.receptor.residue_names.tolist())
    reposed = read_target(path, None, edge=25.0, repose=True)
    assert reposed.reposed.code == "NDP" and "NDP" not in reposed.receptor.residue_names
    searched = read_target(path, "auto", edge=25.0, repose=True)
    free = find_cavities(reposed.receptor)
    np.testing.assert_allclose(searched.box.center, free[0].center)
    assert len(searched.pockets) == len(free) and "NDP" not in searched.receptor.residue_names
    ndp = read_structure(path).reposable[0]
    write_sdf(tmp_path / "ndp.sdf", [(cocrystal_ligand(read_structure(path), ndp).mol, {})])
    assert read_relax_target(path, read_poses(tmp_path / "ndp.sdf", None)).removed[0].code == "NDP"


def test_a_docked_ligand_gives_the_bond_orders_of_the_one_in_the_file(tmp_path, target, quick):
    text = target.read_text().replace(" TOP ", " QZ9 ")
    path = tmp_path / "unknown.cif"
    path.write_text(text[: text.index("_chem_comp_bond")] + "_x.y 1\n")
    trimethoprim = "COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC"
    generate(path, tmp_path / "out", ligand=trimethoprim, config=quick)
    report = (tmp_path / "out/report.html").read_text()
    assert '"reference":""' not in report
    generate(path, tmp_path / "other", ligand="Cc1ccccc1", config=quick)
    assert '"reference":""' in (tmp_path / "other/report.html").read_text()


def test_one_isomer_is_docked_and_named(tmp_path, target, quick):
    config = replace(quick, num_poses=6)
    result = generate(target, tmp_path / "out", ligand="CC(N)c1ccc(Cl)cc1", config=config)
    (ligand,) = result.ligands
    assert "one isomer stands for all" in ligand.notes[0] and "@" in ligand.smiles
    poses = list(Chem.SDMolSupplier(str(tmp_path / "out/poses.sdf")))
    assert len(poses) > 1 and {Chem.MolToSmiles(mol) for mol in poses} == {ligand.smiles}
