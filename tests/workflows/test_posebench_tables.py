"""The tables of molgen's arm: rows of a made-up run, ranked by confidence and by energy."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows/posebench"))
import tables  # noqa: E402


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def run(tmp_path):
    """One entry with three poses, and one that failed."""
    folder = tmp_path / "run" / "astex" / "evaluation" / "molgen"
    known = {"status": "ok", "poses": 3, "top1_rmsd": 1.5, "top5_rmsd": 0.5, "oracle_rmsd": 0.5}
    known |= {"valid": "true", "heavy_atoms": 9, "rotatable_bonds": 2, "seconds": 4.0}
    failed = dict.fromkeys(known, "") | {"status": "failed", "reason": "no conformer"}
    rows = [{"id": "1AAA_X", "reason": ""} | known, {"id": "2BBB_X", "reason": ""} | failed]
    write(folder / "evaluation.csv", rows)
    poses = [(1, -7.0, 1.5, "true"), (2, -9.0, 6.0, "false"), (3, -8.0, 0.5, "true")]
    write(
        folder / "poses.csv",
        [{"id": "1AAA_X", "rank": r, "score": s, "rmsd": d, "valid": ""} for r, s, d, _ in poses],
    )
    made = tmp_path / "run" / "astex" / "molgen" / "1AAA_X"
    write(made / "summary.csv", [{"rank": r, "posebusters_pass": ok} for r, _, _, ok in poses])
    write(made / "status.csv", [{"notes": "searched twice: confidence of the first pose 0.31"}])
    (made / "run.json").write_text(json.dumps({"molgen": "0.1.0", "commit": "abc"}))
    return tmp_path


def test_rows_rank_by_energy_as_the_command_does(run, monkeypatch, capsys):
    out = run / "rows.csv"
    monkeypatch.setattr("sys.argv", ["tables.py", str(out), str(run / "run")])
    tables.main()
    first, second = tables.read(out)
    # the lowest energy is that of a pose which is not valid
    assert (first["energy_top1_rmsd"], first["energy_valid"]) == ("0.5", "true")
    assert (first["energy_top5_rmsd"], first["top10_rmsd"]) == ("0.5000", "0.5000")
    assert (first["commit"], second["status"], second["top1_rmsd"]) == ("abc", "failed", "")
    assert (first["searched"], second["searched"]) == ("twice", "")
    said = capsys.readouterr().out
    assert "| searched twice | 1 | 100.0" in said and "searched once" not in said
    assert "| produced | 1 | 1 |" in said and "| **joint, %** | 50.0 (9.5–90.5) |" in said
    assert "| 2BBB_X | – | – |" in said
    monkeypatch.setattr("sys.argv", ["tables.py", str(out)])
    tables.main()
    assert capsys.readouterr().out == said


def test_a_wrong_run_leaves_the_rows_and_a_shard_replaces_its_own(run, monkeypatch, capsys):
    out = run / "rows.csv"
    known = dict.fromkeys(tables.COLUMNS, "") | {"rotatable_bonds": "1", "seconds": "1.0"}
    others = [known | {"set": "astex", "id": name} for name in ("1AAA_X", "9ZZZ_X")]
    write(out, others)
    monkeypatch.setattr("sys.argv", ["tables.py", str(out), str(run / "nothing")])
    with pytest.raises(SystemExit):
        tables.main()
    assert "no */evaluation/molgen" in capsys.readouterr().err
    assert [row["id"] for row in tables.read(out)] == ["1AAA_X", "9ZZZ_X"]
    monkeypatch.setattr("sys.argv", ["tables.py", str(out), str(run / "run")])
    tables.main()
    found = {row["id"]: row["status"] for row in tables.read(out)}
    assert found == {"1AAA_X": "ok", "2BBB_X": "failed", "9ZZZ_X": ""}


def test_the_shipped_rows_give_the_shipped_table(capsys):
    tables.show(tables.read(ROOT / "docs/benchmarks/molgen.csv"))
    document = (ROOT / "docs/benchmarks.md").read_text("utf-8").replace("*", "")
    lines = capsys.readouterr().out.replace("*", "").splitlines()
    for title in ("top-1 ≤ 2 Å, %", "best of 40 ≤ 2 Å, %", "joint, %", "steered the search"):
        (line,) = (line for line in lines if line.startswith(f"| {title} |"))
        assert line in document, line
