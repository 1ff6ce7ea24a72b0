"""Internal coordinates of backbones: round trips, hand calculations and conventions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from molgen.decoys.backbone_geometry import (
    IDEAL_LENGTHS,
    backbone_from_torsions,
    bonded_to_next,
    internal_coordinates,
    place_oxygen,
)
from molgen.errors import StructureError
from molgen.geometry.dihedral import dihedral

sys.path.insert(0, str(Path(__file__).parent))
from natives import native_backbone

ENTRIES = ("6xg5.cif", "7n03.cif.gz")


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_native_chain_survives_the_round_trip(entry):
    backbone = native_backbone(entry)
    inner = internal_coordinates(backbone)
    rebuilt = backbone_from_torsions(inner.phi, inner.psi, inner.omega, inner)
    assert np.abs(rebuilt - backbone).max() < 1e-3


def test_a_changed_torsion_turns_what_follows_and_keeps_bonds():
    backbone = native_backbone("6xg5.cif")
    inner = internal_coordinates(backbone)
    psi = inner.psi.copy()
    psi[50] += 0.3
    moved = backbone_from_torsions(inner.phi, psi, inner.omega, inner)
    assert np.abs(moved[:50] - backbone[:50]).max() < 1e-3
    assert np.abs(moved[50, :3] - backbone[50, :3]).max() < 1e-3
    # a rotation about the axis CA-C by 0.3: distance to the axis d gives a chord of 2 d sin(0.15)
    axis = backbone[50, 2] - backbone[50, 1]
    axis = axis / np.linalg.norm(axis)
    later = backbone[51:].reshape(-1, 3)
    distance = np.linalg.norm(np.cross(later - backbone[50, 1], axis), axis=1)
    chord = np.linalg.norm(moved[51:].reshape(-1, 3) - later, axis=1)
    np.testing.assert_allclose(chord, 2 * distance * np.sin(0.15), atol=1e-3)
    again = internal_coordinates(moved)
    np.testing.assert_allclose(again.lengths, inner.lengths, atol=1e-9)
    np.testing.assert_allclose(again.angles, inner.angles, atol=1e-9)
    # O of the turned residue follows psi
    np.testing.assert_allclose(again.oxygen[:, :2], inner.oxygen[:, :2], atol=1e-9)
    turn = np.angle(np.exp(1j * (again.oxygen[:, 2] - inner.oxygen[:, 2])))
    assert np.abs(turn).max() < 1e-9


def test_an_ideal_helix_rises_as_pauling_says():
    # phi -57, psi -47: 3.6 residues a turn, 1.5 Å a residue (Arnott & Dover, J. Mol. Biol. 1967)
    n = 37
    phi, psi, omega = (np.full(n, np.radians(v)) for v in (-57.0, -47.0, 180.0))
    helix = backbone_from_torsions(phi, psi, omega)
    rise = np.linalg.norm(helix[36, 1] - helix[0, 1]) / 36
    assert rise == pytest.approx(1.5, abs=0.06)
    # bonded neighbours at ideal lengths, hydrogen-bonded O(i)...N(i+4)
    np.testing.assert_allclose(np.linalg.norm(helix[:, 1] - helix[:, 0], axis=1), IDEAL_LENGTHS[0])
    bond = np.linalg.norm(helix[4:, 0] - helix[:-4, 3], axis=1)
    assert np.all((bond > 2.6) & (bond < 3.3))


def test_torsions_follow_iupac():
    # trans zigzag in a plane is 180; seen along b-c a clockwise turn of d is positive
    a, b, c = (np.array([point]) for point in ([1.0, 0, 0], [0.0, 0, 0], [0.0, 0, 1]))
    assert dihedral(a, b, c, np.array([[-1.0, 0, 1]]))[0] == pytest.approx(np.pi)
    assert dihedral(a, b, c, np.array([[0.0, 1, 1]]))[0] == pytest.approx(np.pi / 2)
    backbone = native_backbone("6xg5.cif")
    inner = internal_coordinates(backbone)
    assert np.isnan(inner.phi[0]) and np.isnan(inner.omega[-1])
    bonded = bonded_to_next(backbone)
    # nearly all peptides are trans, and phi of L-amino acids is mostly negative
    assert (np.abs(inner.omega[bonded]) > 2.6).mean() > 0.95
    assert (inner.phi[1:] < 0).mean() > 0.85


def test_oxygen_is_rebuilt_where_it_was():
    backbone = native_backbone("6xg5.cif")
    bonded = bonded_to_next(backbone)
    built = place_oxygen(backbone[:, :3])
    assert built.shape == backbone.shape and built.dtype == backbone.dtype
    off = np.linalg.norm(built[:, 3] - backbone[:, 3], axis=1)[bonded]
    assert np.median(off) < 0.1 and off.max() < 0.6
    # 1.231 Å is the bond of Engh & Huber
    length = np.linalg.norm(built[:, 3] - built[:, 2], axis=1)
    np.testing.assert_allclose(length, 1.231, atol=1e-4)


def test_only_missing_oxygen_is_placed_unless_asked():
    backbone = native_backbone("6xg5.cif").copy()
    backbone[7, 3] = np.nan
    built = place_oxygen(backbone)
    others = np.arange(len(backbone)) != 7
    np.testing.assert_array_equal(built[others], backbone[others])
    assert np.isfinite(built).all()
    replaced = place_oxygen(backbone, replace=True)
    assert np.abs(replaced[:-1, 3] - native_backbone("6xg5.cif")[:-1, 3]).max() > 0.01


def test_bad_backbones_are_refused():
    with pytest.raises(StructureError, match="expected"):
        internal_coordinates(np.zeros((4, 3)))
    broken = native_backbone("6xg5.cif").copy()
    broken[3, 2] = np.nan
    with pytest.raises(StructureError, match="residue 3"):
        place_oxygen(broken)
    turns = np.zeros(5)
    with pytest.raises(StructureError, match="NaN"):
        backbone_from_torsions(turns, np.full(5, np.nan), turns)
    with pytest.raises(StructureError, match="5 residues"):
        geometry = internal_coordinates(native_backbone("6xg5.cif"))
        backbone_from_torsions(turns, turns, turns, geometry)
