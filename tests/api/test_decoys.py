"""Decoys end to end on a small protein made in the test."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

from molgen.api import decoys
from molgen.api.decoys import DecoyConfig, make_decoys
from molgen.decoys.backbone_geometry import backbone_from_torsions
from molgen.decoys.build import Builder, complete_backbone
from molgen.decoys.recipes import RECIPES
from molgen.decoys.sidechains import RESIDUES, build_sidechains, model_protein
from molgen.errors import ConfigError, InputError, OutputError
from molgen.io import read_structure
from molgen.io.pdb_writer import write_pdb

SEQUENCE = "ALA LEU LYS GLU LEU PHE GLU ALA LEU GLY ASN PRO SER VAL TYR ILE THR TRP".split()


@pytest.fixture(scope="module")
def protein():
    """A helix and a strand with all side chains: 34 residues."""
    phi = np.radians([-60.0] * 16 + [-90.0, 80.0, -70.0, 60.0] + [-120.0] * 14)
    psi = np.radians([-45.0] * 16 + [0.0, 10.0, 140.0, 40.0] + [130.0] * 14)
    backbone = backbone_from_torsions(phi, psi, np.full(34, math.pi)).astype(np.float32)
    names = (SEQUENCE * 2)[:34]
    sequence = np.array([RESIDUES.index(name) for name in names])
    atoms = build_sidechains(sequence, backbone, np.random.default_rng(0))
    return model_protein(sequence, atoms, name="made")


@pytest.fixture(scope="module")
def native(protein, tmp_path_factory):
    path = tmp_path_factory.mktemp("natives") / "made.pdb"
    write_pdb(path, protein)
    return path


@pytest.fixture(scope="module")
def builder(protein):
    return Builder(complete_backbone(protein), [complete_backbone(protein).backbone])


@pytest.mark.parametrize("kind", RECIPES)
def test_every_recipe_makes_a_whole_model(kind, builder, protein):
    model = builder.make(RECIPES[kind], np.random.default_rng(3))
    assert np.isfinite(model.coords).all()
    assert model.atom_names.tolist() == protein.atom_names.tolist()
    assert model.residue_numbers.tolist() == protein.residue_numbers.tolist()
    assert model.chains.tolist() == protein.chains.tolist()
    if kind == "relaxed":
        assert builder.ca_rmsd(model) < 1.0
    again = builder.make(RECIPES[kind], np.random.default_rng(3))
    np.testing.assert_allclose(again.coords, model.coords, atol=1e-3)


def test_relaxed_decoys_have_the_bonds_of_proteins(builder):
    for seed in range(6):
        model = builder.make(RECIPES["moved_domains"], np.random.default_rng(seed))
        gaps = np.linalg.norm(np.diff(model.coords[model.atom_names == "CA"], axis=0), axis=1)
        assert np.median(gaps) == pytest.approx(3.8, abs=0.1)


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_writes_models_tables_and_targets(native, tmp_path):
    out = tmp_path / "out"
    config = DecoyConfig(per_native=3, kinds=("near_native", "wrong_fold"), seed=5)
    result = make_decoys([native], out, config=config, jobs=1)
    assert (result.natives, result.made, result.failed) == (1, 3, 0)
    table = rows(out / "status.csv")
    assert [row["status"] for row in table] == ["ok"] * 3
    assert {row["kind"] for row in table} == {"near_native", "wrong_fold"}
    for row in table:
        model = read_structure(out / "made" / "models" / row["model"])
        assert len(model.atoms) == len(read_structure(out / "made" / "target.pdb").atoms)
    assert json.loads((out / "run.json").read_text())["config"]["seed"] == 5
    first = (out / "made" / "models" / table[0]["model"]).read_bytes()
    again = make_decoys([native], tmp_path / "again", config=config, jobs=1)
    assert again.made == 3
    assert (tmp_path / "again" / "made" / "models" / table[0]["model"]).read_bytes() == first


def test_a_bad_native_gets_a_reason_and_the_rest_goes_on(native, tmp_path):
    bad = tmp_path / "bad.pdb"
    bad.write_text("not a structure\n")
    config = DecoyConfig(per_native=1, kinds=("repacked",))
    result = make_decoys([bad, native], tmp_path / "out", config=config, jobs=1)
    assert (result.made, result.failed) == (1, 1)
    table = rows(tmp_path / "out" / "status.csv")
    assert table[0]["native"] == "bad" and table[0]["status"] == "failed" and table[0]["reason"]


def test_resume_keeps_what_is_finished_and_force_starts_over(native, tmp_path):
    out = tmp_path / "out"
    config = DecoyConfig(per_native=1, kinds=("repacked",))
    make_decoys([native], out, config=config, jobs=1)
    model = next((out / "made" / "models").iterdir())
    stamp = model.stat().st_mtime_ns
    with pytest.raises(OutputError, match="not empty"):
        make_decoys([native], out, config=config, jobs=1)
    make_decoys([native], out, config=config, jobs=1, resume=True)
    assert model.stat().st_mtime_ns == stamp
    with pytest.raises(OutputError, match="other settings"):
        make_decoys([native], out, config=DecoyConfig(per_native=2), jobs=1, resume=True)
    make_decoys([native], out, config=config, jobs=1, force=True)
    assert model.stat().st_mtime_ns > stamp


def test_wrong_input_is_said_before_any_work(native, tmp_path):
    with pytest.raises(ConfigError, match=r"melted"):
        make_decoys([native], tmp_path / "out", config=DecoyConfig(kinds=("meltet",)))
    with pytest.raises(InputError, match="not found"):
        make_decoys([tmp_path / "nothing.pdb"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no structure file"):
        make_decoys([tmp_path / "empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_natives_of_one_name_get_two_folders(native, tmp_path):
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / "made.pdb"
    copy.write_bytes(native.read_bytes())
    config = DecoyConfig(per_native=1, kinds=("repacked",))
    make_decoys([native, copy], tmp_path / "out", config=config, jobs=1)
    assert (tmp_path / "out" / "made").is_dir() and (tmp_path / "out" / "made-2").is_dir()


@pytest.mark.slow
def test_thermal_frames_come_with_a_trajectory(native, tmp_path):
    from molgen.io.trajectory import read_trajectory

    config = DecoyConfig(per_native=0, thermal=2, platform="CPU")
    result = make_decoys([native], tmp_path / "out", config=config, jobs=1)
    assert result.kinds == {"thermal": 2}
    folder = tmp_path / "out" / "made"
    first = read_structure(folder / "models" / "thermal_0.pdb").atoms
    frames = read_trajectory(folder / "thermal.xtc", first)
    assert frames.shape == (2, len(first), 3)
    np.testing.assert_allclose(frames[0], first.coords, atol=0.02)


def begin(folder, config, inputs, *, resume=False, force=False) -> None:
    """Open the folder of a run of decoys, and leave it at once."""
    with decoys._opened(folder, config, inputs, "", resume=resume, force=force):
        pass


def test_force_removes_nothing_of_somebody_else(tmp_path):
    mine = tmp_path / "targets" / "T1000"
    (mine / "models").mkdir(parents=True)
    for name in ("target.pdb", "models.csv", "models/server1.pdb", "notes.txt"):
        (mine / name).write_text("mine")
    config = DecoyConfig()
    for natives in ({"other": ""}, {"T1000": ""}):
        begin(mine.parent, config, {"natives": natives}, force=True)
        assert len([path for path in mine.rglob("*") if path.is_file()]) == 4
    # T1000 is of a run of ours by now
    begin(mine.parent, config, {"natives": {}}, force=True)
    assert [path.name for path in mine.rglob("*") if path.is_file()] == ["notes.txt"]


def test_resume_refuses_other_templates_and_other_natives(tmp_path):
    inputs = {"natives": {"a": "1"}, "templates": ["1"]}

    def resumed(**changes):
        begin(tmp_path / "out", DecoyConfig(), inputs | changes, resume=True)

    begin(tmp_path / "out", DecoyConfig(), inputs)
    resumed()
    with pytest.raises(OutputError, match="threaded on other templates"):
        resumed(templates=["1", "2"])
    with pytest.raises(OutputError, match="a is another file now"):
        resumed(natives={"a": "2"})
    resumed(natives={"b": "3"})


def test_a_native_that_cannot_be_read_is_a_row(native, tmp_path):
    (tmp_path / "natives").mkdir()
    (tmp_path / "natives" / "gone.pdb").symlink_to(tmp_path / "nowhere.pdb")
    (tmp_path / "natives" / "made.pdb").write_bytes(native.read_bytes())
    config = DecoyConfig(per_native=1, kinds=("repacked",))
    result = make_decoys([tmp_path / "natives"], tmp_path / "out", config=config, jobs=1)
    assert (result.made, result.failed) == (1, 1)
