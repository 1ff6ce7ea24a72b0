"""Folding from contact maps: with all contacts the native comes back, mirrored if asked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.decoys import moves
from molgen.decoys.backbone_geometry import backbone_from_torsions
from molgen.decoys.folding import backbone_on_trace, fold_trace, globule_radius

HELIX = (-57.0, -47.0)


@pytest.fixture(scope="module")
def bundle():
    """Two helices packed side by side."""
    parts = [(*HELIX, 16), (-90.0, 0.0, 1), (80.0, 10.0, 1), (-60.0, 140.0, 2), (*HELIX, 16)]
    phi = np.concatenate([np.full(n, math.radians(a)) for a, _, n in parts])
    psi = np.concatenate([np.full(n, math.radians(b)) for _, b, n in parts])
    return backbone_from_torsions(phi, psi, np.full(len(phi), math.pi)).astype(np.float32)


def contacts_of(ca, cutoff):
    distance = np.linalg.norm(ca[:, None] - ca[None], axis=-1)
    i, j = np.nonzero(np.triu(distance < cutoff, 3))
    return np.stack([i, j], 1), distance[i, j]


def rmsd(a, b):
    _, rssd = Rotation.align_vectors(a - a.mean(0), b - b.mean(0))
    return rssd / math.sqrt(len(a))


def test_all_contacts_give_the_native_back(bundle):
    ca = bundle[:, 1]
    pairs, distances = contacts_of(ca, 20.0)
    folds = moves.secondary_structure(bundle)
    rng = np.random.default_rng(0)
    trace = fold_trace(bundle, folds, moves.LOOP, pairs, distances, rng)
    assert rmsd(trace, ca) < 1.0
    mirrored = fold_trace(bundle, folds, moves.LOOP, pairs, distances, rng, mirror=True)
    assert rmsd(-mirrored, ca) < 1.0 < rmsd(mirrored, ca)


def test_noise_moves_the_fold(bundle):
    ca = bundle[:, 1]
    pairs, distances = contacts_of(ca, 20.0)
    folds = moves.secondary_structure(bundle)
    rng = np.random.default_rng(0)
    noisy = distances + rng.normal(scale=3.0, size=len(distances))
    trace = fold_trace(bundle, folds, moves.LOOP, pairs, noisy, rng)
    assert np.isfinite(trace).all()
    assert rmsd(trace, ca) > 0.3
    # the chain holds
    assert np.median(np.linalg.norm(np.diff(trace, axis=0), axis=1)) == pytest.approx(3.8, abs=0.3)


def test_a_backbone_on_its_own_trace_is_itself(bundle):
    np.testing.assert_allclose(backbone_on_trace(bundle[:, 1], bundle), bundle, atol=1e-3)
    turned = Rotation.from_rotvec([0.3, -0.2, 0.9])
    moved = turned.apply(bundle.reshape(-1, 3)).reshape(bundle.shape) + 5.0
    np.testing.assert_allclose(backbone_on_trace(moved[:, 1], bundle), moved, atol=1e-3)


def test_radius_of_a_globule():
    # 100 residues: about 12.7 Å, as small globular domains have
    assert globule_radius(100) == pytest.approx(12.7, abs=0.1)
