"""Both pose spaces: what noise may change, and where the steps of the sampler lead."""

from __future__ import annotations

import math

import pytest
import torch

from molgen.diffusion.spaces import (
    CENTRE,
    SPACES,
    TORSION,
    Cartesian,
    RigidTorsion,
    centre,
    posterior,
)
from molgen.geometry.torsions import batch_dihedrals, turn_in_order


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def distances(x):
    return (x[..., None, :, :] - x[..., :, None, :]).norm(dim=-1)


def turns_between(before, after, ligand):
    """Return by how much the torsions differ, between -π and π."""
    turn = batch_dihedrals(after, ligand.quads) - batch_dihedrals(before, ligand.quads)
    turn = torch.remainder(turn + math.pi, 2 * math.pi) - math.pi
    return turn[ligand.moving.any(-1)[:, None].expand_as(turn)]


def test_turning_a_torsion_changes_its_dihedral_by_as_much(batch):
    _, ligand, coords = batch
    shape = (*coords.shape[:2], ligand.quads.shape[1])
    turns = torch.randn(shape, generator=generator(), dtype=torch.float64)
    turned = turn_in_order(coords, turns, ligand.quads, ligand.moving)
    real = ligand.moving.any(-1)[:, None].expand_as(turns)
    grown = turns_between(coords, turned, ligand) - turns[real]
    error = torch.remainder(grown + math.pi, 2 * math.pi) - math.pi
    assert real.any() and error.abs().max() < 1e-9


def test_rigid_torsion_noise_keeps_bonds_angles_and_rings(batch):
    _, ligand, coords = batch
    sigma = torch.full(coords.shape[:2], 4.0, dtype=torch.float64)
    noisy = RigidTorsion().noise(coords, ligand, sigma, generator())
    pairs = ligand.mask[:, :, None] & ligand.mask[:, None]
    change = (distances(noisy) - distances(coords)).abs()
    assert change[(ligand.rigid & pairs)[:, None].expand_as(change)].max() < 1e-9
    assert change[pairs[:, None].expand_as(change)].max() > 1.0


@pytest.mark.parametrize("space", sorted(SPACES))
def test_the_last_step_returns_the_estimate(space, batch):
    _, ligand, coords = batch
    sigma = torch.full(coords.shape[:2], 3.0, dtype=torch.float64)
    noisy = SPACES[space]().noise(coords, ligand, sigma, generator())
    found = SPACES[space]().step(noisy, coords, ligand, *posterior(3.0, 0.0, 1.0), generator())
    torch.testing.assert_close(found, coords * ligand.mask[:, None, :, None], atol=1e-8, rtol=0)


@pytest.mark.parametrize("space", sorted(SPACES))
def test_a_step_that_lowers_no_noise_changes_nothing(space, batch):
    _, ligand, coords = batch
    sigma = torch.full(coords.shape[:2], 3.0, dtype=torch.float64)
    noisy = SPACES[space]().noise(coords, ligand, sigma, generator())
    found = SPACES[space]().step(noisy, coords, ligand, *posterior(3.0, 3.0, 0.0), generator())
    torch.testing.assert_close(found, noisy, atol=1e-8, rtol=0)


@pytest.mark.parametrize("space", sorted(SPACES))
def test_a_space_follows_the_moves_it_allows(space, batch):
    _, ligand, coords = batch
    coords = coords * ligand.mask[:, None, :, None]
    sigma = torch.full(coords.shape[:2], 0.05, dtype=torch.float64)
    wanted = SPACES[space]().noise(coords, ligand, sigma, generator())
    found = SPACES[space]().moved(coords, wanted - coords, ligand)
    error = (found - wanted).norm(dim=-1).max(-1).values
    assert (error < 0.1 * (wanted - coords).norm(dim=-1).max(-1).values).all()


def test_moves_in_rigid_torsion_space_keep_bonds_angles_and_rings(batch):
    _, ligand, coords = batch
    moves = 0.5 * torch.randn(coords.shape, generator=generator()).double()
    found = RigidTorsion().moved(coords, moves, ligand)
    pairs = (ligand.rigid & ligand.mask[:, :, None] & ligand.mask[:, None])[:, None]
    change = (distances(found) - distances(coords)).abs()
    assert change[pairs.expand_as(change)].max() < 1e-9 and change.max() > 0.05


def test_cartesian_noise_has_the_size_it_says(batch):
    _, ligand, coords = batch
    many = coords[:, :1].expand(-1, 4000, -1, -1)
    sigma = torch.full(many.shape[:2], 2.0, dtype=torch.float64)
    moved = Cartesian().noise(many, ligand, sigma, generator()) - many
    middle = centre(moved, ligand.mask)
    assert float(middle.std()) == pytest.approx(2.0 * CENTRE, rel=0.05)
    atoms = ligand.mask.sum(1).double()
    expected = 2.0 * torch.sqrt(1 - 1 / atoms)
    for k in range(len(atoms)):
        inside = (moved - middle)[k, :, ligand.mask[k]]
        assert float(inside.std()) == pytest.approx(float(expected[k]), rel=0.05)


def test_torsions_have_noise_of_the_size_it_says_before_and_after_a_step(batch):
    _, ligand, coords = batch
    clean = coords[:, :1].expand(-1, 400, -1, -1)
    sigma = torch.full(clean.shape[:2], 0.6, dtype=torch.float64)
    noisy = RigidTorsion().noise(clean, ligand, sigma, generator())
    stepped = RigidTorsion().step(noisy, clean, ligand, *posterior(0.6, 0.3, 1.0), generator(1))
    for poses, level in ((noisy, 0.6), (stepped, 0.3)):
        spread = float(turns_between(clean, poses, ligand).std())
        assert spread == pytest.approx(TORSION * level, rel=0.05)


def test_ancestral_posterior_of_the_paper():
    ratio, spread = posterior(3.0, 2.0, 1.0)
    assert ratio == pytest.approx(4.0 / 9.0)
    assert spread == pytest.approx(math.sqrt(4.0 * 5.0) / 3.0)
    assert posterior(3.0, 2.0, 0.0) == (pytest.approx(2.0 / 3.0), 0.0)
    # a temperature takes from the new noise and leaves the old one
    assert posterior(3.0, 2.0, 1.0, 0.5) == (pytest.approx(4.0 / 9.0), pytest.approx(spread / 2))


def test_steps_keep_the_marginal_of_the_noise(batch):
    """Stepping with the true clean pose from sigma to lower leaves noise of size lower."""
    _, ligand, coords = batch
    clean = coords[:, :1].expand(-1, 3000, -1, -1)
    sigma = torch.full(clean.shape[:2], 3.0, dtype=torch.float64)
    noisy = Cartesian().noise(clean, ligand, sigma, generator())
    stepped = Cartesian().step(noisy, clean, ligand, *posterior(3.0, 1.5, 1.0), generator(1))
    inside = (stepped - clean)[0, :, ligand.mask[0]]
    start = (noisy - clean)[0, :, ligand.mask[0]]
    assert float(inside.std() / start.std()) == pytest.approx(0.5, rel=0.03)
