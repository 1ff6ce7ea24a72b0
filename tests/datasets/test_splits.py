"""Clusters and splits: laws that hold for every seed, and counts done by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from molgen.datasets.sequences import cluster_sequences, words
from molgen.datasets.shard import Row
from molgen.datasets.splits import PARTS, SplitOptions, split_ids
from molgen.errors import ConfigError, InputError

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def made_rows(families: int, members: int) -> list[Row]:
    rng = np.random.default_rng(3)
    rows = []
    for family, member in itertools.product(range(families), range(members)):
        if member == 0:
            parent = rng.choice(LETTERS, 150)
        child = parent.copy()
        child[rng.integers(0, 150, 8)] = "A"  # about 5 % mutated
        rows.append(
            {
                "id": f"{family:02d}_{member}",
                "status": "ok",
                "sequence": "".join(child),
                "year": str(1990 + family),
            }
        )
    return rows


def test_words_do_not_span_gaps() -> None:
    assert words("ACDEF") == {"ACDE", "CDEF"}
    assert words("ACDE-FGHXKLMN") == {"ACDE", "KLMN"}
    assert words("ACD") == set()


def test_clusters_by_hand() -> None:
    # 1 and 2 share CDEF, DEFG of 3 words each; 3 shares nothing; 4 has no word at all.
    assert cluster_sequences(["ACDEFG", "CDEFGH", "KLMNPQ", "KL"]).tolist() == [0, 0, 1, 2]
    assert cluster_sequences([]).tolist() == []
    # A long sequence holding a short one: all of the short one's words are shared.
    assert cluster_sequences(["ACDEFGHIKLMNPQRSTVWY", "HIKLM"]).tolist() == [0, 0]


def test_families_are_found() -> None:
    labels = cluster_sequences([row["sequence"] for row in made_rows(12, 5)])
    assert labels.tolist() == [family for family in range(12) for _ in range(5)]


@pytest.mark.parametrize("kind", ["random", "sequence", "time"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_usable_id_once_and_repeatable(kind: str, seed: int) -> None:
    rows = [*made_rows(20, 5), {"id": "bad", "status": "failed", "sequence": "", "year": ""}]
    options = SplitOptions(kind, seed)
    parts = split_ids(rows, options)
    assert list(parts) == list(PARTS)
    found = sorted(itertools.chain.from_iterable(parts.values()))
    assert found == sorted(row["id"] for row in rows if row["status"] == "ok")
    assert parts == split_ids(rows[::-1], options)
    assert [len(parts[name]) for name in PARTS] == [80, 10, 10]
    if kind == "random":
        assert parts != split_ids(rows, SplitOptions(kind, seed + 1))
    else:  # families, which here are also years, stay whole
        seen = [{name.split("_")[0] for name in ids} for ids in parts.values()]
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_time_split_is_ordered() -> None:
    parts = split_ids(made_rows(20, 5), SplitOptions("time"))
    assert {name[:2] for name in parts["test"]} == {"18", "19"}
    assert {name[:2] for name in parts["val"]} == {"16", "17"}


@pytest.mark.parametrize("newest", [40, 97])
def test_a_large_year_is_the_test_set_all_the_same(newest: int) -> None:
    years = [2020] * newest + [2019] * (99 - newest) + [2018]
    rows = [{**row, "year": str(y)} for row, y in zip(made_rows(20, 5), years, strict=True)]
    parts = split_ids(rows, SplitOptions("time"))
    assert [len(parts[name]) for name in PARTS] == [1, 99 - newest, newest]
    with pytest.raises(InputError, match="from 2 years; expected 3 or more"):
        split_ids(rows[:99], SplitOptions("time"))
    two = split_ids(rows[:99], SplitOptions("time", fractions=(0.9, 0.0, 0.1)))
    assert [len(two[name]) for name in PARTS] == [99 - newest, 0, newest]


def test_one_huge_family_goes_to_train() -> None:
    rows = made_rows(1, 60) + [{**r, "id": "x" + r["id"]} for r in made_rows(40, 1)[1:]]
    parts = split_ids(rows, SplitOptions("sequence"))
    assert {r["id"] for r in rows if r["id"].startswith("00_")} <= set(parts["train"])


def test_refusals() -> None:
    rows = made_rows(2, 2)
    rows[1]["year"] = ""
    with pytest.raises(InputError, match=r"1 of 4 entries have no year \(00_1"):
        split_ids(rows, SplitOptions("time"))
    with pytest.raises(InputError, match="no usable entry"):
        split_ids([], SplitOptions())
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        SplitOptions("randon")
    with pytest.raises(ConfigError, match="summing to 1"):
        SplitOptions(fractions=(0.5, 0.1, 0.1))
