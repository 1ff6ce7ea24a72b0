"""What every encoder and every quality model must do, one suite over both registries."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))
from made_models import contacts_of

from molgen.encoders.registry import ENCODERS, build_encoder
from molgen.errors import ConfigError, RegistryError, StoreError
from molgen.geometry.rotations import matrix_from_rotation_vector
from molgen.graphs.residue_graph import ModelContacts, to_graph
from molgen.scoring.quality_model import (
    QualityEnsemble,
    build_quality,
    load_quality,
    save_quality,
)
from molgen.scoring.quality_recipes import QUALITY_MODELS

MODELS = [contacts_of(31, 0), contacts_of(18, 1), contacts_of(31, 0, noise=1.0)]
PARAMETERS = {"sgcn_5": 24_633, "sgcn_10": 95_433, "sgcn_s_5": 42_567, "sgcn_r_5": 24_633}
"""Of the paper's networks, counted from the table in arXiv 2011.07980."""


@pytest.fixture(scope="module", params=QUALITY_MODELS)
def model(request):
    torch.manual_seed(0)
    made = build_quality(request.param)
    with torch.no_grad():  # statistics of batch normalisation that are not 0 and 1
        for _ in range(20):
            made(to_graph(MODELS))
    return made.eval()


def moved(contacts: ModelContacts) -> ModelContacts:
    """Return the model turned and shifted."""
    turn = matrix_from_rotation_vector(torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64))
    backbone = contacts.backbone @ turn.numpy().T + np.array([7.0, -30.0, 12.0])
    return replace(contacts, backbone=backbone.astype(np.float32))


def permuted(contacts: ModelContacts, order: np.ndarray) -> ModelContacts:
    """Return the model with residue ``order[i]`` at place i; atoms and edges stay in order."""
    place = np.argsort(order)
    nodes = {
        name: getattr(contacts, name)[order]
        for name in (
            "residue_type", "chain", "number", "backbone", "torsions", "volume", "sasa",
            "buriedness",
        )
    }  # fmt: skip
    return replace(
        contacts,
        **nodes,
        atom_node=place[contacts.atom_node].astype(np.int32),
        edge_nodes=np.sort(place[contacts.edge_nodes], axis=1).astype(np.int32),
    )


def predicted(model, models):
    with torch.no_grad():
        return model.predict(to_graph(models))


def test_predictions_have_the_shape_and_range_of_a_cad_score(model):
    found = predicted(model, MODELS)
    assert found.local.shape == (80,) and found.score.shape == (3,)
    assert (found.lddt is not None) == model.head_config.lddt
    for values in (found.local, found.score, *([] if found.lddt is None else [found.lddt])):
        assert ((values > 0) & (values < 1)).all()
    with torch.no_grad():
        torch.testing.assert_close(model(to_graph(MODELS)), found.local)
    if not model.head_config.pooled:
        means = [part.mean() for part in found.local.split([31, 18, 31])]
        torch.testing.assert_close(found.score, torch.stack(means))


def test_rotation_and_translation_change_nothing(model):
    found, turned = predicted(model, MODELS), predicted(model, [moved(m) for m in MODELS])
    torch.testing.assert_close(turned.local, found.local, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(turned.score, found.score, atol=2e-4, rtol=1e-3)


def test_the_order_of_residues_does_not_matter(model):
    order = np.random.default_rng(0).permutation(31)
    found = predicted(model, [permuted(MODELS[0], order)])
    torch.testing.assert_close(
        found.local, predicted(model, MODELS[:1]).local[order], atol=1e-5, rtol=1e-4
    )


def test_a_batch_is_its_members(model):
    together = predicted(model, MODELS)
    single = [predicted(model, [m]) for m in MODELS]
    torch.testing.assert_close(together.local, torch.cat([s.local for s in single]))
    torch.testing.assert_close(together.score, torch.cat([s.score for s in single]))


def test_it_is_alive(model):
    # different residues and different models get different scores, and no layer is silent
    silent = []

    def listen(name):
        def hook(module, arguments, output):
            if isinstance(output, torch.Tensor) and not (output.abs().amax() > 1e-6):
                silent.append(name)

        return hook

    starts_at_zero = {"pool.layers.2", "pool.layers"}
    hooks = [
        part.register_forward_hook(listen(name))
        for name, part in model.named_modules()
        if name not in starts_at_zero
    ]
    try:
        found = predicted(model, MODELS)
    finally:
        for hook in hooks:
            hook.remove()
    assert not silent
    assert found.local.std() > 1e-3
    # model 2 is model 0 with other geometry and contacts, and the same sequence
    assert (found.local[:31] - found.local[49:]).abs().max() > 1e-4


def test_gradients_reach_every_parameter_and_are_finite(model):
    model.zero_grad()
    out = model.predict(to_graph(MODELS))
    total = out.local.square().sum() + out.score.sum()
    total = total if out.lddt is None else total + out.lddt.square().sum()
    total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    some = [p.grad.abs().sum() > 0 for n, p in model.named_parameters() if "pool.layers.0" not in n]
    assert sum(some) > 0.9 * len(some)


def test_a_checkpoint_gives_the_same_answers(model, tmp_path):
    save_quality(tmp_path, model)
    again = load_quality(str(tmp_path))
    assert again.config() == model.config() and not again.training
    for a, b in zip(predicted(model, MODELS), predicted(again, MODELS), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def test_an_ensemble_says_the_mean_and_survives_its_checkpoint(tmp_path):
    torch.manual_seed(3)
    members = [build_quality(name).eval() for name in ("gated_contacts", "sgcn_5")]
    model = QualityEnsemble(members).eval()
    said, parts = predicted(model, MODELS), [predicted(member, MODELS) for member in members]
    torch.testing.assert_close(said.local, (parts[0].local + parts[1].local) / 2)
    torch.testing.assert_close(said.score, (parts[0].score + parts[1].score) / 2)
    torch.testing.assert_close(said.lddt, parts[0].lddt)  # the other does not tell it
    save_quality(tmp_path, model)
    again = load_quality(str(tmp_path))
    assert again.config() == model.config()
    torch.testing.assert_close(predicted(again, MODELS).score, said.score, atol=0, rtol=0)
    with pytest.raises(ConfigError, match="at least one"):
        QualityEnsemble([])


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_are_those_of_the_paper(name):
    assert sum(p.numel() for p in build_quality(name).parameters()) == PARAMETERS[name]


def test_the_wide_baseline_is_as_large_as_the_network_it_is_compared_with():
    wide, narrow = (build_quality(n) for n in ("message_passing_wide", "sgcn_5"))
    sizes = [sum(p.numel() for p in m.parameters()) for m in (wide, narrow)]
    assert abs(sizes[0] / sizes[1] - 1) < 0.05


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_declares_invariant_features_of_its_width(name):
    encoder = build_encoder(name).eval()
    with torch.no_grad():
        found = encoder(to_graph(MODELS))
    assert encoder.irreps_out == f"{found.shape[1]}x0e" and len(found) == 80


def test_other_options_and_heads():
    small = build_quality(
        "sgcn_5",
        encoder={"order": 2, "widths": [6, 4], "normalised": [0], "activate_last": True},
        head={"plain": False, "hidden": [5], "lddt": True, "pooled": True},
    ).eval()
    found = predicted(small, MODELS)
    assert found.lddt is not None
    # the pooled score starts as the mean of the residues
    mean = torch.stack([part.mean() for part in found.local.split([31, 18, 31])])
    torch.testing.assert_close(found.score, mean, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("irreps", ["4x0e+2x1o", "4x1e", "4x0o", "4", ""])
def test_a_head_takes_invariant_features_only(monkeypatch, irreps):
    class Odd(torch.nn.Module):
        irreps_out = irreps

    monkeypatch.setattr("molgen.scoring.quality_model.build_encoder", lambda *_: Odd())
    with pytest.raises(ConfigError, match="needs invariant features"):
        build_quality("gated_contacts")


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(RegistryError, match="sgcn_10"):
        build_quality("sgcn_100")
    with pytest.raises(ConfigError, match="unknown key"):
        build_quality("sgcn_5", encoder={"weight": 3})
    with pytest.raises(ConfigError, match="plain head needs an encoder of width 1"):
        build_quality("sgcn_5", encoder={"widths": [8, 4]})
    model = build_quality("sgcn_5")
    torch.nn.Module.__setattr__(model, "encoder_name", "message_passing")
    save_quality(tmp_path, model)
    with pytest.raises(StoreError, match="does not fit this molgen"):
        load_quality(str(tmp_path))
