"""Dividing the targets of quality stores so that similar proteins fall on one side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from molgen.datasets.sequences import cluster_sequences
from molgen.datasets.splits import PARTS, SplitOptions, split_ids
from molgen.errors import InputError


def split_targets(
    sequences: Mapping[str, str], *, seed: int, fractions: tuple[float, float, float]
) -> dict[str, list[str]]:
    """Return {part: sorted targets}; clusters of sequences (`cluster_sequences`) stay whole.

    Raises:
        InputError: no target.
        ConfigError: fractions that do not sum to 1.
    """
    rows = [
        {"id": name, "status": "ok", "sequence": sequence} for name, sequence in sequences.items()
    ]
    return split_ids(rows, SplitOptions("sequence", seed, fractions))


def similar_targets(sequences: Mapping[str, str], others: Iterable[str]) -> list[str]:
    """Return the targets in a cluster with any sequence of ``others``, sorted."""
    names = list(sequences)
    labels = cluster_sequences([*(sequences[name] for name in names), *others])
    taken = set(labels[len(names) :].tolist())
    return sorted(name for name, label in zip(names, labels, strict=False) if label in taken)


def read_split(folder: str | Path) -> dict[str, list[str]]:
    """Return {part: targets} of a folder with train.txt, val.txt and test.txt, one name a line.

    Raises:
        InputError: val.txt is missing (the other two may be), or a list is not UTF-8 text.
    """
    parts: dict[str, list[str]] = {}
    for part in PARTS:
        path = Path(folder) / f"{part}.txt"
        if not path.is_file() and part != "val":
            parts[part] = []
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise InputError(f"{path}: no split there ({error.strerror})") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: is not UTF-8 text") from None
        parts[part] = [line.strip() for line in lines if line.strip()]
    return parts


def apply_split(
    sequences: Mapping[str, str], parts: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return {part: targets} for a split that may have been made for other stores.

    Validation and test targets are those listed. All others train unless they are similar to
    one of these, so that stores can grow without leaking into an old split.
    """
    held = {name for part in ("val", "test") for name in parts[part] if name in sequences}
    rest = {name: sequence for name, sequence in sequences.items() if name not in held}
    leaking = set(similar_targets(rest, [sequences[name] for name in sorted(held)]))
    return {
        "train": sorted(set(rest) - leaking),
        "val": sorted(set(parts["val"]) & held),
        "test": sorted(set(parts["test"]) & held),
    }
