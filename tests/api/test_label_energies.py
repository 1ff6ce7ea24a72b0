"""`molgen label energies`: from a store of complexes to labels; every ligand has an outcome."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from molgen.api import label_energies as use_case
from molgen.api.label_energies import EnergyLabelling, label_energies
from molgen.api.preprocess import preprocess
from molgen.cli.main import cli
from molgen.datasets.energy_labels import KINDS, EnergyLabels
from molgen.datasets.ligand_conformers import ConformerRefusedError
from molgen.datasets.store import Store
from molgen.errors import OutputError, StoreError
from molgen.units import KCAL_PER_EV

pytest.importorskip("tblite", reason="tblite is not installed")

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store") / "store"
    preprocess(COMPLEXES, folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def labels(store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "labels"
    label_energies(store, folder, EnergyLabelling(), jobs=1)
    return folder


def test_every_ligand_has_labels_that_make_sense(store, labels):
    found, entries = EnergyLabels(labels), Store(store)
    assert sorted(ligand.id for ligand in found) == list(entries.ids)
    for ligand in found:
        entry = entries[ligand.id]
        assert [KINDS[k] for k in ligand.kinds] == list(KINDS)
        assert ligand.coords.shape == (4, entry.num_ligand_atoms, 3)
        np.testing.assert_allclose(ligand.coords[0], entry.ligand_coords, atol=1e-5)
        relative = ligand.energies - ligand.energies.min()
        assert relative[1] < relative[2] and relative.max() < 500  # shaking costs
        assert -80_000 < ligand.energies.min() < -10_000  # tens of Hartree
        assert (ligand.gaps > 0).all() and (ligand.gaps < 12 * KCAL_PER_EV).all()
        assert ligand.charges.sum() == pytest.approx(entry.ligand_charges.sum(), abs=1e-3)
    rows = list(csv.DictReader((labels / "index.csv").open()))
    assert {row["status"] for row in rows} == {"ok"} and all(row["smiles"] for row in rows)


def test_a_stopped_run_goes_on_with_the_same_bytes(store, labels, tmp_path, monkeypatch):
    monkeypatch.setattr(use_case, "SHARD_SIZE", 1)
    whole = tmp_path / "whole"
    label_energies(store, whole, jobs=1)
    part = tmp_path / "part"
    label_energies(store, part, EnergyLabelling(limit=1), jobs=1)
    with pytest.raises(OutputError, match="--resume"):
        label_energies(store, part, jobs=1)
    (part / "manifest.json").unlink()
    with pytest.raises(StoreError, match="not finished"):
        EnergyLabels(part)
    kept = (part / "shard-00000.safetensors").stat().st_mtime_ns
    result = label_energies(store, part, jobs=1, resume=True)
    assert result.usable == 2 and result.conformers == 8
    assert (part / "shard-00000.safetensors").stat().st_mtime_ns == kept
    for path in whole.iterdir():
        assert path.read_bytes() == (part / path.name).read_bytes()
    # other settings do not keep it
    label_energies(store, part, EnergyLabelling(conformers=2), jobs=1, resume=True)
    assert len(EnergyLabels(part)[0].kinds) == 2


def test_what_cannot_be_labelled_has_a_reason(store, tmp_path):
    result = label_energies(store, tmp_path / "small", EnergyLabelling(largest=25), jobs=1)
    assert result.outcomes == {"ok": 1, "too_large": 1}
    entry = Store(store)[0]
    with pytest.raises(ConformerRefusedError) as error:
        use_case.label_ligand(entry, EnergyLabelling(highest=1e-9))
    assert error.value.reason == "too_few_conformers"


def test_on_the_command_line(store, tmp_path, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)

    def run(*arguments):
        return CliRunner().invoke(cli, ["label", "energies", *map(str, arguments)])

    out = tmp_path / "labels"
    result = run(store, "--out", out, "--jobs", 1, "--limit", 1, "--conformers", 2)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert result.stdout.startswith(f"2 conformers of 1 of 1 ligands in {out}")
    printed = json.loads(run(store, "--out", out, "--limit", 1, "--resume", "--json").stdout)
    assert printed["conformers"] == 4
    (out / "notes.txt").write_text("mine\n")
    result = run(store, "--out", out, "--force")
    assert result.exit_code == 2 and "notes.txt, which is no part" in result.stderr
