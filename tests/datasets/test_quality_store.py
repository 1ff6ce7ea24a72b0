"""The store of labelled models: what goes in comes out, and damage is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from made_store import make_store, model_of

from molgen.datasets.quality import QualityStore
from molgen.datasets.quality_entry import (
    ANGLE_STEP,
    AREA_STEP,
    COLUMNS,
    LABEL_STEP,
    LENGTH_STEP,
    pack,
    unpack_contacts,
    unpack_label,
)
from molgen.datasets.quality_splits import apply_split, read_split, similar_targets, split_targets
from molgen.errors import InputError, StoreError

EXACT = {
    "residue_type", "chain", "number", "volume", "sasa", "buriedness", "atom_type", "atom_node",
    "contact_atoms", "edge_nodes", "contact_edge",
}  # fmt: skip
STEPS = {
    "torsions": ANGLE_STEP,
    "atom_sasa": AREA_STEP,
    "contact_area": AREA_STEP,
    "edge_area": AREA_STEP,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_store(tmp_path_factory.mktemp("data") / "store", targets=3, models=4)


def test_a_model_survives_packing_to_half_a_step():
    model = model_of("t", "m", 5, 25, 0.7)
    outside = model.contacts.atom_node.copy()
    outside[-3:] = -1
    model = replace(model, contacts=replace(model.contacts, atom_node=outside))
    packed = pack(model)
    found, given = unpack_contacts(packed), model.contacts
    assert {f.name for f in fields(given)} == EXACT | set(STEPS) | {"backbone"}
    for name in EXACT:
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name), name)
    for name, step in STEPS.items():
        a, b = getattr(found, name), getattr(given, name)
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=step * 0.51, err_msg=name)
    centre = given.backbone.reshape(-1, 3).mean(0)
    np.testing.assert_allclose(found.backbone, given.backbone - centre, atol=LENGTH_STEP * 0.51)
    np.testing.assert_allclose(
        unpack_label(packed["cad_local"]), model.cad_local, atol=LABEL_STEP * 0.51
    )
    assert all(packed[name].dtype == column.dtype for name, column in COLUMNS.items())


def test_the_smallest_contact_stays_one():
    model = model_of("t", "m", 5, 10, 0.0)
    tiny = np.full_like(model.contacts.edge_area, 1e-4)
    packed = pack(replace(model, contacts=replace(model.contacts, edge_area=tiny)))
    assert (unpack_contacts(packed).edge_area > 0).all()


def test_what_does_not_fit_is_refused():
    model = model_of("t", "m", 5, 10, 0.0)
    far = replace(model.contacts, backbone=model.contacts.backbone * 100)
    with pytest.raises(StoreError, match="t/m: reaches more than 327 Å"):
        pack(replace(model, contacts=far))
    many = replace(model.contacts, atom_type=np.zeros(70_000, dtype=np.uint8))
    with pytest.raises(StoreError, match="t/m: 70000 atoms"):
        pack(replace(model, contacts=many))


def test_models_come_back_in_order_by_id_and_by_position(folder):
    store = QualityStore(folder)
    store.verify()
    assert len(store) == 12 and [m.id for m in store][:2] == ["t0/m0", "t0/m1"]
    model = store["t1/m2"]
    assert (model.target, model.name, model.kind, model.weight) == ("t1", "m2", "made-up", 1.0)
    assert store[6].id == "t1/m2" and [m.id for m in store[6:8]] == ["t1/m2", "t1/m3"]
    assert model.cad == pytest.approx(np.exp(-0.5), abs=1e-5) and np.isnan(model.tm)
    assert np.isnan(model.cad_local[0]) and np.isfinite(model.cad_local[1:]).all()
    expected = pack(model_of("t1", "m2", 101, 15, 1.0))
    for name, column in store.packed(6).items():
        np.testing.assert_array_equal(column, expected[name])
    np.testing.assert_allclose(store.labels("cad")[:4], np.exp(-0.25 * np.arange(4)), atol=1e-5)
    with pytest.raises(StoreError, match="no usable model 't9/m0'"):
        store["t9/m0"]


def test_a_damaged_store_is_refused(folder, tmp_path):
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        QualityStore(tmp_path)
    import shutil

    for name, harm, message in (
        ("manifest.json", lambda p: p.write_text("{"), "not the manifest of a store"),
        (
            "manifest.json",
            lambda p: p.write_text(json.dumps({"format": "molgen-store", "version": 1})),
            "format molgen-store version 1, expected molgen-quality-store version 1",
        ),
        ("index.csv", lambda p: p.write_text("a,b\n"), "content differs from the manifest"),
        ("targets.csv", lambda p: p.unlink(), "targets.csv is missing; build the store"),
        ("t0-000-0000000000.safetensors", lambda p: p.unlink(), "is missing; build the store"),
    ):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "copy")
        harm(tmp_path / "copy" / name)
        with pytest.raises(StoreError, match=message):
            QualityStore(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
    shutil.copytree(folder, tmp_path / "copy")
    shard = tmp_path / "copy" / "t0-000-0000000000.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    store = QualityStore(tmp_path / "copy")
    with pytest.raises(StoreError, match=r"t0-000-0000000000\.safetensors: content differs"):
        store[0]
    with pytest.raises(StoreError, match="content differs from the manifest"):
        store.verify()


def test_reading_needs_no_chemistry_and_no_torch_training():
    code = (
        "import sys, molgen.datasets.quality\n"
        "print(sorted({'rdkit', 'gemmi', 'openmm', 'mdtraj', 'Bio', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SEQUENCES = {
    "a": "MKVLITGASRGIGRAIAEALAREGAKVVVADIN",
    "a2": "MKVLITGASRGIGRAIAEALAREGAKVAVTGRN",
    "b": "GSHMWEQPYTCDFHNRKLMPSWEYTQAGCDEFH",
    "c": "PPDWYHTTCQRNENFKMMILVGSADDWYKQPLV",
}


def test_like_targets_stay_together():
    for seed in range(8):
        parts = split_targets(SEQUENCES, seed=seed, fractions=(0.5, 0.5, 0.0))
        assert sorted(parts["train"] + parts["val"]) == sorted(SEQUENCES)
        assert ("a" in parts["train"]) == ("a2" in parts["train"])
    assert similar_targets(SEQUENCES, [SEQUENCES["a"][3:]]) == ["a", "a2"]
    assert similar_targets(SEQUENCES, ["WWWWYYYYCCCC"]) == []


def test_an_old_split_holds_for_grown_stores(tmp_path):
    (tmp_path / "val.txt").write_text("a\nelsewhere\n")
    parts = apply_split(SEQUENCES, read_split(tmp_path))
    # a2 is like a, which is held out: it must not train
    assert parts == {"train": ["b", "c"], "val": ["a"], "test": []}
    with pytest.raises(InputError, match=r"val\.txt: no split there"):
        read_split(tmp_path / "nowhere")


def test_lists_of_a_split_come_from_any_editor(tmp_path):
    (tmp_path / "val.txt").write_bytes("\ufeffa\r\ntwo words\r\n\r\n c \n".encode())
    assert read_split(tmp_path) == {"train": [], "val": ["a", "two words", "c"], "test": []}
    (tmp_path / "test.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match=r"test\.txt: is not UTF-8 text"):
        read_split(tmp_path)
