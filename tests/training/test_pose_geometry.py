"""Conformers brought into crystal poses."""

from __future__ import annotations

import numpy as np
import pytest

from molgen.graphs.pose_graph import ligand_of
from molgen.training.pose_geometry import NEAR, matched_conformers


@pytest.fixture(scope="module")
def entries(encoded_complexes):
    return encoded_complexes(conformers=3)


def matched(entries):
    return matched_conformers(
        [ligand_of(entry) for entry in entries],
        [entry.ligand_coords for entry in entries],
        [entry.ligand_conformers for entry in entries],
    )


def lengths(entry, coords):
    first, second = entry.bond_atoms.T
    return np.linalg.norm(coords[..., first, :] - coords[..., second, :], axis=-1)


def test_they_come_near_the_crystal_and_keep_their_own_geometry(entries):
    for entry, found in zip(entries, matched(entries), strict=True):
        assert found.shape == (3, entry.num_ligand_atoms, 3)
        apart = np.sqrt(((found - entry.ligand_coords) ** 2).sum(-1).mean(-1))
        assert (apart < NEAR).all() and (apart > 0.02).all()
        own = lengths(entry, entry.ligand_conformers)
        np.testing.assert_allclose(lengths(entry, found), own, atol=1e-4)
        assert np.abs(lengths(entry, found) - lengths(entry, entry.ligand_coords)).max() > 0.01


def test_a_crystal_pose_turned_about_its_bonds_is_found_again(entries):
    """With the geometry of the crystal the answer is known: the crystal pose."""
    from scipy.spatial.transform import Rotation

    for entry in entries:
        turn = Rotation.random(random_state=1).as_matrix()
        moved = (entry.ligand_coords @ turn.T + 7.0)[None]
        (found,) = matched_conformers([ligand_of(entry)], [entry.ligand_coords], [moved])
        np.testing.assert_allclose(found[0], entry.ligand_coords, atol=1e-3)


def test_what_stays_far_from_the_crystal_is_dropped_and_none_is_fine(entries):
    entry = entries[0]
    stretched = 2.0 * entry.ligand_conformers[:1]
    (found,) = matched_conformers([ligand_of(entry)], [entry.ligand_coords], [stretched])
    assert found.shape == (0, entry.num_ligand_atoms, 3)
    (found,) = matched_conformers([ligand_of(entry)], [entry.ligand_coords], [stretched[:0]])
    assert found.shape == (0, entry.num_ligand_atoms, 3)
