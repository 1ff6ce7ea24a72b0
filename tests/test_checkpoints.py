"""Checkpoints: verified before they are opened, refused when damaged."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from molgen.checkpoints import (
    checkpoint_folder,
    checkpoint_sum,
    load_tensors,
    outside_domain,
    save_domain,
    save_tensors,
    training_domain,
)
from molgen.errors import StoreError

CONFIG = {"format": 1, "kind": "made", "name": "test", "options": {"factor": 0.5}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    save_tensors(folder, CONFIG, {"values": np.arange(6.0).reshape(2, 3)})
    return folder


def test_what_was_saved_comes_back(saved):
    config, tensors = load_tensors(str(saved), kind="made")
    assert config == CONFIG
    np.testing.assert_array_equal(tensors["values"], np.arange(6.0).reshape(2, 3))
    assert {path.name for path in saved.iterdir()} == {
        "model.safetensors", "config.json", "SHA256SUMS",
    }  # fmt: skip


def test_the_sums_are_those_of_sha256sum(saved):
    import hashlib

    for line in (saved / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((saved / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_file_is_refused(saved, name):
    content = bytearray((saved / name).read_bytes())
    content[-2] ^= 1
    (saved / name).write_bytes(bytes(content))
    with pytest.raises(StoreError, match=f"{name} does not match SHA256SUMS"):
        load_tensors(str(saved), kind="made")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "SHA256SUMS"])
def test_a_missing_file_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(StoreError, match="cannot be verified"):
        load_tensors(str(saved), kind="made")


@pytest.mark.parametrize("sums", ["", "nonsense", "a b\nc", "0  other.bin\n"])
def test_sums_that_do_not_cover_the_files_are_refused(saved, sums):
    (saved / "SHA256SUMS").write_text(sums)
    with pytest.raises(StoreError):
        load_tensors(str(saved), kind="made")


def test_another_format_is_refused(tmp_path):
    save_tensors(tmp_path / "new", CONFIG | {"format": 9}, {"values": np.zeros(1)})
    with pytest.raises(StoreError, match="checkpoint has format 9; this molgen reads 1"):
        load_tensors(str(tmp_path / "new"), kind="made")


def test_another_kind_is_refused(saved):
    with pytest.raises(StoreError, match="checkpoint is a 'made', expected 'encoder'"):
        load_tensors(str(saved), kind="encoder")


def test_verified_nonsense_is_an_error_of_the_store(saved):
    import hashlib

    for name, content in (("config.json", b"[1"), ("model.safetensors", b"not tensors")):
        save_tensors(saved, CONFIG, {"values": np.zeros(1)})
        old = hashlib.sha256((saved / name).read_bytes()).hexdigest()
        (saved / name).write_bytes(content)
        sums = (saved / "SHA256SUMS").read_text()
        new = hashlib.sha256(content).hexdigest()
        (saved / "SHA256SUMS").write_text(sums.replace(old, new))
        with pytest.raises(StoreError, match=name):
            load_tensors(str(saved), kind="made")


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(StoreError, match="no checkpoint 'none', neither shipped nor a folder"):
        checkpoint_folder("none")


def test_a_folder_called_like_a_shipped_checkpoint_needs_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sgcn-1").mkdir()
    assert (checkpoint_folder("sgcn-1") / "SHA256SUMS").is_file()
    assert checkpoint_folder("./sgcn-1") == Path("sgcn-1")
    with pytest.raises(StoreError, match="SHA256SUMS: cannot be read"):
        checkpoint_sum("./sgcn-1")
    with pytest.raises(StoreError, match="no checkpoint ''"):
        checkpoint_folder("")


def test_a_model_saved_anew_has_not_the_domain_of_before(saved):
    save_domain(saved, {"elements": [6]})
    save_tensors(saved, CONFIG, {"values": np.zeros(1)})
    with training_domain(str(saved)) as domain:
        assert domain is None


def test_shipped_checkpoints_are_whole():
    root = Path(__file__).resolve().parents[1] / "checkpoints"
    for folder in sorted(path.parent for path in root.glob("*/SHA256SUMS")):
        config = json.loads((folder / "config.json").read_text())
        load_tensors(folder.name, kind=config["kind"])
        assert (folder / "MODEL_CARD.md").is_file()
        # safetensors only: no archive, no pickle
        assert not any(zipfile.is_zipfile(path) for path in folder.iterdir())
        assert not list(folder.glob("*.p*t*"))


@pytest.mark.parametrize(
    "elements, charge, expected",
    [
        ([6, 7, 8], 0, ""),
        ([6, 5, 14], 0, "elements B, Si"),
        ([6], 0, "heavy atoms 1 (seen 2 to 4)"),
        ([6] * 5, 2, "heavy atoms 5 (seen 2 to 4); formal charge 2 (seen -1 to 1)"),
    ],
)
def test_the_domain_is_told(saved, elements, charge, expected):
    domain = {"elements": [6, 7, 8], "ligand_atoms": [2, 4], "formal_charge": [-1, 1]}
    assert outside_domain(str(saved), elements, charge) == ""  # nothing is known
    save_domain(saved, domain)
    said = outside_domain(str(saved), elements, charge)
    assert said == (f"outside what {saved.name} was trained on: {expected}" if expected else "")


def test_a_damaged_domain_is_refused(saved):
    save_domain(saved, {"elements": 6})
    with pytest.raises(StoreError, match=r"domain\.json: cannot be read"):
        outside_domain(str(saved), [6], 0)
    (saved / "domain.json").write_text('{"elements": [6, 7]}')
    with pytest.raises(StoreError, match=r"^\S+: domain\.json does not match SHA256SUMS"):
        outside_domain(str(saved), [6], 0)
    (saved / "domain.json").unlink()
    with pytest.raises(StoreError, match=r"domain\.json cannot be verified"):
        outside_domain(str(saved), [6], 0)


def test_a_domain_of_before_has_no_sum(saved):
    (saved / "domain.json").write_text('{"elements": [6]}')
    assert "elements N" in outside_domain(str(saved), [7], 0)
