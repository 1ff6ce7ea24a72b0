"""`molgen train confidence` on labelled poses of two public complexes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from molgen.api.label import label_poses
from molgen.api.label_search import LabelConfig
from molgen.api.preprocess import preprocess
from molgen.cli.main import cli
from molgen.datasets.builder import BuildOptions
from molgen.errors import StoreError
from molgen.scoring.confidence import load_confidence
from molgen.scoring.confidence_network import BINS, CUTOFF
from molgen.scoring.pose_features import TERMS
from molgen.search.settings import SearchSettings
from molgen.training.confidence_data import (
    REACH,
    ConfidenceData,
    ConfidenceSampling,
    read_labels,
)
from molgen.training.distance_data import CrystalPoses

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
QUICK = SearchSettings(conformers=2, num_starts=64, num_chains=16, rounds=1, steps=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("confidence")
    preprocess(COMPLEXES, place / "store", workers=1)
    settings = LabelConfig(num_poses=12, native_poses=2, search=QUICK)
    assert label_poses(COMPLEXES, place / "poses", settings) == {"ok": 2, "failed": 0}
    (place / "split").mkdir()
    (place / "split" / "val.txt").write_text("6XG5_TOP\n")
    return place


def train(folder, *arguments):
    given = [folder / "store", "--poses", folder / "poses", "--split", folder / "split", "--smoke"]
    return CliRunner().invoke(
        cli, ["train", "confidence", *map(str, [*given, *arguments, "--device", "cpu"])]
    )


def test_labels_to_a_checkpoint_that_rates(folder, tmp_path):
    result = train(folder, "--out", tmp_path / "model", "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["trained_on"] == 1 and printed["held_out"] == 1 and printed["epochs"] == 2
    assert set(printed["metrics"]) >= {"top1", "top1_energy", "auroc", "ece"}
    model = load_confidence(str(tmp_path / "model"))
    assert model.network.config.width == 8
    card = (tmp_path / "model/MODEL_CARD.md").read_text()
    assert "native minima of 1 complexes" in card and "the crystal poses of 1." in card
    domain = json.loads((tmp_path / "model/domain.json").read_text())
    assert domain["ligand_atoms"][0] == domain["ligand_atoms"][1]


def test_poses_are_drawn_from_both_sides(folder):
    from molgen.datasets.store import Store

    data = ConfidenceData(Store(folder / "store"), [folder / "poses"], 40)
    assert sorted(data.ids) == ["6XG5_TOP", "7N03_ZRP"]
    rng = np.random.default_rng(0)
    sampling = ConfidenceSampling(poses=8)
    for position in range(2):
        rmsd = data.poses[position].rmsd
        poses, drawn = data.draw(position, sampling, rng)
        near = int((rmsd <= 2.0).sum())
        assert len(drawn) == len(poses.coords) == min(8, len(rmsd))
        assert int((drawn <= 2.0).sum()) == min(near, max(4, 8 - int((rmsd > 2.0).sum())))
        whole, labelled = data.whole(position)
        assert not labelled.is_native.any() and np.all(np.diff(labelled.energy) >= -1e-4)
        assert len(whole.coords) == len(labelled.rmsd)


def test_poses_with_incomplete_surroundings_are_not_trained_on(folder, tmp_path):
    from molgen.datasets.store import Store

    data = ConfidenceData(Store(folder / "store"), [folder / "poses"], 40)
    arrays = load_file(folder / "poses/entries/6XG5_TOP.safetensors")
    crystal, coords = arrays["crystal_coords"][0], data.poses[0].coords
    offset = np.linalg.norm(coords[:, :, None] - crystal, axis=-1)
    np.testing.assert_allclose(data.poses[0].reach, offset.min(2).max(1), rtol=1e-4)
    far = np.argsort(data.poses[0].rmsd)[-3:]
    data.poses[0].reach[:], data.poses[0].reach[far] = 1.0, REACH + 0.1
    rmsd = data.poses[0].rmsd
    _, drawn = data.draw(0, ConfidenceSampling(poses=40), np.random.default_rng(0))
    assert sorted(drawn.tolist()) == sorted(np.delete(rmsd, far).tolist())
    preprocess(COMPLEXES, tmp_path / "store", options=BuildOptions(cutoff=10.0), workers=1)
    with pytest.raises(
        StoreError, match=r"end 10 Å from the ligand, 17 Å are needed.* --cutoff 17"
    ):
        ConfidenceData(Store(tmp_path / "store"), [folder / "poses"], 40)


def test_pairs_of_a_crystal_complex_have_the_bin_of_their_distance(folder):
    from molgen.datasets.store import Store

    crystals = CrystalPoses(Store(folder / "store"), ["6XG5_TOP"])
    assert len(crystals) == 1
    drawn = crystals.draw(0, 400, 0.0, np.random.default_rng(0))
    offset = drawn.poses.coords[0][drawn.atom] - drawn.poses.target[drawn.node]
    distance = offset.norm(dim=1).numpy()
    upper, lower = np.append(BINS, np.inf)[drawn.bin], np.append(0.0, BINS)[drawn.bin]
    assert ((lower <= distance) & (distance < upper)).all() and len(distance) == 400
    assert (distance < CUTOFF).sum() == 200
    assert len({(int(a), int(n)) for a, n in zip(drawn.atom, drawn.node, strict=True)}) == 400
    again = crystals.draw(0, 400, 0.1, np.random.default_rng(0))
    moved = again.poses.coords - drawn.poses.coords
    assert 0.05 < float(moved.std()) < 0.15


def test_labels_that_do_not_fit_are_refused(folder, tmp_path):
    from molgen.datasets.store import Store

    shutil.copytree(folder / "poses", tmp_path / "poses")
    path = tmp_path / "poses/entries/6XG5_TOP.safetensors"
    arrays = load_file(str(path))
    assert arrays["terms"].shape == (len(arrays["rmsd"]), len(TERMS))
    save_file({k: v[:, 1:] if k == "coords" else v for k, v in arrays.items()}, str(path))
    with pytest.raises(StoreError, match="labels of another collection"):
        ConfidenceData(Store(folder / "store"), [tmp_path / "poses"], 40)
    save_file({k: v for k, v in arrays.items() if k != "terms"}, str(path))
    with pytest.raises(StoreError, match="no labelled poses with energies"):
        read_labels(path, 40)
