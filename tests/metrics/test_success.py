"""Rates and intervals against hand calculations."""

import math

import pytest

from molgen.metrics import Outcome, summarise, wilson_interval
from molgen.metrics.success import paired_difference, proportion


def test_wilson_by_hand():
    # Newcombe (1998) Stat. Med. 17, 857, table I, method 3: 81/263, 15/148, 0/20, 1/29
    for k, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson_interval(k, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_limits():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(5, 5)[1] == 1.0
    with pytest.raises(ValueError, match="k <= n"):
        wilson_interval(6, 5)
    assert proportion([]).percent() == "n/a"
    assert proportion([True, False]).percent().startswith("50.0 %")


def test_failures_stay_in_the_denominator():
    outcomes = [
        Outcome("a", (0.5, 3.0), (True, None), aligned=(0.2, 1.0), seconds=4.0),
        Outcome("b", (3.0, 1.5), (True, None), aligned=(0.4, 1.0), seconds=2.0),
        Outcome("c", (1.9,), (False,), aligned=(0.6,), seconds=9.0),
        Outcome("d", reason="no embedding"),
    ]
    summary = summarise(outcomes)
    counts = {name: rate.successes for name, rate in summary["rates"].items()}
    assert summary["attempted"] == 4 and summary["produced"] == 3
    assert summary["failed"] == {"no embedding": 1}
    assert all(rate.total == 4 for rate in summary["rates"].values())
    assert counts["top1_1A"] == 1 and counts["top1_2A"] == 2 and counts["top1_5A"] == 3
    assert counts["top5_2A"] == 3 and counts["oracle_2A"] == 3
    assert counts["valid"] == 2 and counts["joint_2A"] == 1 and counts["joint_5A"] == 2
    assert summary["medians"]["top1_rmsd"] == pytest.approx(1.9)
    assert summary["medians"]["oracle_rmsd"] == pytest.approx(1.5)
    assert summary["medians"]["seconds"] == pytest.approx(4.0)


def test_failures_are_counted_by_kind():
    reasons = (
        "row 2 (a: b): unclosed ring for input: 'C1CC'",
        "row 3: unclosed ring for input: 'C1CCC'",
        "many.sdf record 4: unclosed ring for input",
        "some/file.sdf: no molecule",
        "other/file.sdf: no molecule",
        "empty.pdb: no molecule",
        "",
    )
    failed = summarise([Outcome(str(k), reason=text) for k, text in enumerate(reasons)])["failed"]
    assert failed == {"unclosed ring for input": 3, "no molecule": 3, "not produced": 1}
    assert list(failed)[-1] == "not produced"


def test_top5_ends_at_rank_five():
    outcome = Outcome("a", (9.0, 9.0, 9.0, 9.0, 9.0, 0.5))
    assert outcome.best(5) == 9.0 and outcome.best(None) == 0.5


def test_nothing_attempted_or_checked():
    assert math.isnan(summarise([])["medians"]["top1_rmsd"])
    assert "valid" not in summarise([Outcome("a", (1.0,), (None,))])["rates"]
    assert not Outcome("a", (math.nan,)).best(1) <= 5


def test_paired_difference_by_hand():
    # 10 entries, first alone solves 5, second alone 1: McNemar exact 2 * (1 + 6) / 2^6
    first = [True] * 5 + [False] + [True] * 2 + [False] * 2
    second = [False] * 5 + [True] + [True] * 2 + [False] * 2
    result = paired_difference(first, second)
    assert result.difference == pytest.approx(0.4)
    assert (result.only_first, result.only_second) == (5, 1)
    assert result.p_value == pytest.approx(2 * 7 / 64)
    # the sum of ten draws of 1, -1 and 0 with 0.5, 0.1 and 0.4 is below 0 in 2.0 %, above 8 in
    # 0.9 %; at most 0 in 5.2 %, at least 8 in 3.9 %
    assert (result.low, result.high) == (pytest.approx(0.0), pytest.approx(0.8))
    assert paired_difference([True], [True]).p_value == 1.0
    with pytest.raises(ValueError, match="equal"):
        paired_difference([True], [])


def test_the_interval_of_a_paired_difference_holds_95_percent():
    # 30 of 100 entries for the first alone: 0.3 ± 1.96 sqrt(0.3 * 0.7 / 100)
    result = paired_difference([True] * 30 + [False] * 70, [False] * 100)
    assert result.low == pytest.approx(0.21, abs=0.011)
    assert result.high == pytest.approx(0.39, abs=0.011)
