"""Loss of the pose model, and its validation where the memory of a GPU is small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.api.preprocess import preprocess
from molgen.datasets.store import Store
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.network import SidegenConfig
from molgen.errors import TrainingError
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


def judge(data, monkeypatch, most):
    """Measure both complexes where no more than ``most`` fit into memory together.

    The loss is replaced by the size of the ligands, whose mean is known.
    """
    model = SidegenModel(TRAINING.network, {"width": 16, "blocks": 1})
    module = PoseLossModule(model, TRAINING.loss, 2).eval()
    seen = []

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
        network = SidegenConfig(width=16, blocks=1, predicts=predicts)
        module = PoseLossModule(SidegenModel(network, {"width": 16, "blocks": 1}), PoseLoss(), 2)
        batch = data.batch([0], "cartesian", 0, PoseSampling())
        clean = batch.coords[:, None].expand(-1, 2, -1, -1)
        found = module._loss([clean + 0.1], clean, sigma, batch)
        assert float(found["pose"]) == pytest.approx(float((weight * 0.01).mean()), rel=1e-4)


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
