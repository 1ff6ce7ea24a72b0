"""Ligand terms: geometry, stereo, clashes and torsions on molecules with known answers."""

import math
import sys
from pathlib import Path

import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

sys.path.insert(0, str(Path(__file__).parent))
import made

from molgen.energy.chirality import Chirality
from molgen.energy.geometry import Geometry, out_of_plane
from molgen.energy.sterics import InternalClash, ReceptorClash
from molgen.energy.torsion import TorsionStrain
from molgen.geometry.torsions import dihedrals
from molgen.graphs.energy_topology import build_energy_topology

F64 = torch.float64

MOLECULES = [
    "CC(=O)Nc1ccc(O)cc1",  # paracetamol
    "CC(C)Cc1ccc([C@H](C)C(=O)O)cc1",  # ibuprofen
    r"OC(=O)/C=C/c1ccccc1",  # cinnamic acid
    "C[S@](=O)c1ccc2[nH]c(N)nc2c1",
    "O=C1N(C)C(=O)c2ncn(C)c2N1C",  # caffeine
    "C[C@]12CC[C@@H](O)C[C@@H]1CC[C@@H]1[C@@H]2CC[C@]2(C)C(=O)CC[C@@H]12",  # androsterone
    "CN1[C@@H]2CC[C@H]1C[C@H](C2)OC(=O)C(CO)c1ccccc1",  # atropine
    "C[C@H]1C=C[C@@H](F)CC1",
]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_relaxed_molecules_are_nearly_free(smiles):
    mol, coords = made.conformer(smiles)
    topology = build_energy_topology(mol)
    assert Geometry().bind(topology)(coords).item() < 1.5
    assert Chirality().bind(topology)(coords).item() == 0.0
    assert InternalClash().bind(topology)(coords).item() < 0.1


def test_a_stretched_bond_by_hand():
    mol = Chem.MolFromSmiles("CC")
    topology = build_energy_topology(mol)
    upper = topology.bonds.upper[0]
    coords = torch.tensor([[[0.0, 0, 0], [upper + 0.05 + 0.1, 0, 0]]], dtype=F64)
    # 0.1 Å beyond bound and tolerance: 300 * 0.1^2
    assert Geometry().bind(topology)(coords).item() == pytest.approx(3.0)


def test_a_ring_atom_out_of_plane_costs_planarity_before_distances():
    mol, coords = made.conformer("c1ccccc1")
    coords = coords - coords.mean(1, keepdim=True)
    normal = torch.linalg.svd(coords[0]).Vh[2]
    coords[0, 0] += 0.3 * normal
    parts = (
        Geometry().bind(build_energy_topology(mol))(coords),
        Geometry().bind(build_energy_topology(mol)).terms(coords),
    )
    assert parts[1]["planar"].item() > 2.0 > parts[1]["rigid"].item()


def test_height_over_a_plane_by_hand():
    coords = torch.tensor([[[0.3, 0.3, 0.7], [0, 0, 0], [1, 0, 0], [0, 1, 0]]], dtype=F64)
    height = out_of_plane(coords, torch.tensor([[0, 1, 2, 3]]))
    assert height.item() == pytest.approx(0.7)


@pytest.mark.parametrize("smiles", [m for m in MOLECULES if "@" in m])
def test_mirror_images_pay_for_every_centre(smiles):
    mol, coords = made.conformer(smiles)
    topology = build_energy_topology(mol)
    centres = len(Chem.FindMolChiralCenters(mol, useLegacyImplementation=False))
    assert len(topology.stereocentres) == centres > 0
    energy = Chirality().bind(topology)
    assert energy(coords).item() == 0.0
    # an ideal mirrored centre pays 50 (0.4 + 0.77)^2 = 68 kcal/mol
    assert energy(-coords).item() > 45.0 * centres


@pytest.mark.parametrize(
    ("smiles", "other"), [(r"C/C=C/C", r"C/C=C\C"), (r"C/N=C(/C)F", r"C/N=C(\C)F")]
)
def test_double_bonds_know_their_side(smiles, other):
    for own, foreign in ((smiles, other), (other, smiles)):
        mol, coords = made.conformer(own)
        wrong, _ = made.conformer(foreign)
        assert Chirality().bind(build_energy_topology(mol))(coords).item() == 0.0
        assert Chirality().bind(build_energy_topology(wrong))(coords).item() > 20.0


def test_a_molecule_without_stereo_has_no_stereo_energy():
    mol, coords = made.conformer("CC=CC(N)C(=O)O")  # nothing stated, nothing held
    energy = Chirality().bind(build_energy_topology(mol))
    assert energy(coords).item() == energy(-coords).item() == 0.0


def test_internal_clash_by_hand():
    mol = Chem.MolFromSmiles("CCCCC")  # atoms 0 and 4 are four bonds apart
    topology = build_energy_topology(mol)
    assert topology.distant_pairs.tolist() == [[0, 4]]
    coords = torch.zeros(1, 5, 3, dtype=F64)
    coords[0, 1:4, 0] = torch.tensor([50.0, 60.0, 70.0])
    coords[0, 4, 0] = 2.05
    # carbon: 1.7 Å; 0.75 * 3.4 = 2.55, overlap 0.5 Å, 20 * 0.25
    assert InternalClash().bind(topology)(coords).item() == pytest.approx(5.0)


def test_receptor_clash_by_hand():
    mol = Chem.MolFromSmiles("C")
    protein = made.protein(1)  # one carbon
    topology = build_energy_topology(mol, protein)
    place = torch.as_tensor(protein.coords.astype("float64"))[None]
    towards = torch.tensor([0.0, 0.0, 2.05], dtype=F64)
    assert ReceptorClash().bind(topology)(place + towards).item() == pytest.approx(5.0)
    assert ReceptorClash().bind(topology)(place + 2 * towards).item() == 0.0


def test_torsion_strain_is_the_etkdg_potential():
    # cinnamic acid: the vinyl-phenyl bond prefers the plane
    mol = Chem.MolFromSmiles("C=Cc1ccccc1")
    topology = build_energy_topology(mol)
    heights, signs = topology.torsion_heights, topology.torsion_signs
    coords = made.conformer("C=Cc1ccccc1")[1]
    energy = TorsionStrain(scale=1.0).bind(topology)
    phi = dihedrals(coords, energy.quads)[0].tolist()
    for torsion, value in enumerate(energy.each(coords)[0].tolist()):

        def potential(angle, torsion=torsion):
            return sum(
                heights[torsion, k] * (1 + signs[torsion, k] * math.cos((k + 1) * angle))
                for k in range(6)
            )

        lowest = min(potential(math.radians(d / 4)) for d in range(720))
        assert value == pytest.approx(potential(phi[torsion]) - lowest, abs=1e-3)
        assert value >= -1e-9


def test_strain_rises_when_a_conjugated_bond_is_turned():
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)c1ccccc1"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    from rdkit.Chem import rdMolTransforms

    energy = TorsionStrain().bind(build_energy_topology(Chem.RemoveHs(mol)))
    values = []
    for degrees in (0.0, 90.0):
        rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 2, 1, 3, 4, degrees)
        heavy = Chem.RemoveHs(mol)
        values.append(energy(torch.as_tensor(heavy.GetConformer().GetPositions())[None]).item())
    assert values[1] > values[0] + 0.3
