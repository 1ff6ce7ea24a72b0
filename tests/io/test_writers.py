"""SDF and PDB as written, and files that are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import OutputError
from molgen.io import atomic_write, read_ligand, read_protein, write_pdb, write_sdf
from molgen.structure import Protein


def ligand_mol(name: str = "ethanol") -> Chem.Mol:
    mol = Chem.MolFromSmiles("CCO")
    conformer = Chem.Conformer(3)
    conformer.Set3D(True)
    for i, xyz in enumerate([(0, 0, 0), (1.5, 0, 0.1), (2.0, 1.4, -0.2)]):
        conformer.SetAtomPosition(i, [float(v) for v in xyz])
    mol.AddConformer(conformer)
    mol.SetProp("_Name", name)
    return mol


def test_sdf_bytes_and_round_trip(tmp_path):
    path = tmp_path / "a.sdf"
    rows = [(ligand_mol(), {"rank": 1, "score": -7.25, "valid": True}), (ligand_mol("b"), {})]
    write_sdf(path, rows)
    first = path.read_bytes()
    write_sdf(path, rows)
    assert path.read_bytes() == first
    mols = list(Chem.SDMolSupplier(str(path)))
    assert [mol.GetProp("_Name") for mol in mols] == ["ethanol", "b"]
    assert mols[0].GetPropsAsDict() == {"rank": 1, "score": -7.25, "valid": "true"}
    assert list(mols[0].GetPropNames()) == ["rank", "score", "valid"]
    np.testing.assert_allclose(mols[0].GetConformer().GetPositions()[2], [2.0, 1.4, -0.2])
    assert b"\r" not in first
    assert read_ligand(path).smiles == "CCO"


def test_sdf_values_cannot_break_the_record(tmp_path):
    path = tmp_path / "a.sdf"
    nasty = {"note": "line\n\n$$$$\nrest", "empty": "", "a>b\nc": -0.00001, "nan": float("nan")}
    write_sdf(path, [(ligand_mol("two\nlines\n$$$$"), nasty), (ligand_mol(), {"n": np.float32(1)})])
    mols = list(Chem.SDMolSupplier(str(path)))
    assert len(mols) == 2 and all(mols)
    assert mols[0].GetProp("note") == "line $ rest"
    assert mols[0].GetProp("empty") == "-"
    assert mols[0].GetProp("a_b_c") == "0.0000"
    assert mols[1].GetProp("n") == "1.0000"


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.sdf"
    path.write_text("old")

    def rows():
        yield ligand_mol(), {}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sdf(path, rows())
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.sdf"]


def test_no_name_ends_a_record(tmp_path):
    mol = ligand_mol()
    mol.SetProp("_Name", "$$$$")
    write_sdf(tmp_path / "a.sdf", [(mol, {"note": "a $$$$ b"})] * 2)
    found = list(Chem.SDMolSupplier(str(tmp_path / "a.sdf")))
    assert [m.GetNumAtoms() for m in found] == [mol.GetNumAtoms()] * 2
    assert read_ligand(tmp_path / "a.sdf").mol.GetNumAtoms() == mol.GetNumAtoms()


def test_atomic_write_makes_folders_and_plain_permissions(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("text")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "text"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "a.sdf", tmp_path / "folder", "a\0b"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_sdf(target, [(ligand_mol(), {})])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def protein_of(**columns) -> Protein:
    n = len(columns["atom_names"])
    default = {
        "coords": np.zeros((n, 3), dtype=np.float32),
        "elements": ["C"] * n,
        "residue_names": ["ALA"] * n,
        "residue_numbers": np.arange(n, dtype=np.int32),
        "insertion_codes": [""] * n,
        "chains": ["A"] * n,
        "hetero": [False] * n,
    }
    default.update(columns)
    return Protein(name="made", **{k: np.asarray(v) for k, v in default.items()})


def test_pdb_columns():
    """Columns of the PDB format 3.3: name 13-16, number 23-26, code 27, x 31-38, element 77-78."""
    protein = protein_of(
        coords=np.array([[1, 2, 3], [-123.456, 0, 9], [0, 0, 0], [0, 0, 0]], dtype=np.float32),
        atom_names=["CA", "HG21", "ZN", "CL1"],
        elements=["C", "H", "Zn", "Cl"],
        residue_names=["ALA", "THR", "ZN", "LIG12"],
        residue_numbers=np.array([5, -12, 9999, 10001], dtype=np.int32),
        insertion_codes=["", "B", "", ""],
        hetero=[False, False, True, True],
    )
    lines = write_pdb(None, protein).splitlines()
    assert lines == [
        "ATOM      1  CA  ALA A   5       1.000   2.000   3.000  1.00  0.00           C",
        "ATOM      2 HG21 THR A -12B   -123.456   0.000   9.000  1.00  0.00           H",
        "TER",
        "HETATM    3 ZN    ZN A9999       0.000   0.000   0.000  1.00  0.00          ZN",
        "HETATM    4 CL1  LIG A   1       0.000   0.000   0.000  1.00  0.00          CL",
        "END",
    ]


def test_pdb_long_chain_names_and_many_atoms():
    n = 100_001
    chains = np.array(["AAA"] * (n - 1) + ["A"])
    text = write_pdb(
        None,
        protein_of(atom_names=["CA"] * n, chains=chains, residue_numbers=np.zeros(n, np.int32)),
    )
    lines = text.splitlines()
    assert lines[0] == "REMARK 999 CHAIN B WAS AAA"
    assert lines[1][21] == "B" and lines[-2][21] == "A"
    assert all(len(line) == 78 for line in lines if line.startswith("ATOM"))
    assert lines[100_000][6:11] == "    1"


def test_pdb_read_by_rdkit_and_biopython(tmp_path, examples):
    from Bio.PDB import PDBParser

    protein = read_protein(examples / "7x9k.cif.gz")
    path = tmp_path / "a.pdb"
    text = write_pdb(path, protein)
    assert path.read_text() == text
    mol = Chem.MolFromPDBBlock(text, sanitize=False, removeHs=False)
    assert mol.GetNumAtoms() == len(protein)
    structure = PDBParser(QUIET=True).get_structure("x", StringIO(text))
    # Biopython collects the residues of a chain, so the order of atoms may differ.
    found = {
        (atom.parent.parent.id, atom.parent.id[1], atom.id): atom.coord
        for atom in structure.get_atoms()
    }
    keys = zip(protein.chains, protein.residue_numbers, protein.atom_names, strict=True)
    assert len(found) == len(protein)
    np.testing.assert_allclose([found[key] for key in keys], protein.coords, atol=6e-4)


def test_pdb_coordinates_that_do_not_fit():
    far = protein_of(atom_names=["CA"], coords=np.array([[12345.0, 0, 0]], dtype=np.float32))
    with pytest.raises(OutputError, match="do not fit the PDB format"):
        write_pdb(None, far)


def test_coordinates_that_do_not_fit_their_columns_are_refused(examples):
    protein = read_protein(examples / "6xg5.cif")
    far = replace(protein, coords=protein.coords - 1100.0)
    with pytest.raises(OutputError, match="below -999 or above 9999 Å"):
        write_pdb(None, far)


def test_names_beyond_ascii_are_written_in_any_locale(tmp_path):
    """Greek letters are common in names, and a server often has no UTF-8 locale."""
    code = (
        "import sys; from molgen.io import write_sdf, read_ligand\n"
        "mol = read_ligand('CCO').mol; mol.SetProp('_Name', '\\u03b2-alanine')\n"
        "write_sdf(sys.argv[1], [(mol, {'note': '\\u00c5'})])"
    )
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    path = tmp_path / "x.sdf"
    subprocess.run([sys.executable, "-c", code, str(path)], env=os.environ | plain, check=True)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("β-alanine") and "Å" in text
