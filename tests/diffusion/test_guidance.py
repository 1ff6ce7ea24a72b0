"""Energy guidance: it lowers the energy, late, and turns with everything else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.diffusion.guidance import EnergyGuide, build_guide, in_pocket, ramp
from molgen.diffusion.model import SidegenModel
from molgen.diffusion.network import SidegenConfig
from molgen.diffusion.sampling import SamplingConfig, sample
from molgen.diffusion.spaces import RigidTorsion
from molgen.energy import ENERGIES
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions
from molgen.graphs.energy_topology import build_energy_topology
from molgen.graphs.pose_graph import ligand_of, stack_ligands
from molgen.search.settings import GuidanceSettings

from .conftest import first

ON = GuidanceSettings(on=True)
ONLY = GuidanceSettings(
    on=True, clash=0, vina=0, internal=0, bounds=0, planarity=0, chirality=0, start=2.0, full=1.0
)  # fmt: skip
"""Nothing but what a test adds."""


def generator():
    return torch.Generator().manual_seed(0)


def freely(coords, moves):
    """Move every atom as it likes."""
    return coords + moves


def to_the_origin(coords):
    """Return an energy that is the higher the further the atoms are from the origin."""
    return 10.0 * coords.square().sum((1, 2))


def alanine():
    """Return the topology of L-alanine and the coordinates (atoms, 3) of its mirror image."""
    mol = Chem.MolFromSmiles("C[C@H](N)C(=O)O")
    full = Chem.AddHs(mol)
    assert rdDistGeom.EmbedMolecule(full, randomSeed=7) == 0
    coords = torch.from_numpy(full.GetConformer().GetPositions()[: mol.GetNumAtoms()])
    mirror = coords * torch.tensor([-1.0, 1.0, 1.0], dtype=coords.dtype)
    return build_energy_topology(mol), mirror


def guide_of(case, settings, space="cartesian"):
    topology, centre, _ = case
    return build_guide(settings, topology, centre, space)


@pytest.mark.parametrize("name", ["clash", "vina", "internal", "bounds", "planarity"])
def test_every_term_lowers_its_energy(case, name):
    guide = guide_of(case, replace(ONLY, **{name: 0.5}))
    coords = case[2] * (0.7 if name == "internal" else 1.0)
    moved = guide(coords, 0.5, freely)
    before, after = guide.energy(coords[0]), guide.energy(moved[0])
    assert before.max() > before.min() and (after <= before).all()
    assert after.sum() < before.sum() - 0.1 * before.sum().abs()


def test_a_mirrored_centre_is_pushed_towards_the_right_one():
    topology, mirrored = alanine()
    guide = build_guide(replace(ONLY, chirality=1.0), topology, np.zeros(3), "cartesian")
    moved = guide(mirrored[None, None], 0.5, freely)
    before, after = guide.energy(mirrored[None]), guide.energy(moved[0])
    assert before.item() > 45.0 and after.item() < 0.8 * before.item()


def test_no_atom_moves_further_than_it_may(case):
    settings = replace(ON, largest=0.1, iterations=3, rate=10.0)
    moved = guide_of(case, settings)(case[2], 0.1, freely)
    assert 0.01 < (moved - case[2]).norm(dim=-1).max() <= 0.3 + 1e-9


def test_it_acts_below_start_and_in_full_below_full(case):
    settings = replace(ON, start=2.0, full=1.0)
    assert [ramp(settings, sigma) for sigma in (3.0, 2.0, 1.5, 1.0, 0.1)] == [0, 0, 0.5, 1, 1]
    assert guide_of(case, settings)(case[2], 2.0, freely) is case[2]


def test_turning_everything_turns_the_guided_estimate(case):
    topology, centre, coords = case
    turn = matrix_from_quaternion(random_quaternions(1, torch.Generator().manual_seed(5)))[0]
    inside = in_pocket(topology, centre)
    receptor = replace(inside.receptor, coords=inside.receptor.coords @ turn.numpy().T)
    turned = build_guide(ON, replace(inside, receptor=receptor), np.zeros(3), "cartesian")
    plain = guide_of(case, ON)(coords, 0.5, freely)
    assert (plain - coords).abs().max() > 0.1
    torch.testing.assert_close(
        turned(coords @ turn.T, 0.5, freely), plain @ turn.T, atol=1e-9, rtol=0
    )


def test_what_is_switched_off_is_not_there(case):
    assert guide_of(case, GuidanceSettings()) is None
    assert guide_of(case, ONLY) is None
    assert guide_of(case, replace(ONLY, bounds=1.0), "rigid-torsion") is None
    topology, centre, coords = case
    guide = guide_of(case, replace(ONLY, clash=2.0))
    alone = ENERGIES["receptor_clash"]().bind(in_pocket(topology, centre))
    torch.testing.assert_close(guide.energy(coords[0]), 2.0 * alone(coords[0]))


@pytest.fixture(scope="module")
def sampled(batch):
    """Return a function that samples poses of one complex with a small network and a guide."""
    target, ligand, coords = first(batch[0]), first(batch[1]), batch[2][:1]
    torch.manual_seed(1)
    model = SidegenModel(SidegenConfig(width=16, blocks=2), {"width": 16, "blocks": 1}).eval()
    model = model.double()
    encoded = model.network.encode(target)

    def run(space, guide):
        settings = SamplingConfig(space, steps=4)
        return sample(model, coords, ligand, encoded, settings, generator(), guide)

    return run


@pytest.mark.parametrize("space", ["cartesian", "rigid-torsion"])
def test_a_guide_moves_what_is_sampled_where_it_acts(space, sampled):
    def guided(**settings):
        return sampled(space, EnergyGuide(to_the_origin, replace(ON, **settings)))

    plain = sampled(space, None)
    assert torch.equal(guided(start=0.01, full=0.001), plain)
    before, after = (
        poses.mean(2).norm(dim=-1).mean()
        for poses in (plain, guided(start=20.0, full=10.0, largest=2.0))
    )
    assert after < 0.7 * before


def test_guidance_in_rigid_torsion_space_keeps_what_is_rigid(case, complexes):
    (entry,) = (one for one in complexes if one.id == "6XG5_TOP")
    ligand = stack_ligands([ligand_of(entry)])
    start = torch.from_numpy(entry.ligand_coords - case[1]).double()[None, None]
    space = RigidTorsion()
    shaken = space.noise(start.repeat(1, 4, 1, 1), ligand, torch.full((1, 4), 0.5), generator())
    guide = guide_of(case, replace(ON, iterations=8), "rigid-torsion")
    moved = guide(shaken, 0.1, partial(space.moved, ligand=ligand))
    before, after = guide.energy(shaken[0]), guide.energy(moved[0])
    assert (after <= before).all() and after.sum() < before.sum() - 1.0
    kept = ligand.rigid[0].bool()
    assert kept.sum() > 20
    distances = [torch.cdist(poses[0], poses[0])[:, kept] for poses in (shaken, moved)]
    torch.testing.assert_close(*distances, atol=1e-6, rtol=0)


def test_any_energy_can_guide():
    guide = EnergyGuide(to_the_origin, ON)
    coords = torch.ones(1, 2, 3, 3)
    assert (guide(coords, 0.1, freely).norm(dim=-1) < coords.norm(dim=-1)).all()


def test_learned_energies_can_guide(case):
    guide = guide_of(case, replace(ONLY, scf=3.0, gap=2.0), "rigid-torsion")
    coords = case[2][0]
    scf, gap = (ENERGIES[name]().bind(case[0])(coords) for name in ("scf_energy", "orbital_gap"))
    torch.testing.assert_close(guide.energy(coords), 3.0 * scf + 2.0 * gap)
