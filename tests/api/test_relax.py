"""`molgen relax`: what it writes, when a relaxed pose is taken, and that no pose stops another."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.api import relax as module
from molgen.api.relax import RelaxRunConfig, relax
from molgen.api.relax_inputs import PoseGroup, read_poses, read_relax_target
from molgen.api.relax_poses import PoseRelaxer, choose_platform, refusal, vina_score
from molgen.energy.relax_settings import RelaxSettings
from molgen.errors import DeviceError, InputError, LigandError, OutputError
from molgen.io import find_group, read_ligand, read_structure, write_sdf
from molgen.scoring.validity import Validity
from molgen.structure import Ligand

QUICK = RelaxRunConfig(
    platform="CPU", physics=RelaxSettings(flexible=0.0, reach=6.0, iterations=60, soften=10)
)
GOOD = Validity(True, ())
BAD = Validity(False, ("bond_lengths",))
WORSE = Validity(False, ("bond_lengths", "internal_energy"))


def moved(mol: Chem.Mol, shift: float = 0.0, noise: float = 0.0) -> Chem.Mol:
    copy = Chem.Mol(mol)
    points = copy.GetConformer().GetPositions() + shift
    points += np.random.default_rng(5).normal(0.0, 1.0, points.shape) * noise
    copy.GetConformer().SetPositions(points)
    return copy


@pytest.fixture(scope="module")
def crystal() -> Chem.Mol:
    path = Path(__file__).resolve().parents[2] / "data/examples/6xg5_TOP.sdf"
    return read_ligand(path).mol


@pytest.fixture
def poses(tmp_path, crystal) -> Path:
    """A shaken pose, one far away, the same ligand without types, and a record of letters."""
    boronic = Chem.RWMol(crystal)
    carbon = next(a for a in boronic.GetAtoms() if a.GetSymbol() == "C" and a.GetDegree() == 1)
    carbon.SetAtomicNum(5)
    Chem.SanitizeMol(boronic)
    path = tmp_path / "poses.sdf"
    members = [moved(crystal, noise=0.25), moved(crystal, shift=60.0), boronic.GetMol()]
    write_sdf(path, [(mol, {}) for mol in members])
    with path.open("a") as stream:
        stream.write("letter\n\n\n  not a counts line\nM  END\n$$$$\n")
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.sdf")}


def test_one_bad_pose_stops_no_other_and_both_poses_are_kept(tmp_path, target, poses, monkeypatch):
    out = tmp_path / "out"
    result = relax(target, poses, out, config=QUICK, command="molgen relax ...")
    assert [ligand.status for ligand in result.ligands] == ["ok", "failed", "failed"]
    assert result.failed == 2 and result.counts == {
        "accepted": 1, "refused": 0, "not relaxed": 2,
    }  # fmt: skip
    summary = read_csv(out / "summary.csv")
    assert [row["outcome"] for row in summary] == ["accepted", "not relaxed", "not relaxed"]
    assert "not a pose in this receptor" in summary[1]["reason"]
    assert "MMFF94 has no parameters for atom" in summary[2]["reason"]
    first = summary[0]
    assert (first["posebusters_pass_before"], first["posebusters_pass"]) == ("false", "true")
    assert float(first["energy_after"]) < float(first["energy_before"])
    assert float(first["score"]) == float(first["score_after"]) < float(first["score_before"])
    status = read_csv(out / "status.csv")
    assert status[0]["name"] == "6XG5_TOP" and "record 4" in status[2]["reason"]

    place = out / status[0]["folder"]
    files = {
        name: list(Chem.SDMolSupplier(str(place / name), removeHs=False))
        for name in ("poses.sdf", "raw.sdf", "relaxed.sdf")
    }
    assert [len(mols) for mols in files.values()] == [2, 2, 1]
    used, raw, relaxed = (mols[0].GetConformer().GetPositions() for mols in files.values())
    assert np.array_equal(used, relaxed) and not np.array_equal(raw, relaxed)
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in files["raw.sdf"][0].GetAtoms()])
    rmsd = np.sqrt(((raw - relaxed)[heavy] ** 2).sum(1).mean())
    assert float(first["displacement"]) == pytest.approx(rmsd, abs=1e-3)
    far = files["poses.sdf"][1].GetConformer().GetPositions()
    assert np.array_equal(far, files["raw.sdf"][1].GetConformer().GetPositions())

    run = json.loads((out / "run.json").read_text())
    assert run["device"] == "CPU" and run["seed"] == 0 and run["poses"]["accepted"] == 1
    assert set(run["inputs"]) == {"target", "poses"} and "openmm" in run["versions"]
    assert any("TOP A:303 removed" in note for note in run["notes"])

    # resumed: nothing is computed again and nothing changes
    before = content(out)
    monkeypatch.setattr(module.PoseRelaxer, "relax", None)
    again = relax(target, poses, out, config=QUICK, resume=True)
    assert again.resumed == 3 and content(out) == before
    with pytest.raises(OutputError, match="is not empty"):
        relax(target, poses, out, config=QUICK)


def test_the_same_bytes_and_a_template(tmp_path, target, crystal):
    """Bond orders lost in the poses come back from the ligand; two runs agree to the byte."""
    bare = Chem.RWMol(moved(crystal, noise=0.05))
    Chem.Kekulize(bare, clearAromaticFlags=True)
    for bond in bare.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
    Chem.SanitizeMol(bare)
    write_sdf(tmp_path / "bare.sdf", [(bare.GetMol(), {})])
    smiles = Chem.MolToSmiles(crystal)
    for name in ("one", "two"):
        result = relax(target, tmp_path / "bare.sdf", tmp_path / name, ligand=smiles, config=QUICK)
        assert result.ligands[0].smiles == smiles and result.counts["not relaxed"] == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    with pytest.raises(InputError, match="is not the ligand CCO"):
        relax(target, tmp_path / "bare.sdf", tmp_path / "no", ligand="CCO", config=QUICK)


@pytest.mark.parametrize(
    ("before", "after", "scores", "displacement", "reason"),
    [
        (GOOD, GOOD, (-8.0, -8.1), 0.3, ""),
        (GOOD, GOOD, (-8.0, -7.9), 0.3, "neither validity nor score improves"),
        (GOOD, BAD, (-8.0, -9.0), 0.3, "validity lost: bond_lengths"),
        (BAD, GOOD, (-8.0, -7.0), 0.3, ""),
        (BAD, WORSE, (-8.0, -9.0), 0.3, "more checks fail than before"),
        (WORSE, BAD, (-8.0, -7.0), 0.3, ""),
        (BAD, GOOD, (-8.0, -9.0), 2.1, "moved by 2.10 Å, more than 2 Å"),
        (GOOD, GOOD, (np.nan, np.nan), 0.3, "neither validity nor score improves"),
    ],
)
def test_when_a_relaxed_pose_is_taken(before, after, scores, displacement, reason):
    lost = "" if scores[1] < scores[0] else "score"
    said = refusal(before, after, lost, displacement, 2.0)
    assert said.startswith(reason) and bool(said) == bool(reason)


def test_a_pose_that_leaves_is_refused(tmp_path, target, crystal):
    write_sdf(tmp_path / "poses.sdf", [(moved(crystal, noise=0.25), {})])
    strict = replace(QUICK, max_displacement=0.01)
    result = relax(target, tmp_path / "poses.sdf", tmp_path / "out", config=strict)
    (row,) = result.ligands[0].poses
    assert row["outcome"] == "refused" and "more than 0.01 Å" in row["reason"]
    assert row["score"] == row["score_before"]
    used, raw = ((tmp_path / "out" / name).read_bytes() for name in ("poses.sdf", "raw.sdf"))
    assert used == raw


def test_what_cannot_be_used_is_one_error(tmp_path, target, crystal):
    write_sdf(tmp_path / "far.sdf", [(moved(crystal, shift=90.0), {})])
    with pytest.raises(InputError, match="expected poses in the frame of the structure"):
        relax(target, tmp_path / "far.sdf", tmp_path / "out", config=QUICK)
    with pytest.raises(LigandError, match="expected poses with 3D coordinates"):
        relax(target, target.with_name("dhfr_ligands.csv"), tmp_path / "out", config=QUICK)
    with pytest.raises(DeviceError, match="'TPU' is not there"):
        choose_platform("TPU")
    assert choose_platform("cpu") == "CPU"
    assert not (tmp_path / "out").exists()


def test_what_was_relaxed_before_does_not_matter(target):
    """Else `--resume` would change results: the modelled pocket is that of one ligand's poses."""
    structure = read_structure(target)
    site = (find_group(structure, "TOP"),)
    receptor, charges = structure.receptor(site), structure.formal_charges(site)
    ligand = read_ligand(Path(target).with_name("6xg5_TOP.sdf"))

    def relaxed(*shifts):
        relaxer = PoseRelaxer(receptor, charges, QUICK, 0)
        measure = vina_score(receptor)
        found = [relaxer.relax([(ligand, ligand.coords + s)], ligand, measure) for s in shifts]
        return found[-1][0].properties

    assert relaxed(6.0, 0.0) == relaxed(0.0)


@pytest.mark.parametrize(
    ("pose", "template"),
    [
        ("C[NH+]1CCCC1", "CN1CCCC1"),
        ("CN1CCCC1", "C[NH+]1CCCC1"),
        ("C[C@H]([NH3+])C(=O)[O-]", "C[C@H](N)C(=O)O"),
        ("Cc1c[nH]cn1", "Cc1cnc[nH]1"),
        ("CS(=O)(=O)[N-]c1ccccc1", "CS(=O)(=O)Nc1ccccc1"),
        ("C=CC#N", "CCC#N"),
    ],
)
def test_the_given_ligand_decides_charges_and_tautomers(tmp_path, pose, template):
    mol = Chem.AddHs(Chem.MolFromSmiles(pose))
    AllChem.EmbedMolecule(mol, randomSeed=3)
    write_sdf(tmp_path / "x.sdf", [(Chem.RemoveHs(mol), {})])
    (group,) = read_poses(tmp_path / "x.sdf", template)
    wanted = Chem.CanonSmiles(template)
    assert [Chem.MolToSmiles(ligand.mol) for ligand in group.poses] == [wanted]


def test_another_molecule_of_as_many_atoms_is_refused(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("CCCO"))
    AllChem.EmbedMolecule(mol, randomSeed=3)
    write_sdf(tmp_path / "x.sdf", [(Chem.RemoveHs(mol), {})])
    (group,) = read_poses(tmp_path / "x.sdf", "CC(C)O")
    assert not group.poses and "is not the ligand CC(C)O" in group.errors[0][1]


def test_the_group_in_whose_place_the_pose_stands_is_no_receptor(tmp_path):
    """A cofactor beside a ligand and both halves of a sugar; their neighbours stay."""
    examples = Path(__file__).resolve().parents[2] / "data/examples"
    for name, codes in (("6xg5.cif", ["NDP"]), ("7x9k.cif.gz", ["GLC", "FRU"])):
        structure = read_structure(examples / name)
        atoms = np.concatenate([g.atoms for g in structure.groups if g.code in codes])
        pose = Chem.RWMol()
        for element in structure.atoms.elements[atoms]:
            pose.AddAtom(Chem.Atom(str(element)))
        pose.AddConformer(Chem.Conformer(len(atoms)))
        pose.GetConformer().SetPositions(structure.atoms.coords[atoms].astype(float))
        group = PoseGroup("x", None, (1,), (Ligand("x", pose.GetMol()),))
        target = read_relax_target(examples / name, [group])
        assert [g.code for g in target.removed] == codes


@pytest.mark.parametrize("smiles", ["C1CCCCC1c1ccccc1", "C=CCCC", "OC1CCCCC1=O", "OCCC(=O)O"])
@pytest.mark.parametrize("charged", [False, True])
def test_bonds_of_a_pose_stay_where_they_are(tmp_path, smiles, charged):
    """Skeletons are more symmetric than molecules; the pose has its atoms in another order."""
    smiles = "C[N+](C)(C)" + smiles if charged else smiles
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=3)
    plain = Chem.MolFromMolBlock(Chem.MolToMolBlock(mol))  # with the decimals of a file
    back = Chem.RenumberAtoms(plain, list(range(plain.GetNumAtoms()))[::-1])
    write_sdf(tmp_path / "x.sdf", [(back, {})])
    (group,) = read_poses(tmp_path / "x.sdf", smiles)
    assert bonds_at(group.poses[0].mol) == bonds_at(plain)


@pytest.mark.parametrize("pose", ["CC(=C)C(=O)CC[NH3+]", "C=CCCC[NH3+]", "O=C1CCC(O)C([NH3+])C1"])
def test_bonds_stay_where_the_template_changes_a_charge(tmp_path, pose):
    mol = Chem.AddHs(Chem.MolFromSmiles(pose))
    AllChem.EmbedMolecule(mol, randomSeed=3)
    plain = Chem.MolFromMolBlock(Chem.MolToMolBlock(mol))  # with the decimals of a file
    back = Chem.RenumberAtoms(plain, list(range(plain.GetNumAtoms()))[::-1])
    write_sdf(tmp_path / "x.sdf", [(back, {})])
    (group,) = read_poses(tmp_path / "x.sdf", pose.replace("[NH3+]", "N"))
    assert bonds_at(group.poses[0].mol) == bonds_at(plain)
    assert not Chem.GetFormalCharge(group.poses[0].mol)


def bonds_at(mol: Chem.Mol) -> set:
    """Return every bond as the places of its ends and its order."""
    points = [tuple(p) for p in mol.GetConformer().GetPositions().round(3).tolist()]
    return {
        (*sorted((points[b.GetBeginAtomIdx()], points[b.GetEndAtomIdx()])), b.GetBondTypeAsDouble())
        for b in mol.GetBonds()
    }
