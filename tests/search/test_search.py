"""The search as a whole: same seed, same poses; a known pose comes back; samplers keep promises."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import DeviceError, LigandError, RegistryError
from molgen.search.device import resolve_device
from molgen.search.engine import random_starts, search
from molgen.search.refine import project, refine
from molgen.search.samplers import Sampler, SamplerSettings, build_sampler
from molgen.structure import Ligand


def run(made, seed: int = 0):
    return search(made.field, made.template, made.settings, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def found(made):
    return run(made)


def test_minima_are_sorted_distinct_and_in_the_box(made, found):
    coords, energies = found
    assert coords.shape == (len(energies), made.tree.num_atoms, 3) and len(energies) > 3
    assert (np.diff(energies) >= 0).all()
    maps, groups = made.template.symmetries
    assert len(maps) > 1 and not len(groups)
    alike = coords[:, maps]
    apart = np.sqrt(((coords[:, None, None] - alike) ** 2).sum(-1).mean(-1)).min(-1)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > made.settings.distinct
    assert made.pocket.contains(coords[0]).all()


def test_the_same_seed_gives_the_same_poses(made, found):
    coords, energies = run(made)
    np.testing.assert_array_equal(coords, found[0])
    np.testing.assert_array_equal(energies, found[1])
    assert not np.array_equal(run(made, 1)[0][0], found[0][0])


def test_the_number_of_threads_changes_nothing(made, found):
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        coords, energies = run(made)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(coords, found[0])
    np.testing.assert_array_equal(energies, found[1])


def test_starts_fill_the_box(made):
    states, conformer = random_starts(made.field, made.template, 2000, np.random.default_rng(0))
    assert made.pocket.contains(states[:, :3]).all()
    assert np.ptp(states[:, :3], axis=0).min() > 0.6 * made.pocket.edges.min()
    assert set(conformer) == set(range(len(made.template.conformers)))
    np.testing.assert_allclose(np.linalg.norm(states[:, 3:7], axis=1), 1.0)


def test_projection_of_a_pose_of_the_template_is_exact(made, found):
    _, shapes, fits = project(found[0][:4], made.template)
    assert fits.max() < 1e-4 and shapes.max() < len(made.template.conformers)


def test_refinement_brings_a_shaken_pose_back(made, found):
    coords, energies = found
    shaken = coords[:1] + np.random.default_rng(0).normal(0, 0.1, coords[:1].shape) + 0.3
    back, energy = refine(shaken, made.field, made.template, made.settings)
    before, after = (np.sqrt(((c - coords[:1]) ** 2).sum(-1).mean()) for c in (shaken, back))
    assert before > 0.5 and after < 0.5 * before
    assert energy[0] == pytest.approx(energies[0], abs=0.5)


def sampler(made, **changes) -> Sampler:
    settings = SamplerSettings(search=replace(made.settings, **changes))
    return build_sampler("search", made.protein, made.pocket, settings, "cpu")


def test_the_sampler_keeps_its_promises(made):
    docking = sampler(made)
    poses = docking.sample(made.ligand, 5, seed=0)
    assert isinstance(docking, Sampler) and len(poses) <= 5
    assert (np.diff(poses.scores) >= 0).all()
    parts = sum(values for name, values in poses.terms.items() if name != "affinity")
    np.testing.assert_allclose(parts, poses.scores, atol=1e-9)
    # the rotor term scales the receptor energy: Trott & Olson 2010, equation 6
    scale = 1.0 + 0.05846 * made.tree.rotors
    np.testing.assert_allclose(poses.terms["affinity"] * scale, poses.terms["receptor"], atol=1e-9)
    # a pose keeps every bond of the graph, so its atoms are in the order of the molecule
    for bond in made.ligand.mol.GetBonds():
        ends = poses.coords[:, [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]]
        length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
        assert (length > 1.1).all() and (length < 1.7).all()
    other = docking.sample(Ligand("next", Chem.MolFromSmiles("Oc1ccccc1")), 2, seed=0)
    again = docking.sample(made.ligand, 5, seed=0)  # after another ligand
    np.testing.assert_array_equal(again.coords, poses.coords)
    assert len(other) == 2


def test_torsion_preferences_have_their_weight(made, found):
    coords = found[0][:3][:, np.argsort(made.tree.order)]
    light, heavy = (
        sampler(made, torsion_weight=weight).rescore(made.ligand, coords, 0).terms["strain"]
        for weight in (0.1, 0.4)
    )
    assert light.max() > 0
    np.testing.assert_allclose(heavy, 4 * light)


@pytest.mark.parametrize("smiles", ["C", "[Na+]", "CC", "c1ccccc1", "C1CCCCCCCCCCC1"])
def test_ligands_without_torsions_are_docked(made, smiles):
    ligand = Ligand("rigid", Chem.MolFromSmiles(smiles))
    poses = sampler(made, conformers=2, num_starts=64, rounds=1).sample(ligand, 2, seed=0)
    assert len(poses) and np.isfinite(poses.coords).all() and np.isfinite(poses.scores).all()


def test_an_element_without_type_is_an_error_of_the_ligand(made):
    with pytest.raises(LigandError, match="element Xe of atom 2 has no docking type"):
        sampler(made).sample(Ligand("odd", Chem.MolFromSmiles("F[Xe]F")), 1, seed=0)


def test_names_of_samplers_and_devices(made):
    with pytest.raises(RegistryError, match="did you mean 'search'"):
        build_sampler("serch", made.protein, made.pocket, SamplerSettings(), "cpu")
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto").split(":")[0] in ("cpu", "cuda")
    for name in ("gpu", "cuda:x", "cuda:", "CPU", ""):
        with pytest.raises(DeviceError, match="is not known; expected auto, cpu or cuda"):
            resolve_device(name)
    with pytest.raises(DeviceError, match="'cuda:99' is not there; this machine has"):
        resolve_device("cuda:99")
