"""Tables of ligands: a bad row is an entry with its error and stops nothing."""

from __future__ import annotations

import pytest
from rdkit import Chem

from molgen.errors import LigandError, MolgenWarning
from molgen.io import read_ligand_table


def test_csv(write):
    rows = read_ligand_table(write("name,smiles\nethanol,CCO\namine,CCN\n", "a.csv"))
    assert [(r.row, r.name, r.ligand.smiles, r.error) for r in rows] == [
        (1, "ethanol", "CCO", None),
        (2, "amine", "CCN", None),
    ]
    assert rows[0].source_text == "CCO"
    assert rows[0].ligand.name == "ethanol"


@pytest.mark.parametrize(
    "header", ["SMILES,Name", "smiles,id", " Smiles , ID ", "\ufeffsmiles,name", "x,smiles,name"]
)
def test_header_case_order_and_byte_order_mark(write, header):
    line = "1,CCO,e" if header.startswith("x") else "CCO,e"
    (row,) = read_ligand_table(write(f"{header}\r\n{line}\r\n", "a.csv"))
    assert (row.name, row.ligand.smiles) == ("e", "CCO")


@pytest.mark.parametrize("header", ["Compound ID,SMILES", "compound_name,smiles", "MolID,smiles"])
def test_other_words_for_name(write, header):
    (row,) = read_ligand_table(write(f"{header}\nX-1,CCO\n", "a.csv"))
    assert row.name == "X-1"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", 'name\tsmiles\nå1\tCCO\n"b\t2"\tCCN\n'.encode()),
        ("a.csv", 'name;smiles\nå1;CCO\n"b\t2";CCN\n'.encode()),
        ("a.csv", "name,Canonical SMILES\nå1,CCO\nb\t2,CCN\n".encode("cp1252")),
        ("a.csv", "name,smiles\nå1,CCO\nb\t2,CCN\n".encode("utf-16")),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is no UTF-8 text, read as")
def test_tables_of_any_spreadsheet(write, name, content):
    rows = read_ligand_table(write(content, name))
    assert [(r.name, r.ligand.smiles) for r in rows] == [("å1", "CCO"), ("b\t2", "CCN")]


def test_another_encoding_is_said(write):
    with pytest.warns(MolgenWarning, match="is no UTF-8 text, read as Windows-1252"):
        read_ligand_table(write(b"name,smiles\n\xdf,CCO\n", "a.csv"))


def test_that_no_column_names_ligands_is_said(write):
    with pytest.warns(MolgenWarning, match=r"no column 'name' \(there are: batch\).*numbered"):
        (row,) = read_ligand_table(write("batch,smiles\n7,CCO\n", "a.csv"))
    assert row.name == "ligand_1"


def test_bad_rows_do_not_stop_the_rest(write):
    text = 'name,smiles\na,CCO\nb,CC(C\nc\n\nd,\ne,C*\n,CCC\na,CCN\nf,"CC,O"\n'
    rows = read_ligand_table(write(text, "a.csv"))
    assert [row.row for row in rows] == list(range(1, 9))
    assert [row.ligand is not None for row in rows] == [
        True, False, False, False, False, True, True, False,
    ]  # fmt: skip
    assert [row.name for row in rows] == ["a", "b", "c", "d", "e", "ligand_6", "a", "f"]
    assert "row 2 (b): extra open parentheses" in rows[1].error
    assert rows[2].error == "row 3: 1 columns, expected 2"
    assert "SMILES is empty" in rows[3].error
    assert all((row.error is None) == (row.ligand is not None) for row in rows)


def test_an_open_quote_takes_no_other_row_along(write):
    text = 'name,smiles\na,CCO\n"b,CCC\nc,CCN\n"d,CC\n"two\nlines",CCCl\ne,"CCBr"\n'
    rows = read_ligand_table(write(text, "a.csv"))
    assert [row.name for row in rows] == ["a", "ligand_2", "c", "ligand_4", "two\nlines", "e"]
    assert [row.ligand is not None for row in rows] == [True, False, True, False, True, True]
    assert rows[1].error == rows[3].error == "unreadable CSV row (a quote is not closed)"


def test_only_line_ends_end_a_row(write):
    rows = read_ligand_table(write("name,smiles\r\na\u2028b,CCO\rc\x85,CCN\n", "a.csv"))
    assert [(row.name, row.ligand.smiles) for row in rows] == [("a\u2028b", "CCO"), ("c", "CCN")]


@pytest.mark.filterwarnings("ignore:.*read as Windows-1252")
def test_row_that_csv_cannot_read(write):
    rows = read_ligand_table(
        write(b"name,smiles\na,CCO\nb\x00\xff,C\x00C\nc," + b"C" * 200_000 + b"\nd,CCN\n", "a.csv")
    )
    assert rows[0].ligand is not None and rows[-1].ligand is not None
    assert all(row.ligand is None and row.error for row in rows[1:-1])
    assert rows[-1].name == "d"


def test_multi_record_sdf_with_a_bad_record(write):
    good = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    named = "amine" + Chem.MolToMolBlock(Chem.MolFromSmiles("CCN"))
    text = f"{good}> <x>\n1\n\n$$$$\nbroken\n\n$$$$\n{named}$$$$\n"
    rows = read_ligand_table(write(text, "many.sdf"))
    assert [(r.row, r.name, r.ligand is not None) for r in rows] == [
        (1, "ligand_1", True),
        (2, "broken", False),
        (3, "amine", True),
    ]
    assert rows[1].error.startswith("many.sdf record 2: ")


def test_smi_list(write):
    rows = read_ligand_table(write("CCO ethanol\nCC(C bad\n\nCCN\n", "a.smi"))
    assert [(r.name, r.ligand is not None) for r in rows] == [
        ("ethanol", True), ("bad", False), ("ligand_3", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "a.csv", "file is empty"),
        ("name,structure\na,CCO\n", "a.csv", "no 'smiles' column"),
        ("name,smiles\n", "a.csv", "holds no ligand"),
        ("name,smiles\na,CCO\n", "a.xlsx", "not a ligand table"),
    ],
)
def test_tables_that_cannot_be_used(write, text, name, message):
    with pytest.raises(LigandError, match=message):
        read_ligand_table(write(text, name))


def test_missing_table(tmp_path):
    with pytest.raises(LigandError, match="no such file"):
        read_ligand_table(tmp_path / "a.csv")
