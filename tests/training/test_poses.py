"""Loss of the pose model, and its validation where the memory of a GPU is small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.api.preprocess import preprocess
from molgen.datasets.builder import BuildOptions
from molgen.datasets.store import Store
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.network import SidegenConfig
from molgen.errors import StoreError, TrainingError
from molgen.training import poses as training
from molgen.training.pose_data import PoseData, PoseSampling
from molgen.training.poses import (
    PoseLoss,
    PoseLossModule,
    PoseTraining,
    PoseValidation,
    _with_interval,
    measure,
)
from molgen.training.task import packed, seeded_halves

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
TRAINING = PoseTraining(
    network=SidegenConfig(width=16, blocks=1, atoms=4, residues=2),
    validation=PoseValidation(poses=2, steps=2),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    store = tmp_path_factory.mktemp("poses") / "store"
    preprocess(COMPLEXES, store, workers=1)
    return PoseData([Store(store)], TRAINING.pocket)


def loss_module(loss=TRAINING.loss, network=TRAINING.network):
    return PoseLossModule(SidegenModel(network, {"width": 16, "blocks": 1}), loss, 2).eval()


def test_a_store_that_ends_within_the_pocket_is_refused(tmp_path):
    preprocess(COMPLEXES, tmp_path / "store", options=BuildOptions(cutoff=6.0), workers=1)
    with pytest.raises(StoreError, match=r"end 6 Å from the ligand, 1\d\.?\d* Å are needed"):
        PoseData([Store(tmp_path / "store")], TRAINING.pocket)


def judge(data, monkeypatch, most):
    """Measure both complexes where no more than ``most`` fit into memory together.

    The loss is replaced by the size of the ligands, whose mean is known.
    """
    module, seen = loss_module(), []

    def forward(batch):
        if len(batch.coords) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(len(batch.coords))
        return {"pose": batch.ligand.mask.sum(1).float().mean()}

    monkeypatch.setattr(module, "forward", forward)
    return measure(module, data, [0, 1], TRAINING, "cpu"), seen


@pytest.mark.parametrize(("most", "parts"), [(2, [2, 2]), (1, [1, 1, 1, 1])])
def test_a_batch_too_large_for_memory_is_halved(data, monkeypatch, most, parts):
    found, seen = judge(data, monkeypatch, most)
    assert seen == parts  # in both spaces
    mean = data.sizes.mean()
    assert found["rigid-torsion_loss"] == found["cartesian_loss"] == pytest.approx(mean)
    assert found["monitor"] == pytest.approx(-mean) and 0 < found["cartesian_rmsd_median"] < 50


def test_one_complex_too_large_is_named(data, monkeypatch):
    with pytest.raises(TrainingError, match="validation: (6XG5_TOP|7N03_ZRP) alone does not fit"):
        judge(data, monkeypatch, 0)


def test_the_error_of_the_noise_counts_at_every_level(data):
    """Å off by one tenth: weighted by the noise, or by what the noise leaves unknown."""
    sigma = torch.tensor([[0.1, 10.0]])
    weights = {"noise": 1 / (sigma**2 + 0.09), "clean": 1 / (9 * sigma**2 / (sigma**2 + 9) + 0.09)}
    for predicts, weight in weights.items():
        module = loss_module(network=SidegenConfig(width=16, blocks=1, predicts=predicts))
        batch = data.batch([0], "cartesian", 0, PoseSampling())
        clean = batch.coords[:, None].expand(-1, 2, -1, -1)
        found = module._loss([clean + 0.1], clean, sigma, batch)
        assert float(found["pose"]) == pytest.approx(float((weight * 0.01).mean()), rel=1e-4)


def test_terms_of_the_loss_have_their_weights_and_padding_has_none(data):
    batch = data.batch([0, 1], "cartesian", 0, PoseSampling(conformers=0.0))
    clean = batch.coords[:, None].expand(-1, 2, -1, -1)
    sigma = torch.ones(clean.shape[:2])
    module = loss_module(PoseLoss(deep=0.5, distances=0.1))
    estimates = [1.3 * clean, 1.1 * clean]
    found = module._loss(estimates, clean, sigma, batch)
    assert found["deep"] > found["pose"] > 0 and found["distances"] > 0
    expected = found["pose"] + 0.5 * found["deep"] + 0.1 * found["distances"]
    torch.testing.assert_close(found["loss"], expected)
    padding = ~batch.ligand.mask[:, None, :, None]
    assert padding.any()
    dirty = [torch.where(padding, 2.0, x) for x in estimates]
    torch.testing.assert_close(module._loss(dirty, clean, sigma, batch), found)


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
def test_the_network_hears_in_which_space_the_noise_is(data, monkeypatch, space):
    module, heard = loss_module(), []
    real = module.model.network.forward

    def forward(*given):
        heard.append(given[-1])
        return real(*given)

    monkeypatch.setattr(module.model.network, "forward", forward)
    module(data.batch([0], space, 0, PoseSampling()))
    assert heard == [space]


def test_poses_within_2_angstrom_are_counted_with_all_and_with_the_best(data, monkeypatch):
    rmsd = torch.tensor([[1.9, 2.1]])

    def judged(module, batch, config, device):
        each = rmsd.expand(len(batch.coords), -1)
        return 1.0, each, each

    monkeypatch.setattr(training, "_judged", judged)
    found = measure(loss_module(), data, [0, 1], TRAINING, "cpu")
    assert found["cartesian_rmsd_within2"] == 0.5 and found["cartesian_best_within2"] == 1.0


def test_batches_have_other_conformers_and_other_centres(data, monkeypatch):
    crystal = data.coords[0]
    shape = crystal + 100.0
    monkeypatch.setattr(data, "shapes", [shape[None]] * 2)
    bent = PoseSampling(conformers=1.0, centre=0.0)
    coords = data.batch([0], "cartesian", 0, bent).coords[0].numpy()
    np.testing.assert_allclose(coords, shape - crystal.mean(0), atol=1e-3)
    moved = PoseSampling(conformers=0.0, centre=1.0)
    centres = [data.batch([0], "cartesian", seed, moved).coords[0].mean(0) for seed in range(60)]
    assert float(torch.stack(centres).std()) == pytest.approx(1.0, rel=0.2)


def test_no_two_parts_of_a_batch_draw_the_same_noise():
    items = [(tuple(range(8)), 5)]
    seeds = set()
    for _ in range(3):
        items = [half for members, seed in items for half in seeded_halves(members, seed)]
        assert not seeds & {seed for _, seed in items}
        seeds |= {seed for _, seed in items}
    assert len(seeds) == 2 + 4 + 8 and [m for m, _ in items] == [(k,) for k in range(8)]


def test_intervals_are_over_complexes():
    poses = np.repeat(np.arange(100) < 30, 4).reshape(100, 4).astype(float)
    found = _with_interval("share", poses, np.mean, 1000)
    # of 100 complexes, not of 400 poses: 30 % +- 1.96 sqrt(0.3 * 0.7 / 100)
    assert found["share"] == pytest.approx(0.3)
    assert found["share_low"] == pytest.approx(0.21, abs=0.02)
    assert found["share_high"] == pytest.approx(0.39, abs=0.02)
    assert _with_interval("share", poses, np.mean, 0) == {"share": pytest.approx(0.3)}


def test_batches_are_padded_to_no_more_than_is_asked():
    sizes = np.array([30, 2, 31, 29, 7, 90])
    found = packed([0, 1, 2, 3, 4, 5], sizes, 62)
    assert found == [[0, 1], [2, 3], [4], [5]]
    assert packed([], sizes, 62) == []
