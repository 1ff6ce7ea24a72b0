"""Which files a run of `molgen score` takes, and under which names."""

from __future__ import annotations

import pytest

from molgen.api.score_inputs import find_models
from molgen.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.pdb", "a.ent", "c.cif.gz", "d.MMCIF", "notes.txt", ".hidden.pdb", "e.csv"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / "SERVER_TS1").write_text("PFRMAT TS\n")
    (tmp_path / "server.v2_TS1").write_text("PFRMAT TS\n")
    (tmp_path / "README").write_text("ATOMIC models\n")
    (tmp_path / "plain").write_text("ATOM      1  N\n")
    (tmp_path / "sub.pdb").mkdir()
    (tmp_path / "sub.pdb" / "inner.pdb").write_text("x\n")
    return tmp_path


def names(models):
    return [file.name for file in find_models(models)]


def test_a_folder_gives_its_structures_sorted(folder):
    assert names([folder]) == ["SERVER_TS1", "a", "b", "c", "d", "plain", "server.v2_TS1"]


def test_patterns_files_and_folders_each_file_once(folder):
    assert names([folder / "b.pdb", str(folder / "*.pdb"), folder]) == [
        "b", "inner", "SERVER_TS1", "a", "c", "d", "plain", "server.v2_TS1",
    ]  # fmt: skip


def test_a_file_whose_name_looks_like_a_pattern(folder):
    (folder / "m[1].pdb").write_text("x\n")
    assert names([folder / "m[1].pdb"]) == ["m_1_.pdb".removesuffix(".pdb").strip("_")]


def test_equal_names_are_told_apart_whatever_their_case(folder):
    for number, name in enumerate(("A.pdb", "a.pdb")):
        (folder / f"deep{number}").mkdir()
        (folder / f"deep{number}" / name).write_text("x\n")
    assert names([folder / "a.ent", folder / "deep0", folder / "deep1"]) == ["a", "A_2", "a_3"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a b;rm -rf.pdb", "a_b_rm_-rf"), ("...pdb", "model"), ("é€.pdb", "e"), ("-x.pdb", "x"),
     ("x.pdb.gz", "x"), ("x.y.cif", "x.y"), ("con.pdb", "_con"), ("$(id).pdb", "id"),
     ("l" * 200 + ".pdb", "l" * 80)],
)  # fmt: skip
def test_names_are_safe(tmp_path, name, safe):
    (tmp_path / name).write_text("x\n")
    assert names([tmp_path / name]) == [safe]


def test_a_path_upwards_stays_out_of_the_name(folder):
    assert names([folder / "sub.pdb" / ".." / "b.pdb"]) == ["b"]


@pytest.mark.parametrize(
    ("given", "message"),
    [("none.pdb", "none.pdb: no such file or folder"), ("*.xyz", "the pattern matches no file"),
     ("empty", "the folder holds no model; expected .pdb"), ("nul\0.pdb", "no such file"),
     ("n" * 5000, "(no such file|cannot be used)")],
)  # fmt: skip
def test_what_stands_for_nothing(tmp_path, given, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_models([f"{tmp_path}/{given}"])
    (tmp_path / "a.pdb").write_text("x\n")
    found = find_models([f"{tmp_path}/{given}", tmp_path / "a.pdb"])
    assert [bool(file.problem) for file in found] == [True, False]


def test_nothing_at_all():
    with pytest.raises(InputError, match="no models given"):
        find_models([])
