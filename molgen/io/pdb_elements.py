"""Elements of hetero groups in PDB text that leaves their column blank.

There the alignment of the name tells calcium from C-alpha, and few programs get it right: a parser
then reads cadmium where a ligand has its carbon CD1.
"""

from __future__ import annotations

from molgen.vocabulary import STANDARD_RESIDUES, standard_residue

_HALOGENS = ("CL", "BR")
_ORGANIC = "CNOHSPFBI"
_METALS = frozenset("CO CR CU NI HG SE SI SN SB PD PT FE IR".split())
"""Symbols that begin like an organic element; a name of these letters is left to the parser."""


def with_elements(content: bytes) -> bytes:
    """Return PDB text with an element where a parser would be misled by the name of an atom.

    That is in hetero groups of several atoms whose element column is blank: two letters that spell
    a rare element there are an organic one and a label ("CD1", "NA", "HO"), or chlorine and bromine
    off their column. Everything else is left to the parser.
    """
    lines = content.splitlines(keepends=True)
    blank = [k for k, line in enumerate(lines) if is_atom(line) and not line[76:78].strip()]
    names: dict[bytes, set[bytes]] = {}
    for k in blank:
        names.setdefault(lines[k][17:27], set()).add(lines[k][12:16])
    for k in blank:
        line = lines[k]
        code = line[17:20].decode("ascii").strip()
        symbol = _element(line[12:16].decode("ascii").upper())
        alone = len(names[line[17:27]]) < 2  # an ion, in several models or places
        if not symbol or alone or standard_residue(code) in STANDARD_RESIDUES:
            continue
        text, end = line.rstrip(b"\r\n"), line[len(line.rstrip(b"\r\n")) :]
        lines[k] = text[:76].ljust(76) + symbol.rjust(2).encode() + text[78:] + end
    return b"".join(lines) if blank else content


def _element(name: str) -> str:
    """Return the element of an atom in a group of several by its name, "" for the parser's."""
    letters = "".join(c for c in name if c.isalpha())
    if letters[:2] in _HALOGENS:
        return letters[:2]
    misleads = name[:2].isalpha() and letters[0] in _ORGANIC and letters not in _METALS
    return letters[0] if misleads else ""


def is_atom(line: bytes) -> bool:
    """Tell whether a line of PDB text is an atom record."""
    return line[:6] in (b"ATOM  ", b"HETATM")
