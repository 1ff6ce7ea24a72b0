"""Validation of the pose model, where the memory of a GPU is small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from molgen.api.preprocess import preprocess
from molgen.datasets.store import Store
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.network import SidegenConfig
from molgen.errors import TrainingError
from molgen.training.pose_data import PoseData
from molgen.training.poses import PoseLossModule, PoseTraining, PoseValidation, measure

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
    """Measure both complexes where no more than ``most`` fit into memory together."""
    torch.manual_seed(0)
    model = SidegenModel(TRAINING.network, {"width": 16, "blocks": 1})
    module = PoseLossModule(model, TRAINING.loss, 2).eval()
    real, seen = module.forward, []

    def forward(batch):
        if len(batch.coords) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(len(batch.coords))
        return real(batch)

    monkeypatch.setattr(module, "forward", forward)
    return measure(module, data, [0, 1], TRAINING, "cpu"), seen


def test_a_batch_too_large_for_memory_is_halved(data, monkeypatch):
    whole, together = judge(data, monkeypatch, 2)
    halves, alone = judge(data, monkeypatch, 1)
    assert together == [2, 2] and alone == [1, 1, 1, 1]  # in both spaces
    assert set(whole) == set(halves)
    # a new network leaves all where it is: only the noise that is drawn differs
    assert halves["rigid-torsion_loss"] == pytest.approx(whole["rigid-torsion_loss"], rel=0.9)


def test_one_complex_too_large_is_named(data, monkeypatch):
    with pytest.raises(TrainingError, match=f"validation: {data.ids[0]} alone does not fit"):
        judge(data, monkeypatch, 0)
