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
    lines = {line.split()[0]: line for line in printed.splitlines() if "   median " in line}
    assert "top-1 ≤ 2 Å 100.0 %" in lines["molgen"] and "top-1 ≤ 2 Å 0.0 %" in lines["vina"]
    assert "oracle ≤ 2 Å 50.0 %" in lines["vina"]
    assert "molgen minus vina: joint +100.0" in printed and "ratios 0.250" in printed
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 5
    assert rows[0]["commit"] == "abc" and rows[0]["top1_rmsd"] == "0.5"
    assert gather(table) == printed


def test_a_set_and_the_order_of_the_scores_by_themselves(tmp_path):
    run = tmp_path / "a"
    evaluated(run, "molgen", *((name, "ok", 0.5, 0.4, "true", 2) for name in ("1AAA", "2BBB")))
    evaluated(run, "vina", *((name, "ok", 0.5, 0.4, "true", 8) for name in ("1AAA", "2BBB")))
    poses = [  # the lowest score of 1AAA is that of a pose which is not valid
        ("id", "rank", "score", "rmsd"), ("1AAA", 1, -7.0, 0.5), ("1AAA", 2, -9.5, 1.5),
        ("2BBB", 1, -10.0, 0.5), ("2BBB", 2, -9.0, 4.0),
    ]  # fmt: skip
    with (run / "astex/evaluation/vina/poses.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(poses)
    printed = gather(tmp_path / "rows.csv", run)
    assert printed.count("astex, 2: top-1 ≤ 2 Å 100.0 %") == 2
    assert printed.count("all poses of 2 at hand") == 1
    assert "by score alone 100.0 %" in printed and "and valid 50.0 %" in printed
    assert "median 2.0 s (2.0 to 2.0)" in printed and "ratios 0.250 (0.250 to 0.250)" in printed
