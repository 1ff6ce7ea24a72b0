"""Residues of a model found in its reference, by number and by sequence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.errors import StructureError
from molgen.io.structure_file import read_protein
from molgen.metrics.correspondence import CorrespondenceConfig, correspond
from molgen.metrics.superposition import superposition_scores
from molgen.structure import Protein

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"


@pytest.fixture(scope="module")
def native() -> Protein:
    return read_protein(EXAMPLES / "7n03.cif.gz")


@pytest.fixture(scope="module")
def stranger() -> Protein:
    return read_protein(EXAMPLES / "6xg5.cif")


def polymer(protein: Protein) -> Protein:
    return protein.select(~protein.hetero)


def residues(protein: Protein, keep) -> Protein:
    """Return the polymer residues whose ordinals are in ``keep``."""
    chain = polymer(protein)
    return chain.select(np.isin(chain.residue_index(), np.asarray(keep)))


def named(protein: Protein, chain: str) -> Protein:
    return replace(protein, chains=np.full(len(protein), chain))


def shifted(protein: Protein, by: int) -> Protein:
    return replace(protein, residue_numbers=protein.residue_numbers + by)


def joined(*proteins: Protein) -> Protein:
    fields = {
        field: np.concatenate([getattr(protein, field) for protein in proteins])
        for field in Protein._array_fields()
    }
    return replace(proteins[0], **fields)


def count(protein: Protein) -> int:
    return len(polymer(protein).residue_starts())


def test_a_structure_corresponds_to_itself(native):
    found = correspond(native, native)
    assert np.array_equal(found.native, np.arange(count(native)))
    assert np.array_equal(found.model, found.native)
    assert found.identity == 1.0 and found.notes == ()


def test_other_chain_name(native):
    found = correspond(native, named(polymer(native), "Q"))
    assert np.array_equal(found.native, found.model) and len(found.native) == count(native)
    assert found.notes == ("matched chain A of the reference with chain Q of the model",)
    blank = correspond(native, named(polymer(native), ""))
    assert "the unnamed chain of the model" in blank.notes[0]


def test_residues_missing_on_either_side(native):
    n = count(native)
    model = residues(native, np.arange(10, n))
    reference = residues(native, np.r_[0:50, 60:n])
    found = correspond(reference, model)
    partner = found.model_of_native()
    assert (partner[:10] == -1).all() and partner[10] == 0
    assert partner[50] == 50  # native 60 is the 50th of both
    assert (found.native_of_model()[40:50] == -1).all()
    assert found.notes == (
        f"the model lacks 10 of {n - 10} reference residues",
        f"the reference lacks 10 of {n - 10} model residues",
    )


@pytest.mark.parametrize("by", [1, -37, 1000])
def test_shifted_numbers(native, by):
    model = shifted(residues(native, np.r_[5:70, 90:140]), by)
    found = correspond(native, model)
    assert np.array_equal(found.native, np.r_[5:70, 90:140])
    assert np.array_equal(found.model, np.arange(115))
    assert f"by number shifted by {by}" in found.notes[0]


def test_numbers_without_sense_fall_back_to_the_sequence(native):
    n = count(native)
    reference = residues(native, np.r_[0:60, 80:n])
    chain = polymer(native)
    model = replace(chain, residue_numbers=(1 + 3 * chain.residue_index()).astype(np.int32))
    found = correspond(reference, model)
    assert "by sequence alignment" in found.notes[0]
    expected = np.r_[0:60, 80:n]
    wrong = found.model != expected
    # only residues beside the gap can be placed on either side of it
    assert wrong.sum() <= 3 and found.identity == 1.0
    assert np.array_equal(np.diff(found.native), np.ones(len(expected) - 1))


def test_point_mutations_stay_matched(native):
    chain = polymer(native)
    names = chain.residue_names.copy()
    changed = np.isin(chain.residue_index(), [3, 50, 51])
    names[changed] = "TRP"
    found = correspond(chain, replace(chain, residue_names=names))
    assert len(found.native) == count(native)
    assert found.identity == pytest.approx(1 - 3 / count(native))
    assert found.notes == (f"3 of {count(native)} matched residues differ in name",)


def test_chains_are_matched_by_name_then_by_sequence(native, stranger):
    one, two = polymer(native), polymer(stranger)
    reference = joined(named(one, "A"), named(two, "B"))
    same = correspond(reference, reference)
    assert np.array_equal(same.native, same.model) and same.notes == ()
    exchanged = joined(named(two, "A"), named(one, "B"))
    found = correspond(reference, exchanged)
    a, b = count(native), count(stranger)
    assert np.array_equal(found.native, np.arange(a + b))
    assert np.array_equal(found.model, np.r_[b : a + b, 0:b])
    assert len(found.notes) == 2


def test_equal_chains_keep_their_order(native):
    one = polymer(native)
    reference = joined(named(one, "A"), named(one, "B"))
    found = correspond(reference, joined(named(one, "X"), named(one, "Y")))
    assert np.array_equal(found.native, found.model)


def test_a_chain_without_counterpart_is_said(native, stranger):
    one, two = polymer(native), polymer(stranger)
    found = correspond(joined(named(one, "A"), named(two, "B")), named(one, "A"))
    assert len(found.native) == count(native)
    assert found.notes[0] == "chain B of the reference has no counterpart in the model"
    other = correspond(named(one, "A"), joined(named(two, "B"), named(one, "A")))
    assert other.notes[0] == "chain B of the model has no counterpart in the reference"
    assert other.model[0] == count(stranger)


def test_another_protein_is_refused(native, stranger):
    with pytest.raises(StructureError, match=r"does not match the sequence.*at least 50%"):
        correspond(native, stranger)
    strict = CorrespondenceConfig(identity=1.0)
    chain = polymer(native)
    names = np.where(chain.residue_index() == 4, "TRP", chain.residue_names)
    with pytest.raises(StructureError, match="99%"):
        correspond(chain, replace(chain, residue_names=names), strict)


def test_nothing_to_compare(native):
    with pytest.raises(StructureError, match="no polymer residues"):
        correspond(native, native.select(native.hetero))


def test_copies_of_an_oligomer_may_be_named_in_any_order(native):
    """Four copies round an axis; the names B and C are exchanged in the model."""
    chain = polymer(native)
    middle = chain.coords.mean(0) + np.array([25.0, 0.0, 0.0])
    copies = []
    for k, name in enumerate("ABCD"):
        turn = Rotation.from_rotvec([0, 0, k * np.pi / 2]).as_matrix()
        coords = ((chain.coords - middle) @ turn.T).astype(np.float32)
        copies.append(named(replace(chain, coords=coords), name))
    swap = {"A": "A", "B": "C", "C": "B", "D": "D"}
    model = [named(copy, swap[name]) for copy, name in zip(copies, "ABCD", strict=True)]
    reference, other = joined(*copies), joined(*model)
    found = correspond(reference, other)
    places = [p.coords[p.atom_names == "CA"] for p in (reference, other)]
    np.testing.assert_allclose(places[0][found.native], places[1][found.model])
    assert "matched chain B of the reference with chain C of the model" in found.notes
    # a model with fewer copies lies on those that it is nearest to
    found = correspond(reference, joined(*model[1:3]))
    places[1] = joined(*model[1:3]).coords[np.tile(chain.atom_names == "CA", 2)]
    x, y = places[0][found.native], places[1][found.model]
    assert superposition_scores(x, y, length=len(x)).tm_score > 0.999
    # whatever could be exchanged without gain stays as it is named
    assert correspond(reference, reference).notes == ()


@pytest.mark.parametrize("seed", range(5))
def test_six_copies_anywhere_are_found(native, seed):
    rng = np.random.default_rng(seed)
    chain = polymer(native)
    middle = chain.coords.mean(0)
    copies = []
    for name in "ABCDEF":
        turn = Rotation.random(rng=rng).as_matrix()
        coords = (chain.coords - middle) @ turn.T + rng.normal(0, 40, 3)
        copies.append(named(replace(chain, coords=coords.astype(np.float32)), name))
    order = rng.permutation(6)
    model = joined(*(named(copies[k], name) for k, name in zip(order, "ABCDEF", strict=True)))
    found, reference = correspond(joined(*copies), model), joined(*copies)
    places = [p.coords[p.atom_names == "CA"] for p in (reference, model)]
    np.testing.assert_allclose(places[0][found.native], places[1][found.model])
