"""Structure files with numbers of ours in the B-factor column.

Everything else of a PDB file stays as it was, byte by byte; an mmCIF file becomes a PDB file where
that format can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import gemmi

from molgen.errors import StructureError
from molgen.io.atom_table import parse_pdb
from molgen.io.pdb_elements import is_atom
from molgen.io.repeated_chains import separate_chains
from molgen.structure.protein import ResidueId

_MODEL = b"MODEL "
_CIF = b"_atom_site."
_CONNECTIVITY = (b"CONECT", b"MASTER")


def with_bfactors(
    content: bytes, values: Mapping[ResidueId, float], path: Path, *, model: int | None = None
) -> tuple[str, bytes]:
    """Return the suffix (".pdb" or ".cif") and the content of a file with new B-factors.

    Args:
        content: a PDB or mmCIF file that `molgen.io.read_structure` reads, not compressed; a PDB
            file with several models goes through `split_models` first.
        values: B-factor of every atom of a residue; 0 for residues that have none.
        path: for messages.
        model: number of the model to keep of an mmCIF file; the first by default.

    Raises:
        StructureError: the file cannot be taken apart.
    """
    if is_cif(content):
        return _rewritten(content, values, path, model)
    try:
        return ".pdb", _relabelled(content, values, _chains(content, values, path))
    except ValueError:  # residue numbers that are none
        return _rewritten(content, values, path, model)


def is_cif(content: bytes) -> bool:
    """Return whether a structure file is mmCIF."""
    return _lines_with(_CIF, content) > 0


def _lines_with(start: bytes, content: bytes) -> int:
    """Return how many lines begin with ``start``; far faster than a pattern on a whole file."""
    return content.startswith(start) + content.count(b"\n" + start)


def split_models(content: bytes) -> dict[int, bytes]:
    """Return each model of a PDB file by its number, with the header, without MODEL records.

    Empty for a file with fewer than two models, or in mmCIF.
    """
    if is_cif(content) or _lines_with(_MODEL, content) < 2:
        return {}
    header: list[bytes] = []
    models: dict[int, list[bytes]] = {}
    here: list[bytes] | None = header
    for line in content.splitlines(keepends=True):
        if line.startswith(_MODEL):
            number = line[6:].split()[:1] or [b""]
            here = models.setdefault(int(number[0]) if number[0].isdigit() else -1, [])
        elif line.startswith(b"ENDMDL"):
            here = None  # what follows belongs to no model
        elif here is not None and line[:6] not in _CONNECTIVITY:
            here.append(line)
    return {number: b"".join([*header, *lines, b"END\n"]) for number, lines in models.items()}


def _chains(content: bytes, values: Mapping[ResidueId, float], path: Path) -> Sequence[str] | None:
    """Return the chain of every atom record as it is read, where the reader renamed any.

    Raises:
        ValueError: the records are not read one by one.
    """
    lines = [line for line in content.splitlines() if is_atom(line)]
    written = {_ascii(line[20:22]).strip() for line in lines}
    if written >= {residue.chain for residue in values}:
        return None
    atoms, _ = separate_chains(parse_pdb(content, path.stem, path).atoms)
    names = [_ascii(line[12:16]).strip() for line in lines]
    if names != [name.decode() for name in atoms.names.tolist()]:
        raise ValueError("atoms in another order than their records")
    return [name.decode() for name in atoms.chains.tolist()]


def _relabelled(
    content: bytes, values: Mapping[ResidueId, float], chains: Sequence[str] | None
) -> bytes:
    column: dict[tuple[bytes, str], bytes] = {}
    lines = content.splitlines(keepends=True)
    of_atoms = iter(chains or ())
    for at, line in enumerate(lines):
        if not is_atom(line):
            continue
        residue = line[20:27]  # two columns of the chain, number, insertion code
        chain = next(of_atoms, "")
        text = column.get((residue, chain))
        if text is None:
            found = _residue(residue)
            found = ResidueId(chain, *found[1:]) if chains else found
            text = column[residue, chain] = b"%6.2f" % values.get(found, 0.0)
        if len(line) > 66:
            lines[at] = line[:60] + text + line[66:]
        else:
            bare = line.rstrip(b"\r\n")
            lines[at] = bare[:60].ljust(54).ljust(60) + text + line[len(bare) :]
    return b"".join(lines)


def _residue(columns: bytes) -> ResidueId:
    text = _ascii(columns)
    return ResidueId(text[:2].strip(), _number(text[2:6].strip()), text[6:].strip())


def _number(text: str) -> int:
    """Return a residue number; beyond 9999 it is written in letters (hybrid-36)."""
    if len(text) == 4 and text[0].isupper() and text.isalnum():
        return int(text, 36) - 10 * 36**3 + 10_000
    return int(text)


def _ascii(content: bytes) -> str:
    """Return text in which one "?" stands for a byte outside ASCII, as the reader does."""
    return content.decode("ascii", errors="replace").replace("\ufffd", "?")


def _rewritten(
    content: bytes, values: Mapping[ResidueId, float], path: Path, model: int | None
) -> tuple[str, bytes]:
    structure = _parse(content, path)
    keep = structure[0].num if model is None else model
    for at in reversed(range(len(structure))):
        if structure[at].num != keep:
            del structure[at]
    for chain in structure[0]:
        for residue in chain:
            identifier = ResidueId(chain.name, residue.seqid.num or 0, residue.seqid.icode.strip())
            value = round(values.get(identifier, 0.0), 2)
            for atom in residue:
                atom.b_iso = value
                atom.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
    if _fits_pdb(structure[0]):
        options = gemmi.PdbWriteOptions(minimal=True)
        return ".pdb", structure.make_pdb_string(options).encode("ascii", errors="replace")
    return ".cif", structure.make_mmcif_document().as_string().encode("utf-8")


def _parse(content: bytes, path: Path) -> gemmi.Structure:
    text = _ascii(content)
    try:
        if not is_cif(content):
            return gemmi.read_pdb_string(text)
        document = gemmi.cif.read_string(text)
        block = next(b for b in document if b.find_loop("_atom_site.Cartn_x"))
        return gemmi.make_structure_from_block(block)
    except (RuntimeError, ValueError, StopIteration) as error:
        raise StructureError(f"{path}: cannot be written with B-factors ({error})") from None


def _fits_pdb(model: gemmi.Model) -> bool:
    """Return whether the columns of the PDB format hold the model."""
    if model.count_atom_sites() + len(model) > 99_999:
        return False
    names = [chain.name for chain in model]
    if any(len(name) > 1 for name in names) or len(set(names)) < len(names):
        return False
    for chain in model:
        for residue in chain:
            if len(residue.name) > 3 or not -999 <= (residue.seqid.num or 0) <= 9999:
                return False
            if any(max(map(abs, atom.pos.tolist())) >= 999.0 for atom in residue):
                return False
    return True
