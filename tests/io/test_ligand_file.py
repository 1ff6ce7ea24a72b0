"""Reading one ligand from SMILES, SDF, MOL, MOL2 and .smi."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.errors import LigandError
from molgen.io import read_ligand
from molgen.io.ligand_file import smiles_title

ALANINE = "C[C@H](N)C(=O)O"


def embedded(smiles: str, hydrogens: bool = True) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    return mol if hydrogens else Chem.RemoveHs(mol)


def mol2_text(mol: Chem.Mol, name: str = "made") -> str:
    """A MOL2 file of a molecule without aromatic rings, written by hand."""
    types = {"C": "C.3", "N": "N.3", "O": "O.3", "H": "H", "Cl": "Cl"}
    lines = ["@<TRIPOS>MOLECULE", name, f" {mol.GetNumAtoms()} {mol.GetNumBonds()} 0 0 0"]
    lines += ["SMALL", "NO_CHARGES", "", "@<TRIPOS>ATOM"]
    for atom, (x, y, z) in zip(mol.GetAtoms(), mol.GetConformer().GetPositions(), strict=True):
        kind = types[atom.GetSymbol()]
        if atom.GetSymbol() in "CO" and any(
            b.GetBondType() == Chem.BondType.DOUBLE for b in atom.GetBonds()
        ):
            kind = f"{atom.GetSymbol()}.2"
        i = atom.GetIdx() + 1
        lines.append(f"{i} {atom.GetSymbol()}{i} {x:.4f} {y:.4f} {z:.4f} {kind} 1 LIG 0.0")
    lines.append("@<TRIPOS>BOND")
    for bond in mol.GetBonds():
        order = int(bond.GetBondTypeAsDouble())
        lines.append(
            f"{bond.GetIdx() + 1} {bond.GetBeginAtomIdx() + 1} {bond.GetEndAtomIdx() + 1} {order}"
        )
    return "\n".join(lines) + "\n"


def test_smiles_string_with_and_without_name():
    ligand = read_ligand("OCC")
    assert (ligand.name, ligand.smiles, ligand.notes) == ("ligand", "CCO", ())
    assert not ligand.has_coords
    assert read_ligand("OCC  drinking alcohol").name == "drinking alcohol"


def test_smiles_with_slashes_is_not_a_path():
    assert read_ligand("C/C=C/C").smiles == "C/C=C/C"
    assert read_ligand("F/C=C\\F").smiles == r"F/C=C\F"


def test_stereo_is_kept_without_hydrogens():
    ligand = read_ligand("[H][C@@](C)(N)C(=O)O")
    assert ligand.smiles == Chem.CanonSmiles("[H][C@@](C)(N)C(=O)O")
    assert "@" in ligand.smiles
    assert all(atom.GetAtomicNum() > 1 for atom in ligand.mol.GetAtoms())
    assert read_ligand("[2H]C([2H])([2H])O").num_atoms == 2


def test_sdf_takes_stereo_and_coordinates_from_3d(write):
    mol = embedded(ALANINE)
    ligand = read_ligand(write(Chem.MolToMolBlock(mol) + "$$$$\n", "ala.sdf"))
    assert ligand.name == "ala"  # no title: the file name
    assert ligand.smiles == Chem.CanonSmiles(ALANINE)
    assert ligand.num_atoms == 6
    heavy = Chem.RemoveHs(mol).GetConformer().GetPositions()
    np.testing.assert_allclose(ligand.coords, heavy, atol=1e-4)


def test_mirrored_coordinates_give_the_other_enantiomer(write):
    mol = embedded(ALANINE)
    conformer = mol.GetConformer()
    for i in range(mol.GetNumAtoms()):
        x, y, z = conformer.GetAtomPosition(i)
        conformer.SetAtomPosition(i, (-x, y, z))
    block = Chem.MolToMolBlock(mol)
    assert read_ligand(write(block, "ala.mol")).smiles == Chem.CanonSmiles(
        ALANINE.replace("@", "@@")
    )


def test_sdf_title_gz_and_windows_line_ends(write):
    mol = embedded(ALANINE)
    mol.SetProp("_Name", "my ligand")
    text = (Chem.MolToMolBlock(mol) + "$$$$\n").replace("\n", "\r\n")
    assert read_ligand(write(text, "a.sdf")).name == "my ligand"
    assert read_ligand(write(gzip.compress(text.encode()), "b.SDF.gz")).name == "my ligand"


def test_flat_drawing_has_no_coordinates_but_its_wedges_count(write):
    mol = Chem.MolFromSmiles(ALANINE)
    AllChem.Compute2DCoords(mol)
    ligand = read_ligand(write(Chem.MolToMolBlock(mol), "flat.sdf"))
    assert not ligand.has_coords
    assert ligand.smiles == Chem.CanonSmiles(ALANINE)
    assert "2D drawing" in ligand.notes[0]


def test_mol2(write):
    mol = embedded(ALANINE)
    ligand = read_ligand(write(mol2_text(mol, "alanine"), "x.mol2"))
    assert ligand.name == "alanine"
    assert ligand.smiles == Chem.CanonSmiles(ALANINE)
    assert ligand.has_coords


GROUPS = {
    "amine": ("C.3 C.3 N.3", "1-2 2-3", "CCN"),
    "acid": ("C.3 C.2 O.co2 O.co2", "1-2 2-3:ar 2-4:ar", "CC(=O)O"),
    "nitro": ("C.3 N.pl3 O.2 O.2", "1-2 2-3:2 2-4:2", "C[N+](=O)[O-]"),
    "choline": ("C.3 N.4 C.3 C.3 C.3 C.3 O.3", "1-2 2-3 2-4 2-5 5-6 6-7", "C[N+](C)(C)CCO"),
    "phosphate": ("C.3 O.3 P.3 O.2 O.3 O.3", "1-2 2-3 3-4:2 3-5 3-6", "COP(=O)(O)O"),
    "sulfonamide": ("C.3 S.o2 O.2 O.2 N.3", "1-2 2-3:2 2-4:2 2-5", "CS(N)(=O)=O"),
    "pyrrole": ("C.2 C.2 C.2 C.2 N.pl3", "1-2:2 2-3 3-4:2 4-5 5-1", "c1cc[nH]c1"),
    "phenol": ("C.ar " * 6 + "O.3", "1-2:ar 2-3:ar 3-4:ar 4-5:ar 5-6:ar 6-1:ar 6-7", "Oc1ccccc1"),
}
"""SYBYL atom types without hydrogens, bonds, and what is meant."""


@pytest.mark.parametrize("name", GROUPS)
def test_mol2_without_hydrogens_is_no_radical(name, write):
    types, bonds, smiles = GROUPS[name]
    atoms = [
        f"{k} {kind.partition('.')[0]}{k} {k} {k % 2} {k % 3} {kind}"
        for k, kind in enumerate(types.split(), start=1)
    ]
    pairs = [bond.partition(":") for bond in bonds.split()]
    lines = [
        f"{k} {ends.replace('-', ' ')} {order or 1}"
        for k, (ends, _, order) in enumerate(pairs, start=1)
    ]
    text = "\n".join(
        ["@<TRIPOS>MOLECULE", name, f"{len(atoms)} {len(lines)} 0 0 0", "SMALL", "NO_CHARGES", "",
         "@<TRIPOS>ATOM", *atoms, "@<TRIPOS>BOND", *lines, ""]
    )  # fmt: skip
    ligand = read_ligand(write(text, "bare.mol2"))
    assert ligand.smiles == Chem.CanonSmiles(smiles)
    assert ligand.notes == ("MOL2 without any hydrogens: added; protonation is a guess",)


def test_mol2_with_polar_hydrogens_only_keeps_its_charges(write):
    mol = Chem.RWMol(Chem.AddHs(Chem.MolFromSmiles("C[NH3+]")))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    for index in sorted((n.GetIdx() for n in mol.GetAtomWithIdx(0).GetNeighbors()), reverse=True):
        if mol.GetAtomWithIdx(index).GetAtomicNum() == 1:
            mol.RemoveAtom(index)
    ligand = read_ligand(write(mol2_text(mol).replace("N.3", "N.4"), "polar.mol2"))
    assert ligand.smiles == "C[NH3+]"
    assert ligand.notes == ("MOL2 without all hydrogens: added",)


@pytest.mark.parametrize(
    ("smiles", "places"),
    [
        ("CC(N)C(=O)O", "C2"),
        ("CC=CC", "C2=C3"),
        ("OC1CCC(O)CC1", "C2, C5"),
        (ALANINE, ""),
        ("CC(=N)N", ""),
        ("CN(C)CC", ""),
    ],
)
def test_stereo_left_open_is_noted(smiles, places):
    note = f"stereo not given at {places}: one isomer stands for all"
    assert read_ligand(smiles).notes == ((note,) if places else ())


def test_isotopes_of_hydrogen_and_radicals_are_noted():
    assert read_ligand("[2H]C([2H])C").notes == ("hydrogen isotopes taken as hydrogen",)
    assert read_ligand("[CH3]").notes == ("radical at C1: no valid pose is to be expected",)


def bad_block(mol: Chem.Mol) -> str:
    """The molecule's SDF with a bond order that gives a carbon five bonds."""
    lines = Chem.MolToMolBlock(mol).splitlines()
    first = 4 + mol.GetNumAtoms()
    lines[first] = lines[first][:6] + "  3" + lines[first][9:]
    return "\n".join(lines) + "\n"


def test_refused_sdf_falls_back_to_the_sibling_mol2(write):
    mol = embedded(ALANINE)
    path = write(bad_block(mol), "1abc_ligand.sdf")
    with pytest.raises(LigandError, match=r"1abc_ligand.sdf: Explicit valence"):
        read_ligand(path)
    write(mol2_text(mol), "1abc_ligand.mol2")
    ligand = read_ligand(path)
    assert ligand.smiles == Chem.CanonSmiles(ALANINE)
    assert ligand.notes[0].startswith("1abc_ligand.sdf could not be used (Explicit valence")
    assert ligand.notes[0].endswith("read 1abc_ligand.mol2")


def test_both_siblings_bad_names_both(write):
    path = write(bad_block(embedded(ALANINE)), "x.sdf")
    write("@<TRIPOS>MOLECULE\nx\n 3 0 0\n", "x.mol2")
    with pytest.raises(LigandError, match=r"x\.sdf: .*; and .*x\.mol2: "):
        read_ligand(path)


def test_salt_keeps_the_largest_fragment(write):
    ligand = read_ligand("[Na+].CCC(=O)[O-].Cl")
    assert ligand.smiles == "CCC(=O)[O-]"
    assert ligand.notes == ("largest fragment kept, left out: Cl, [Na+]",)
    block = Chem.MolToMolBlock(embedded("CCCN.Cl"))
    from_file = read_ligand(write(block, "salt.sdf"))
    assert from_file.smiles == "CCCN"
    assert from_file.coords.shape == (4, 3)


def test_more_than_a_hundred_atoms_is_noted():
    assert "101 heavy atoms" in read_ligand("C" * 101).notes[0]
    assert read_ligand("C" * 100).notes == ()


def test_rare_element_is_noted():
    assert read_ligand("C[Hg]C").notes == ("elements rarely seen in ligands: Hg",)


@pytest.mark.parametrize("smiles", ["C*", "C[*:1]", "*"])
def test_dummy_atoms_are_refused(smiles):
    with pytest.raises(LigandError, match=r"unknown element|no heavy atoms"):
        read_ligand(smiles)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ligand is empty"),
        ("  ", "ligand is empty"),
        ("CC(C", "neither an existing ligand file nor a valid SMILES .*parentheses"),
        ("c1cccc1", "neither .*kekulize"),
        ("CC(C)(C)(C)C", "neither .*Explicit valence"),
        ("[Xx]C", "neither .*syntax error"),
        ("no such thing", "neither an existing ligand file nor a valid SMILES"),
        ("missing.sdf", r"missing\.sdf: no such file"),
        ("folder/missing.mol2", "no such file"),
        ("C\0C", "neither"),
        ("x" * 5000, "neither"),
        ("[H][H]", "no heavy atoms"),
        ("[H+]", "no heavy atoms"),
    ],
)
def test_text_that_is_no_ligand(text, message):
    with pytest.raises(LigandError, match=message) as caught:
        read_ligand(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "a.sdf", "file is empty"),
        ("hello\n", "a.sdf", "a.sdf: Counts line"),
        ("x\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n", "a.sdf", "no heavy atoms"),
        ("hello\n", "a.mol2", "holds no molecule"),
        ("# only a comment\n", "a.smi", "holds no SMILES"),
        ("CCO\n", "a.xyz", "not a ligand format"),
        ("not!smiles\n", "a.smi", "a.smi: "),
    ],
)
def test_file_that_is_no_ligand(write, content, name, message):
    path = write(content, name)
    with pytest.raises(LigandError, match=message) as caught:
        read_ligand(path)
    assert str(path) in str(caught.value)


def test_missing_path(tmp_path):
    with pytest.raises(LigandError, match="no such file"):
        read_ligand(tmp_path / "none.sdf")


@pytest.mark.parametrize("bad", ["       nan", "       inf", "**********"])
def test_coordinates_that_are_no_numbers(write, bad):
    lines = Chem.MolToMolBlock(embedded("CCO", hydrogens=False)).splitlines()
    lines[4] = bad + lines[4][10:]
    with pytest.raises(LigandError, match="NaN"):
        read_ligand(write("\n".join(lines) + "\n", "nan.sdf"))


def test_nan_in_mol2(write):
    mol = embedded("CCO", hydrogens=False)
    text = mol2_text(mol)
    x = f"{mol.GetConformer().GetAtomPosition(0).x:.4f}"
    with pytest.raises(LigandError, match=r"NaN|number"):
        read_ligand(write(text.replace(x, "nan", 1), "nan.mol2"))


def test_unknown_element_in_sdf(write):
    block = Chem.MolToMolBlock(embedded("CCO", hydrogens=False)).replace(" O  ", " Qx ")
    with pytest.raises(LigandError, match="Qx"):
        read_ligand(write(block, "odd.sdf"))


def test_several_records_and_lines_are_noted(write):
    block = Chem.MolToMolBlock(embedded("CCO")) + "$$$$\n"
    ligand = read_ligand(write(block * 3, "three.sdf"))
    assert ligand.notes == ("three.sdf holds 3 molecules; the first was read",)
    ligand = read_ligand(write("smiles name\nCCO ethanol\nCCN amine\n", "two.smi"))
    assert (ligand.name, ligand.notes[0][:22]) == ("ethanol", "two.smi holds 2 molecu")


def test_rdkit_stays_silent(capfd, write):
    for source in ("CC(C", write("hello\n", "a.sdf"), write(bad_block(embedded("CCO")), "b.sdf")):
        with pytest.raises(LigandError):
            read_ligand(source)
    assert capfd.readouterr() == ("", "")


def test_a_file_named_like_a_smiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "CCO").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_ligand("CCO").smiles == "CCO"


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("CCO ethanol", "ethanol"),
        ("CCO", ""),
        ("c1ccccc1N |c:0,2,4| aniline, pure", "aniline, pure"),
        ("c1ccccc1N |c:0,2,4|", ""),
    ],
)
def test_what_stands_behind_a_smiles_is_its_title(line, title):
    assert smiles_title(line) == title


@pytest.mark.parametrize(
    ("smiles", "word"),
    [("C[C@H](F)Cl |&1:1| x", "racemic"), ("C[C@H](F)Cl |o1:1|", "relative")],
)
def test_mixtures_and_relative_stereo_are_said(smiles, word, write):
    note = f"{word} stereo at C2: the isomer drawn stands for all"
    ligand = read_ligand(smiles)
    assert ligand.notes == (note,) and ligand.smiles == "C[C@H](F)Cl"
    block = Chem.MolToV3KMolBlock(Chem.MolFromSmiles(smiles))
    from_file = read_ligand(write(block, "x.sdf"))
    assert note in from_file.notes and "V2000" in Chem.MolToMolBlock(from_file.mol)


def test_what_is_no_extension_is_a_name():
    ligand = read_ligand("CCO |not an extension|")
    assert ligand.smiles == "CCO"
    assert read_ligand("C[C@H](F)Cl |a:1|").notes == ()  # absolute


def test_a_header_of_two_columns_in_a_smiles_file(write):
    ligand = read_ligand(write("smiles,name\nCCO,ethanol\n", "x.smi"))
    assert (ligand.smiles, ligand.name) == ("CCO", "ethanol")
