"""Rows of benchmark runs: gathered over runs, compared on the entries that all arms have."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "workflows/posebench/rows.py"
COLUMNS = ("id", "status", "top1_rmsd", "oracle_rmsd", "joint_2A", "seconds")


def evaluated(run: Path, arm: str, *rows: tuple) -> None:
    folder = run / "astex/evaluation" / arm
    folder.mkdir(parents=True)
    with (folder / "evaluation.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([COLUMNS, *rows])
    made = run / "astex" / arm / "1AAA_XYZ"
    made.mkdir(parents=True)
    (made / "run.json").write_text(json.dumps({"molgen": "1.2", "commit": "abc"}))


def gather(table: Path, *runs: Path) -> str:
    command = [sys.executable, str(SCRIPT), str(table), *map(str, runs)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_runs_add_up_and_newer_rows_replace_older(tmp_path):
    first, second, table = tmp_path / "a", tmp_path / "b", tmp_path / "rows.csv"
    good, bad = ("ok", 0.5, 0.4, "true"), ("ok", 3.0, 1.0, "false")
    evaluated(first, "molgen", ("1AAA_XYZ", *bad, 2), ("2BBB_XYZ", *good, 2))
    evaluated(first, "vina", ("1AAA_XYZ", *bad, 8), ("3CCC_XYZ", "failed", "", "", "", ""))
    assert "1 entries that all of molgen, vina have" in gather(table, first)
    evaluated(second, "molgen", ("1AAA_XYZ", *good, 2), ("3CCC_XYZ", *good, 3))
    printed = gather(table, second)
    assert printed.startswith("2 entries that all of molgen, vina have\n")
    lines = {line.split()[0]: line for line in printed.splitlines()[1:3]}
    assert "top-1 ≤ 2 Å 100.0 %" in lines["molgen"] and "top-1 ≤ 2 Å 0.0 %" in lines["vina"]
    assert "oracle ≤ 2 Å 50.0 %" in lines["vina"]
    assert "molgen minus vina: joint +100.0" in printed and "ratios 0.250" in printed
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 5
    assert rows[0]["commit"] == "abc" and rows[0]["top1_rmsd"] == "0.5"
    assert gather(table) == printed
