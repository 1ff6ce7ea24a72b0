"""`molgen label quality`: from structures to a store, with an outcome for every model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from molgen.api.label_quality import label_quality, read_sequences, read_weights
from molgen.cli.main import cli
from molgen.datasets.quality import QualityStore
from molgen.errors import InputError, OutputError
from molgen.io import read_structure, write_pdb

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "examples" / "6xg5.cif"


def write_model(path: Path, protein, *, noise: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shaken = protein.coords + noise * np.random.default_rng(0).standard_normal(protein.coords.shape)
    write_pdb(path, type(protein)(**{**protein.__dict__, "coords": shaken.astype(np.float32)}))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two targets of 60 and 40 residues of PDB entry 6xg5 with good and bad models."""
    root = tmp_path_factory.mktemp("models")
    whole = read_structure(EXAMPLE).atoms
    whole = whole.select(~whole.hetero)
    residue = whole.residue_index()
    one, two = (whole.select((residue >= a) & (residue < b)) for a, b in ((10, 70), (90, 130)))
    write_model(root / "one/target.pdb", one)
    write_model(root / "one/models/same.pdb", one)
    write_model(root / "one/models/shaken.pdb", one, noise=0.6)
    longer = whole.select((residue >= 5) & (residue < 75))
    write_model(root / "one/models/longer.pdb", longer)
    write_model(root / "one/models/other.pdb", two)
    (root / "one/models/broken.pdb").write_text("no structure\n")
    (root / "one/models/notes.txt").write_text("not a model\n")
    (root / "one/models.csv").write_text("model,kind,seed\nshaken.pdb,noise,0\n")
    write_model(root / "two/target.pdb", two)
    write_model(root / "two/models/shaken.pdb", two, noise=0.3)
    (root / "empty").mkdir()
    return root


@pytest.fixture(scope="module")
def store(root, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("stores") / "store"
    label_quality([root], out, split=True, fractions=(0.5, 0.5, 0.0), jobs=1)
    return out


def test_every_model_has_an_outcome(store):
    rows = {row["id"]: row for row in csv.DictReader((store / "index.csv").open())}
    outcome = {name: row["reason"] or row["status"] for name, row in rows.items()}
    assert outcome == {
        "one/native": "ok",
        "one/same": "ok",
        "one/shaken": "ok",
        "one/longer": "ok",
        "one/other": "not_of_this_target",
        "one/broken": "unusable",
        "two/native": "ok",
        "two/shaken": "ok",
    }
    assert "broken.pdb" in rows["one/broken"]["detail"]
    assert str(store.parent) not in (store / "index.csv").read_text()
    kinds = {name: row["kind"] for name, row in rows.items()}
    assert kinds["one/shaken"] == "noise" and kinds["two/shaken"] == "model"
    assert kinds["one/native"] == "native"


def test_labels_are_those_of_a_copy_and_fall_with_errors(store):
    models = {model.id: model for model in QualityStore(store)}
    for name in ("one/native", "one/same", "one/longer"):
        model = models[name]
        # longer: cut to the residues of the native before anything is computed
        assert len(model.contacts) == 60
        assert model.cad == pytest.approx(1.0) and model.gdt_ts == pytest.approx(1.0)
        assert np.nanmin(model.cad_local) == pytest.approx(1.0)
        assert np.nanmin(model.lddt_local) == pytest.approx(1.0)
    assert len(models["one/longer"].contacts.edge_nodes) == len(
        models["one/native"].contacts.edge_nodes
    )
    one, two = models["one/shaken"], models["two/shaken"]
    assert 0.3 < one.cad < two.cad < 1.0 and one.lddt < two.lddt
    assert np.nanmean(one.cad_local) == pytest.approx(one.cad, abs=0.05)


def test_the_split_and_the_sequences(store):
    lists = [
        (store / f"splits/sequence-seed0/{p}.txt").read_text().split() for p in ("train", "val")
    ]
    assert sorted(map(len, lists)) == [1, 1]
    sequences = QualityStore(store).sequences
    assert [len(sequences[name].replace("-", "")) for name in ("one", "two")] == [60, 40]


def test_building_again_changes_nothing_and_takes_in_what_is_new(root, store, tmp_path):
    copy, grown = tmp_path / "store", tmp_path / "models"
    shutil.copytree(store, copy)
    shutil.copytree(root, grown)
    with pytest.raises(OutputError, match="is not empty; add --resume"):
        label_quality([grown], copy, jobs=1)
    before = {path.name: path.stat().st_mtime_ns for path in copy.glob("*.safetensors")}
    (copy / "manifest.json").unlink()  # as after a kill
    label_quality([grown], copy, jobs=1, resume=True)
    assert {p.name: p.stat().st_mtime_ns for p in copy.glob("*.safetensors")} == before
    for name in ("index.csv", "manifest.json"):
        assert (copy / name).read_bytes() == (store / name).read_bytes()
    shutil.copy(grown / "two/models/shaken.pdb", grown / "two/models/again.pdb")
    result = label_quality([grown], copy, jobs=2, resume=True)
    assert result.usable == 7 and len(list(copy.glob("*.safetensors"))) == 2
    # the same number of processes or not, the same bytes
    label_quality([grown], tmp_path / "afresh", jobs=1)
    assert (tmp_path / "afresh/index.csv").read_bytes() == (copy / "index.csv").read_bytes()


def test_similar_targets_and_those_of_no_weight_are_left_out(root, tmp_path):
    sequence = read_sequences([root / "two" / "target.pdb"])[0]
    (tmp_path / "bench.fasta").write_text(f">x\n{sequence[:20]}\n{sequence[20:]}\n")
    (tmp_path / "weights.csv").write_text("target,weight\none,0.25\n")
    result = label_quality(
        [root],
        tmp_path / "a",
        exclude=[tmp_path / "bench.fasta"],
        weights=tmp_path / "weights.csv",
        jobs=1,
    )
    assert (result.targets, result.excluded) == (1, 1)
    assert {model.weight for model in QualityStore(tmp_path / "a")} == {0.25}
    assert read_weights(None) == {}
    with pytest.raises(InputError, match="every target is similar"):
        label_quality([root], tmp_path / "b", exclude=[root / "one", root / "two"], jobs=1)
    (tmp_path / "weights.csv").write_text("target,weight\none,-1\n")
    with pytest.raises(InputError, match="the weight of one must be 0 or more"):
        label_quality([root], tmp_path / "b", weights=tmp_path / "weights.csv", jobs=1)


def test_a_target_in_two_roots_keeps_all_its_models(root, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(root / "two", again / "two")
    label_quality([root, again], tmp_path / "store", jobs=1)
    ids = [model.id for model in QualityStore(tmp_path / "store")]
    assert "two/shaken" in ids and "two/again.shaken" in ids and ids.count("two/native") == 1


def test_on_the_command_line(root, tmp_path, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)

    def run(*arguments):
        return CliRunner().invoke(cli, ["label", "quality", *map(str, arguments)])

    out = tmp_path / "store"
    result = run(root, "--out", out, "--jobs", 1)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"6 of 8 models of 2 targets in {out}")
    assert [line.split() for line in lines[1:]] == [
        ["6", "ok"],
        ["1", "unusable"],
        ["1", "not_of_this_target"],
    ]
    printed = json.loads(run(root, "--out", out, "--jobs", 1, "--resume", "--json").stdout)
    assert printed["usable"] == 6 and printed["outcomes"]["ok"] == 6
    for arguments, message in (
        ((root, "--out", out), "is not empty"),
        ((tmp_path / "none", "--out", tmp_path / "x"), "none: no such folder"),
        ((root / "empty", "--out", tmp_path / "x"), "no target there"),
        ((root, "--out", root, "--resume"), "which is no part of a quality store"),
        ((root, "--out", tmp_path / "x", "--exclude", "gone.fa"), "gone.fa: not readable as FASTA"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert message in result.stderr and result.stderr.count("\n") == 1
