"""Elements of hetero groups in PDB text that leaves their column blank.

There the alignment of the name tells calcium from C-alpha, and few programs get it right: a parser
then reads cadmium where a ligand has its carbon CD1.
"""

from __future__ import annotations

from collections import Counter

from molgen.structure.vocabulary import STANDARD_RESIDUES, standard_residue

_CERTAIN = frozenset("CL BR SI SE FE ZN MG MN CU NI MO LI AL".split())
"""Symbols that a name begins with for no other reason, in groups of several atoms."""


def with_elements(content: bytes) -> bytes:
    """Return PDB text with the element of every atom of a hetero group of several atoms.

    Where the column is blank the first letter of the name counts, or the two that can be nothing
    else. Single atoms (ions) and standard residues are left to the parser.
    """
    lines = content.splitlines(keepends=True)
    blank = [k for k, line in enumerate(lines) if _is_atom(line) and not line[76:78].strip()]
    if not blank:
        return content
    sizes = Counter(lines[k][17:27] for k in blank)
    for k in blank:
        line = lines[k]
        code = line[17:20].decode("ascii").strip()
        letters = "".join(c for c in line[12:16].decode("ascii").upper() if c.isalpha())
        if sizes[line[17:27]] < 2 or not letters or standard_residue(code) in STANDARD_RESIDUES:
            continue
        symbol = letters[:2] if letters[:2] in _CERTAIN and len(letters) == 2 else letters[0]
        text, end = line.rstrip(b"\r\n"), line[len(line.rstrip(b"\r\n")) :]
        lines[k] = text[:76].ljust(76) + symbol.rjust(2).encode() + text[78:] + end
    return b"".join(lines)


def _is_atom(line: bytes) -> bool:
    return line[:6] in (b"ATOM  ", b"HETATM")
