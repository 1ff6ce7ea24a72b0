"""RMSDs against hand calculations and against RDKit."""

import time

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdMolAlign
from rdkit.Geometry import Point3D

from molgen.errors import LigandError
from molgen.metrics import aligned_rmsd, centroid_distance, ligand_rmsd, pose_distances
from molgen.metrics.rmsd import mutual_rmsd
from molgen.metrics.symmetry import atom_maps, heavy_atoms


def embedded(smiles: str, seed: int = 7, hydrogens: bool = False) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    return mol if hydrogens else Chem.RemoveHs(mol)


def placed(mol: Chem.Mol, coords: np.ndarray) -> Chem.Mol:
    moved = Chem.Mol(mol)
    for at, xyz in enumerate(coords):
        moved.GetConformer().SetAtomPosition(at, Point3D(*map(float, xyz)))
    return moved


def random_pose(mol: Chem.Mol, rng: np.random.Generator, sigma: float) -> Chem.Mol:
    xyz = mol.GetConformer().GetPositions()
    return placed(mol, xyz + rng.normal(0, sigma, xyz.shape))


def test_translation_is_its_own_length():
    mol = embedded("CC(=O)Nc1ccc(O)cc1")
    moved = placed(mol, mol.GetConformer().GetPositions() + np.array([3.0, 0.0, 4.0]))
    assert ligand_rmsd(mol, moved) == pytest.approx(5.0)
    assert centroid_distance(mol, moved) == pytest.approx(5.0)
    assert aligned_rmsd(mol, moved) == pytest.approx(0.0, abs=1e-6)


def test_swapped_equivalent_atoms_are_no_error():
    # a flipped phenyl ring: ortho and meta carbons exchange in pairs
    mol = embedded("c1ccccc1CC#N")
    order = [4, 3, 2, 1, 0, 5, 6, 7, 8]
    flipped = placed(mol, mol.GetConformer().GetPositions()[order])
    assert ligand_rmsd(mol, flipped) == pytest.approx(0.0, abs=1e-9)
    shuffled = Chem.RenumberAtoms(mol, [3, 8, 1, 5, 0, 2, 7, 6, 4])
    assert ligand_rmsd(mol, shuffled) == pytest.approx(0.0, abs=1e-9)


def test_one_displaced_atom_by_hand():
    # one of the four heavy atoms of propan-1-ol moved by 2 Å: sqrt(2^2 / 4) = 1
    mol = embedded("CCCO")
    xyz = mol.GetConformer().GetPositions()
    xyz[3] += np.array([0.0, 0.0, 2.0])
    assert ligand_rmsd(mol, placed(mol, xyz)) == pytest.approx(1.0)


def test_leaf_permutations_by_hand():
    # CF3 with two fluorines exchanged is the same pose; nothing else may move
    mol = embedded("FC(F)(F)CCl")
    xyz = mol.GetConformer().GetPositions()
    xyz[[0, 2]] = xyz[[2, 0]]
    assert ligand_rmsd(mol, placed(mol, xyz)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "smiles",
    [
        "CC(C)(C)c1ccc(C(F)(F)F)cc1",
        "OP(=O)(O)OCC1OC(n2cnc3c(N)ncnc32)C(O)C1O",
        "[O-]C(=O)c1ccc(cc1)C(=O)[O-]",
        "NC(=[NH2+])c1ccc(OCCCCCOc2ccc(cc2)C(N)=[NH2+])cc1",
        "C1CCCCC1",
        "O=S(=O)(N)c1ccc(cc1)S(N)(=O)=O",
        "CN(C)c1ccccc1",
        "O=[N+]([O-])c1ccccc1",
        "CC",
        "O=C=O",
        "CC(C)CC(C)C",
        "CC(C)NCC(C)C",
        "OC(=O)CCC(=O)O",
        "OC(=O)C(O)C(O)C(=O)O",
    ],
)
def test_agrees_with_rdkit(smiles):
    mol = embedded(smiles)
    rng = np.random.default_rng(3)
    poses = [random_pose(mol, rng, sigma) for sigma in (0.1, 1.0, 3.0)]
    expected = [rdMolAlign.CalcRMS(Chem.Mol(pose), mol) for pose in poses]
    assert ligand_rmsd(mol, poses) == pytest.approx(expected, abs=1e-6)
    poses += [embedded(smiles, seed=seed) for seed in range(20, 30)]
    best = [rdMolAlign.GetBestRMS(Chem.Mol(pose), mol) for pose in poses]
    assert aligned_rmsd(mol, poses) == pytest.approx(best, abs=1e-4)


def test_all_mappings_are_tried_however_many_at_once(monkeypatch):
    mol = embedded("NC(=[NH2+])c1ccc(OCCCCCOc2ccc(cc2)C(N)=[NH2+])cc1")
    flipped = Chem.RenumberAtoms(mol, list(range(mol.GetNumAtoms()))[::-1])
    poses = [flipped, random_pose(mol, np.random.default_rng(3), 3.0)]
    expected = pose_distances(mol, poses)
    monkeypatch.setattr("molgen.metrics.rmsd._CHUNK", 1)
    found = pose_distances(mol, poses)
    np.testing.assert_allclose(found.rmsd, expected.rmsd)
    np.testing.assert_allclose(found.aligned, expected.aligned)


def test_bond_orders_and_charges_may_differ():
    reference = embedded("CC(=O)CC(C)=O")
    enol = Chem.MolFromSmiles("CC(O)=CC(C)=O")
    pose = Chem.Mol(enol)
    pose.AddConformer(reference.GetConformer(), assignId=True)
    result = pose_distances(reference, [pose])
    assert result.matching == "connectivity"
    assert result.rmsd == pytest.approx([0.0], abs=1e-9)
    acid, anion = embedded("OC(=O)CCN"), Chem.MolFromSmiles("[O-]C(=O)CC[NH3+]")
    anion.AddConformer(acid.GetConformer(), assignId=True)
    assert ligand_rmsd(acid, anion) == pytest.approx(0.0, abs=1e-9)


def test_hydrogens_are_ignored():
    bare = embedded("c1cc[nH]c1CO")
    full = embedded("c1cc[nH]c1CO", hydrogens=True)
    result = pose_distances(bare, [full, bare])
    assert result.rmsd == pytest.approx([0.0, 0.0], abs=1e-9)
    assert result.matching == "bond orders"
    assert ligand_rmsd(full, bare) == pytest.approx(0.0, abs=1e-9)


def test_coordinate_arrays():
    mol = embedded("CCOC(=O)C")
    xyz = mol.GetConformer().GetPositions()
    assert ligand_rmsd(mol, xyz + np.array([1, 0, 0])) == pytest.approx(1.0)
    assert ligand_rmsd(mol, np.stack([xyz, xyz + np.array([0, 2, 0])])) == pytest.approx([0.0, 2.0])
    with pytest.raises(LigandError, match="shape"):
        ligand_rmsd(mol, xyz[:-1])


def test_other_molecule_and_missing_coordinates():
    mol = embedded("CCO")
    with pytest.raises(LigandError, match="different molecules"):
        ligand_rmsd(mol, embedded("CCN"))
    with pytest.raises(LigandError, match="no coordinates"):
        ligand_rmsd(mol, Chem.MolFromSmiles("CCO"))


def test_enantiomer_has_no_mirror_match():
    left, right = embedded("C[C@H](F)Cl"), embedded("C[C@@H](F)Cl")
    assert aligned_rmsd(left, right) > 0.3  # a reflection would give zero


@pytest.mark.parametrize(
    "smiles",
    [
        "c12c3c4c5c1c6c7c8c2c9c1c3c2c3c4c4c%10c5c5c6c6c7c7c%11c8c9c8c9c1c2c1c2c3c4c3c4c%10c5"
        "c5c6c6c7c7c%11c8c8c9c1c1c2c3c2c4c5c6c3c7c8c1c23",
        "CC(C)(C)" + "C(C(C)(C)C)" * 5 + "C(C)(C)C",
        "C1(C(F)(F)F)=C(C(F)(F)F)C(C(F)(F)F)=C(C(F)(F)F)C(C(F)(F)F)=C1C(F)(F)F",
        "C" + "(C(c1ccccc1)(c1ccccc1)c1ccccc1)" * 3 + "C(c1ccccc1)(c1ccccc1)c1ccccc1",
    ],
)
def test_high_symmetry_is_fast(smiles):
    mol = Chem.MolFromSmiles(smiles)
    rng = np.random.default_rng(0)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    mol.AddConformer(conformer)
    target = rng.normal(0, 4, (mol.GetNumAtoms(), 3))
    mol = placed(mol, target)
    start = time.perf_counter()
    result = pose_distances(mol, [placed(mol, target + np.array([0, 0, 1.0]))] * 3)
    assert time.perf_counter() - start < 10
    assert (result.rmsd <= 1.0 + 1e-9).all()


def test_capped_mappings_are_reported():
    mol, _ = heavy_atoms(embedded("c1ccccc1"))
    assert len(atom_maps(mol, mol).maps) == 12
    assert not atom_maps(mol, mol).capped
    assert atom_maps(mol, mol, max_mappings=5).capped


@pytest.mark.parametrize("smiles", ["CC(=O)[O-]", "c1ccccc1C(F)(F)F", "CCO"])
def test_two_sets_of_poses_are_as_far_apart_as_their_pairs(smiles):
    mol, rng = embedded(smiles), np.random.default_rng(3)
    base = mol.GetConformer().GetPositions()
    first = base + rng.normal(0, 1, (3, *base.shape))
    second = base[rng.permutation(len(base))] + rng.normal(0, 1, (2, *base.shape))
    found = mutual_rmsd(mol, first, second)
    pairs = [[ligand_rmsd(placed(mol, one), other) for other in second] for one in first]
    np.testing.assert_allclose(found, pairs)
    assert mutual_rmsd(mol, first[:0], second).shape == (0, 2)
