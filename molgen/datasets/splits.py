"""Dividing the entries of a store into train, validation and test lists of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molgen.datasets.sequences import cluster_sequences
from molgen.datasets.shard import Row
from molgen.errors import ConfigError, InputError, suggest

KINDS = ("random", "time", "sequence")
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitOptions:
    """How to divide.

    Attributes:
        kind: one of `KINDS`.
        seed: of the shuffling; the time split has none.
        fractions: wished shares of train, val and test, summing to 1. A sequence split keeps
            clusters whole and a time split keeps years whole, so theirs are met roughly.
    """

    kind: str = "random"
    seed: int = 0
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"unknown split {self.kind!r}{suggest(self.kind, KINDS)}")
        shares = self.fractions
        if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ConfigError(f"split fractions must be three shares summing to 1, got {shares}")


def split_ids(rows: Sequence[Row], options: SplitOptions) -> dict[str, list[str]]:
    """Return {part: sorted ids} of the usable rows of a store's index.

    random: shuffled. time: the newest years are the test set, the ones before validation, one year
    at least each; needs a year for every entry. sequence: clusters of the pocket chains
    (`cluster_sequences`), whole.

    Raises:
        InputError: no usable entry, years missing, or too few of them.
    """
    rows = sorted((row for row in rows if row["status"] == "ok"), key=lambda row: row["id"])
    if not rows:
        raise InputError("no usable entry to split")
    if options.kind == "time":
        years = _years(rows)
        # Newest first; the id breaks no tie because a year is one group.
        _, groups = np.unique(-years, return_inverse=True)
        order = np.arange(groups.max() + 1)
        parts = sum(share > 0 for share in options.fractions)
        if len(order) < parts:
            raise InputError(
                f"time split: all entries are from {len(order)} years; expected {parts} or more"
            )
    else:
        if options.kind == "random":
            groups = np.arange(len(rows))
        else:
            groups = cluster_sequences([row["sequence"] for row in rows])
        order = np.random.default_rng(options.seed).permutation(groups.max() + 1)
    part = _fill(groups, order, options)
    return {
        name: [row["id"] for row, where in zip(rows, part, strict=True) if where == k]
        for k, name in enumerate(PARTS)
    }


def _years(rows: Sequence[Row]) -> np.ndarray:
    unknown = [row["id"] for row in rows if not row["year"]]
    if unknown:
        raise InputError(
            f"time split: {len(unknown)} of {len(rows)} entries have no year ({unknown[0]}, ...); "
            "give a column 'year' in RAW/index.csv or PDBBind's INDEX file"
        )
    return np.array([int(row["year"]) for row in rows])


def _fill(groups: np.ndarray, order: np.ndarray, options: SplitOptions) -> np.ndarray:
    """Return the part (position in `PARTS`) of every row: groups fill test, then val, then train.

    A group that would overfill test or val goes to train, so that one large family does not become
    the whole test set.
    """
    sizes = np.bincount(groups)
    if options.kind == "time":
        return _fill_in_order(sizes, order, options.fractions)[groups]
    part = np.zeros(len(sizes), dtype=np.int64)
    waiting = list(order)
    for where in (2, 1):
        room = round(options.fractions[where] * len(groups))
        rest = []
        for group in waiting:
            if sizes[group] <= room:
                part[group] = where
                room -= sizes[group]
            else:
                rest.append(group)
        waiting = rest
    return part[groups]


def _fill_in_order(sizes: np.ndarray, order: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Return the part of every group; those of ``order`` fill test, then val, then train.

    Every part with a share gets one group at least. A further one goes where more than half of it
    fits.
    """
    part = np.zeros(len(sizes), dtype=np.int64)
    waiting = list(order)
    for where in (2, 1):
        room = round(fractions[where] * sizes.sum())
        needed = sum(share > 0 for share in fractions[:where])  # groups for the parts to come
        empty = fractions[where] > 0
        while len(waiting) > needed and (empty or room * 2 >= sizes[waiting[0]]):
            group = waiting.pop(0)
            part[group] = where
            room -= sizes[group]
            empty = False
    return part
