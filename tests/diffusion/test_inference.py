"""Searches at inference: on a toy with a known posterior, and on a small network."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from molgen.config import build
from molgen.diffusion import particles
from molgen.diffusion.guidance import in_pocket
from molgen.diffusion.inference import SEARCHES, PoseEnergy, run_search, softened
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.network import SidegenConfig
from molgen.diffusion.noise_search import neighbour, search_noise
from molgen.diffusion.particles import resampled, walk_particles
from molgen.diffusion.sampling import Denoiser, SamplingConfig
from molgen.diffusion.spaces import posterior
from molgen.diffusion.tree_search import explore
from molgen.energy import ENERGIES
from molgen.errors import ConfigError, DeviceError
from molgen.search.settings import InferenceSettings, SidegenSettings

from .conftest import first

PRIOR, AIM, WIDTH = 2.0, 2.0, 1.0
"""x ~ N(0, PRIOR²); reward -(x - AIM)² / (2 WIDTH²)."""
MEAN, VARIANCE = 1.6, 0.8
"""Of the posterior: 1 / VARIANCE = 1 / 4 + 1, MEAN = VARIANCE * AIM."""


class Toy:
    """A walk whose network is exact: one atom, its three coordinates independent N(0, PRIOR²)."""

    rigid = False

    def __init__(self, steps=60):
        self.levels = torch.logspace(1.0, -1.5, steps).tolist()
        self.evaluations = 0

    def start(self, start, generator):
        spread = math.sqrt(PRIOR**2 + self.levels[0] ** 2)
        return spread * torch.randn(start.shape, generator=generator)

    def noised(self, coords, sigma, generator):
        return coords + sigma * torch.randn(coords.shape, generator=generator)

    def estimate(self, noisy, step):
        self.evaluations += noisy.shape[1]
        return noisy * PRIOR**2 / (PRIOR**2 + self.levels[step] ** 2)

    def advance(self, noisy, clean, step, generator):
        ratio, spread = posterior(self.levels[step], [*self.levels[1:], 0.0][step], 1.0)
        fresh = torch.randn(noisy.shape, generator=generator)
        return clean + ratio * (noisy - clean) + spread * fresh

    def projected(self, noisy, clean):
        return clean

    def run(self, noisy, generator):
        for step in range(len(self.levels)):
            noisy = self.advance(noisy, self.estimate(noisy, step), step, generator)
        return noisy


def energy(coords, temperature=2.0):
    return temperature * (coords[:, 0, 0] - AIM).square() / (2 * WIDTH**2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blank(poses):
    return torch.zeros(1, poses, 1, 3)


SETTINGS = InferenceSettings(temperature=2.0)


def test_particles_follow_the_posterior():
    settings = replace(SETTINGS, group=4000, interval=5)
    coords, _, last = walk_particles(Toy(), blank(4000), energy, settings, generator())
    x = coords[0, last, 0]
    assert float(x[:, 0].mean()) == pytest.approx(MEAN, abs=0.1)
    assert float(x[:, 0].var()) == pytest.approx(VARIANCE, rel=0.15)
    # what has no reward keeps the prior
    assert float(x[:, 1].mean()) == pytest.approx(0.0, abs=0.3)
    assert float(x[:, 1].var()) == pytest.approx(PRIOR**2, rel=0.2)


def test_resampling_draws_in_proportion_within_groups():
    weights = torch.tensor([1.0, 3.0, 2.0, 2.0, 5.0, 1e-9, 1e-9, 1e-9]).log()
    groups = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    chosen = torch.stack([resampled(weights, groups, generator(seed)) for seed in range(400)])
    counts = torch.bincount(chosen.flatten(), minlength=8) / 400
    assert (groups[chosen] == groups).all()
    expected = torch.tensor([0.5, 1.5, 1.0, 1.0, 4.0, 0.0, 0.0, 0.0])  # 4 w / Σ w
    torch.testing.assert_close(counts, expected, atol=0.08, rtol=0)


def test_resampling_without_finite_weights_changes_nothing():
    weights = torch.full((4,), torch.nan)
    assert resampled(weights, torch.zeros(4).long(), generator()).tolist() == [0, 1, 2, 3]


def moments(root):
    """Return mean and variance of x over leaves as a descent by values draws them."""
    sums, nodes = torch.zeros(3), [(root, 1.0)]
    while nodes:
        node, share = nodes.pop()
        if not node.children:
            x = float(node.coords[0, 0])
            sums += share * torch.tensor([1.0, x, x * x])
            continue
        shares = torch.softmax(torch.tensor([c.value for c in node.children]), 0).tolist()
        nodes += [(c, share * s) for c, s in zip(node.children, shares, strict=True)]
    total, mean, square = sums.tolist()
    assert total == pytest.approx(1.0, abs=1e-3)
    return mean, square - mean**2


def test_a_tree_of_fresh_walks_has_the_evidence_and_the_posterior():
    settings = replace(SETTINGS, interval=10, budget=1)
    root = explore(Toy(80), blank(1500), energy, settings, generator(1))
    spread = PRIOR**2 + WIDTH**2
    evidence = WIDTH / math.sqrt(spread) * math.exp(-(AIM**2) / (2 * spread))
    assert root.value == pytest.approx(math.log(evidence), abs=0.1)
    assert moments(root) == (pytest.approx(MEAN, abs=0.1), pytest.approx(VARIANCE, rel=0.1))


def test_a_tree_that_branches_stays_near_the_posterior():
    root = explore(
        Toy(20), blank(20), energy, replace(SETTINGS, interval=5, budget=100), generator(0)
    )
    assert moments(root) == (pytest.approx(MEAN, abs=0.3), pytest.approx(VARIANCE, rel=0.35))


def test_a_tree_branches_where_energies_are_low():
    root = explore(Toy(20), blank(200), energy, SETTINGS, generator())
    often = [child.value for child in root.children if child.visits > 1]
    seldom = [child.value for child in root.children if child.visits == 1]
    assert often and seldom
    assert sum(often) / len(often) > sum(seldom) / len(seldom)


def test_a_node_has_as_many_children_as_its_visits_to_the_power_of_the_widening():
    settings = replace(SETTINGS, interval=5, budget=60)
    root = explore(Toy(20), blank(1), energy, settings, generator())
    (node,) = root.children
    assert node.visits > 30
    assert len(node.children) == pytest.approx(node.visits**0.6, abs=1.5)


def test_neighbours_of_a_noise_are_noise_of_the_same_size():
    walk = Toy()
    noise = walk.levels[0] * torch.randn(1, 20000, 1, 3, generator=generator())
    near = neighbour(walk, noise, 0.4, generator(1))
    assert float(near.std()) == pytest.approx(float(noise.std()), rel=0.02)
    share = float((near * noise).mean() / noise.square().mean())
    assert share == pytest.approx(math.sqrt(1 - 0.4**2), abs=0.02)


def test_noise_search_never_ends_higher():
    first, _ = search_noise(Toy(10), blank(50), energy, replace(SETTINGS, budget=1), generator())
    more, energies = search_noise(
        Toy(10), blank(50), energy, replace(SETTINGS, budget=4), generator()
    )
    assert (energies <= energy(first[0]) + 1e-6).all() and (energies < energy(first[0])).any()
    torch.testing.assert_close(energy(more[0]), energies)


def test_soft_energies_keep_their_order():
    values = torch.tensor([-9.0, 0.0, 1.0, 50.0, 1e6])
    assert (softened(values).diff() > 0).all()
    assert softened(values)[0] == -9.0 and softened(values)[-1] < 150.0


def test_the_verifier_is_the_vina_energy_and_the_clash_within_the_ligand(case):
    topology, centre, coords = case
    poses, inside = 0.7 * coords[0], in_pocket(topology, centre)
    vina, clash = (ENERGIES[name]().bind(inside)(poses) for name in ("vina", "internal_clash"))
    assert clash.max() > 1.0
    torch.testing.assert_close(PoseEnergy(topology, centre)(poses), softened(vina + clash))


@pytest.fixture(scope="module")
def walk_of(batch):
    """Return a function that makes a walk of one ligand with a small network, and its start."""
    target, ligand, coords = batch
    torch.manual_seed(1)
    model = SidegenModel(SidegenConfig(width=16, blocks=2), {"width": 16, "blocks": 1}).eval()
    one = first(ligand)
    place = type(target)(
        **{
            name: (value.float() if value.is_floating_point() else value)[:1]
            for name, value in vars(target).items()
        }
    )
    encoded = model.network.encode(place)
    start = coords[:1, :1].float().repeat(1, 6, 1, 1)
    settings = SamplingConfig("rigid-torsion", steps=6)
    return lambda: Denoiser(model, one, encoded, settings), start


def compact(coords):
    """An energy with a gradient of quality: how far the pose is from the origin, kcal/mol."""
    return coords.square().sum((1, 2)) / 100.0


@pytest.mark.parametrize("kind", sorted(SEARCHES))
def test_searches_repeat_with_the_seed_within_the_budget(kind, walk_of):
    make, start = walk_of
    settings = InferenceSettings(kind=kind, budget=2, group=3, interval=2)

    def run(seed):
        return run_search(make(), start, compact, settings, generator(seed))

    first, again, other = run(0), run(0), run(1)
    assert first.coords.shape == start.shape and torch.isfinite(first.coords).all()
    assert torch.equal(first.coords, again.coords)
    assert not torch.equal(first.coords, other.coords)
    full = 6 * 6 * (1 if kind == "none" else 2)
    assert full - 6 < first.evaluations <= full
    if kind != "none":
        torch.testing.assert_close(compact(first.coords[0]), first.energies)


def test_none_is_plain_sampling_bit_by_bit(walk_of):
    from molgen.diffusion.sampling import sample

    make, start = walk_of
    walk = make()
    plain = sample(walk.model, start, walk.ligand, walk.target, walk.config, generator())
    found = run_search(make(), start, None, InferenceSettings(), generator())
    assert torch.equal(found.coords, plain) and found.energies.isnan().all()


def test_poses_too_many_for_memory_are_estimated_in_parts(walk_of, monkeypatch):
    make, start = walk_of
    whole = make().run(make().start(start, generator()), generator())
    walk = make()
    real, seen = walk.model.network.forward, []

    def forward(noisy, *rest):
        if noisy.shape[1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(noisy.shape[1])
        return real(noisy, *rest)

    monkeypatch.setattr(walk.model.network, "forward", forward)
    most = 2
    parts = walk.run(walk.start(start, generator()), generator())
    assert seen == [2, 2, 2] * 6 and walk.evaluations == 36
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=1e-4)
    most = 0
    with pytest.raises(DeviceError, match="one pose does not fit"):
        walk.run(walk.start(start, generator()), generator())


@pytest.mark.parametrize("kind", ["best-of-n", "particles", "noise", "tree"])
def test_searches_find_lower_energies_than_draws(kind, walk_of):
    make, start = walk_of
    draws = run_search(make(), start, None, InferenceSettings(), generator())
    settings = InferenceSettings(kind=kind, budget=4, group=4, interval=2)
    found = run_search(make(), start, compact, settings, generator())
    assert found.energies.mean() < compact(draws.coords[0]).mean()


@pytest.mark.parametrize("name", ["eta", "temperature"])
def test_branching_without_noise_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name} = 0 gives tree no noise"):
        build(SidegenSettings, {name: 0.0, "inference": {"kind": "tree"}})


def test_particles_that_are_too_few_are_joined_by_the_best_of_the_rest(monkeypatch):
    energies = torch.tensor([9.0, 8, 7, 6, 1, 2, 3, 0])
    coords = torch.arange(8.0).reshape(1, 8, 1, 1).expand(-1, -1, 1, 3)
    last = torch.full((8,), 7)  # one survivor
    monkeypatch.setattr(particles, "walk_particles", lambda *_: (coords, energies, last))
    found, values = particles.steer(Toy(), blank(4), energy, SETTINGS, generator())
    assert values.tolist() == [0, 1, 2, 3] and found[0, :, 0, 0].tolist() == [7, 4, 5, 6]
