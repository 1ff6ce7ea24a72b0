"""Search with proposals against search alone: what is measured, and that a run goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from molgen.search.settings import SidegenSettings

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows/sidegen"))
import joined  # noqa: E402

COMPLEXES = ROOT / "workflows/test/complexes"


@pytest.fixture
def call(tmp_path, monkeypatch):
    (tmp_path / "test.txt").write_text("6XG5_TOP\nunknown\n7N03_ZRP\n")
    out = tmp_path / "rows.csv"
    places = [str(COMPLEXES), "--ids", str(tmp_path / "test.txt"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["joined.py", *places, "--torsions", "2"])
    return out


def test_a_second_run_measures_what_is_missing(call, monkeypatch, capsys):
    asked = []

    def measure(name, protein, ligand, arms):
        asked.append(name)
        numbers = {"cpu": 1.0, "lowest": 3.0, "first": 2.5, "best": 1.0, "energy": -5.0}
        return [{"id": name, "atoms": 20, "arm": arm, **numbers} for arm in arms]

    monkeypatch.setattr(joined, "measure", measure)
    joined.append(call, joined.COLUMNS, measure("6XG5_TOP", None, None, joined.ARMS))
    asked.clear()
    joined.main()
    assert asked == ["7N03_ZRP"] and "2 ligands" in capsys.readouterr().out
    joined.main()
    assert asked == ["7N03_ZRP"]


def test_an_arm_that_joins_later_is_measured_alone(call, monkeypatch, capsys):
    asked = []

    def measure(name, protein, ligand, arms):
        asked.append((name, *arms))
        numbers = {"cpu": 1.0, "lowest": 3.0, "first": 2.5, "best": 1.0, "energy": -5.0}
        return [{"id": name, "atoms": 20, "arm": arm, **numbers} for arm in arms]

    monkeypatch.setattr(joined, "measure", measure)
    _, second, *_ = joined.ARMS
    argv = list(sys.argv)
    monkeypatch.setattr("sys.argv", [*argv, "--arm", second])
    joined.main()
    assert "2 ligands" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", [*argv, "--arm", second, "--arm", joined.ALONE])
    joined.main()
    assert sorted(asked[2:]) == [("6XG5_TOP", joined.ALONE), ("7N03_ZRP", joined.ALONE)]
    assert f"| {second} | 0.0 %" in capsys.readouterr().out


def test_every_arm_is_measured_alike():
    light = {
        joined.ALONE: SidegenSettings(),
        "joined": SidegenSettings(samples=2, steps=2, rounds=1),
    }
    from molgen.io import read_ligand, read_protein

    folder = COMPLEXES / "6XG5_TOP"
    protein = read_protein(folder / "6XG5_TOP_protein.pdb")
    ligand = read_ligand(folder / "6XG5_TOP_ligand.sdf")
    rows = joined.measure("6XG5_TOP", protein, ligand, light)
    assert [row["arm"] for row in rows] == list(light)
    for row in rows:
        assert row["id"] == "6XG5_TOP" and row["atoms"] == 21 and float(row["cpu"]) > 0
        lowest, first, best = (float(row[key]) for key in ("lowest", "first", "best"))
        assert 0 < best <= min(lowest, first) and float(row["energy"]) < 0


def test_the_table_counts_lower_energies():
    rows = [
        {
            "id": name,
            "arm": arm,
            "lowest": "3.0",
            "first": "1.0" if name == "a" else "",
            "best": "0.5",
            "cpu": "2.0",
            "energy": str(energy),
        }
        for name, energies in {"a": [-5, -6, -5, -4], "b": [-5, -6, -5.01, -4]}.items()
        for arm, energy in zip(joined.ARMS, energies, strict=True)
    ]
    lines = joined.table(rows, joined.ARMS).splitlines()
    assert lines[0] == "2 ligands"
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:]]
    assert [row[4] for row in cells] == ["–", "2", "0", "0"]
    assert cells[0][1].startswith("0.0 %") and cells[0][3].startswith("100.0 %")
    assert cells[0][2] == "–"  # one row does not tell
