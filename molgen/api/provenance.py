"""What a run was: command, settings, versions, input checksums, timings."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import molgen

_PACKAGES = ("numpy", "rdkit", "numba", "gemmi", "posebusters", "torch", "vina", "meeko")


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def run_record(
    *,
    command: str,
    config: dict[str, Any],
    inputs: Sequence[str | Path],
    timings: dict[str, float],
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Return the content of run.json, JSON-ready; timings in seconds."""
    return {
        "molgen": molgen.__version__,
        "command": command,
        "device": config.get("device", "cpu"),
        "seed": config.get("seed"),
        "sampler": config.get("sampler"),
        **extra,
        "inputs": {Path(path).name: sha256_of(path) for path in inputs},
        "timings": {name: round(seconds, 3) for name, seconds in timings.items()},
        "versions": _versions(),
        "config": config,
    }


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0], "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
