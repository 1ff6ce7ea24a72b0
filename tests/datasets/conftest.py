"""A small collection in PDBBind layout, made from the shipped example and from drawn ligands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"

# Stereocentres, ring and chain double bonds, charges, radicals, isotopes, aromatic NH, metals.
SMILES = {
    "chiral": "C[C@H](N)C(=O)N[C@@H](Cc1ccccc1)C(=O)O",
    "diene": "C/C=C/C(/C)=C\\C(=O)O",
    "oxime": "O/N=C(\\c1cccnc1)c1ccc(O)cc1O",
    "zwitter": "C[N+](C)(C)CC([O-])=O",
    "nitro": "O=[N+]([O-])c1ccc2[nH]ccc2c1",
    "purine": "Nc1ncnc2c1ncn2[C@@H]1O[C@H](CO)[C@@H](O)[C@H]1O",
    "sulfoxide": "C[S@](=O)CCC[C@@H]1CC[C@H](F)CC1",
    "phosphate": "O=P([O-])([O-])OC[C@@H](O)C=O",
    "isotope": "[13CH3]C(=O)Nc1ccc(B(O)O)cc1",
    "bridged": "O=C1[C@H]2CC[C@H](C2)N1C#N",
    "halogens": "FC(F)(Cl)c1c(Br)sc(I)c1[Se]C",
}


def write_ligand(path: Path, smiles: str, seed: int = 7) -> None:
    """Write an embedded conformer as SDF, moved into the site of the example's ligand."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    mol = Chem.RemoveHs(mol)
    site = Chem.MolFromMolFile(str(EXAMPLES / "6xg5_TOP.sdf")).GetConformer().GetPositions()
    coords = mol.GetConformer().GetPositions()
    moved = coords - coords.mean(0) + site.mean(0)
    for k, point in enumerate(moved):
        mol.GetConformer().SetAtomPosition(k, point.tolist())
    path.write_text(Chem.MolToMolBlock(mol))


@pytest.fixture()
def raw(tmp_path: Path) -> Path:
    """Two usable entries and five that fail, each in its own way."""
    root = tmp_path / "raw"

    def entry(name: str) -> Path:
        (root / name).mkdir(parents=True)
        return root / name

    for name in ("1aaa", "2bbb"):
        folder = entry(name)
        shutil.copy(EXAMPLES / "6xg5.cif", folder / f"{name}_protein.cif")
        shutil.copy(EXAMPLES / "6xg5_TOP.sdf", folder / f"{name}_ligand.sdf")
    folder = entry("3noligand")
    shutil.copy(EXAMPLES / "6xg5.cif", folder / "3noligand_protein.cif")
    shutil.copy(EXAMPLES / "6xg5_TOP.sdf", entry("4noprotein") / "4noprotein_ligand.sdf")
    folder = entry("5badligand")
    shutil.copy(EXAMPLES / "6xg5.cif", folder / "5badligand_protein.cif")
    (folder / "5badligand_ligand.sdf").write_text("no molecule\n")
    folder = entry("6badprotein")
    (folder / "6badprotein_protein.pdb").write_text("HELLO\n")
    shutil.copy(EXAMPLES / "6xg5_TOP.sdf", folder / "6badprotein_ligand.sdf")
    folder = entry("7faraway")
    shutil.copy(EXAMPLES / "6xg5.cif", folder / "7faraway_protein.cif")
    mol = Chem.MolFromMolFile(str(EXAMPLES / "6xg5_TOP.sdf"))
    for k, point in enumerate(mol.GetConformer().GetPositions()):
        mol.GetConformer().SetAtomPosition(k, (point + 500).tolist())
    (folder / "7faraway_ligand.sdf").write_text(Chem.MolToMolBlock(mol))
    return root
