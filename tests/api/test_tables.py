"""Tables: what a value looks like in a cell, and that files are whole."""

from __future__ import annotations

import math

import pytest

from molgen.api.tables import cell, json_ready, write_csv
from molgen.errors import OutputError


def test_cells():
    shown = [cell(value) for value in (None, True, False, 1 / 3, math.nan, -math.inf, 7, "a,b")]
    assert shown == ["", "true", "false", "0.3333", "", "", 7, "a,b"]


def test_columns_come_from_the_rows_and_commas_are_quoted(tmp_path):
    write_csv(tmp_path / "a.csv", [{"x": 1.0}, {"x": None, "y": "a,b"}])
    assert (tmp_path / "a.csv").read_text() == 'x,y\n1.0000,\n,"a,b"\n'


def test_an_empty_table_keeps_its_header_and_text_that_is_no_unicode_is_written(tmp_path):
    write_csv(tmp_path / "a.csv", [], ["x", "y"])
    assert (tmp_path / "a.csv").read_text() == "x,y\n"
    write_csv(tmp_path / "a.csv", [{"x": "\udcff"}], ["x"])
    assert (tmp_path / "a.csv").read_text() == "x\n?\n"


def test_an_unknown_column_or_place_leaves_the_old_file(tmp_path):
    write_csv(tmp_path / "a.csv", [{"x": 1}])
    with pytest.raises(ValueError, match="y"):
        write_csv(tmp_path / "a.csv", [{"y": 1}], ["x"])
    assert (tmp_path / "a.csv").read_text() == "x\n1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    with pytest.raises(OutputError):
        write_csv(tmp_path / "a.csv" / "b.csv", [])


def test_json_has_null_for_what_is_not_a_number():
    assert json_ready({1: (math.nan, [math.inf, 0.5])}) == {"1": [None, [None, 0.5]]}
