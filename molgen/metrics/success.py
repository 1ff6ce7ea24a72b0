"""Success rates with intervals: failures stay in the denominator."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

THRESHOLDS = (1.0, 2.0, 5.0)
"""RMSD thresholds in Å at which success is counted."""


class Proportion(NamedTuple):
    """``successes`` of ``total`` with its Wilson interval; all fractions between 0 and 1."""

    successes: int
    total: int
    value: float
    low: float
    high: float

    def percent(self) -> str:
        """Return e.g. ``62.5 % (51.2-72.6)``."""
        if not self.total:
            return "n/a"
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f}-{100 * self.high:.1f})"


_PLACE = re.compile(r"^(row \d+( \(.*?\))?|\S.* record \d+|[^:]*(/|\.\w{2,4})[^ :]*): ")
"""Where a table of ligands has what failed, or the file that did."""


@dataclass(frozen=True)
class Outcome:
    """What became of one attempted entry.

    Attributes:
        name: identifier of the entry.
        rmsds: in-place RMSD of every returned pose in rank order, Å; empty when none came.
        valid: whether the pose of that rank passes all PoseBusters checks; None if not checked.
        reason: why there are no poses ("" when there are).
        aligned: aligned RMSD by rank, Å.
        centroid: centroid distance by rank, Å.
        seconds: wall time of the run, None if not recorded.
    """

    name: str
    rmsds: tuple[float, ...] = ()
    valid: tuple[bool | None, ...] = ()
    reason: str = ""
    aligned: tuple[float, ...] = ()
    centroid: tuple[float, ...] = ()
    seconds: float | None = None
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def produced(self) -> bool:
        """True when at least one pose was returned."""
        return bool(self.rmsds)

    def best(self, top: int | None) -> float:
        """Smallest RMSD among the first ``top`` poses (None: all); inf without poses."""
        finite = [r for r in self.rmsds[:top] if math.isfinite(r)]
        return min(finite, default=math.inf)

    def joint(self, threshold: float) -> bool:
        """True when the top pose is within ``threshold`` Å and passes all checks."""
        return self.best(1) <= threshold and bool(self.valid[:1] and self.valid[0])


def wilson_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of ``k`` successes in ``n`` trials; (0, 1) for n = 0.

    Wilson (1927) J. Am. Stat. Assoc. 22, 209, without continuity correction.

    Raises:
        ValueError: not 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"wilson_interval: expected 0 <= k <= n, got k={k}, n={n}")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # the ends are exactly 0 and 1 at k = 0 and k = n; rounding must not say otherwise
    low = 0.0 if k == 0 else max(0.0, middle - half)
    high = 1.0 if k == n else min(1.0, middle + half)
    return low, high


def proportion(flags: Sequence[bool]) -> Proportion:
    """Return how many of ``flags`` are true, with the Wilson interval."""
    count, total = int(sum(bool(f) for f in flags)), len(flags)
    low, high = wilson_interval(count, total)
    return Proportion(count, total, count / total if total else math.nan, low, high)


def summarise(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return counts, success rates and medians of a run; every outcome is in each denominator.

    Keys: ``attempted``, ``produced``, ``failed`` (kind of reason -> count), ``rates`` (name ->
    `Proportion`; ``top1_2A``, ``top5_2A``, ``oracle_2A``, ... , ``valid``, ``joint_1A``,
    ``joint_2A``, ``joint_5A``) and ``medians`` (over produced entries; NaN without any).
    Checked poses are those of rank 1, so ``valid`` means that the top pose passes.
    """
    failed: dict[str, int] = {}
    for outcome in outcomes:
        if not outcome.produced:
            kind = _kind(outcome.reason) or "not produced"
            failed[kind] = failed.get(kind, 0) + 1
    rates: dict[str, Proportion] = {}
    for label, top in (("top1", 1), ("top5", 5), ("oracle", None)):
        for limit in THRESHOLDS:
            rates[f"{label}_{limit:g}A"] = proportion([o.best(top) <= limit for o in outcomes])
    if any(v is not None for o in outcomes for v in o.valid[:1]):
        rates["valid"] = proportion([bool(o.valid[:1] and o.valid[0]) for o in outcomes])
        for limit in THRESHOLDS:
            rates[f"joint_{limit:g}A"] = proportion([o.joint(limit) for o in outcomes])
    done = [o for o in outcomes if o.produced]
    medians = {
        "top1_rmsd": _median([o.best(1) for o in done]),
        "oracle_rmsd": _median([o.best(None) for o in done]),
        "top1_aligned_rmsd": _median([o.aligned[0] for o in done if o.aligned]),
        "top1_centroid_distance": _median([o.centroid[0] for o in done if o.centroid]),
        "poses": _median([float(len(o.rmsds)) for o in done]),
        "seconds": _median([o.seconds for o in done if o.seconds is not None]),
    }
    return {
        "attempted": len(outcomes),
        "produced": len(done),
        "failed": dict(sorted(failed.items(), key=lambda item: (-item[1], item[0]))),
        "rates": rates,
        "medians": medians,
    }


def _kind(reason: str) -> str:
    """Return a reason without its place (row, record, file) and its details, to be counted."""
    return _PLACE.sub("", reason).split(": ")[0][:100]


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two success rates over the same entries (first minus second).

    Attributes:
        difference: in fractions, with ``low`` and ``high`` of its 95 % bootstrap interval.
        only_first, only_second: entries that only one of the two solves.
        p_value: exact two-sided McNemar test.
    """

    difference: float
    low: float
    high: float
    only_first: int
    only_second: int
    p_value: float


def paired_difference(
    first: Sequence[bool], second: Sequence[bool], *, draws: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Compare two success lists over the same entries in the same order.

    Raises:
        ValueError: different lengths or no entries.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"paired_difference: expected equal, non-zero numbers of entries, got "
            f"{len(first)} and {len(second)}"
        )
    delta = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    only_first, only_second = int((delta > 0).sum()), int((delta < 0).sum())
    # resampling entries draws the two kinds of disagreement from a multinomial
    counts = np.random.default_rng(seed).multinomial(
        len(delta),
        np.array([only_first, only_second, len(delta) - only_first - only_second]) / len(delta),
        size=draws,
    )
    means = (counts[:, 0] - counts[:, 1]) / len(delta)
    low, high = np.quantile(means, [0.025, 0.975])
    discordant = only_first + only_second
    from scipy.stats import binomtest  # takes half a second to import

    p_value = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return PairedDifference(
        float(delta.mean()), float(low), float(high), only_first, only_second, p_value
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else math.nan
