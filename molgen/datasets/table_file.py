"""Tables of a store: CSV files with columns known beforehand."""

from __future__ import annotations

import csv
from pathlib import Path

from molgen.errors import StoreError


def read_table(path: Path, expected: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a table, in order.

    Raises:
        StoreError: unreadable, or of other columns than ``expected``.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from None
    if columns != expected:
        raise StoreError(f"{path}: columns {', '.join(columns)}; expected {', '.join(expected)}")
    return rows
