"""Layouts, index files, and collections that cannot be walked."""

from __future__ import annotations

from pathlib import Path

import pytest

from molgen.datasets.pdbbind import find_entries
from molgen.errors import InputError


def make(root: Path, *files: str) -> Path:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    return root


def test_layouts(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        "1abc/1abc_protein.pdb",
        "1abc/1abc_ligand.sdf",
        "1abc/1abc_ligand.mol2",
        "1981-2000/2abc/2abc_protein.pdb",
        "1981-2000/2abc/2abc_ligand.mol2",
        "3abc/readme.txt",
        "index/INDEX_general_PL_data.2020",
        ".cache/4abc/4abc_protein.pdb",
    )
    (root / "5abc").mkdir()
    entries = {entry.id: entry for entry in find_entries(root)}
    assert list(entries) == ["1abc", "2abc", "3abc", "5abc"]
    assert entries["1abc"].ligand == root / "1abc" / "1abc_ligand.sdf"
    assert entries["2abc"].ligand == root / "1981-2000" / "2abc" / "2abc_ligand.mol2"
    assert entries["3abc"].protein is None and entries["5abc"].ligand is None


def test_other_files_beside_the_entries_hide_none(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        "2019/1abc/1abc_protein.pdb",
        "2019/2abc/2abc_ligand.sdf",
        "2019/.DS_Store",
        "2019/notes.txt",
        "3abc/3abc_protein.pdb",
        "3abc/docked/pose.sdf",
    )
    assert [entry.id for entry in find_entries(root)] == ["1abc", "2abc", "3abc"]


def test_years_and_affinities_from_a_pdbbind_index(tmp_path: Path) -> None:
    root = make(tmp_path, "2tpi/2tpi_protein.pdb", "3zzf/3zzf_protein.pdb", "9xyz/9xyz_protein.pdb")
    (root / "INDEX_general_PL_data.2020").write_text(
        "# PDB code, resolution, release year, -logKd/Ki, Kd/Ki, reference, ligand name\n"
        "2tpi  2.10  1982   4.31  Kd=49uM       // 2tpi.pdf (2-mer)\n"
        "3zzf   NMR  2012   0.40  Ki=400mM      // 3zzf.pdf (NLG)\n"
    )
    facts = {entry.id: (entry.year, entry.affinity) for entry in find_entries(root)}
    assert facts == {"2tpi": (1982, 4.31), "3zzf": (2012, 0.40), "9xyz": (None, None)}


def test_index_csv_adds_entries_without_a_folder(tmp_path: Path) -> None:
    root = make(tmp_path, "1abc/1abc_protein.pdb")
    (root / "index.csv").write_text("id,year,affinity\n1abc,1999,7.5\n2gone,,\n")
    first, second = find_entries(root)
    assert (first.year, first.affinity) == (1999, 7.5)
    assert second.id == "2gone" and second.protein is None and second.year is None
    (root / "index.csv").write_text("year,id\n1999,1abc\n2020\n")  # a row that is cut short
    (only,) = find_entries(root)
    assert (only.id, only.year) == ("1abc", 1999)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("pdb,year\n1abc,1999\n", "no column 'id'"),
        ("id,year\n1abc,soon\n", "line 2"),
        ("id,year\n1abc,1999\n../../out,1999\n", "line 3: id '../../out' is no name"),
        ("id,year\n1abc,1999\n1abc,2000\n", "line 3: id '1abc' stands twice"),
        ("id,affinity\n1abc,inf\n", "line 2: affinity inf is no finite number"),
    ],
)
def test_bad_index(tmp_path: Path, index: str, words: str) -> None:
    root = make(tmp_path, "1abc/1abc_protein.pdb")
    (root / "index.csv").write_text(index)
    with pytest.raises(InputError, match=words):
        find_entries(root)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_entries(tmp_path / "missing")
    with pytest.raises(InputError, match="no entries"):
        find_entries(tmp_path)
    make(tmp_path, "a/1abc/1abc_protein.pdb", "b/1abc/1abc_protein.pdb")
    with pytest.raises(InputError, match="1abc twice"):
        find_entries(tmp_path)
