"""Every annotation of molgen is checked in every test (jaxtyping shapes, beartype types)."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import beartype
import jaxtyping
import pytest

ROOT = Path(__file__).resolve().parents[1]

# What the hook cannot wrap: numba compiles the plain function and chokes on a wrapped one;
# names imported for type checkers only are not there when beartype looks for them.
UNCHECKED = re.compile(r"^\s*(?:import numba|from numba\b)|\bTYPE_CHECKING\b", re.MULTILINE)


def checked_modules(package: Path) -> list[str]:
    """Return the names of the modules whose annotations can be checked at run time.

    Packages (``__init__``) are left out: the hook would take everything below them along.
    """
    return [
        ".".join((package.name, *path.relative_to(package).with_suffix("").parts))
        for path in sorted(package.rglob("*.py"))
        if path.name != "__init__.py" and not UNCHECKED.search(path.read_text(encoding="utf-8"))
    ]


# jaxtyping takes the checker by import path; an int is fine where a float is declared (PEP 484).
_checker = types.ModuleType("molgen_type_checker")
_checker.check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[_checker.__name__] = _checker
jaxtyping.install_import_hook(checked_modules(ROOT / "molgen"), "molgen_type_checker.check")


@pytest.fixture(scope="session")
def encoded_complexes():
    """Return what gives the two public complexes as a store would hold them."""
    from molgen.datasets.encode import encode_complex
    from molgen.io import read_ligand, read_protein

    def encoded(conformers=0):
        return [
            encode_complex(
                folder.name,
                read_protein(folder / f"{folder.name}_protein.pdb"),
                read_ligand(folder / f"{folder.name}_ligand.sdf"),
                10.0,
                conformers=conformers,
            )
            for folder in sorted((ROOT / "workflows/test/complexes").iterdir())
        ]

    return encoded
