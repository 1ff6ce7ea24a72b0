"""The shipped table of chemical components: code to SMILES."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib import resources
from pathlib import Path

from molgen.errors import DependencyError

_TABLE = "ccd_smiles.tsv.gz"


def _open_table() -> bytes:
    """Return the table from the installed package, else from the folder beside the sources."""
    try:
        return (resources.files("molgen.data") / "components" / _TABLE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        pass
    beside = Path(__file__).resolve().parents[2] / "data" / "components" / _TABLE
    try:
        return beside.read_bytes()
    except OSError as problem:
        raise DependencyError(
            f"component table {_TABLE} is missing from the installation; reinstall molgen"
        ) from problem


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    lines = gzip.decompress(_open_table()).decode("utf-8").splitlines()[1:]
    return {code: smiles for code, smiles, *_ in (line.split("\t") for line in lines)}


def component_smiles(code: str) -> str | None:
    """Return the SMILES of a component code, mostly without stereo; None when not listed."""
    return _table().get(code.strip().upper())
