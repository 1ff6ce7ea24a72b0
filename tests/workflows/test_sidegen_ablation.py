"""The ablation of SIDEGEN: its table, and that it goes on where it stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows/sidegen"))
import ablation  # noqa: E402

COMPLEXES = ROOT / "workflows/test/complexes"


def row(entry, arm, **values):
    usual = {
        "entry": entry, "arm": arm, "atoms": 20, "poses": 4, "evaluations": 80, "seconds": 1.0,
        "oracle": 1.0, "share": 0.5, "median": 4.0, "top": 3.0, "valid": 1, "energy": -5.0,
        "aligned_best": 0.5, "aligned_median": 1.5,
    }  # fmt: skip
    return {**usual, **values}


def test_a_second_run_measures_what_is_missing(tmp_path, monkeypatch, capsys):
    asked = []

    def measure(folder, arm, settings, seed):
        asked.append((folder.name, arm))
        return row(folder.name, arm)

    monkeypatch.setattr(ablation, "measure", measure)
    out = tmp_path / "ablation.csv"
    arms = list(ablation.arms(4, 2))
    for done in arms[:3]:
        ablation.append(out, ablation.COLUMNS, [row("6XG5_TOP", done)])
    monkeypatch.setattr("sys.argv", ["ablation.py", str(COMPLEXES), "--out", str(out)])
    ablation.main()
    wanted = [("6XG5_TOP", arm) for arm in arms[3:]] + [("7N03_ZRP", arm) for arm in arms]
    assert asked == wanted
    assert "2 entries" in capsys.readouterr().out
    ablation.main()
    assert asked == wanted


def test_the_table_covers_entries_that_all_arms_have():
    rows = [
        *(row(entry, arm) for entry in ("a", "b") for arm in ("x", ablation.EQUAL)),
        row("c", "x"),
        row("d", "x", share=1.0),
        row("d", ablation.EQUAL, share=0.5, oracle=9.0),
    ]
    text = ablation.table([{k: str(v) for k, v in r.items()} for r in rows], ["x", ablation.EQUAL])
    assert text.startswith("3 entries")
    x, equal = ([c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()[4:])
    assert x[4].startswith("67 (") and x[5].startswith("17 (")  # 2/3; 0.5 / 3
    assert equal[3].startswith("67 (") and equal[5] == "–"  # oracle 2 of 3
    assert x[8].startswith("100 (") and x[6].startswith("0 (") and x[7].startswith("4.00 (")


def test_entries_end_in_one_way():
    ends = [
        row("a", "x", top=1.0),
        row("b", "x", top=1.0, valid=0),
        row("c", "x"),
        row("d", "x", oracle=2.5),
        row("e", "x", oracle=2.5, aligned_best=1.2),
        row("f", "x", oracle=9.0, aligned_best=1.2),
    ]
    ends = [{k: str(v) for k, v in one.items()} for one in ends]
    assert [ablation.ENDS.index(ablation.end_of(one)) for one in ends] == [0, 1, 2, 3, 4, 4]
    rows = [*ends, *({**one, "arm": "rdkit"} for one in ends[:5])]
    assert ablation.causes(ends, ["x"]).splitlines()[2:] == ["| x | 1 | 1 | 1 | 1 | 2 |"]
    text = ablation.causes(rows, ["x", "rdkit"])  # entries that all arms have
    assert text.splitlines()[2:] == ["| x | 1 | 1 | 1 | 1 | 1 |"]


def test_conformers_have_distances_after_superposition_only(tmp_path):
    found = ablation.measure(COMPLEXES / "6XG5_TOP", "rdkit", ablation.arms(6, 2)["rdkit"], 0)
    assert found["poses"] == 6 and 0.0 < found["aligned_best"] <= found["aligned_median"] < 3.0
    for name in ("rdkit", "none"):
        known = found if name == "rdkit" else row("6XG5_TOP", name)
        ablation.append(tmp_path / "rows.csv", ablation.COLUMNS, [known])
    text = ablation.table(ablation.read_rows(tmp_path / "rows.csv"), ["rdkit", "none"])
    rdkit, none = ([c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()[4:])
    assert rdkit[2:10] == ["–"] * 8 and rdkit[11].startswith(f"{found['aligned_best']:.2f} (")
    assert none[5] == "–" and none[12] == "1.50 (1.50–1.50)"  # no arm to compare with


def test_arms_can_be_chosen(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "measure", lambda folder, arm, *_: row(folder.name, arm))
    call = ["ablation.py", str(COMPLEXES), "--out", str(tmp_path / "rows.csv")]
    monkeypatch.setattr("sys.argv", [*call, "--arm", "none", "--arm", ablation.EQUAL])
    ablation.main()
    assert {r["arm"] for r in ablation.read_rows(tmp_path / "rows.csv")} == {"none", ablation.EQUAL}
    monkeypatch.setattr("sys.argv", [*call, "--arm", "gide"])
    with pytest.raises(SystemExit):
        ablation.main()
    assert "no such arm: gide" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arm", "field"),
    [
        ("guide", "guidance"),
        ("tree", "inference"),
        ("cartesian", "space"),
        ("ligand only", "checkpoint"),
    ],
)
def test_arms_differ_from_none_in_one_thing(arm, field):
    settings = ablation.arms(4, 2, "blind")
    plain, other = settings["none"], settings[arm]
    changed = [n for n in vars(plain) if getattr(plain, n) != getattr(other, n)]
    assert changed == [field]


def test_shapes_stand_beside_those_of_the_network_that_sees_no_target_and_of_plain_draws():
    medians = {"none": (1.0, 2.0, 9.0), "tree": (1.0, 1.0, 1.0)}
    medians |= {"ligand only": (4.0, 4.0, 4.0), "ligand only, tree": (2.0, 0.5, 2.0)}
    rows = [
        {k: str(v) for k, v in row(entry, arm, aligned_median=value).items()}
        for arm, values in medians.items()
        for entry, value in zip("abc", values, strict=True)
    ]
    text = ablation.shapes(rows, list(medians))
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert [line[:2] for line in cells] == [
        ["none", "ligand only"], ["tree", "ligand only, tree"], ["tree", "ligand only"],
        ["tree", "none"],
    ]  # fmt: skip
    assert [line[2].split()[0] for line in cells] == [
        "50",
        "50",
        "75",
        "50",
    ]  # of medians, not of means
    assert [line[3] for line in cells] == ["2 of 3", "2 of 3", "3 of 3", "2 of 3"]
    assert cells[0][2] == "50 (-125 to 75)" and cells[2][2] == "75 (75 to 75)"
    assert len(ablation.shapes(rows, ["none", "tree"]).splitlines()) == 3


def test_arms_are_compared_with_plain_draws_of_about_as_many_evaluations():
    rows = [row("a", "none"), row("a", ablation.EQUAL, evaluations=160), row("a", "guide")]
    rows += [row("a", "tree", evaluations=156), row("a", "rdkit", evaluations="")]
    by_arm = {one["arm"]: {"a": {k: str(v) for k, v in one.items()}} for one in rows}
    found = {name: ablation.plain_arm(by_arm, name) for name in by_arm}
    assert found == {
        "none": [], ablation.EQUAL: [], "guide": ["none"], "tree": [ablation.EQUAL], "rdkit": [],
    }  # fmt: skip
