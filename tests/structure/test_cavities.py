"""Pockets from geometry: circumspheres by hand, a hollow shell, a crystal ligand's site."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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


def test_crystal_ligand_is_found_and_moving_the_frame_changes_nothing() -> None:
    structure = read_structure(EXAMPLES / "6xg5.cif")
    receptor = structure.receptor(structure.ligands)
    ligand = read_ligand(EXAMPLES / "6xg5_TOP.sdf").coords
    cavities = find_cavities(receptor)
    distance = [np.linalg.norm(ligand - cavity.center, axis=1).min() for cavity in cavities[:3]]
    assert min(distance) < 4.0
    assert [c.score for c in cavities] == sorted((c.score for c in cavities), reverse=True)
    again = find_cavities(receptor)
    assert all(np.array_equal(a.center, b.center) for a, b in zip(cavities, again, strict=True))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_atoms_have_no_pocket(count: int) -> None:
    assert find_cavities(make_protein(np.zeros((count, 3)) + np.arange(count)[:, None])) == []
