"""MMFF94 in OpenMM against RDKit's own implementation: energies and gradients."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdForceFieldHelpers

from molgen.energy import openmm as border
from molgen.energy.mmff import mmff_terms
from molgen.energy.openmm_mmff import BUFFER, COULOMB, FOURTH, mmff_forces
from molgen.errors import LigandError
from molgen.units import ANGSTROM_PER_NM, KCAL_PER_KJ

MOLECULES = {
    "benzene": "c1ccccc1",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "acetate": "CC(=O)[O-]",
    "guanidinium": "NC(=[NH2+])NC",
    "phosphate": "OP(=O)([O-])OC",
    "sulfonamide with nitrile": "NS(=O)(=O)c1ccc(C#N)cc1",
    "F, Cl and Br": "FC(F)(F)c1ccc(Cl)cc1Br",
    "iodine": "Ic1ccccc1",
    "cyclopropane and alkyne": "C1CC1C#CC",
    "bicyclobutane": "C12CC1C2",
    "azide": "CN=[N+]=[N-]",
    "isonitrile": "C[N+]#[C-]",
    "allene": "C=C=C",
    "macrocyclic lactam": "O=C1CCCCCCCCCCN1",
    "indole": "c1ccc2[nH]ccc2c1",
    "thiophene": "c1ccsc1",
    "tetrazolate": "c1nnn[n-]1",
    "phthalimide": "O=C1NC(=O)c2ccccc12",
    "nitro": "C[N+](=O)[O-]",
    "silane": "C[Si](C)(C)C",
    "trimethoprim": "COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC",
}


def shaken(smiles: str, noise: float = 0.08) -> Chem.Mol:
    """Return a conformer with every atom off its minimum, so that no term is small."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    points = mol.GetConformer().GetPositions()
    points += np.random.default_rng(0).normal(0.0, noise, points.shape)
    mol.GetConformer().SetPositions(points)
    return mol


def evaluate(forces: list[openmm.Force], coords: np.ndarray) -> tuple[float, np.ndarray]:
    """Return energy, kcal/mol, and gradient, kcal/mol/Å, of forces on ``coords`` in Å."""
    system = openmm.System()
    for _ in range(len(coords)):
        system.addParticle(1.0)
    for force in forces:
        system.addForce(force)
    context = border.make_context(system, openmm.VerletIntegrator(0.001), "Reference")
    context.setPositions(border.to_nm(coords))
    pull = context.getState(getForces=True).getForces(asNumpy=True)
    gradient = -np.array(pull._value) * KCAL_PER_KJ / ANGSTROM_PER_NM
    return border.read_energy(context, "test"), gradient


@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("dielectric", [1.0, 4.0])
def test_energy_and_gradient_are_those_of_rdkit(name, dielectric):
    mol = shaken(MOLECULES[name])
    found = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    found.SetMMFFDielectricConstant(dielectric)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, found)
    expected = np.array(field.CalcGrad()).reshape(-1, 3)
    forces = mmff_forces(mmff_terms(mol), dielectric=dielectric)
    energy, gradient = evaluate(forces, mol.GetConformer().GetPositions())
    assert energy == pytest.approx(field.CalcEnergy(), rel=1e-5)
    assert np.abs(gradient - expected).max() < 1e-5 * np.abs(expected).max()


TERMS = ("Bond", "Angle", "StretchBend", "Oop", "Torsion", "VdW", "Ele")


@pytest.mark.parametrize("term", TERMS)
def test_no_term_hides_behind_another(term):
    """Each of RDKit's terms alone equals the forces of that term."""
    mol = shaken("NS(=O)(=O)c1ccc(C#N)cc1NC(C)=O")
    found = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    for name in TERMS:
        getattr(found, f"SetMMFF{name}Term")(name == term)
    expected = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, found).CalcEnergy()
    terms = mmff_terms(mol)
    bonds, angles, torsions, _, lines, coupled, planes = mmff_forces(terms)
    kinds = {
        "Bond": [bonds], "Angle": [angles, lines], "StretchBend": [coupled], "Oop": [planes],
        "Torsion": [torsions],
    }  # fmt: skip
    coords = mol.GetConformer().GetPositions()
    if term in kinds:
        energy, _ = evaluate(kinds[term], coords)
    else:
        if term == "VdW":
            terms.charges[:] = 0.0
        else:
            terms.pair_params[:, 1] = 0.0
        energy, _ = evaluate([mmff_forces(terms)[3]], coords)
    assert energy == pytest.approx(expected, rel=1e-5, abs=1e-6) and abs(energy) > 1e-4


def test_charges_screened_by_distance():
    """By hand: 332.0716 q q / (4 (r + 0.05)²), three quarters of it for atoms three bonds apart."""
    mol = shaken("OC(=O)CC[NH3+]")
    terms = mmff_terms(mol)
    terms.pair_params[:, 1] = 0.0
    coords = mol.GetConformer().GetPositions()
    energy, _ = evaluate([mmff_forces(terms, screening="distance", dielectric=4.0)[3]], coords)
    first, second = terms.pairs.T
    apart = Chem.GetDistanceMatrix(mol)[first, second]
    gaps = np.linalg.norm(coords[first] - coords[second], axis=1)
    weight = np.where(apart == 3, FOURTH, 1.0)
    by_hand = (
        COULOMB * weight * terms.charges[first] * terms.charges[second] / 4 / (gaps + BUFFER) ** 2
    )
    assert apart.min() == 3 and energy == pytest.approx(by_hand.sum(), rel=1e-6)


def test_an_offset_moves_every_term():
    mol = shaken("CC(=O)NC#CC")
    coords = mol.GetConformer().GetPositions()
    front = np.random.default_rng(1).normal(size=(5, 3)) * 20.0
    alone, gradient = evaluate(mmff_forces(mmff_terms(mol)), coords)
    behind, moved = evaluate(mmff_forces(mmff_terms(mol), 5), np.concatenate([front, coords]))
    assert behind == pytest.approx(alone, rel=1e-9) and not moved[:5].any()
    assert np.allclose(moved[5:], gradient)


def test_typing_leaves_the_molecule_as_it_was():
    mol = Chem.AddHs(Chem.MolFromSmiles("c1ccc2[nH]ccc2c1"))
    before = Chem.MolToSmiles(mol)
    mmff_terms(mol)
    assert Chem.MolToSmiles(mol) == before


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("OB(O)c1ccccc1", r"MMFF94 has no parameters for atom 2 \(B\)"),
        ("C[Se]C", r"MMFF94 has no parameters for atom 2 \(Se\)"),
    ],
)
def test_what_cannot_be_typed_is_named(smiles, message):
    with pytest.raises(LigandError, match=message):
        mmff_terms(Chem.AddHs(Chem.MolFromSmiles(smiles)))


def test_implicit_hydrogens_are_refused():
    with pytest.raises(LigandError, match="hydrogens are implicit"):
        mmff_terms(Chem.MolFromSmiles("CCO"))
