"""Lists of entries to leave out."""

from __future__ import annotations

from importlib.resources import files

import pytest

from molgen.datasets.entry_lists import is_listed, read_entry_list
from molgen.errors import InputError


def test_files_and_folders_name_entries_by_pdb_code(tmp_path):
    (tmp_path / "list.txt").write_text("# comment\n6XG5_TOP\n1abc, 2.0 Å\n\nmine-17 # own\n")
    (tmp_path / "quoted.csv").write_text('"2def",3.5\n', encoding="utf-8-sig")
    for folder in ("bench/7N03_ZRP", "bench/2011-2019/3ghi"):
        (tmp_path / folder).mkdir(parents=True)
    names = read_entry_list(tmp_path / one for one in ("list.txt", "quoted.csv", "bench"))
    assert names == {"6xg5", "1abc", "mine-17", "2def", "7n03", "3ghi"}
    assert is_listed("6xg5", names) and is_listed("7N03_A_1", names) and is_listed("Mine-17", names)
    assert not is_listed("6xg5a", names) and not is_listed("mine-1", names)
    assert not is_listed("6xg5", frozenset())


def test_the_shipped_list_holds_the_benchmarks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks" / "1abc").mkdir(parents=True)  # is meant by ./benchmarks only
    names = read_entry_list(["benchmarks"])
    # 428 of PoseBusters, 85 of Astex, 363 of the time split, none of them twice
    assert len(names) == 876
    assert {"6xg5", "1g9v", "6qqw"} <= names


def test_the_entries_of_posebusters_that_are_reported_are_excluded():
    listed = files("molgen.data").joinpath("splits/posebusters_dev.txt").read_text("utf-8")
    ids = [line for line in listed.splitlines() if not line.startswith("#")]
    assert len(ids) == len(set(ids)) == 165
    assert {name[:4].lower() for name in ids} <= read_entry_list(["benchmarks"])


@pytest.mark.parametrize("content", [None, "", "# nothing\n"])
def test_a_list_without_names_is_refused(tmp_path, content):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="list.txt: (expected a list|names no entry)"):
        read_entry_list([path])
