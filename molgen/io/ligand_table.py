"""Reading many ligands: CSV or TSV with ``name,smiles``, multi-record SDF or MOL2, .smi lists."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from molgen.errors import LigandError, MolgenWarning
from molgen.io.ligand_file import (
    RECORD_SUFFIXES,
    SMILES_SUFFIXES,
    ligand_from_record,
    ligand_from_smiles,
    smiles_lines,
    smiles_title,
    split_records,
)
from molgen.io.paths import file_stem, file_suffix, read_table, read_text
from molgen.structure.ligand import Ligand

_NAME_COLUMNS = (
    "name", "id", "title", "ligand", "compound", "compoundname", "compoundid", "molecule",
    "moleculename", "moleculeid", "molname", "molid", "ligandname", "ligandid", "identifier",
    "code", "chemblid", "zincid",
)  # fmt: skip
"""In order of preference, without regard to case, blanks, - and _."""
_SMILES_COLUMNS = ("smiles", "canonicalsmiles", "isomericsmiles", "smilesstring")
CELL_SUFFIXES = (".csv", ".tsv")
TABLE_SUFFIXES = (*CELL_SUFFIXES, *RECORD_SUFFIXES, *SMILES_SUFFIXES)


@dataclass(frozen=True)
class LigandRow:
    """One row of a table of ligands: a ligand, or the reason why there is none.

    Attributes:
        row: number of the record, from 1, header not counted.
        name: label as given, or ``ligand_<row>``; may repeat.
        source_text: SMILES of the row, or the record's title for SDF and MOL2.
        ligand: None when the row cannot be used.
        error: one line, None when ``ligand`` is set.
    """

    row: int
    name: str
    source_text: str
    ligand: Ligand | None
    error: str | None


def read_ligand_table(path: str | Path) -> list[LigandRow]:
    """Return every record of a CSV, TSV, SDF, MOL2 or .smi file; a bad one carries its error.

    Raises:
        LigandError: the file as a whole cannot be used (missing, empty, no ``smiles`` column).
    """
    path = Path(path)
    suffix = file_suffix(path)
    if suffix not in TABLE_SUFFIXES:
        raise LigandError(
            f"{path}: {suffix or 'no'} suffix is not a ligand table; expected one of "
            f"{', '.join(TABLE_SUFFIXES)}"
        )
    if suffix in CELL_SUFFIXES:
        text, encoding = read_table(path, LigandError)
        if encoding:
            said = f"{path}: is no UTF-8 text, read as {encoding}"
            warnings.warn(said, MolgenWarning, stacklevel=2)
        rows = list(_cell_rows(text, path))
    elif suffix in SMILES_SUFFIXES:
        lines = smiles_lines(read_text(path, LigandError))
        rows = [_smiles_row(i, "", line) for i, line in enumerate(lines, start=1)]
    else:
        rows = list(_record_rows(read_text(path, LigandError), path, suffix == ".mol2"))
    if not rows:
        raise LigandError(f"{path}: holds no ligand")
    return rows


def _cell_rows(text: str, path: Path) -> Iterator[LigandRow]:
    lines = list(io.StringIO(text.replace("\0", "\ufffd"), newline=""))
    # the separator is the one that shows the column
    headers = [(mark, _header(lines, mark)) for mark in (",", ";", "\t")]
    mark, header = next(
        (pair for pair in headers if _column(pair[1], _SMILES_COLUMNS) is not None), headers[0]
    )
    at_smiles, at_name = _column(header, _SMILES_COLUMNS), _column(header, _NAME_COLUMNS)
    if at_smiles is None:
        raise LigandError(
            f"{path}: no 'smiles' column; expected a header such as 'name,smiles', "
            f"got {','.join(header)[:80]!r}"
        )
    if at_name is None and len(header) > 1:
        others = ", ".join(cell for k, cell in enumerate(header) if k != at_smiles)
        text = f"{path}: no column 'name' (there are: {others[:80]}); ligands are numbered"
        warnings.warn(text, MolgenWarning, stacklevel=3)
    number = 0
    for cells in _records(lines[1:], len(header), mark):
        if isinstance(cells, str):
            number += 1
            yield LigandRow(number, f"ligand_{number}", "", None, f"unreadable CSV row ({cells})")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        number += 1
        name = cells[at_name].strip() if at_name is not None and at_name < len(cells) else ""
        if at_smiles >= len(cells):
            error = f"row {number}: {len(cells)} columns, expected {len(header)}"
            yield LigandRow(number, name or f"ligand_{number}", "", None, error)
            continue
        yield _smiles_row(number, name, cells[at_smiles].strip())


def _header(lines: list[str], mark: str) -> list[str]:
    return [cell.strip().lower() for cell in next(csv.reader(lines, delimiter=mark), [])]


def _column(header: list[str], names: Sequence[str]) -> int | None:
    """Return the place of the first of ``names`` that the header has, None where it has none."""
    plain = [re.sub(r"[\s_-]", "", cell) for cell in header]
    return next((plain.index(name) for name in names if name in plain), None)


def _records(lines: list[str], columns: int, mark: str) -> Iterator[list[str] | str]:
    """Yield the cells of every record, or what is wrong with it.

    A record over several lines counts only with all its columns: else a quote was left open, which
    must not take the next ligands along, and the first line stands alone.
    """
    at = 0
    while at < len(lines):
        rest = (lines[k] for k in range(at, len(lines)))
        reader = csv.reader(rest, strict=True, delimiter=mark)
        try:
            cells = next(reader)
            if reader.line_num == 1 or len(cells) == columns:
                at += reader.line_num
                yield cells
                continue
        except csv.Error:
            pass
        line = lines[at]
        at += 1
        if line.count('"') % 2:
            yield "a quote is not closed"
            continue
        try:
            yield next(csv.reader([line], delimiter=mark))
        except csv.Error as problem:
            yield str(problem)


def _smiles_row(number: int, name: str, text: str) -> LigandRow:
    where = f"row {number}" + (f" ({name})" if name else "")
    fallback = name or smiles_title(text) or f"ligand_{number}"
    try:
        if name:  # a title inside a named row's SMILES cell must not replace the name
            ligand = ligand_from_smiles(
                text.split(None, 1)[0] if text else "", where=where, name=name
            )
        else:
            ligand = ligand_from_smiles(text, where=where, name=fallback)
    except LigandError as problem:
        return LigandRow(number, fallback, text, None, str(problem))
    return LigandRow(number, ligand.name, text, ligand, None)


def _record_rows(text: str, path: Path, mol2: bool) -> Iterator[LigandRow]:
    records = split_records(text, mol2)
    for number, record in enumerate(records, start=1):
        lines = record.splitlines()
        title = (lines[1] if mol2 and len(lines) > 1 else lines[0] if lines else "").strip()
        only = len(records) == 1
        fallback = title or (file_stem(path) if only else f"ligand_{number}")
        try:
            ligand = ligand_from_record(
                record, where=f"{path.name} record {number}", name=fallback, mol2=mol2
            )
        except LigandError as problem:
            yield LigandRow(number, fallback, title, None, str(problem))
        else:
            yield LigandRow(number, ligand.name, title, ligand, None)
