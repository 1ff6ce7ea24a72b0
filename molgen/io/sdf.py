"""Writing poses as SDF with the same bytes for the same content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from rdkit import Chem

from molgen.errors import OutputError
from molgen.io.paths import atomic_write


def format_property(value: object) -> str:
    """Return a value as SDF data text: floats with 4 decimals, one line, never empty."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        text = f"{float(value):.4f}"
        return "0.0000" if text == "-0.0000" else text
    # A blank line inside a value would end the record early.
    return _no_end(" ".join(str(value).split())) or "-"


def sdf_record(mol: Chem.Mol, properties: Mapping[str, object] | None = None) -> str:
    """Return one SDF record: mol block (title = ``_Name``), properties in the given order."""
    mol = Chem.Mol(mol)
    title = mol.GetProp("_Name") if mol.HasProp("_Name") else ""
    title = "".join(c if c.isprintable() else " " for c in title)[:80].strip()
    mol.SetProp("_Name", _no_end(title))
    lines = [Chem.MolToMolBlock(mol).rstrip("\n")]
    for key, value in (properties or {}).items():
        name = "".join("_" if c in "<>" or not c.isprintable() else c for c in str(key))
        lines += [f">  <{name}>", format_property(value), ""]
    return "\n".join([*lines, "$$$$", ""])


def _no_end(text: str) -> str:
    """Return a line without the mark that ends a record."""
    return text.replace("$$$$", "$")


def write_sdf(
    path: str | Path, mols_with_properties: Iterable[tuple[Chem.Mol, Mapping[str, object]]]
) -> None:
    """Write (molecule, properties) pairs to ``path``, atomically and without timestamps.

    Raises:
        OutputError: the place cannot be written, or a molecule cannot be expressed as SDF.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="\n", encoding="utf-8", errors="replace") as stream,
    ):
        for number, (mol, properties) in enumerate(mols_with_properties, start=1):
            try:
                record = sdf_record(mol, properties)
            except (ValueError, RuntimeError) as problem:
                raise OutputError(f"{path}: molecule {number}: {problem}") from problem
            stream.write(record)
