"""The page and the plots of predicted model quality."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from molgen.report.page import asset
from molgen.report.quality import write_quality_report
from molgen.report.quality_plots import overview_plot, profile_plot
from molgen.report.quality_profile import Profile, mean_in_bins, on_common_residues

NASTY = "</script><script>alert(1)</script>\"'&"


def profile(name="a", count=30, chains=1, true=False, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, count)
    values[count // 2] = np.nan
    return Profile(
        name=name,
        rank=1,
        value=float(np.nanmean(values)),
        true_value=0.5 if true else None,
        chains=tuple("ABCDEFGH"[at * chains // count] for at in range(count)),
        labels=tuple(f"{at - 3}{'B' if at == 7 else ''}" for at in range(count)),
        names=("ALA",) * count,
        predicted=values,
        true=rng.uniform(0, 1, count) if true else None,
    )


def row(name, value=0.5, **more):
    return {"rank": 1, "model": name, "file": f"{name}.pdb", "predicted_cad": value, **more,
            "residues": 30, "scored_residues": 29, "flags": "one; two"}  # fmt: skip


def page(path, **arguments):
    given = {"title": "T", "run": {}, "rows": [], "total": 0, "profiles": {}, **arguments}
    write_quality_report(path / "r.html", **given)
    return (path / "r.html").read_text("utf-8")


def test_everything_is_escaped_and_nothing_is_loaded(tmp_path):
    text = page(
        tmp_path, title=NASTY, run={"command": NASTY, "nested": {"x": NASTY}}, rows=[row(NASTY)],
        total=1, profiles={NASTY: profile(NASTY)}, failed=[(NASTY, NASTY)],
    )  # fmt: skip
    assert "<script>alert" not in text and text.count("</script>") == 2
    assert not re.search(r"(?:src|href)=\"(?!data:)", text) and "default-src 'none'" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert list(data["profiles"]) == [NASTY]


def test_the_data_of_a_profile(tmp_path):
    shown = profile(chains=2, true=True)
    text = page(tmp_path, rows=[row("a")], total=1, profiles={"a": shown})
    found = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])["profiles"]["a"]
    assert found["chains"] == [["A", 0, 15], ["B", 15, 30]]
    assert found["labels"] == [[-3, 7], "4B", [5, 22]]
    assert found["predicted"][15] == -1
    known = [value / 1000 for value in found["predicted"] if value >= 0]
    np.testing.assert_allclose(known, shown.predicted[~np.isnan(shown.predicted)], atol=5.1e-4)
    assert text.count('<path class="true"') == text.count('<path class="predicted"') == 1


def test_it_says_what_is_left_out_and_what_failed(tmp_path):
    text = page(tmp_path, rows=[row("a")], total=900, failed=[("b", "no atoms")])
    assert "the best <b>1</b> are on this page" in text and "<b>900</b> scored" in text
    assert "no atoms" in text and text.count('class="flag"') == 2
    nothing = page(tmp_path)
    assert "<b>0</b> scored" in nothing and re.search(r"<main>\s*</main>", nothing)


def test_agreement_and_numbers_that_are_none(tmp_path):
    found = {
        "models": 2,
        "measures": {"true_cad": {"models": 2, "pearson": None, "spearman": 0.5, "kendall": 0.25,
                                  "loss": 0.125, "error": 0.0625}},
        "residues": {"residues": 60, "pearson": 0.75},
        "calibration": [{"low": 0.4, "high": 0.5, "models": 2, "predicted": 0.45, "true": 0.5}],
    }  # fmt: skip
    text = page(tmp_path, rows=[row("a", true_cad=None)], total=1, agreement=found)
    assert "0.125" in text and "0.4–0.5" in text and '<td class="num">–</td>' in text


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_script_is_valid(tmp_path):
    (tmp_path / "quality.js").write_text(asset("quality.js"))
    subprocess.run(["node", "--check", str(tmp_path / "quality.js")], check=True)


def test_means_in_bins():
    values = np.array([0.0, 1.0, np.nan, 3.0, np.nan, np.nan])
    np.testing.assert_array_equal(mean_in_bins(values, 3), [0.5, 3.0, np.nan])
    assert mean_in_bins(values, 6) is values


def test_models_are_laid_on_common_residues():
    long, short = profile(count=5), profile(count=3)
    residues, values = on_common_residues([short, long])
    assert residues[0] == ("A", "-3") and values.shape == (2, 5)
    np.testing.assert_array_equal(values[0, 3:], [np.nan, np.nan])
    np.testing.assert_array_equal(values[1], long.predicted)


@pytest.mark.parametrize("chains", [1, 3, 8])
@pytest.mark.parametrize("true", [False, True])
def test_plots_are_drawn(tmp_path, chains, true):
    profile_plot(tmp_path / "p.png", profile("$x_1$", 40, chains, true))
    for count in (1, 5, 35, 70):
        shown = [profile(f"m{at}", 20 + at, chains, true, at) for at in range(count)]
        overview_plot(tmp_path / "o.png", shown, [p.value for p in shown],
                      [p.true_value for p in shown])  # fmt: skip
        assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_equal_scores_and_unscored_models_can_be_drawn(tmp_path):
    flat = profile()
    unscored = Profile("u", 2, 0.5, None, flat.chains, flat.labels, flat.names,
                       np.full(30, np.nan))  # fmt: skip
    overview_plot(tmp_path / "o.png", [flat] * 40, [0.5] * 40, [0.5] * 40)
    profile_plot(tmp_path / "p.png", unscored)
    profile_plot(tmp_path / "q.png", profile(count=1))


def test_columns_are_those_of_all_rows(tmp_path):
    """The best model may be one that the reference does not match."""
    rows = [row("a", 0.9), row("b", 0.8, true_cad=0.7)]
    assert ">True CAD<" in page(tmp_path, rows=rows, total=2)
