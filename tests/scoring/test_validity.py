"""Validity verdicts: the package on the whole receptor is the reference."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from posebusters import PoseBusters
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.errors import DependencyError, StructureError
from molgen.io import read_ligand, read_structure, write_pdb
from molgen.scoring import busters, validity
from molgen.scoring.receptor import receptor_view
from molgen.scoring.validity import IDENTITY_CHECKS, Validity, check_poses

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """6xg5: crystal ligand, receptor without it, and the receptor as a PDB file."""
    ligand = read_ligand(EXAMPLES / "6xg5_TOP.sdf")
    structure = read_structure(EXAMPLES / "6xg5.cif")
    middle = ligand.coords.mean(axis=0)
    itself = tuple(
        group
        for group in structure.groups
        if np.linalg.norm(structure.atoms.coords[group.atoms].mean(axis=0) - middle) < 2
    )
    assert len(itself) == 1
    protein = structure.receptor(without=itself)
    path = tmp_path_factory.mktemp("receptor") / "6xg5_protein.pdb"
    write_pdb(path, protein)
    return ligand, protein, path


def moved(mol: Chem.Mol, shift=(0.0, 0.0, 0.0), sigma: float = 0.0, seed: int = 0) -> Chem.Mol:
    copy = Chem.Mol(mol)
    xyz = copy.GetConformer().GetPositions() + np.asarray(shift)
    xyz += np.random.default_rng(seed).normal(0, sigma, xyz.shape)
    copy.GetConformer().SetPositions(np.ascontiguousarray(xyz))
    return copy


def test_crystal_pose_is_valid(example):
    ligand, protein, path = example
    for receptor in (protein, path):
        verdict = check_poses([ligand.mol], receptor, ligand)[0]
        assert verdict.passed and verdict.failed == () and verdict.reason == ""
        assert set(IDENTITY_CHECKS) <= set(verdict.checks)
        assert not any("rmsd" in name for name in verdict.checks)


def test_a_closed_error_stream_changes_no_verdict(example, monkeypatch):
    import io

    import rdkit

    ligand, protein, _ = example
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(rdkit.log_handler, "stream", closed)
    assert check_poses([ligand.mol], protein, ligand)[0].passed


def test_same_verdicts_as_the_package(example):
    ligand, _, path = example
    poses = [
        ligand.mol,
        moved(ligand.mol, (0.8, 0.4, -0.5)),
        moved(ligand.mol, sigma=0.12),
        moved(ligand.mol, (60.0, 0.0, 0.0)),
        Chem.AddHs(ligand.mol, addCoords=True),
    ]
    mine = check_poses(poses, path, ligand.mol)
    table = PoseBusters("redock").bust(poses, ligand.mol, path)
    table = table[[name for name in table.columns if not name.startswith("rmsd")]]
    assert {v.passed for v in mine} == {True, False}
    for verdict, (_, row) in zip(mine, table.iterrows(), strict=True):
        assert verdict.checks == {name: bool(value) for name, value in row.items()}


def test_a_pose_far_away_or_in_the_wall_fails(example):
    ligand, protein, _ = example
    far, inside = check_poses(
        [moved(ligand.mol, (80, 0, 0)), moved(ligand.mol, (2.5, 2.5, 0))], protein
    )
    assert far.failed == ("protein-ligand_maximum_distance",)
    assert "minimum_distance_to_protein" in inside.failed


def test_wrong_chirality_or_formula_fails_only_identity():
    left, right = Chem.MolFromSmiles("C[C@H](N)C(=O)O"), Chem.MolFromSmiles("C[C@@H](N)C(=O)O")
    pose = Chem.AddHs(left)
    assert AllChem.EmbedMolecule(pose, randomSeed=1) == 0
    assert check_poses([pose], None, left)[0].passed
    assert check_poses([pose], None, right)[0].failed == ("tetrahedral_chirality",)
    other = Chem.MolFromSmiles("CC(O)=N")
    amide = Chem.AddHs(Chem.MolFromSmiles("CCC(C)=O"))
    assert AllChem.EmbedMolecule(amide, randomSeed=1) == 0
    assert "molecular_formula" in check_poses([amide], None, other)[0].failed


@pytest.mark.parametrize(
    ("pose", "true"),
    [("O=c1cccc[nH]1", "Oc1ccccn1"), ("CC(=O)[O-]", "CC(=O)O"), ("C[NH3+]", "CN")],
)
def test_another_tautomer_or_charge_is_the_same_molecule(pose, true):
    mol = Chem.AddHs(Chem.MolFromSmiles(pose))
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    assert check_poses([mol], None, Chem.MolFromSmiles(true))[0].passed


def test_unspecified_stereo_accepts_either_form():
    pose = Chem.AddHs(Chem.MolFromSmiles("C[C@H](N)C(=O)O"))
    assert AllChem.EmbedMolecule(pose, randomSeed=1) == 0
    assert check_poses([pose], None, Chem.MolFromSmiles("CC(N)C(=O)O"))[0].passed
    # one centre given, one open: the given one still counts
    both = Chem.AddHs(Chem.MolFromSmiles("C[C@H](F)[C@H](C)Cl"))
    assert AllChem.EmbedMolecule(both, randomSeed=1) == 0
    assert check_poses([both], None, Chem.MolFromSmiles("C[C@H](F)C(C)Cl"))[0].passed
    wrong = check_poses([both], None, Chem.MolFromSmiles("C[C@@H](F)C(C)Cl"))[0]
    assert wrong.failed == ("tetrahedral_chirality",)


def test_unusable_poses_get_a_reason_not_an_exception(example):
    ligand, protein, _ = example
    empty = Chem.Mol(ligand.mol)
    empty.RemoveAllConformers()
    verdicts = check_poses([empty, moved(ligand.mol, (np.nan, 0, 0)), ligand.mol], protein)
    assert [v.reason for v in verdicts] == ["no coordinates", verdicts[1].reason, ""]
    assert "NaN" in verdicts[1].reason
    assert [v.passed for v in verdicts] == [False, False, True]
    assert check_poses([], protein) == []


def test_a_crashing_check_is_a_failed_check(example, monkeypatch):
    ligand, protein, _ = example

    def crash(self, pose, parameters):
        raise RuntimeError("boom")

    monkeypatch.setattr(busters.Busters, "_overlap", crash)
    verdict = check_poses([ligand.mol], protein)[0]
    assert not verdict.passed and "boom" in verdict.reason
    assert all(name.startswith("volume_overlap") for name in verdict.failed)


def test_missing_package_and_receptor(example, monkeypatch, tmp_path):
    ligand, _, _ = example
    (tmp_path / "empty.pdb").write_text("END\n")
    for name in ("empty.pdb", "missing.pdb"):
        with pytest.raises(StructureError):
            check_poses([ligand.mol], tmp_path / name)
    monkeypatch.setitem(__import__("sys").modules, "posebusters", None)
    with pytest.raises(DependencyError, match="pip install"):
        busters.version()


def test_energy_shortcut_agrees_with_the_full_ensemble(example, monkeypatch):
    ligand, _, _ = example
    poses = [ligand.mol] + [moved(ligand.mol, sigma=s, seed=2) for s in (0.05, 0.2, 0.35, 0.6)]
    quick = [v.checks["internal_energy"] for v in check_poses(poses, None)]
    monkeypatch.setattr(busters, "_CLEARLY_POSITIVE", float("inf"))
    assert quick == [v.checks["internal_energy"] for v in check_poses(poses, None)]
    assert len(set(quick)) == 2


def test_speed_and_cropping(example):
    ligand, protein, _ = example
    poses = [moved(ligand.mol, (0.05 * k, 0, 0)) for k in range(10)]
    assert len(receptor_view(protein, poses).coords) < len(protein)
    check_poses(poses[:1], protein)
    start = time.perf_counter()
    check_poses(poses, protein, ligand)
    assert (time.perf_counter() - start) / len(poses) < 0.3  # 0.03 s measured on a quiet machine


def test_words():
    assert str(Validity(True, ())) == "valid"
    assert str(Validity(False, ("a", "b"))) == "invalid: a, b"
    assert validity.posebusters_version().count(".") >= 1
