"""`molgen train energies` on made labels of two public complexes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from molgen.api import train_energies as use_case
from molgen.api.preprocess import preprocess
from molgen.cli.main import cli
from molgen.config import load
from molgen.datasets.energy_labels import (
    FORMAT,
    INDEX_FIELDS,
    VERSION,
    EnergyLabels,
    LigandEnergies,
    shard_bytes,
)
from molgen.datasets.store import Store
from molgen.energy.property_model import PropertyModel, load_properties
from molgen.errors import InputError, StoreError
from molgen.training import loop
from molgen.training.energies import EnergyLossModule, EnergyTask, EnergyTraining
from molgen.training.energy_data import EnergyData, EnergySampling
from molgen.training.energy_metrics import Prediction, baselines, errors, interval

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
SETTINGS = """
network: {width: 16, edge: 16, blocks: 1}
noisy: [0.2]
loop: {epochs: 3, warmup: 1, save_minutes: 0.0}
"""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A store, labels of its two ligands that a simple law gives, a split and settings."""
    root = tmp_path_factory.mktemp("energies")
    preprocess(COMPLEXES, root / "store", workers=1)
    store, ligands, rows = Store(root / "store"), [], []
    rng = np.random.default_rng(0)
    for entry in store:
        crystal, atoms = entry.ligand_coords, entry.num_ligand_atoms
        coords = np.stack([crystal + s * rng.standard_normal(crystal.shape) for s in (0, 0.1, 0.2)])
        strain = np.array([0.0, 20.0, 80.0])
        ligands.append(
            LigandEnergies(
                id=entry.id,
                coords=coords.astype(np.float32),
                kinds=np.array([0, 1, 2], dtype=np.uint8),
                noise=np.array([0, 0, 0.2], dtype=np.float32),
                energies=-1500.0 * atoms + strain,
                gaps=(70.0 - strain / 10).astype(np.float32),
                mmff=50.0 + 2 * strain,
                charges=(entry.ligand_charges + 0.1).astype(np.float32),
            )
        )
        row = dict.fromkeys(INDEX_FIELDS, "") | {"id": entry.id, "status": "ok"}
        rows.append(row | {"smiles": store.rows[entry.id]["smiles"], "conformers": "3"})
    labels = root / "labels"
    labels.mkdir()
    name = "shard-00000.safetensors"
    shard = shard_bytes(ligands, rows, "made")
    (labels / name).write_bytes(shard)
    lines = [",".join(INDEX_FIELDS), *(",".join(row[f] for f in INDEX_FIELDS) for row in rows)]
    (labels / "index.csv").write_text("\n".join(lines) + "\n")
    manifest = {
        "format": FORMAT, "version": VERSION, "settings": {"made": True},
        "shards": {name: hashlib.sha256(shard).hexdigest()},
        "store_index_sha256": store.manifest["index_sha256"],
    }  # fmt: skip
    (labels / "manifest.json").write_text(json.dumps(manifest))
    (root / "split").mkdir()
    (root / "split" / "val.txt").write_text("6XG5_TOP\n")
    (root / "run.yaml").write_text(SETTINGS)
    return root


@pytest.fixture(scope="module")
def settings(folder) -> EnergyTraining:
    return load(EnergyTraining, folder / "run.yaml")


@pytest.fixture
def data(folder) -> EnergyData:
    """All ligands; made anew for every test, as a task fits the reference of its energies."""
    return EnergyData(EnergyLabels(folder / "labels"), Store(folder / "store"))


@pytest.fixture(scope="module")
def checkpoint(folder) -> Path:
    out = folder / "model"
    given = ["--store", folder / "store", "--split", folder / "split", "--out", out]
    arguments = [folder / "labels", *given, "--config", folder / "run.yaml", "--device", "cpu"]
    result = CliRunner().invoke(cli, ["train", "energies", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "conformer (mmff)" in result.stdout
    return out


def test_a_checkpoint_has_everything(checkpoint):
    facts = json.loads((checkpoint / "metrics.json").read_text())
    assert (facts["trained_on"], facts["held_out"], facts["epochs"]) == (1, "val", 3)
    arms = facts["metrics"]
    assert list(arms) == [
        "network, clean", "network, noise 0.2 Å", "constant", "composition", "mmff",
    ]  # fmt: skip
    # mmff is twice the made strain: off by the strain relative to its mean
    expected = np.abs(np.array([0, 20, 80]) - 100 / 3).mean()
    assert arms["mmff"]["conformer"]["value"] == pytest.approx(expected)
    assert arms["mmff"]["order"]["value"] == 0 and arms["constant"]["conformer"] is not None
    card = (checkpoint / "MODEL_CARD.md").read_text()
    assert "Trained" not in card and "{rows}" not in card and "eV" in card
    assert json.loads((checkpoint / "domain.json").read_text())["elements"]
    assert load_properties(str(checkpoint)).network.config.width == 16
    assert not (checkpoint / "training.safetensors").exists()


def test_a_killed_run_ends_as_an_unbroken_one(folder, settings, checkpoint, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    real, calls = loop._Run._step, []

    def step(self, batch):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return real(self, batch)

    def run(**more):
        return use_case.train_energies(
            folder / "labels", folder / "store", tmp_path / "model",
            settings=settings, split=folder / "split", device="cpu", **more,
        )  # fmt: skip

    monkeypatch.setattr(loop._Run, "_step", step)
    with pytest.raises(Killed):
        run()
    monkeypatch.setattr(loop._Run, "_step", real)
    run(resume=True)
    name = "model.safetensors"
    assert (tmp_path / "model" / name).read_bytes() == (checkpoint / name).read_bytes()


def test_training_learns_the_strain(settings, data):
    torch.manual_seed(0)
    settings = replace(settings, sampling=EnergySampling(clean=1.0))
    model = PropertyModel(settings.network)
    task = EnergyTask(model, data, [0, 1], [0, 1], settings)
    batch = data.batch([0, 1], 0, settings.sampling)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    before = task.module(batch)["loss"].item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = task.module(batch)["loss"]
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * before


def test_noise_is_what_the_batch_says(data):
    calm = data.batch([0], 3, EnergySampling(), sigma=0.0)
    assert (calm.sigma == 0).all()
    clean = calm.coords[0, 0, : data.sizes[0]]
    np.testing.assert_allclose(clean.mean(0), np.zeros(3), atol=1e-4)
    noisy = data.batch([0], 3, EnergySampling(), sigma=0.5)
    assert (noisy.coords - calm.coords)[0, 0, : data.sizes[0]].std() == pytest.approx(0.5, rel=0.2)
    drawn = data.batch([0, 1], 3, EnergySampling(clean=0.0, least=0.1, most=1.0)).sigma
    assert ((drawn >= 0.1) & (drawn <= 1.0)).all() and drawn.std() > 0


def test_a_perfect_prediction_has_no_error_and_an_offset_only_a_level(data):
    data.fit_reference([0, 1])
    made = {}
    for k, offset in ((0, 0.0), (1, 7.0)):
        labels = data.labels[k]
        charges = np.tile(labels.charges, (3, 1))
        made[k] = Prediction(data.relative(k) + offset, labels.gaps, charges)
    found = errors(data, made)
    assert found["level"] == pytest.approx([0.0, 7.0])
    for name in ("conformer", "settled", "order", "gap", "charge"):
        assert found[name] == pytest.approx([0.0, 0.0], abs=1e-9)
    # the reference is exact for two ligands; the mean of three conformers lies 33.3 above
    assert data.relative(0) == pytest.approx([0.0, 20.0, 80.0], abs=1e-5)
    simple = baselines(data, [0, 1], [0, 1])
    assert simple["composition"]["level"] == pytest.approx([0.0, 0.0], abs=1e-4)


def test_the_interval_over_ligands_by_hand():
    # of two values the standard error is half their distance
    expected = {"value": 2.0, "low": 2.0 - 1.96, "high": 2.0 + 1.96}
    assert interval(np.array([1.0, 3.0])) == pytest.approx(expected)


def test_the_monitor_falls_with_the_errors(settings, data):
    torch.manual_seed(2)
    task = EnergyTask(PropertyModel(settings.network), data, [0, 1], [0, 1], settings)
    good = task.validate(task.module, torch.device("cpu"))["monitor"]
    task.module.model.gap_mean += 50.0
    assert task.validate(task.module, torch.device("cpu"))["monitor"] < good < 0


def test_a_level_that_is_off_costs_nothing_but_its_own_term(settings, data):
    torch.manual_seed(3)
    module = EnergyLossModule(PropertyModel(settings.network), settings.loss)
    data.fit_reference([0, 1])
    batch = data.batch([0, 1], 0, EnergySampling(), sigma=0.0)
    before = module(batch)
    batch.targets.energies.add_(500.0 * batch.targets.present)
    after = module(batch)
    assert after["conformer"].item() == pytest.approx(before["conformer"].item(), rel=1e-3)
    assert abs(after["level"].item() - before["level"].item()) > 1.0


def test_padding_has_no_share_in_the_loss(settings, data):
    torch.manual_seed(1)
    module = EnergyLossModule(PropertyModel(settings.network), settings.loss)
    batch = data.batch([0, 1], 0, EnergySampling(), sigma=0.0)
    before = module(batch)["charge"].item()
    batch.targets.charges[0, data.sizes[0] :] = 50.0
    batch.targets.charges[1, data.sizes[1] :] = 50.0
    assert module(batch)["charge"].item() == pytest.approx(before)


def test_what_does_not_fit_is_refused(folder, tmp_path):
    (tmp_path / "val.txt").write_text("7N03_ZRP\n6XG5_TOP\n")
    with pytest.raises(InputError, match="0 ligands to train on"):
        use_case.train_energies(
            folder / "labels", folder / "store", tmp_path / "m", split=tmp_path, device="cpu"
        )
    store = Store(folder / "store")
    store.manifest["index_sha256"] = "other"
    with pytest.raises(StoreError, match="labels of another store"):
        EnergyData(EnergyLabels(folder / "labels"), store)
