"""Pockets from geometry: circumspheres by hand, a hollow shell, a crystal ligand's site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.io import read_ligand, read_structure
from molgen.structure import Protein
from molgen.structure.cavities import alpha_spheres, find_cavities

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"


def make_protein(coords: np.ndarray) -> Protein:
    count = len(coords)
    return Protein(
        name="made",
        coords=coords.astype(np.float32),
        elements=np.full(count, "C"),
        atom_names=np.full(count, "CB"),
        residue_names=np.full(count, "ALA"),
        residue_numbers=np.arange(count, dtype=np.int32),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, "A"),
        hetero=np.zeros(count, dtype=bool),
    )


def shell(radius: float, count: int) -> np.ndarray:
    """Points spread evenly over a sphere (Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    height, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - height**2)
    return radius * np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)


def test_alpha_sphere_of_a_regular_tetrahedron() -> None:
    # Circumradius of a regular tetrahedron with corners (±1, ±1, ±1) * 2: 2 * sqrt(3).
    corners = 2.0 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    far = np.array([[60.0, 0, 0]])  # Delaunay needs a fifth point
    spheres = alpha_spheres(np.concatenate([corners, far]) + 5.0)
    assert spheres.radii == pytest.approx([2 * 3**0.5])
    assert spheres.centers[0] == pytest.approx([5, 5, 5])


def test_no_atom_lies_inside_an_alpha_sphere() -> None:
    coords = np.random.default_rng(0).uniform(0, 25, (400, 3))
    spheres = alpha_spheres(coords)
    distance = np.linalg.norm(spheres.centers[:, None] - coords, axis=-1)
    assert len(spheres.radii)
    assert (distance.min(1) >= spheres.radii - 1e-6).all()


def test_the_hollow_of_a_thick_shell_is_the_best_pocket() -> None:
    layers = np.concatenate([shell(r, round(0.35 * r * r) * 4) for r in (6.0, 8.0, 10.0, 12.0)])
    noise = np.random.default_rng(1).normal(scale=0.3, size=layers.shape)
    best = find_cavities(make_protein(layers + noise + 3.0))[0]
    assert np.linalg.norm(best.center - 3.0) < 2.5
    assert best.volume > 100


@pytest.fixture(scope="module")
def receptor() -> Protein:
    structure = read_structure(EXAMPLES / "6xg5.cif")
    return structure.receptor(structure.ligands)


def test_the_best_cavities_are_where_the_crystal_ligand_lies(receptor: Protein) -> None:
    ligand = read_ligand(EXAMPLES / "6xg5_TOP.sdf").coords
    cavities = find_cavities(receptor)
    distance = [np.linalg.norm(ligand - cavity.center, axis=1).min() for cavity in cavities[:3]]
    assert max(distance) < 1.5
    scores = [cavity.score for cavity in cavities]
    assert scores == sorted(scores, reverse=True)
    assert scores[:2] == pytest.approx([42.1502, 16.6202], rel=1e-3)


def test_moving_the_frame_changes_nothing(receptor: Protein) -> None:
    turn, shift = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix(), np.array([5.0, -3.0, 8.0])
    moved = replace(receptor, coords=(receptor.coords @ turn.T + shift).astype(np.float32))
    for plain, other in zip(find_cavities(receptor), find_cavities(moved), strict=True):
        np.testing.assert_allclose(other.center, plain.center @ turn.T + shift, atol=1e-3)
        assert other.score == pytest.approx(plain.score, rel=1e-3)
        # counted on a grid that does not turn along
        assert other.volume == pytest.approx(plain.volume, rel=0.1)
        assert other.residues == plain.residues


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_atoms_have_no_pocket(count: int) -> None:
    assert find_cavities(make_protein(np.zeros((count, 3)) + np.arange(count)[:, None])) == []
