"""``manifest.json`` of a store: written last, so without it a store is not finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from molgen.errors import StoreError

MANIFEST = "manifest.json"


def read_manifest(
    folder: Path, kind: tuple[str, int], what: str = "store", parts: tuple[str, ...] = ("shards",)
) -> dict[str, Any]:
    """Return the manifest of a store.

    Args:
        kind: format and version that can be read.
        what: the store as messages name it.
        parts: keys whose values map the names of files to their sums.

    Raises:
        StoreError: there is none, it cannot be read, or it is of another format or version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise StoreError(f"{folder}: no {MANIFEST}: not a {what}, or it is not finished")
    try:
        manifest = dict(json.loads(path.read_text(encoding="utf-8")))
        found = (manifest["format"], manifest["version"])
        if found == kind:
            for part in parts:
                dict(manifest[part])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: not the manifest of a {what} ({error})") from None
    if found != kind:
        raise StoreError(
            f"{path}: format {found[0]} version {found[1]}, expected {kind[0]} version {kind[1]}"
        )
    return manifest


def check_present(folder: Path, names: Iterable[str]) -> None:
    """Look for the files of a store.

    Raises:
        StoreError: names the first one that is not there.
    """
    for name in names:
        if not (folder / name).is_file():
            raise StoreError(f"{folder}: {name} is missing; build the store again")


def check_sum(path: Path, expected: str | None) -> None:
    """Compare a file with its SHA-256 sum in the manifest.

    Raises:
        StoreError: they differ, or there is no such file.
    """
    check_present(path.parent, [path.name])
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise StoreError(f"{path}: content differs from the manifest; build the store again")
