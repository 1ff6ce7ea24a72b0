"""Moves keep what they promise: lengths, rigid parts, sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molgen.decoys import moves
from molgen.decoys.backbone_geometry import backbone_from_torsions


def chain(*parts: tuple[float, float, int]) -> np.ndarray:
    """Return a backbone of (phi, psi, residues) pieces, degrees."""
    phi = np.concatenate([np.full(n, math.radians(a)) for a, _, n in parts])
    psi = np.concatenate([np.full(n, math.radians(b)) for _, b, n in parts])
    return backbone_from_torsions(phi, psi, np.full(len(phi), math.pi)).astype(np.float32)


HELIX = (-57.0, -47.0)
STRAND = (-120.0, 130.0)
TURN = ((-90.0, 0.0, 1), (80.0, 10.0, 1), (-60.0, 140.0, 1), (60.0, 40.0, 1))


@pytest.fixture
def backbone():
    return chain((*HELIX, 14), *TURN, (*STRAND, 10), *TURN, (*HELIX, 12))


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def lengths(backbone):
    return np.linalg.norm(np.diff(backbone[:, 1], axis=0), axis=1)


def test_secondary_structure_of_ideal_pieces(backbone):
    folds = moves.secondary_structure(backbone)
    assert (folds[2:11] == moves.HELIX).all()
    assert (folds[20:26] == moves.STRAND).all()
    assert (folds[[16, 17, 30, 31]] == moves.LOOP).all()
    assert len(moves.segments(folds)) == 3


def test_short_chain_has_no_folds():
    assert (moves.secondary_structure(chain((*HELIX, 4))) == moves.LOOP).all()


def test_runs():
    assert moves.runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 2), (3, 4), (6, 7)]
    assert moves.runs(np.zeros(3, bool)) == []


@pytest.mark.parametrize("rmsd", [0.5, 2.0])
def test_normal_modes_have_the_size_asked_for(backbone, rng, rmsd):
    moved = moves.normal_mode_move(backbone, rmsd, rng)
    shift = (moved - backbone)[:, 1]
    assert math.sqrt((shift**2).sum(1).mean()) == pytest.approx(rmsd, rel=1e-3)
    # soft modes are collective: neighbours along the chain move alike
    step = np.linalg.norm(np.diff(shift, axis=0), axis=1).mean()
    assert step < 0.6 * np.linalg.norm(shift, axis=1).mean()


def test_normal_modes_carry_no_rigid_motion(backbone, rng):
    shift = (moves.normal_mode_move(backbone, 1.0, rng) - backbone)[:, 1].astype(float)
    centred = backbone[:, 1] - backbone[:, 1].mean(0)
    assert np.abs(shift.mean(0)).max() < 0.05
    assert np.abs(np.cross(centred, shift).sum(0)).max() < 0.05 * np.abs(centred).sum()


def test_a_segment_moves_rigidly_and_the_far_rest_stays(backbone, rng):
    moved = moves.move_segment(backbone, 18, 28, rng, shift=5.0, angle=0.6, flank=3)
    np.testing.assert_allclose(lengths(moved[18:28]), lengths(backbone[18:28]), atol=1e-3)
    np.testing.assert_array_equal(moved[:15], backbone[:15])
    np.testing.assert_array_equal(moved[31:], backbone[31:])
    centre = (moved - backbone)[18:28, 1].mean(0)
    assert np.linalg.norm(centre) == pytest.approx(5.0, abs=0.05)


def test_a_tail_swings_as_one(backbone, rng):
    moved = moves.move_tail(backbone, 16, rng, angle=1.0)
    np.testing.assert_array_equal(moved[:17], backbone[:17])
    np.testing.assert_allclose(lengths(moved[19:]), lengths(backbone[19:]), atol=1e-3)


def test_reading_along_a_backbone(backbone):
    np.testing.assert_array_equal(moves.along(backbone, np.arange(5.0)), backbone[:5])
    half = moves.along(backbone, np.array([2.5]))[0]
    np.testing.assert_allclose(half, (backbone[2] + backbone[3]) / 2, atol=1e-5)
    beyond = moves.along(backbone, np.array([len(backbone) + 0.0]))[0]
    np.testing.assert_allclose(beyond, 2 * backbone[-1] - backbone[-2], atol=1e-4)


def test_a_shifted_segment_takes_the_place_of_later_residues(backbone):
    moved = moves.shift_register(backbone, 18, 26, 2)
    np.testing.assert_allclose(moved[18:26], backbone[20:28], atol=1e-4)
    np.testing.assert_allclose(moved[:12], backbone[:12], atol=1e-5)
    np.testing.assert_allclose(moved[34:], backbone[34:], atol=1e-5)


def test_threading_without_gaps_reads_the_template(backbone, rng):
    found = moves.thread(backbone, 20, rng, offset=7)
    np.testing.assert_allclose(found, backbone[7:27], atol=1e-4)
    gapped = moves.thread(backbone, 40, rng, indels=3)
    assert gapped.shape == (40, 4, 3) and not np.allclose(gapped, backbone[:40])


def test_blended_loop_starts_on_one_chain_and_ends_on_the_other(backbone, rng):
    other = backbone + 3.0
    loop = moves.blend_ends(other, backbone, 10, 19)
    np.testing.assert_array_equal(loop[:10], backbone[:10])
    np.testing.assert_array_equal(loop[19:], backbone[19:])
    share = (loop - backbone)[10:19, 0, 0] / 3.0
    np.testing.assert_allclose(share, np.linspace(0.9, 0.1, 9), atol=1e-4)


def test_a_smooth_field_moves_neighbours_in_space_alike(backbone, rng):
    shift = (moves.smooth_field(backbone, 2.0, rng, length=10.0) - backbone)[:, 1]
    assert math.sqrt((shift**2).sum(1).mean()) == pytest.approx(2.0, rel=1e-2)
    ca = backbone[:, 1]
    distance = np.linalg.norm(ca[:, None] - ca[None], axis=-1)
    unlike = np.linalg.norm(shift[:, None] - shift[None], axis=-1)
    assert unlike[(distance > 0) & (distance < 6)].mean() < 0.6 * unlike[distance > 20].mean()
