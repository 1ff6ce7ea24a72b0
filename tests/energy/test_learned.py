"""Learned terms: laws, a model of their own, the domain, and the definition of the charge term."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import made
from rdkit import Chem

from molgen.checkpoints import save_domain
from molgen.energy.learned import LearnedEnergies, OrbitalGap, PartialCharges, ScfEnergy
from molgen.energy.property_model import (
    COMPOSITION,
    PropertyModel,
    composition,
    load_properties,
    save_properties,
)
from molgen.energy.property_network import PropertyConfig
from molgen.errors import StoreError
from molgen.geometry.rotations import matrix_from_rotation_vector
from molgen.graphs.ligand_arrays import ligand_arrays
from molgen.graphs.pose_graph import ligand_of, stack_ligands
from molgen.io import read_ligand

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
SMALL = PropertyConfig(width=16, edge=16, blocks=2)
TERMS = (LearnedEnergies, ScfEnergy, OrbitalGap, PartialCharges)


def small_model() -> PropertyModel:
    torch.manual_seed(0)
    model = PropertyModel(SMALL)
    for parameter in model.parameters():  # so that every part has a say
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def said(model: PropertyModel, mol: Chem.Mol, coords: torch.Tensor):
    """Return what a model says of conformers (conformers, atoms, 3) without noise."""
    sigma = torch.zeros(1, len(coords), dtype=torch.float64)
    return model.double()(coords[None], sigma, stack_ligands([ligand_of(ligand_arrays(mol))]))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    save_properties(folder, small_model())
    domain = {"elements": [6, 7, 8], "ligand_atoms": [5, 20], "formal_charge": [0, 0]}
    save_domain(folder, domain)
    return str(folder)


@pytest.mark.parametrize("term", TERMS)
def test_terms_are_invariant_batched_and_have_their_gradient(term, checkpoint):
    topology, coords = made.case()
    energy = term(checkpoint).bind(topology)
    value = energy(coords)
    assert value.shape == (len(coords),) and value.dtype == torch.float64 and value.std() > 1e-4
    turn = matrix_from_rotation_vector(torch.tensor([0.3, -1.0, 0.7], dtype=torch.float64))
    shift = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(energy(coords @ turn.mT + shift), value)
    torch.testing.assert_close(energy(coords * torch.tensor([1.0, 1.0, -1.0])), value)
    torch.testing.assert_close(torch.cat([energy(pose[None]) for pose in coords]), value)
    assert energy(coords[:0]).shape == (0,)
    few = coords[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(energy, (few,), eps=1e-6, atol=1e-5, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in energy.parameters())


def test_the_noise_level_is_heard(checkpoint):
    topology, coords = made.case()
    clean, noisy = (ScfEnergy(checkpoint, sigma=s).bind(topology)(coords) for s in (0.0, 0.5))
    assert not torch.allclose(noisy, clean)


def test_without_any_weight_there_is_no_energy(checkpoint):
    topology, coords = made.case()
    nothing = LearnedEnergies(checkpoint, scf=0.0, gap=0.0, charges=0.0).bind(topology)
    assert torch.equal(nothing(coords), torch.zeros(len(coords), dtype=coords.dtype))


def test_one_pass_serves_all_terms(checkpoint, monkeypatch):
    topology, coords = made.case()
    weights = {"scf": 0.5, "gap": 2.0, "charges": 0.1}
    together = LearnedEnergies(checkpoint, **weights).bind(topology)
    passes = []
    forward = together.model.forward
    monkeypatch.setattr(together.model, "forward", lambda *a: passes.append(1) or forward(*a))
    found = together.terms(coords)
    assert len(passes) == 1
    alone = (term(checkpoint).bind(topology) for term in (ScfEnergy, OrbitalGap, PartialCharges))
    for weight, energy, value in zip(weights.values(), alone, found.values(), strict=True):
        torch.testing.assert_close(value, weight * energy(coords))


def test_charges_add_up_and_their_energy_is_coulombs(checkpoint):
    mol, coords = made.conformer("NCCCC(=O)O")
    topology = made.build_energy_topology(mol)
    energy = PartialCharges(checkpoint, dielectric=2.0, softening=0.1).bind(topology)
    charges = energy.properties(coords).charges[0, 0]
    assert charges.sum().item() == pytest.approx(0.0, abs=1e-9)
    by_hand, place = 0.0, coords[0]
    steps = Chem.GetDistanceMatrix(mol)
    for i in range(mol.GetNumAtoms()):
        for j in range(i):
            if steps[i, j] > 3:
                squared = float((place[i] - place[j]).square().sum()) + 0.01
                by_hand += 332.0637 * float(charges[i] * charges[j]) / (2.0 * squared)
    assert energy(coords).item() == pytest.approx(by_hand, rel=1e-5)


def test_a_batch_is_its_members_and_the_order_of_atoms_is_nothing():
    model = small_model().double()
    mols = [made.conformer(s) for s in ("CCOC(C)=O", "c1ccccc1N")]
    graphs = [ligand_of(ligand_arrays(mol)) for mol, _ in mols]
    size = max(len(graph) for graph in graphs)
    coords = torch.zeros(2, 1, size, 3, dtype=torch.float64)
    for row, (_, place) in enumerate(mols):
        coords[row, 0, : place.shape[1]] = place[0]
    sigma = torch.full((2, 1), 0.1, dtype=torch.float64)
    together = model(coords, sigma, stack_ligands(graphs))
    for row, (mol, place) in enumerate(mols):
        alone = model(place[None], sigma[:1], stack_ligands([graphs[row]]))
        torch.testing.assert_close(alone.energy[0], together.energy[row])
        torch.testing.assert_close(alone.gap[0], together.gap[row])
        order = np.random.default_rng(0).permutation(mol.GetNumAtoms())
        again = ligand_of(ligand_arrays(Chem.RenumberAtoms(mol, order.tolist())))
        other = model(place[None][:, :, order], sigma[:1], stack_ligands([again]))
        torch.testing.assert_close(other.energy, alone.energy)
        torch.testing.assert_close(other.charges[0, 0], alone.charges[0, 0, order])
    assert (together.charges[0, 0, len(graphs[0]) :] == 0).all()


def test_composition_counts_hydrogens_and_charge():
    graph = ligand_of(ligand_arrays(Chem.MolFromSmiles("CC(=O)[O-]")))
    found = composition(graph.features)
    assert found.shape == (COMPOSITION,) and found.sum() == 3 + 2 + 2 - 1 + 1
    assert (found[1], found[6], found[8], *found[-2:]) == (3, 2, 2, -1, 1)


def test_the_gap_has_its_mean():
    torch.manual_seed(2)
    model = PropertyModel(SMALL)
    model.set_scales(np.zeros(COMPOSITION), 1.0, (70.0, 1e-3))
    found = said(model, *made.conformer("CCO"))
    assert found.gap.item() == pytest.approx(70.0, abs=0.1)


def test_the_shipped_model_says_what_it_said():
    ligand = read_ligand(EXAMPLES / "6xg5_TOP.sdf")
    coords = torch.tensor(ligand.coords, dtype=torch.float64)[None]
    found = said(load_properties("energies-1"), ligand.mol, coords)
    values = [found.energy.item(), found.gap.item(), found.charges[0, 0, 0].item()]
    assert values == pytest.approx([20.70934, 67.57955, 0.1212324], rel=1e-3)


def test_checkpoints_load_as_they_were_saved_and_others_are_refused(checkpoint, tmp_path):
    model, other = small_model(), load_properties(checkpoint)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)
    with pytest.raises(StoreError, match="ligand-properties"):
        load_properties("contacts-1")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(StoreError):
        load_properties(str(tmp_path))
