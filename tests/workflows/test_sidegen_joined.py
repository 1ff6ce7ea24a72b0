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

    def measure(name, protein, ligand):
        asked.append(name)
        return [[20, arm, "1.0", "3.0", "1.0", "-5.0"] for arm in joined.ARMS]

    monkeypatch.setattr(joined, "measure", measure)
    joined.append(call, [["6XG5_TOP", 5, *row] for row in measure("", None, None)])
    asked.clear()
    joined.main()
    assert asked == ["7N03_ZRP"] and "2 ligands" in capsys.readouterr().out
    joined.main()
    assert asked == ["7N03_ZRP"]


def test_every_arm_is_measured_alike(call, monkeypatch):
    light = {
        joined.ALONE: SidegenSettings(),
        "joined": SidegenSettings(samples=2, steps=2, rounds=1),
    }
    monkeypatch.setattr(joined, "ARMS", light)
    from molgen.io import read_ligand, read_protein

    folder = COMPLEXES / "6XG5_TOP"
    protein = read_protein(folder / "6XG5_TOP_protein.pdb")
    rows = joined.measure("6XG5_TOP", protein, read_ligand(folder / "6XG5_TOP_ligand.sdf"))
    assert [row[1] for row in rows] == list(light)
    for atoms, _, seconds, top, best, energy in rows:
        assert atoms == 21 and float(seconds) > 0
        assert 0 < float(best) <= float(top) and float(energy) < 0


def test_the_table_counts_lower_energies():
    rows = [
        {"id": name, "arm": arm, "top": "1.0", "best": "0.5", "cpu": "2.0", "energy": str(energy)}
        for name, energies in {"a": [-5, -6, -5, -4], "b": [-5, -6, -5.01, -4]}.items()
        for arm, energy in zip(joined.ARMS, energies, strict=True)
    ]
    lines = joined.table(rows).splitlines()
    assert lines[0] == "2 ligands"
    assert [line.split("|")[4].strip() for line in lines[4:]] == ["–", "2", "0", "0"]
