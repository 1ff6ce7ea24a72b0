"""Structures that cannot be used: one clear line each, with the place."""

from __future__ import annotations

import gzip

import gemmi
import pytest

from molgen.errors import StructureError
from molgen.io import read_structure

MOL_BLOCK = "x\n  made\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "a.pdb", "file is empty"),
        ("\n \n", "a.cif", "file is empty"),
        (gzip.compress(b"", mtime=0), "a.pdb.gz", "file is empty"),
        ("hello world\n", "a.pdb", "not a structure"),
        (MOL_BLOCK, "a.sdf", "not a structure"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a.pdb", "not a structure"),
        ("hello\n", "a.cif", "not an mmCIF file"),
        ("data_x\n_entry.id x\n", "a.cif", "no atoms"),
        ("REMARK nothing\nEND\n", "a.pdb", "not a structure"),
        (b"\x1f\x8b\x08\x00broken", "a.pdb.gz", "truncated or damaged"),
    ],
)
def test_not_a_structure(write, content, name, message):
    path = write(content, name)
    with pytest.raises(StructureError, match=message) as caught:
        read_structure(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(StructureError, match="no such file"):
        read_structure(tmp_path / "none.pdb")
    with pytest.raises(StructureError, match="is a folder"):
        read_structure(tmp_path)


def test_truncated_gzip(write, peptide):
    packed = gzip.compress(peptide.encode())
    with pytest.raises(StructureError, match="truncated or damaged"):
        read_structure(write(packed[: len(packed) // 2], "a.pdb.gz"))


def test_truncated_pdb_line(write, peptide):
    with pytest.raises(StructureError, match="line 34: atom record is cut short"):
        read_structure(write(peptide[: peptide.rindex("-6.599")]))


def test_truncated_mmcif(write, peptide):
    model = gemmi.read_pdb_string(peptide)
    model.setup_entities()
    text = model.make_mmcif_document().as_string()
    end = text.index("-14.774") + 3
    with pytest.raises(StructureError, match="truncated or damaged mmCIF"):
        read_structure(write(text[:end], "a.cif"))


@pytest.mark.parametrize("bad", ["    nan ", "********", "   inf  ", "  1.2.3 ", "        "])
def test_coordinates_that_are_no_numbers(write, peptide, bad):
    text = peptide.replace(" -14.774", bad)
    with pytest.raises(StructureError, match=r"line 10: coordinates .* are not numbers"):
        read_structure(write(text))


@pytest.mark.parametrize("bad", ["nan", "?", "abc", "."])
def test_mmcif_coordinates_that_are_no_numbers(write, peptide, bad):
    model = gemmi.read_pdb_string(peptide)
    model.setup_entities()
    text = model.make_mmcif_document().as_string().replace("-14.774", bad)
    with pytest.raises(StructureError, match=r"CA of LYS A:2.*not numbers"):
        read_structure(write(text, "a.cif"))


def test_no_protein(write, line, nicotinate):
    with pytest.raises(StructureError, match=r"no protein found.*NIO"):
        read_structure(write(nicotinate()))
    with pytest.raises(StructureError, match="no protein found"):
        read_structure(write(line("O", "HOH", "A:1", (0, 0, 0))))
    with pytest.raises(StructureError, match="no protein found"):
        read_structure(write(line("P", "DA", "A:1", (0, 0, 0), record="ATOM")))


def test_unknown_model(write, peptide):
    with pytest.raises(StructureError, match="no model 7; expected one of 1"):
        read_structure(write(peptide), model=7)


def test_pdbqt_is_refused(write, peptide):
    with pytest.raises(StructureError, match="PDBQT is not supported"):
        read_structure(write(peptide, "a.pdbqt"))
