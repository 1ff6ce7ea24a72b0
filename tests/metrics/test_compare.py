"""All measures of a model at once."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from molgen.errors import StructureError
from molgen.io.structure_file import read_protein
from molgen.metrics.cad import ContactAreas
from molgen.metrics.compare import CompareConfig, Reference, compare_models
from molgen.structure import Protein

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "examples" / "7n03.cif.gz"


@pytest.fixture(scope="module")
def native() -> Protein:
    protein = read_protein(EXAMPLE)
    return protein.select(~protein.hetero)


def stand_in_areas(protein: Protein) -> ContactAreas:
    """Areas that fall with distance: good enough to compare, without a tessellation."""
    pairs = cKDTree(protein.coords).query_pairs(5.0, output_type="ndarray")
    lengths = np.linalg.norm(protein.coords[pairs[:, 0]] - protein.coords[pairs[:, 1]], axis=1)
    return ContactAreas(protein.residue_index()[pairs], 5.1 - lengths)


def noisy(protein: Protein, sigma: float) -> Protein:
    noise = np.random.default_rng(0).normal(0, sigma, protein.coords.shape)
    return replace(protein, coords=(protein.coords + noise).astype(np.float32))


def shown(native: Protein, model: Protein, config: CompareConfig | None = None):
    return compare_models(native, model, stand_in_areas(native), stand_in_areas(model), config)


def test_a_structure_equals_itself(native):
    found = shown(native, native)
    count = len(native.residue_starts())
    for value in (found.cad, found.lddt, found.lddt_ca, found.gdt_ts, found.tm_score):
        assert value == pytest.approx(1.0)
    assert found.cad_local == pytest.approx(np.ones(count))
    assert found.lddt_model == pytest.approx(np.ones(count))
    assert found.matched == count and found.notes == ()


def test_all_scores_fall_with_noise(native):
    rows = []
    for sigma in (0.0, 0.3, 1.0, 3.0):
        found = shown(native, noisy(native, sigma))
        rows.append([found.cad, found.lddt, found.lddt_ca, found.gdt_ts, found.tm_score])
    assert (np.diff(rows, axis=0) < 0).all()


def test_missing_and_additional_residues(native):
    residue = native.residue_index()
    count = residue[-1] + 1
    model = native.select((residue >= 20) & ~np.isin(residue, [60, 61]))
    reference = native.select(residue < count - 10)
    found = shown(reference, model)
    matched = count - 32
    assert found.matched == matched
    assert len(found.lddt_local) == count - 10 and len(found.lddt_model) == count - 22
    assert (found.lddt_local[:20] == 0).all() and (found.lddt_local[[60, 61]] == 0).all()
    assert np.isnan(found.lddt_model[-10:]).all() and np.isnan(found.cad_model[-10:]).all()
    assert np.array_equal(found.cad_model[:40], found.cad_local[20:60])
    assert found.gdt_ts == pytest.approx(matched / (count - 10))
    assert found.cad < 0.9 and found.cad_local[3] < 0.6
    assert np.nanmax(found.cad_local) == pytest.approx(1.0)
    assert "the model lacks 22 of" in found.notes[0]


def test_side_chains_count_in_lddt_only(native):
    backbone = native.select(np.isin(native.atom_names, ["N", "CA", "C", "O"]))
    found = shown(native, backbone)
    assert found.lddt_ca == 1.0 and found.tm_score == pytest.approx(1.0)
    assert found.lddt < 0.5 and found.cad < 0.6
    lacking = (~np.isin(native.atom_names, ["N", "CA", "C", "O", "OXT"])).sum()
    assert found.notes == (f"the model lacks {lacking} atoms of residues that it has",)


def test_order_of_atoms_numbers_and_chain_names_do_not_matter(native):
    model = noisy(native, 0.7)
    plain = shown(native, model)
    rng = np.random.default_rng(3)
    order = np.lexsort([rng.random(len(model)), model.residue_index()])
    other = model.select(order)
    other = replace(
        other,
        chains=np.full(len(other), "Z"),
        residue_numbers=(other.residue_numbers + 400).astype(np.int32),
    )
    found = shown(native, other)
    assert found.lddt == plain.lddt and found.cad == pytest.approx(plain.cad)
    assert found.tm_score == pytest.approx(plain.tm_score, abs=1e-9)
    assert np.array_equal(found.lddt_model, plain.lddt_model)


def test_two_chains(native):
    second = replace(
        native,
        chains=np.full(len(native), "B"),
        coords=native.coords + np.array([45.0, 0, 0], dtype=np.float32),
    )
    dimer = replace(
        native,
        **{
            field: np.concatenate([getattr(native, field), getattr(second, field)])
            for field in Protein._array_fields()
        },
    )
    assert shown(dimer, dimer).lddt == 1.0
    alone = shown(dimer, native)
    count = native.residue_index()[-1] + 1
    assert alone.gdt_ts == pytest.approx(0.5)
    assert alone.cad_local[:count].mean() > 0.95 and np.nanmax(alone.cad_local[count + 5 :]) < 0.1
    assert alone.lddt_local[count:].max() == 0
    assert "chain B of the reference has no counterpart in the model" in alone.notes


def test_parts_can_be_left_out(native):
    found = shown(native, native, CompareConfig(parts=("lddt_ca",)))
    assert found.lddt_ca == 1.0
    for value in (found.cad, found.lddt, found.gdt_ts, found.tm_score, *found.gdt):
        assert np.isnan(value)
    assert np.isnan(found.lddt_local).all() and np.isnan(found.cad_model).all()
    without = compare_models(native, native)
    assert np.isnan(without.cad) and without.lddt == 1.0


def test_reference_is_used_again(native):
    reference = Reference(native, stand_in_areas(native))
    for sigma in (0.2, 0.8):
        model = noisy(native, sigma)
        once = shown(native, model)
        again = reference.compare(model, stand_in_areas(model))
        assert again.cad == once.cad and again.lddt == once.lddt and again.gdt == once.gdt


def test_refusals(native):
    stranger = read_protein(EXAMPLE.parent / "6xg5.cif")
    with pytest.raises(StructureError, match="does not match the sequence"):
        compare_models(native, stranger)
    protein = read_protein(EXAMPLE)
    with pytest.raises(StructureError, match="no polymer residues"):
        Reference(protein.select(protein.hetero))
    few = ContactAreas(np.array([[0, 400]]), np.ones(1))
    with pytest.raises(StructureError, match="has no new number"):
        compare_models(native, native, stand_in_areas(native), few)


def test_is_fast(native):
    model = noisy(native, 1.0)
    areas = stand_in_areas(native), stand_in_areas(model)
    best = np.inf
    for _ in range(4):
        start = time.process_time()
        compare_models(native, model, *areas)
        best = min(best, time.process_time() - start)
    assert best < 0.25  # about 0.03 s on an idle core
