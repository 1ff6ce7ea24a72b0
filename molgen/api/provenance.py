"""What a run was: command, settings, versions, input checksums, timings."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import molgen

_PACKAGES = (
    "numpy",
    "rdkit",
    "numba",
    "gemmi",
    "posebusters",
    "torch",
    "vina",
    "meeko",
    "openmm",
    "pdbfixer",
)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def input_record(path: str | Path) -> dict[str, str]:
    """Return file name and SHA-256 of an input, for run.json."""
    return {"file": Path(path).name, "sha256": sha256_of(path)}


def run_record(
    *,
    command: str,
    config: dict[str, Any],
    inputs: Mapping[str, Mapping[str, str]],
    timings: dict[str, float],
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Return the content of run.json, JSON-ready; timings in seconds."""
    return {
        "molgen": molgen.__version__,
        "commit": code_commit(),
        "command": command,
        "device": config.get("device", "cpu"),
        "seed": config.get("seed"),
        "sampler": config.get("sampler"),
        **extra,
        "inputs": {role: dict(entry) for role, entry in inputs.items()},
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


def code_commit() -> str:
    """Return the git commit of the source tree, with ``+`` for local changes; else "unknown"."""
    import subprocess

    root = Path(molgen.__file__).resolve().parent.parent
    if not (root / ".git").exists():  # installed, maybe inside the repository of somebody else
        return "unknown"
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--", "molgen") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    import subprocess

    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
