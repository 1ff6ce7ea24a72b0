"""`molgen train sidegen` and the sampler on its checkpoint, on two public complexes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from rdkit import Chem
from scipy.spatial.transform import Rotation

from molgen.api import train_sidegen as use_case
from molgen.api.preprocess import preprocess
from molgen.api.processes import first_process
from molgen.cli.main import cli
from molgen.diffusion.model import load_sidegen
from molgen.errors import ConfigError, InputError
from molgen.io import read_ligand, read_protein
from molgen.search.samplers import SamplerSettings, build_sampler
from molgen.search.settings import (
    GuidanceSettings,
    InferenceSettings,
    SearchSettings,
    SidegenSettings,
)
from molgen.structure import Ligand, Pocket
from molgen.training import loop

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
NAME = "7N03_ZRP"
SETTINGS = """
network: {width: 16, blocks: 2, atoms: 8, residues: 2}
encoder: {width: 16, blocks: 1, atoms: 4, residues: 2}
sampling: {poses: 2, atoms: 64}
validation: {complexes: 1, poses: 2, steps: 2, held: 1}
loop: {epochs: 3, warmup: 1, save_minutes: 0.0}
"""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: False)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("poses")
    preprocess(COMPLEXES, folder / "store", workers=1)
    (folder / "split").mkdir()
    (folder / "split" / "val.txt").write_text("6XG5_TOP\n")
    (folder / "run.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def checkpoint(store) -> Path:
    result = run("store", "--out", store / "model", folder=store)
    assert result.exit_code == 0, result.output
    return store / "model"


def run(name, *arguments, folder):
    given = [folder / name, "--split", folder / "split", "--config", folder / "run.yaml"]
    return CliRunner().invoke(
        cli, ["train", "sidegen", *map(str, [*given, *arguments, "--device", "cpu"])]
    )


def test_a_checkpoint_has_everything(checkpoint):
    metrics = json.loads((checkpoint / "metrics.json").read_text())
    assert metrics["trained_on"] == 1 and metrics["epochs"] == 3
    assert 0 < metrics["metrics"]["cartesian_rmsd_median"] < 50
    card = (checkpoint / "MODEL_CARD.md").read_text()
    assert "Train" in card and "held-out complexes (val)" in card and "{rows}" not in card
    history = (checkpoint / "history.csv").read_text().splitlines()
    assert len(history) == 4
    assert load_sidegen(str(checkpoint)).network.config.width == 16
    assert not (checkpoint / "training.safetensors").exists()


def test_a_killed_run_ends_as_an_unbroken_one(store, checkpoint, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    real, calls = loop._Run._step, []

    def step(self, batch):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return real(self, batch)

    monkeypatch.setattr(loop._Run, "_step", step)
    settings = use_case.read_run(store / "run.yaml", {})
    with pytest.raises(Killed):
        use_case.train_sidegen(
            [store / "store"], tmp_path / "model", run=settings, split=store / "split", device="cpu"
        )
    # two epochs can be looked at already
    assert len((tmp_path / "model" / "history.csv").read_text().splitlines()) == 3
    assert (tmp_path / "model" / "history.png").stat().st_size > 1000
    monkeypatch.setattr(loop._Run, "_step", real)
    # more time for a run is no other run
    timed = replace(settings.training, loop=replace(settings.training.loop, max_minutes=1e6))
    settings = replace(settings, training=timed)
    use_case.train_sidegen(
        [store / "store"], tmp_path / "model", run=settings, split=store / "split", device="cpu",
        resume=True,
    )  # fmt: skip
    name = "model.safetensors"
    assert (tmp_path / "model" / name).read_bytes() == (checkpoint / name).read_bytes()


def test_init_goes_on_from_weights_and_refuses_another_network(store, checkpoint, tmp_path):
    result = run("store", "--init", checkpoint, "--out", tmp_path / "more", folder=store)
    assert result.exit_code == 0, result.output
    assert "weights" in json.loads((tmp_path / "more" / "metrics.json").read_text())["init"]
    settings = store / "steep.yaml"
    settings.write_text(SETTINGS.replace("residues: 2}", "residues: 2, fade: 1.0}"))
    steep = use_case.read_run(settings, {})
    use_case.train_sidegen(
        [store / "store"], tmp_path / "steep", run=steep, init=str(checkpoint),
        split=store / "split", device="cpu",
    )  # fmt: skip
    assert load_sidegen(str(tmp_path / "steep")).network.config.fade == 1.0
    with pytest.raises(ConfigError, match="other options"):
        use_case.train_sidegen(
            [store / "store"], tmp_path / "other", init=str(checkpoint), split=store / "split",
            device="cpu",
        )  # fmt: skip


def test_a_training_does_not_replace_what_it_starts_from(store, checkpoint, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(checkpoint, own)
    result = run("store", "--init", own, "--out", own, "--force", folder=store)
    assert result.exit_code == 2 and "holds the weights that --init names" in result.output
    same = (own / "model.safetensors").read_bytes()
    assert same == (Path(checkpoint) / "model.safetensors").read_bytes()


def test_a_part_can_join_a_trained_network_that_stays_as_it_is(store, checkpoint, tmp_path):
    settings = store / "only.yaml"

    def trained(part, name="joined"):
        settings.write_text(f"only: {part}\n{SETTINGS}")
        use_case.train_sidegen(
            [store / "store"], tmp_path / name, run=use_case.read_run(settings, {}),
            init=str(checkpoint), split=store / "split", device="cpu",
        )  # fmt: skip

    trained("update")
    first, second = (
        load_sidegen(str(path)).state_dict() for path in (checkpoint, tmp_path / "joined")
    )
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert changed and all(".update." in name for name in changed)
    with pytest.raises(ConfigError, match="no weight has 'updte' in its name"):
        trained("updte", "other")


def test_init_gives_a_network_the_sense_for_chirality_but_takes_nothing_away(store, tmp_path):
    settings, blind = store / "run.yaml", store / "blind.yaml"
    blind.write_text(SETTINGS.replace("residues: 2}", "residues: 2, chirality: false}", 1))

    def trained(name, path, init):
        return use_case.train_sidegen(
            [store / "store"], tmp_path / name, run=use_case.read_run(path, {}), init=init,
            split=store / "split", device="cpu",
        )  # fmt: skip

    trained("blind", blind, None)
    trained("seeing", settings, str(tmp_path / "blind"))
    first, second = (load_sidegen(str(tmp_path / n)).network for n in ("blind", "seeing"))
    assert not first.config.chirality and second.config.chirality
    assert set(second.state_dict()) - set(first.state_dict()) == {
        name for name in second.state_dict() if ".handed." in name
    }
    with pytest.raises(ConfigError, match="the network to train has no network.blocks.0.handed"):
        trained("other", blind, str(tmp_path / "seeing"))


def test_a_split_that_leaves_nothing_is_refused(store, tmp_path):
    (tmp_path / "val.txt").write_text("7N03_ZRP\n6XG5_TOP\n")
    with pytest.raises(InputError, match="0 complexes to train on"):
        use_case.train_sidegen([store / "store"], tmp_path / "m", split=tmp_path, device="cpu")


def test_training_on_entries_of_benchmarks_is_said(store, tmp_path):
    result = run("store", "--out", tmp_path / "m", folder=store)
    assert result.exit_code == 0
    assert "1 of 1 entries to train on are of benchmarks (7N03_ZRP); --exclude" in result.output


def test_excluded_complexes_are_in_no_part(store, tmp_path):
    result = run("store", "--exclude", "benchmarks", "--out", tmp_path / "m", folder=store)
    assert result.exit_code == 2
    assert "0 complexes to train on and 0 to validate with" in result.output


def test_unknown_keys_are_refused(tmp_path):
    (tmp_path / "run.yaml").write_text("network: {widht: 3}\n")
    with pytest.raises(ConfigError, match="widht.*width"):
        use_case.read_run(tmp_path / "run.yaml", {})
    for text, message in (
        ("encoder: {widht: 3}", r"run\.yaml: encoder\.widht: unknown key.*width"),
        ("network: {encoder: egn}", r"run\.yaml: unknown target encoder 'egn'.*egnn"),
        ("network: {target: false}\nencoder: {width: 3}", "no use in a network without target"),
    ):
        (tmp_path / "run.yaml").write_text(text)
        with pytest.raises(ConfigError, match=message):
            use_case.read_run(tmp_path / "run.yaml", {})


def sampler(checkpoint, turn=None, dtype=np.float32, **changes):
    protein = read_protein(COMPLEXES / NAME / f"{NAME}_protein.pdb")
    crystal = read_ligand(COMPLEXES / NAME / f"{NAME}_ligand.sdf")
    center = crystal.coords.mean(0).astype(np.float64)
    if turn is not None:
        protein = replace(protein, coords=(protein.coords @ turn.T).astype(dtype))
        center = turn @ center
    pocket = Pocket(center, np.full(3, 22.0), "test")
    small = SearchSettings(conformers=2, num_chains=2, steps=2, grid_spacing=0.8, potential=None)
    options = {"samples": 4, "steps": 3, "rounds": 1, "starts": 16} | changes
    learned = SidegenSettings(checkpoint=str(checkpoint), **options)
    settings = SamplerSettings(search=small, sidegen=learned)
    return build_sampler("sidegen", protein, pocket, settings, "cpu")


def sampled(checkpoint, ligand, seed=0, **changes):
    return sampler(checkpoint, **changes).sample(ligand, 5, seed)


def test_the_sampler_repeats_and_does_not_see_the_ligands_coordinates(checkpoint):
    crystal = read_ligand(COMPLEXES / NAME / f"{NAME}_ligand.sdf")
    moved = Chem.Mol(crystal.mol)
    moved.GetConformer().SetPositions(crystal.coords.astype(np.float64) + 30.0)
    first, second = sampled(checkpoint, crystal), sampled(checkpoint, Ligand("moved", moved))
    np.testing.assert_array_equal(first.coords, second.coords)
    assert (np.diff(first.scores) >= 0).all() and len(first) > 1
    other = sampled(checkpoint, crystal, seed=1)
    assert first.coords.shape[2] == 3 and not np.array_equal(first.coords[0], other.coords[0])


@pytest.mark.parametrize("space", ["rigid-torsion", "cartesian"])
@pytest.mark.parametrize("kind", ["none", "particles"])
def test_turning_the_whole_input_turns_the_proposals(checkpoint, space, kind):
    crystal = read_ligand(COMPLEXES / NAME / f"{NAME}_ligand.sdf")
    turn = Rotation.random(random_state=3).as_matrix()
    settings = {
        "space": space, "samples": 4, "steps": 8, "guidance": GuidanceSettings(on=True),
        "inference": InferenceSettings(kind=kind),
    }  # fmt: skip
    plain = sampler(checkpoint, **settings).propose(crystal, 0)
    turned = sampler(checkpoint, turn, **settings).propose(crystal, 0)
    np.testing.assert_allclose(turned, plain @ turn.T, atol=1e-3, rtol=0)


@pytest.mark.parametrize("space", ["rigid-torsion", "cartesian"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_turning_the_whole_input_turns_what_the_shipped_model_draws(space, kind):
    """Rigid-torsion poses multiply a difference by two or three in every step: none may enter."""
    crystal = read_ligand(COMPLEXES / NAME / f"{NAME}_ligand.sdf")
    turn = Rotation.random(random_state=3).as_matrix()
    shipped, settings = SidegenSettings().checkpoint, {"space": space, "samples": 4, "steps": 20}
    plain = sampler(shipped, **settings).propose(crystal, 0)
    turned = sampler(shipped, turn, kind, **settings).propose(crystal, 0)
    np.testing.assert_allclose(turned, plain @ turn.T, atol=2e-5, rtol=0)


def test_only_rigid_torsion_space_keeps_bond_lengths_and_refinement_restores_them(checkpoint):
    crystal = read_ligand(COMPLEXES / NAME / f"{NAME}_ligand.sdf")
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in crystal.mol.GetBonds()])

    def worst(coords):
        lengths = np.linalg.norm(coords[:, bonds[:, 0]] - coords[:, bonds[:, 1]], axis=2)
        first = np.linalg.norm(np.diff(crystal.coords[bonds], axis=1)[:, 0], axis=1)
        return np.abs(lengths - first).max()

    rigid = sampler(checkpoint, space="rigid-torsion")
    free = sampler(checkpoint, space="cartesian")
    assert worst(rigid.propose(crystal, 0)) < 0.15 < worst(free.propose(crystal, 0))
    assert worst(free.sample(crystal, 5, 0).coords) < 0.15


def test_without_rounds_the_proposals_are_only_minimised(checkpoint):
    crystal = read_ligand(COMPLEXES / NAME / f"{NAME}_ligand.sdf")
    found = sampled(checkpoint, crystal, rounds=0)
    assert 1 <= len(found) <= 4 and np.isfinite(found.scores).all()


@pytest.mark.parametrize(
    "environment, first",
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0", "SLURM_PROCID": "0"}, False),  # torchrun, second machine
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_one_process_of_a_run_speaks(environment, first):
    assert first_process(environment) is first


def test_two_processes_train_one_model(store, checkpoint):
    settings = store / "two.yaml"
    settings.write_text(SETTINGS.replace("loop: {", "loop: {devices: 2, "))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", "-m", "molgen.cli.main", "train", "sidegen"]
    command += [str(store / "store"), "--out", str(store / "two"), "--config", str(settings)]
    command += ["--split", str(store / "split"), "--device", "cpu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)  # of one process only
    assert said["steps"] == 3
    history = (store / "two" / "history.csv").read_text()
    assert len(history.splitlines()) == 4 and "nan" not in history
    assert load_sidegen(str(store / "two")).network.config.width == 16
