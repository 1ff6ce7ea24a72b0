"""From complexes to a checkpoint: pose labels, contacts, the fit, and what stops each of them."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from molgen.api.label import label_poses
from molgen.api.label_contacts import label_contacts
from molgen.api.label_search import LabelConfig, label_together
from molgen.api.train_contacts import train_contacts
from molgen.checkpoints import load_tensors
from molgen.datasets.pdbbind import find_entries
from molgen.energy.contacts import ContactPotential
from molgen.errors import InputError, OutputError, StoreError
from molgen.io import read_ligand, read_protein
from molgen.metrics import ligand_rmsd
from molgen.scoring.pose_features import TERMS
from molgen.search.samplers import SamplerSettings
from molgen.search.search_sampler import SearchSampler
from molgen.search.settings import SearchSettings
from molgen.structure import Pocket
from molgen.training.contact_data import ComplexContacts, ContactFile, save_contacts
from molgen.training.contacts import ContactTraining

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
FIRST, SECOND = "6XG5_TOP", "7N03_ZRP"
TINY = SearchSettings(
    conformers=2, num_starts=32, num_chains=2, rounds=1, steps=2, grid_spacing=0.8, potential=None
)
FEATURES = ContactPotential.zero().curves.size
CONFIG = LabelConfig(num_poses=4, native_poses=2, search=TINY)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def statuses(folder: Path) -> dict[str, tuple[str, str]]:
    with (folder / "status.csv").open(newline="", encoding="utf-8") as stream:
        return {row["id"]: (row["status"], row["reason"]) for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """The two examples and an entry whose ligand is no molecule."""
    root = tmp_path_factory.mktemp("label") / "raw"
    shutil.copytree(COMPLEXES, root)
    (root / "9bad").mkdir()
    shutil.copy(COMPLEXES / FIRST / f"{FIRST}_protein.pdb", root / "9bad/9bad_protein.pdb")
    (root / "9bad/9bad_ligand.sdf").write_text("no molecule\n")
    return root


@pytest.fixture(scope="module")
def labels(raw) -> Path:
    folder = raw.parent / "labels"
    assert label_poses(raw, folder, CONFIG) == {"ok": 2, "failed": 1}
    return folder


@pytest.fixture(scope="module")
def contacts(raw, labels) -> Path:
    path = raw.parent / "contacts.safetensors"
    counts = label_contacts(raw, [labels], path)
    assert counts == {"complexes": 2, "with poses": 2, "failed": 1}
    with pytest.raises(OutputError, match="is there already; --force replaces it"):
        label_contacts(raw, [labels], path)
    return path


@pytest.fixture(scope="module")
def split(raw) -> Path:
    """Holds out the first example; the second is left for training."""
    folder = raw.parent / "split"
    folder.mkdir()
    for part, ids in {"train": SECOND, "val": "", "test": FIRST}.items():
        (folder / f"{part}.txt").write_text(f"{ids}\n")
    return folder


def test_labels_are_poses_with_their_rmsd(labels):
    for name in (FIRST, SECOND):
        data = load_file(labels / "entries" / f"{name}.safetensors")
        crystal = read_ligand(COMPLEXES / name / f"{name}_ligand.sdf")
        native = data["is_native"]
        assert 1 <= (~native).sum() <= 4 and 1 <= native.sum() <= 2
        assert data["coords"].shape == (len(native), crystal.num_atoms, 3)
        expected = ligand_rmsd(crystal.mol, data["coords"].astype(np.float64))
        np.testing.assert_allclose(data["rmsd"], expected, atol=1e-3)
        assert data["rmsd"][native].min() < 1.0  # the minimum next to the crystal pose


def test_labels_tell_energies_and_verdicts_of_every_pose(labels):
    for name in (FIRST, SECOND):
        path = labels / "entries" / f"{name}.safetensors"
        data = load_file(path)
        with safe_open(path, framework="numpy") as file:
            checks = json.loads(file.metadata()["checks"])
        poses = len(data["rmsd"])
        assert data["terms"].shape == (poses, len(TERMS)) and np.isfinite(data["terms"]).all()
        assert data["passed"].shape == (poses, len(checks)) and len(set(checks)) == len(checks)
        assert {"bond_lengths", "tetrahedral_chirality"} <= set(checks)
        assert data["passed"].mean() > 0.9  # searched poses are nearly all valid
        # the crystal pose as it is, with its energies and verdicts
        crystal = read_ligand(COMPLEXES / name / f"{name}_ligand.sdf")
        np.testing.assert_allclose(data["crystal_coords"][0], crystal.coords, atol=1e-3)
        assert data["crystal_passed"].all() and data["crystal_terms"].shape == (1, len(TERMS))
        assert data["crystal_terms"][0, TERMS.index("receptor")] < 0


def test_verdicts_can_be_left_out(raw, tmp_path):
    label_poses(raw, tmp_path / "out", replace(CONFIG, checks=False, limit=2))
    for path in (tmp_path / "out/entries").glob("*.safetensors"):
        assert not {"passed", "crystal_passed"} & set(load_file(path))


def test_shards_make_the_whole(raw, labels, tmp_path):
    counts = [label_poses(raw, tmp_path / "out", CONFIG, shard=(k, 3)) for k in (2, 1, 3)]
    assert [sum(one.values()) for one in counts] == [1, 1, 1]
    assert statuses(tmp_path / "out") == statuses(labels)
    for name in (FIRST, SECOND):
        one, two = (
            load_file(f / f"entries/{name}.safetensors") for f in (tmp_path / "out", labels)
        )
        assert all(np.array_equal(one[key], two[key]) for key in two)


def test_many_complexes_are_labelled_at_once(raw, labels, monkeypatch):
    """What a GPU does, on the CPU: batches of two, the next prepared meanwhile."""
    monkeypatch.setattr("molgen.search.torch_engine.POOL", 20)
    entries = find_entries(raw)
    made = list(label_together(entries, CONFIG, "cpu", 2))
    assert [one.entry.id for one in made] == [entry.id for entry in entries]
    by_name = {one.entry.id: one.label for one in made}
    assert "9bad_ligand.sdf" in by_name["9bad"]
    for name in (FIRST, SECOND):
        tensors, expected = by_name[name].tensors, load_file(labels / f"entries/{name}.safetensors")
        assert set(tensors) == set(expected)
        native = tensors["is_native"]
        assert 1 <= (~native).sum() <= 4 and native.any()
        # the crystal pose comes from the same code on both ways, and the minimum next to it
        np.testing.assert_allclose(tensors["crystal_terms"], expected["crystal_terms"], atol=1e-3)
        nearest = [one["rmsd"][one["is_native"]].min() for one in (tensors, expected)]
        assert nearest[0] == pytest.approx(nearest[1], abs=0.2)
        crystal = read_ligand(COMPLEXES / name / f"{name}_ligand.sdf")
        rmsd = ligand_rmsd(crystal.mol, tensors["coords"].astype(np.float64))
        np.testing.assert_allclose(tensors["rmsd"], rmsd, atol=1e-3)


def test_what_does_not_fit_is_searched_in_smaller_batches(raw, monkeypatch):
    sizes = []

    def full(jobs, seed, device):
        sizes.append(len(jobs))
        if len(jobs) > 1 or jobs[0][1].num_atoms > 24:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [np.asarray(ligand.coords, dtype=float)[None] for _, ligand in jobs]

    monkeypatch.setattr("molgen.api.label_search.search_together", full)
    entries = [entry for entry in find_entries(raw) if entry.id != "9bad"]
    large = {e.id for e in entries if read_ligand(e.ligand).num_atoms > 24}
    made = {one.entry.id: one.label for one in label_together(entries, CONFIG, "cpu", 2)}
    assert sizes == [2, 1, 1] and len(large) == 1
    for name, label in made.items():
        assert (label == "the search does not fit into the memory of the GPU") == (name in large)


def test_a_failed_entry_has_a_row_with_the_reason(labels):
    found = statuses(labels)
    assert found[FIRST] == found[SECOND] == ("ok", "")
    status, reason = found["9bad"]
    assert status == "failed" and "9bad_ligand.sdf" in reason


def test_a_second_run_changes_no_byte(raw, labels):
    before = content(labels)
    assert label_poses(raw, labels, CONFIG) == {"ok": 2, "failed": 1}
    assert content(labels) == before


def test_a_stopped_run_adds_what_is_missing(raw, labels, tmp_path):
    folder = tmp_path / "labels"
    shutil.copytree(labels, folder)
    (folder / "entries" / f"{FIRST}.safetensors").unlink()
    (folder / "status.csv").unlink()
    label_poses(raw, folder, CONFIG)
    assert statuses(folder) == statuses(labels)
    first, again = (load_file(f / "entries" / f"{FIRST}.safetensors") for f in (labels, folder))
    for name in first:  # the same entry and seed give the same labels
        np.testing.assert_array_equal(again[name], first[name])


def test_limit_is_a_choice_that_a_later_run_may_widen(raw, labels):
    order = list(statuses(labels))
    before = content(labels)
    counts = label_poses(raw, labels, replace(CONFIG, limit=1))
    assert sum(counts.values()) == 1 and list(statuses(labels)) == order[:1]
    label_poses(raw, labels, CONFIG)
    assert content(labels) == before


def test_only_listed_entries_are_labelled(raw, labels, tmp_path):
    (tmp_path / "list.txt").write_text(f"{FIRST}\n")
    out = tmp_path / "out"
    assert label_poses(raw, out, CONFIG, only=[tmp_path / "list.txt"]) == {"ok": 1, "failed": 0}
    file = f"entries/{FIRST}.safetensors"
    found, expected = load_file(out / file), load_file(labels / file)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    (tmp_path / "list.txt").write_text("9zzz\n")
    with pytest.raises(InputError, match="none of the 1 entries listed"):
        label_poses(raw, tmp_path / "none", CONFIG, only=[tmp_path / "list.txt"])


def test_ligands_that_are_too_large_are_failures(tmp_path):
    counts = label_poses(COMPLEXES, tmp_path / "out", replace(CONFIG, max_atoms=5))
    assert counts == {"ok": 0, "failed": 2}
    assert "heavy atoms, more than 5" in statuses(tmp_path / "out")[FIRST][1]


def test_folders_that_cannot_take_the_labels(raw, labels, tmp_path):
    before = content(labels)
    for other in (replace(CONFIG, seed=1), replace(CONFIG, search=replace(TINY, steps=3))):
        with pytest.raises(OutputError, match="labels of other settings"):
            label_poses(raw, labels, other)
    assert content(labels) == before
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not an empty folder and holds no labels"):
        label_poses(raw, tmp_path, CONFIG)
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(OutputError, match=r"labels\.json: not the settings of labels"):
        label_poses(raw, tmp_path, CONFIG)
    with pytest.raises(InputError, match="none: no such folder"):
        label_poses(tmp_path / "none", tmp_path / "out", CONFIG)


def test_contacts_hold_the_energies_of_the_search(labels, contacts):
    file = ContactFile(contacts)
    assert file.ids == (FIRST, SECOND)
    fingerprint = json.loads((labels / "labels.json").read_text())["fingerprint"]
    assert file.facts["poses"] == fingerprint
    for index, name in enumerate(file.ids):
        data = load_file(labels / "entries" / f"{name}.safetensors")
        np.testing.assert_array_equal(file.column("rmsd", index), data["rmsd"])
        np.testing.assert_array_equal(file.column("is_native", index), data["is_native"])
        protein = read_protein(COMPLEXES / name / f"{name}_protein.pdb")
        ligand = read_ligand(COMPLEXES / name / f"{name}_ligand.sdf")
        pocket = Pocket(ligand.coords.mean(axis=0), np.full(3, 22.5), "box")
        sampler = SearchSampler(protein, pocket, SamplerSettings(search=TINY))
        native = sampler.refine(ligand, data["coords"][data["is_native"]].astype(float), 0, 1)
        best = file.column("vina", index)[data["is_native"]].min()
        # minimised once more, so close to the label and not above it by much
        assert native.terms["receptor"][0] == pytest.approx(best, abs=1.0)
        assert file.crystal_counts([index]).sum() > 100


def test_contacts_of_several_rounds_are_joined(raw, labels, contacts, tmp_path):
    label_contacts(raw, [labels, labels], tmp_path / "two")
    once, twice = ContactFile(contacts), ContactFile(tmp_path / "two")
    for index in range(2):
        for column in ("rmsd", "is_native", "vina"):
            single = once.column(column, index)
            np.testing.assert_array_equal(
                twice.column(column, index), np.concatenate([single, single])
            )
    np.testing.assert_array_equal(once.crystal_counts([0]), twice.crystal_counts([0]))


def test_complexes_without_poses_give_their_crystal_contacts(raw, labels, tmp_path):
    folder = tmp_path / "labels"
    shutil.copytree(labels, folder)
    (folder / "entries" / f"{FIRST}.safetensors").unlink()
    counts = label_contacts(raw, [folder], tmp_path / "contacts")
    assert counts == {"complexes": 2, "with poses": 1, "failed": 1}
    assert ContactFile(tmp_path / "contacts").crystal_counts([0]).sum() > 100
    # damaged labels are a failure of their complex
    (folder / "entries" / f"{FIRST}.safetensors").write_bytes(b"half a fi")
    counts = label_contacts(raw, [folder], tmp_path / "contacts", force=True)
    assert counts == {"complexes": 1, "with poses": 1, "failed": 2}


def test_contacts_need_labels_and_complexes(raw, labels, tmp_path):
    out = tmp_path / "contacts"
    with pytest.raises(InputError, match="holds no labels of molgen label poses"):
        label_contacts(raw, [tmp_path / "none"], out)
    with pytest.raises(InputError, match="none: no such folder"):
        label_contacts(tmp_path / "none", [labels], out)
    shutil.copytree(raw / "9bad", tmp_path / "raw/9bad")
    with pytest.raises(InputError, match="none of the 1 complexes can be read"):
        label_contacts(tmp_path / "raw", [labels], out)
    assert not out.exists()


def test_the_chain_ends_in_a_checkpoint_that_the_search_takes(raw, contacts, split, tmp_path):
    folder = tmp_path / "checkpoint"
    settings = ContactTraining(epochs=3)
    result = train_contacts(contacts, folder, settings=settings, split=split, command="molgen ...")
    assert (result.trained_on, result.held_out) == (1, 1)
    names = {"model.safetensors", "config.json", "SHA256SUMS", "MODEL_CARD.md", "metrics.json"}
    assert {path.name for path in folder.iterdir()} == names
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    config, tensors = load_tensors(str(folder), kind="contact_potential")
    assert tensors["curves"].any() and config["options"]["attraction"] >= 0
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["settings"]["epochs"] == 3 and metrics["complexes"] == 2
    card = (folder / "MODEL_CARD.md").read_text()
    assert "`molgen ...`" in card and "1 held-out complexes (split split)" in card

    ligand = read_ligand(COMPLEXES / FIRST / f"{FIRST}_ligand.sdf")
    protein = read_protein(COMPLEXES / FIRST / f"{FIRST}_protein.pdb")
    pocket = Pocket(ligand.coords.mean(axis=0), np.full(3, 22.5), "box")
    search = replace(TINY, potential=str(folder))
    poses = SearchSampler(protein, pocket, SamplerSettings(search=search)).sample(ligand, 2, 0)
    assert poses.terms["contacts"].any()

    # the second round: another potential is another setting, also under the same name
    second = replace(CONFIG, search=search)
    label_poses(COMPLEXES, tmp_path / "round2", replace(second, limit=1))
    train_contacts(
        contacts, folder, settings=replace(settings, shrink=0.3), split=split, force=True
    )
    with pytest.raises(OutputError, match="labels of other settings"):
        label_poses(COMPLEXES, tmp_path / "round2", second)


def test_a_bad_potential_is_no_failure_of_the_entries(raw, tmp_path):
    config = replace(CONFIG, search=replace(TINY, potential="nothing"))
    with pytest.raises(StoreError, match="no checkpoint 'nothing'"):
        label_poses(raw, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def made(tmp_path) -> Path:
    """Contacts of twenty made complexes: near-native poses touch at feature 7, decoys at 8."""
    rng = np.random.default_rng(0)
    entries = []
    for number in range(20):
        poses = np.zeros((4, FEATURES), dtype=np.float32)
        poses[0, 7] = poses[1:, 8] = 2.0
        zero = np.zeros(4)
        entries.append(
            ComplexContacts(
                id=f"made{number}", rmsd=np.array([1.0, 4.0, 5.0, 6.0]),
                is_native=np.zeros(4, dtype=bool), vina=rng.standard_normal(4), repulsion=zero,
                attraction=zero, strain=zero, crystal=poses[0], poses=poses,
            )
        )  # fmt: skip
    save_contacts(tmp_path / "made", entries, {})
    return tmp_path / "made"


def test_the_same_seed_gives_the_same_checkpoint(made, tmp_path):
    settings = ContactTraining(epochs=3)
    for name in ("a", "b"):
        result = train_contacts(made, tmp_path / name, settings=settings)
        assert (result.trained_on, result.held_out) == (17, 3)  # 15 % of 20
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("a", "b")]
    assert sums[0] == sums[1]
    _, tensors = load_tensors(str(tmp_path / "a"), kind="contact_potential")
    curves = tensors["curves"].ravel()
    assert curves[7] < 0 < curves[8]


def test_training_that_cannot_start(made, contacts, split, tmp_path):
    def refused(error: type[Exception], message: str, source: Path = made, **options) -> None:
        before = content(tmp_path)
        with pytest.raises(error, match=message):
            train_contacts(source, options.pop("out", tmp_path / "out"), **options)
        assert content(tmp_path) == before

    refused(StoreError, "none: not readable as contacts", tmp_path / "none")
    refused(InputError, "val.txt: no split there", split=tmp_path / "none")
    refused(InputError, "leaves 20 complexes to train on and 0 to measure", split=split)
    refused(InputError, "random split: leaves 2 complexes .* and 0", contacts)
    refused(OutputError, "is not empty; --force replaces", out=tmp_path)
    refused(OutputError, "made: is a file; expected a folder", out=made)
    zero = np.zeros(0)
    bare = ComplexContacts("1abc", zero, zero, zero, zero, zero, zero, np.ones(9), np.ones((0, 9)))
    save_contacts(tmp_path / "other", [bare], {})
    refused(StoreError, "has 9 contact features, expected 3888", tmp_path / "other")
    wide = np.ones(FEATURES)
    unlabelled = [
        replace(bare, id=name, crystal=wide, poses=wide[None][:0]) for name in (FIRST, SECOND)
    ]
    save_contacts(tmp_path / "unlabelled", unlabelled, {})
    refused(InputError, "none of the held-out complexes has", tmp_path / "unlabelled", split=split)
