"""Labels as file names: nothing leaves the folder, nothing collides."""

from __future__ import annotations

import os
import re

import pytest

from molgen.errors import InputError
from molgen.io import safe_name, unique_name
from molgen.io.paths import file_stem, file_suffix, read_bytes

NASTY = [
    "../../etc/passwd",
    "/absolute/path",
    "C:\\Windows\\x",
    "..",
    ".",
    ".hidden",
    "-rf",
    "a\0b",
    "new\nline",
    "",
    "   ",
    "con",
    "NUL.txt",
    "x" * 500,
    "naïve β-blocker",
    "日本語",
    "a/b",
    "trailing.",
    "$(rm x)",
    "a;b&c|d",
    "‮evil",
    "~root",
]


@pytest.mark.parametrize("text", NASTY)
def test_safe_name_is_one_plain_component(tmp_path, text):
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_+=][A-Za-z0-9_.+=-]*", name)
    assert 0 < len(name) <= 81
    assert ".." not in name and not name.endswith(".")
    assert name.split(".")[0].lower() not in {"con", "nul", "aux", "prn"}
    (tmp_path / name).mkdir()
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()


@pytest.mark.parametrize("text", ["aspirin", "CHEMBL25", "lig-1_a.b", "x+y=z"])
def test_plain_names_stay(text):
    assert safe_name(text) == text


def test_unique_names():
    taken: set[str] = set()
    names = [unique_name(text, taken) for text in ("a", "a", "A", "a_2", "../a", "")]
    assert names == ["a", "a_2", "A_3", "a_2_2", "a_4", "ligand"]
    assert len({name.lower() for name in names}) == len(names)


def test_suffixes(tmp_path):
    assert file_suffix(tmp_path / "a.b.PDB.gz") == ".pdb"
    assert file_suffix(tmp_path / "a") == ""
    assert file_stem(tmp_path / "1abc.cif.gz") == "1abc"


def test_a_pipe_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is no regular file"):
        read_bytes(tmp_path / "pipe")
