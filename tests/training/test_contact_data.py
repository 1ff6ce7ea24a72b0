"""The contact file: what was saved comes back, and damage is told."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from molgen.errors import StoreError
from molgen.training.contact_data import ComplexContacts, ContactFile, save_contacts

FEATURES = 300
COLUMNS = ("rmsd", "vina", "repulsion", "attraction", "strain")


def complex_of(name: str, poses: int, rng: np.random.Generator) -> ComplexContacts:
    """Return random labels; half the contacts are missing, and all of the first pose."""
    counts = rng.integers(0, 8, (poses + 1, FEATURES)) / 4  # exact in float16
    counts *= rng.integers(0, 2, counts.shape)
    counts[1:2] = 0.0
    return ComplexContacts(
        id=name,
        is_native=rng.integers(0, 2, poses).astype(bool),
        crystal=counts[0].astype(np.float32),
        poses=counts[1:].astype(np.float32),
        **{column: rng.standard_normal(poses).astype(np.float32) for column in COLUMNS},
    )


@pytest.fixture
def complexes() -> list[ComplexContacts]:
    rng = np.random.default_rng(0)
    sizes = {"1abc": 3, "none first": 0, "2abc": 1, "last": 0}
    return [complex_of(name, poses, rng) for name, poses in sizes.items()]


def test_what_was_saved_comes_back(tmp_path, complexes):
    save_contacts(tmp_path / "c.safetensors", complexes, {"poses": "abc"})
    file = ContactFile(tmp_path / "c.safetensors")
    assert file.ids == tuple(entry.id for entry in complexes)
    assert file.features == FEATURES and file.facts["poses"] == "abc"
    for index, entry in enumerate(complexes):
        for column in (*COLUMNS, "is_native"):
            np.testing.assert_array_equal(file.column(column, index), getattr(entry, column))
        pose, feature, count = file.counts(index)
        dense = np.zeros_like(entry.poses)
        dense[pose, feature] = count
        np.testing.assert_array_equal(dense, entry.poses)
        np.testing.assert_array_equal(file.crystal_counts([index]), entry.crystal)
    np.testing.assert_array_equal(
        file.crystal_counts([0, 3]), complexes[0].crystal + complexes[3].crystal
    )


def test_files_that_are_no_contacts(tmp_path, complexes):
    with pytest.raises(StoreError, match=r"none\.safetensors: not readable as contacts"):
        ContactFile(tmp_path / "none.safetensors")
    with pytest.raises(StoreError, match="not readable as contacts"):
        ContactFile(tmp_path)
    (tmp_path / "text").write_text("Dear sir or madam")
    with pytest.raises(StoreError, match="text: not readable as contacts"):
        ContactFile(tmp_path / "text")
    save_file({"values": np.zeros(3)}, str(tmp_path / "other"))
    with pytest.raises(StoreError, match="other: not a file of molgen label contacts"):
        ContactFile(tmp_path / "other")
    save_contacts(tmp_path / "whole", complexes, {})
    content = (tmp_path / "whole").read_bytes()
    for length in (0, 5, 100, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(StoreError, match="cut: not readable as contacts"):
            ContactFile(tmp_path / "cut")
