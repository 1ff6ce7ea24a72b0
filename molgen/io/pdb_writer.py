"""Writing a receptor as PDB text that other programs read."""

from __future__ import annotations

from pathlib import Path

from molgen.errors import OutputError
from molgen.io.paths import atomic_write
from molgen.structure.protein import Protein

_CHAIN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def write_pdb(path: str | Path | None, protein: Protein) -> str:
    """Return the atoms as PDB text, and write it to ``path`` unless that is None.

    Chain identifiers longer than one character get a free letter (a REMARK maps them), residue
    names longer than three are cut, atom serials start over after 99999.

    Raises:
        OutputError: ``path`` cannot be written, or a coordinate does not fit its columns.
    """
    if len(protein) and not -999.9995 < protein.coords.min() <= protein.coords.max() < 9999.9995:
        raise OutputError(
            f"{protein.name}: coordinates below -999 or above 9999 Å do not fit the PDB format"
        )
    chains, remarks = _short_chains(protein)
    lines = list(remarks)
    serial, previous = 0, None
    columns = zip(
        protein.coords.tolist(),
        protein.elements.tolist(),
        protein.atom_names.tolist(),
        protein.residue_names.tolist(),
        protein.residue_numbers.tolist(),
        protein.insertion_codes.tolist(),
        protein.chains.tolist(),
        protein.hetero.tolist(),
        strict=True,
    )
    for (x, y, z), element, name, residue, number, icode, chain, hetero in columns:
        if previous is not None and not previous[1] and (hetero or chain != previous[0]):
            lines.append("TER")
        previous = (chain, hetero)
        serial = serial % 99999 + 1
        lines.append(
            f"{'HETATM' if hetero else 'ATOM  '}{serial:5d} {_name_columns(name, element)} "
            f"{residue[:3]:>3s} {chains[chain]}{_four_digits(number)}{icode or ' '}   "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {element.upper():>2s}"
        )
    text = "\n".join([*lines, "END", ""])
    if path is not None:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="ascii", errors="replace", newline="\n")
    return text


def _name_columns(name: str, element: str) -> str:
    """Return the four name columns: one-letter elements start in the second."""
    if len(name) >= 4 or len(element) == 2:
        return f"{name[:4]:<4s}"
    return f" {name:<3s}"


def _four_digits(number: int) -> str:
    return f"{number:4d}" if -999 <= number <= 9999 else f"{number % 10000:4d}"


def _short_chains(protein: Protein) -> tuple[dict[str, str], list[str]]:
    names = list(dict.fromkeys(protein.chains.tolist()))
    short = {name: name or " " for name in names if len(name) <= 1}
    free = [letter for letter in _CHAIN_LETTERS if letter not in short.values()]
    remarks = []
    for name in names:
        if name in short:
            continue
        # With more chains than letters, residues of chains may share a label.
        short[name] = free.pop(0) if free else "Z"
        remarks.append(f"REMARK 999 CHAIN {short[name]} WAS {name}")
    return short, remarks
