"""Labels as they are written and read, and what a damaged folder says."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from molgen.datasets.energy_labels import (
    FORMAT,
    INDEX_FIELDS,
    VERSION,
    EnergyLabels,
    LigandEnergies,
    read_header,
    read_shard,
    shard_bytes,
)
from molgen.datasets.shard import read_rows
from molgen.datasets.shard import shard_bytes as store_shard_bytes
from molgen.errors import StoreError

NAME = "shard-00000.safetensors"


def ligand(name: str, conformers: int, atoms: int, seed: int) -> LigandEnergies:
    rng = np.random.default_rng(seed)
    return LigandEnergies(
        id=name,
        coords=rng.standard_normal((conformers, atoms, 3)).astype(np.float32),
        kinds=np.arange(conformers, dtype=np.uint8),
        noise=rng.random(conformers).astype(np.float32),
        energies=rng.standard_normal(conformers) - 40_000,
        gaps=rng.random(conformers).astype(np.float32),
        mmff=rng.standard_normal(conformers),
        charges=rng.standard_normal(atoms).astype(np.float32),
    )


@pytest.fixture
def folder(tmp_path):
    ligands = [ligand("one", 4, 7, 0), ligand("two", 2, 11, 1)]
    rows = [
        dict.fromkeys(INDEX_FIELDS, "") | {"id": "one", "status": "ok"},
        dict.fromkeys(INDEX_FIELDS, "") | {"id": "bad", "status": "failed", "reason": "radical"},
        dict.fromkeys(INDEX_FIELDS, "") | {"id": "two", "status": "ok"},
    ]
    lines = [",".join(INDEX_FIELDS), *(",".join(row[f] for f in INDEX_FIELDS) for row in rows)]
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    write(tmp_path, shard_bytes(ligands, rows, "print"))
    return tmp_path, ligands


def write(path, shard):
    """Write a shard, and the manifest that goes with it."""
    (path / NAME).write_bytes(shard)
    sums = {NAME: hashlib.sha256(shard).hexdigest()}
    manifest = {"format": FORMAT, "version": VERSION, "shards": sums}
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_labels_read_back_as_they_were(folder):
    path, ligands = folder
    found = EnergyLabels(path)
    assert [entry.id for entry in found] == ["one", "two"] and len(found.table) == 3
    for made, read in zip(ligands, found, strict=True):
        for name, value in vars(made).items():
            np.testing.assert_array_equal(getattr(read, name), value)
    assert read_header(path / NAME)[0] == "print"


def test_a_shard_of_failures_only_is_a_shard(tmp_path):
    row = dict.fromkeys(INDEX_FIELDS, "") | {"id": "bad", "status": "failed"}
    (tmp_path / NAME).write_bytes(shard_bytes([], [row], ""))
    assert read_shard(tmp_path / NAME) == []


def test_a_shard_of_another_kind_says_which(folder):
    path, _ = folder
    with pytest.raises(StoreError, match=r"-labels version 1, expected a shard of a store"):
        read_rows(path / NAME)
    (path / NAME).write_bytes(store_shard_bytes([], [], ""))
    with pytest.raises(StoreError, match=r"a shard of another kind, expected .*energ.* version 1"):
        read_header(path / NAME)


def test_what_is_damaged_says_so(folder):
    path, ligands = folder
    (path / NAME).write_bytes(b"nonsense")
    with pytest.raises(StoreError, match=rf"{NAME}: content differs from the manifest"):
        EnergyLabels(path)
    write(path, b"nonsense")
    with pytest.raises(StoreError, match="not a readable shard of energy labels"):
        EnergyLabels(path)
    row = dict.fromkeys(INDEX_FIELDS, "") | {"id": "one", "status": "ok"}
    write(path, shard_bytes(ligands[:1], [row], ""))
    with pytest.raises(StoreError, match=r"shards and index.csv disagree"):
        EnergyLabels(path)
    write(path, shard_bytes(ligands, [row], ""))
    with pytest.raises(StoreError, match="counts and arrays disagree"):
        EnergyLabels(path)
    (path / "index.csv").write_text("id,status\n")
    with pytest.raises(StoreError, match="expected id, status, reason"):
        EnergyLabels(path)
    for text, message in (
        ('{"format": "other", "version": 1, "shards": {}}', "format other version 1"),
        ("[]", "not the manifest of a store of energy labels"),
    ):
        (path / "manifest.json").write_text(text)
        with pytest.raises(StoreError, match=message):
            EnergyLabels(path)
    (path / "manifest.json").unlink()
    with pytest.raises(StoreError, match="not finished"):
        EnergyLabels(path)
