"""The fit of how draws count: what it keeps, that it goes on, and who judges whom."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from molgen.scoring.support import load_support

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflows/sidegen"))
import support as script  # noqa: E402


def test_a_run_fits_what_it_searched_and_goes_on(held, tmp_path, monkeypatch, capsys):
    far = script.ligand_rmsd  # a tiny search finds no right pose
    monkeypatch.setattr(script, "ligand_rmsd", lambda mol, coords: far(mol, coords) / 4.0)
    (tmp_path / "val.txt").write_text("7N03_ZRP\n")
    (tmp_path / "test.txt").write_text("6XG5_TOP\n")
    kept, out = tmp_path / "kept", tmp_path / "made"
    split = ["--split", str(tmp_path), "--kept", str(kept), "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["support.py", *held, *split])
    script.main()
    first = load_support(str(out))
    (folder,) = kept.iterdir()
    known = [script.load_file(path) for path in sorted(folder.iterdir())]
    assert len(known) == 2
    for tensors in known:
        sizes = {tensors[name].shape for name in ("confidence", "density", "rmsd")}
        assert len(sizes) == 1 and sizes != {(0,)}
        assert (tensors["density"] >= 0.0).all() and (tensors["density"] <= 1.0).all()
    assert "| once |" in capsys.readouterr().out
    card = (out / "MODEL_CARD.md").read_text()
    assert "2 held-out ligands" in card and "| twice, draws counted |" in card
    found = script.found
    monkeypatch.setattr(script, "found", None)
    script.main()  # nothing is left to search
    again = load_support(str(out))
    assert all(np.array_equal(a, b) for a, b in zip(first.buffers(), again.buffers(), strict=True))
    monkeypatch.setattr(script, "found", found)
    monkeypatch.setattr("sys.argv", ["support.py", *held, *split, "--seed", "11"])
    script.main()  # of another seed nothing is known yet
    other = kept / folder.name.replace("seed1", "seed11")
    assert sorted(other.iterdir()) and {folder, other} == set(kept.iterdir())
    assert (other / "6XG5_TOP.safetensors").read_bytes() != (
        folder / "6XG5_TOP.safetensors"
    ).read_bytes()


def made(name: str, part: str, rng: np.random.Generator, right: int = 0) -> script.Known:
    """Return a ligand of five poses; where draws gather, the pose is right four times in five."""
    rmsd = np.where(np.arange(5) == right, 1.0, 6.0)
    density = np.where(np.arange(5) == (right if rng.random() < 0.8 else 4), 0.4, 0.02)
    return script.Known(name, part, 6.0, rng.uniform(0.1, 0.4, 5), density, rmsd)


def test_a_ligand_is_judged_by_the_other_part():
    rng = np.random.default_rng(0)
    known = [made(f"{part}{k}", part, rng, k % 4) for part in ("val", "test") for k in range(30)]
    before = script.crossed(known)
    turned = [one._replace(rmsd=7.0 - one.rmsd) if one.part == "val" else one for one in known]
    after = script.crossed(turned)
    assert [sure for _, sure in after[:30]] == [sure for _, sure in before[:30]]
    assert [sure for _, sure in after[30:]] != [sure for _, sure in before[30:]]
    assert np.mean([right for right, _ in before]) > 0.6


def test_the_table_compares_with_one_search_and_two():
    one = script.Known("a", "val", 1.0, np.array([0.3, 0.2]), np.zeros(2), np.array([5.0, 1.0]))
    other = one._replace(name="b", first=6.0, confidence=np.array([0.6, 0.2]))
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in script.table([one, other], [(True, 0.8), (True, 0.4)]).splitlines()[2:]
    ]
    once, twice, drawn = lines
    assert (once[1], twice[1], drawn[1]) == ("50.0", "0.0", "100.0")
    assert twice[2].startswith("-50.0 (") and drawn[2].startswith("+100.0 (")
    assert twice[3:] == ["45, 0", "60, 0 (1 ligands)"]
    assert drawn[3:] == ["60, 100", "80, 100 (1 ligands)"]


def test_one_part_alone_is_not_enough(held, tmp_path, monkeypatch):
    (tmp_path / "val.txt").write_text("unknown\n")
    split = ["--split", str(tmp_path), "--kept", str(tmp_path / "kept"), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["support.py", *held, *split])
    with pytest.raises(SystemExit, match="no ligand in doubt in the validation or the test part"):
        script.main()
