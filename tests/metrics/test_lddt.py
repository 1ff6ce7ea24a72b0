"""lDDT against hand calculations, a plain loop and laws."""

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.errors import StructureError
from molgen.io.structure_file import read_protein
from molgen.metrics.lddt import (
    EXCHANGEABLE,
    LddtConfig,
    LddtReference,
    exchange_partners,
    lddt_score,
)
from molgen.vocabulary import RESIDUE_ATOMS

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "examples" / "7n03.cif.gz"


@pytest.fixture(scope="module")
def native():
    protein = read_protein(EXAMPLE)
    return protein.select(~protein.hetero & (protein.atom_names != "OXT"))


def by_loop(target, model, residues, count):
    """lDDT as the paper words it, for every residue and overall."""
    kept, total = np.zeros(count), np.zeros(count)
    for i in range(len(target)):
        for j in range(len(target)):
            length = np.linalg.norm(target[i] - target[j])
            if residues[i] == residues[j] or length > 15:
                continue
            change = abs(np.linalg.norm(model[i] - model[j]) - length)
            kept[residues[i]] += np.mean([change < t for t in (0.5, 1, 2, 4)])
            total[residues[i]] += 1
    with np.errstate(invalid="ignore"):
        return kept.sum() / total.sum(), kept / total


def test_three_atoms_by_hand():
    # distances 3, 4, 5 become 3, 5.5, sqrt(3² + 5.5²) = 6.265: kept 4, 2 and 2 of 4 thresholds
    target = np.array([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    model = np.array([[0.0, 0, 0], [3, 0, 0], [0, 5.5, 0]])
    found = lddt_score(target, model)
    assert found.value == pytest.approx((4 + 2 + 2) / 12)
    assert found.local == pytest.approx([(4 + 2) / 8, (4 + 2) / 8, (2 + 2) / 8])


def test_agrees_with_a_plain_loop():
    rng = np.random.default_rng(0)
    target = rng.normal(0, 9, (60, 3))
    model = target + rng.normal(0, 1.0, target.shape)
    residues = np.sort(rng.integers(0, 14, 60))
    model[5:9] = np.nan
    value, local = by_loop(target, model, residues, 15)
    found = LddtReference(target, residues, count=15).score(model)
    assert found.value == pytest.approx(value)
    np.testing.assert_allclose(found.local, local, atol=1e-12)


def test_self_motion_and_mirror(native):
    reference = LddtReference(native.coords, native.residue_index())
    assert reference.score(native.coords).value == 1.0
    moved = Rotation.from_rotvec([1.0, 2, 3]).apply(native.coords) + np.array([10, 20, 30])
    assert reference.score(moved).value == 1.0
    assert np.nanmin(reference.score(moved).local) == 1.0
    assert reference.score(-native.coords).value == 1.0  # distances know no hand


def test_falls_with_noise(native):
    reference = LddtReference(native.coords, native.residue_index())
    noise = np.random.default_rng(1).normal(size=native.coords.shape)
    values = [reference.score(native.coords + s * noise).value for s in (0, 0.2, 0.5, 1, 2, 5)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0 and values[-1] < 0.3


def test_agrees_with_biotite(native):
    # biotite 1.6.0, structure.lddt of the same two sets in float32, no names exchanged: 0.724455
    rng = np.random.default_rng(1)
    model = native.coords.astype(float) + rng.normal(0, 0.8, native.coords.shape)
    found = LddtReference(native.coords, native.residue_index()).score(model)
    assert found.value == pytest.approx(0.724455, abs=2e-5)


@pytest.mark.parametrize("residue", sorted(EXCHANGEABLE))
def test_names_of_equivalent_atoms_do_not_matter(native, residue):
    residues = native.residue_index()
    partner = exchange_partners(native.atom_names, native.residue_names, residues)
    of_kind = native.residue_names == residue
    swapped = np.where(of_kind, partner, np.arange(len(partner)))
    assert (swapped != np.arange(len(partner))).sum() >= 2
    exchanged = native.coords[swapped]
    plain = LddtReference(native.coords, residues)
    aware = LddtReference(native.coords, residues, partner=partner)
    assert plain.score(exchanged).value < 1
    assert aware.score(exchanged).value == 1.0
    # the ring is turned as a whole: one of its two pairs alone is an error
    if len(EXCHANGEABLE[residue]) == 2:
        half = np.where(
            np.isin(native.atom_names, ["CD1", "CD2"]), swapped, np.arange(len(partner))
        )
        assert aware.score(native.coords[half]).value < 1


def test_exchange_never_lowers_the_deciding_distances(native):
    residues = native.residue_index()
    partner = exchange_partners(native.atom_names, native.residue_names, residues)
    assert np.array_equal(partner[partner], np.arange(len(partner)))
    model = native.coords + np.random.default_rng(2).normal(0, 1, native.coords.shape)
    aware = LddtReference(native.coords, residues, partner=partner)
    swapped = aware.score(model[partner])
    # whichever naming the model came with, the same one is chosen
    assert swapped.value == pytest.approx(aware.score(model).value, abs=1e-12)


def test_listed_atoms_exist():
    for residue, pairs in EXCHANGEABLE.items():
        assert {name for pair in pairs for name in pair} <= set(RESIDUE_ATOMS[residue])


def test_atoms_that_the_model_lacks(native):
    residues = native.residue_index()
    coords = native.coords.astype(float)
    coords[residues == 10] = np.nan
    found = LddtReference(native.coords, residues).score(coords)
    assert found.local[10] == 0.0
    assert 0.9 < found.value < 1.0
    assert np.nanmax(found.local) == 1.0


def test_residues_without_a_distance_are_nan():
    target = np.array([[0.0, 0, 0], [3, 0, 0], [100, 0, 0]])
    found = lddt_score(target, target)
    assert found.value == 1.0
    assert np.isnan(found.local[2]) and found.local[0] == 1.0
    near = lddt_score(target, target, config=LddtConfig(radius=200.0))
    assert np.isfinite(near.local).all()


def test_refuses_what_does_not_fit():
    with pytest.raises(StructureError, match="within 15 Å"):
        lddt_score(np.eye(3) * 1000, np.eye(3))
    with pytest.raises(StructureError, match="no two residues"):
        lddt_score(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(StructureError, match="shape"):
        lddt_score(np.eye(3), np.zeros((4, 3)))
    with pytest.raises(StructureError, match="one residue an atom"):
        LddtReference(np.eye(3), np.arange(2))


def test_is_fast(native):
    residues = native.residue_index()
    partner = exchange_partners(native.atom_names, native.residue_names, residues)
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        LddtReference(native.coords, residues, partner=partner).score(native.coords)
        best = min(best, time.process_time() - start)
    assert best < 0.1  # 0.015 s on an idle core for 154 residues
