"""What every energy must do, one suite over the registry."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "energy"))
import made

from molgen.energy import ENERGIES, WeightedSum
from molgen.errors import RegistryError
from molgen.geometry.rotations import matrix_from_rotation_vector

LEARNED = {"learned", "scf_energy", "orbital_gap", "partial_charges"}
"""Terms of a network: those of the ligand alone without a zero."""
PENALTIES = {"geometry", "chirality", "internal_clash", "torsion"}
OWN = PENALTIES | LEARNED
"""Terms of the ligand alone."""

NAMES = [*ENERGIES, "sum"]


def term(name):
    if name == "sum":
        return WeightedSum(
            (("vina", 1.0, ENERGIES["vina"]()), ("strain", 0.3, ENERGIES["torsion"]()))
        )
    return ENERGIES[name](spacing=0.75) if name == "vina_grid" else ENERGIES[name]()


@pytest.fixture(scope="module", params=NAMES)
def bound(request):
    topology, coords = made.case()
    if request.param == "internal_clash":
        coords = 0.55 * coords  # nothing clashes in a good conformer
    if request.param == "chirality":
        coords = coords * torch.tensor([1.0, 1.0, 0.3], dtype=coords.dtype)
    return request.param, term(request.param).bind(topology), coords


def test_one_number_a_pose_in_the_dtype_of_the_coordinates(bound):
    _, energy, coords = bound
    assert energy(coords).shape == (len(coords),) and energy(coords).dtype == torch.float64
    assert torch.isfinite(energy(coords)).all()
    try:
        energy.to(torch.float32)
        single = energy(coords.float())
    finally:
        energy.to(torch.float64)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), energy(coords), atol=2e-2, rtol=2e-3)


def test_it_is_alive(bound):
    # different poses have different energies, and the coordinates feel it
    _, energy, coords = bound
    coords = coords.clone().requires_grad_()
    values = energy(coords)
    values.sum().backward()
    assert values.std() > 1e-3
    assert (coords.grad.abs().amax((1, 2)) > 1e-3).all()


def test_poses_do_not_see_each_other(bound):
    _, energy, coords = bound
    together = energy(coords)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(energy(coords[order]), together[order])
    torch.testing.assert_close(torch.cat([energy(pose[None]) for pose in coords]), together)
    assert energy(coords[:0]).shape == (0,)


def test_energy_of_the_ligand_alone_ignores_rigid_motion_others_do_not(bound):
    name, energy, coords = bound
    rotation = matrix_from_rotation_vector(torch.tensor([0.3, -1.0, 0.7], dtype=torch.float64))
    moved = coords @ rotation.mT + torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    same = torch.allclose(energy(moved), energy(coords), atol=1e-9, rtol=1e-9)
    assert same == (name in OWN)


def test_gradient_is_that_of_finite_differences(bound):
    _, energy, coords = bound
    few = coords[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(energy, (few,), eps=1e-7, atol=2e-5, rtol=1e-4)


def test_parts_add_up_to_the_energy(bound):
    name, energy, coords = bound
    parts = energy.terms(coords)
    total = parts["total"] if name == "vina" else sum(parts.values())
    torch.testing.assert_close(total, energy(coords))


@pytest.mark.parametrize("name", ["geometry", "chirality", "internal_clash", "receptor_clash"])
def test_a_good_pose_costs_nothing(name):
    mol, coords = made.conformer()
    far = made.protein(5)
    topology = made.build_energy_topology(mol, far)
    value = ENERGIES[name]().bind(topology)(coords + 100.0)
    assert value.item() < (0.5 if name == "geometry" else 1e-12)


@pytest.mark.parametrize("name", sorted(PENALTIES | {"vina", "receptor_clash"}))
def test_a_ligand_without_receptor_has_an_energy(name):
    mol, coords = made.conformer("CC")
    value = ENERGIES[name]().bind(made.build_energy_topology(mol))(coords)
    assert value.item() == 0.0


def test_a_sum_is_the_weighted_sum_of_its_parts():
    topology, coords = made.case()
    parts = [ENERGIES[name]().bind(topology)(coords) for name in ("vina", "torsion")]
    torch.testing.assert_close(term("sum").bind(topology)(coords), parts[0] + 0.3 * parts[1])


def test_an_unknown_energy_names_the_nearest():
    with pytest.raises(RegistryError, match="vina_grid"):
        ENERGIES["vinagrid"]
