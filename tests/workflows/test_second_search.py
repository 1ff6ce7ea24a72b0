"""A second search of ligands in doubt: what is measured, that a run goes on, and the table."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows/sidegen"))
import second_search as script  # noqa: E402


def test_a_run_measures_what_is_held_out_and_missing(held, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "MOST", 1.1)  # whatever the first search found, it is in doubt
    (tmp_path / "val.txt").write_text("7N03_ZRP\nunknown\n")
    out = tmp_path / "rows.csv"
    places = [*held, "--split", str(tmp_path), "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["second_search.py", *places])
    script.main()
    (row,) = script.read_rows(out)
    assert (row["id"], row["part"]) == ("7N03_ZRP", "val")
    values = {key: float(value) for key, value in row.items() if key not in ("id", "part")}
    assert np.isfinite(list(values.values())).all()
    for arm in script.ARMS:  # the poses of the first search are among those of both
        assert values[f"{arm}_best_rmsd"] <= values["first_best_rmsd"]
        assert values[f"{arm}_seconds"] > 0.0
    assert "1 ligands" in capsys.readouterr().out
    monkeypatch.setattr(script, "measured", None)
    script.main()  # nothing is left to do


def made(confidence: float, **top1: float) -> script.Row:
    """Return a row with RMSDs of the first pose by arm."""
    values = {f"{arm}_{k}": "1.0" for arm in ("first", *script.ARMS) for k in script.NUMBERS}
    values |= {f"{arm}_top1_rmsd": str(rmsd) for arm, rmsd in top1.items()}
    return values | {"id": str(top1), "first_confidence": str(confidence)}


def test_only_ligands_in_doubt_are_searched_twice(capsys):
    rows = [
        made(0.2, first=5.0, search=5.0, sidegen=1.0),
        made(0.4, first=1.0, search=5.0, sidegen=1.5),
        made(0.7, first=5.0, search=1.0, sidegen=5.0),
        made(0.9, first=1.0, search=9.0, sidegen=9.0),
    ]
    script.show(rows)
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | " in line]
    shares = {(line[0].strip("| "), line[2]): (line[1], line[3]) for line in lines[1:]}
    assert shares["0.5", "once"] == ("2", "50.0") and shares["0.5", "twice"] == ("2", "0.0")
    assert shares["0.5", "with SIDEGEN"] == ("2", "100.0")
    assert shares["0.8", "with SIDEGEN"] == ("3", "66.7")
    gains = {(line[0].strip("| "), line[2]): line[6] for line in lines[1:]}
    assert gains["0.5", "with SIDEGEN"].startswith("+25.0 (")
    assert gains["0.5", "twice"].startswith("-25.0 (")
