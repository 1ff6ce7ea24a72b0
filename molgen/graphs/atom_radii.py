"""Radii of protein atoms for Voronoi contacts.

The values are those of Voronota's table for proteins (Olechnovič & Venclovas, J. Comput. Chem.
2014, 35, 672; after Li & Nussinov, Proteins 1998, 32, 111), which S-GCN used as well. The file
names two nitrogens of histidine that do not exist (ND2, NE1), so ND1 and NE2 have the radius of
any nitrogen; this is kept, as areas would differ otherwise.
"""

from __future__ import annotations

ELEMENT_RADII: dict[str, float] = {
    "C": 1.80, "Cl": 1.80, "F": 1.80, "Fe": 1.80, "N": 1.60, "O": 1.50, "P": 1.90, "S": 1.90,
    "Se": 1.90, "Zn": 1.70,
}  # fmt: skip
"""Å, of atoms without an entry of their own; selenium as sulfur."""

OTHER_RADIUS = 1.80
"""Å, of any other element."""

BACKBONE_RADII: dict[str, float] = {"N": 1.70, "CA": 1.90, "C": 1.75, "O": 1.49}
"""Å, in every residue."""

_SIDE_CHAINS = {
    "ALA": "CB 1.92",
    "ARG": "CB 1.91 CG 1.92 CD 1.88 NE 1.62 NH1 1.62 NH2 1.67",
    "ASN": "CB 1.91 CG 1.81 OD1 1.52 ND2 1.62",
    "ASP": "CB 1.91 CG 1.76 OD1 1.49 OD2 1.49",
    "CYS": "CB 1.91 SG 1.88",
    "GLN": "CB 1.91 CD 1.81 OE1 1.52 NE2 1.62",
    "GLU": "CB 1.91 CG 1.88 CD 1.76 OE1 1.49 OE2 1.49",
    "HIS": "CB 1.91 CD2 1.74 CE1 1.74",
    "ILE": "CB 2.01 CG1 1.92 CG2 1.92 CD1 1.92",
    "LEU": "CB 1.91 CG 2.01 CD1 1.92 CD2 1.92",
    "LYS": "CB 1.91 CG 1.92 CD 1.92 CE 1.88 NZ 1.67",
    "MET": "CB 1.91 CG 1.92 SD 1.94",
    "PHE": "CB 1.91 CG 1.74 CD1 1.82 CD2 1.82 CE1 1.82 CE2 1.82 CZ 1.82",
    "PRO": "CB 1.91 CG 1.92 CD 1.92",
    "SER": "CB 1.91 OG 1.54",
    "THR": "CB 2.01 OG1 1.54 CG2 1.92",
    "TRP": "CB 1.91 CG 1.74 CD1 1.82 CD2 1.82 NE1 1.66 CE2 1.74 CE3 1.82 CZ2 1.82 CZ3 1.82 "
    "CH2 1.82",
    "TYR": "CB 1.91 CG 1.74 CD1 1.82 CD2 1.82 CE1 1.82 CE2 1.82 OH 1.54",
    "VAL": "CB 2.01 CG1 1.92 CG2 1.92",
}


def _pairs(words: list[str]) -> dict[str, float]:
    return {name: float(radius) for name, radius in zip(words[::2], words[1::2], strict=True)}


_BY_RESIDUE = {residue: _pairs(text.split()) for residue, text in _SIDE_CHAINS.items()}


def atom_radius(residue: str, atom: str, element: str) -> float:
    """Return the radius of an atom in Å; ``element`` as in the periodic table ("Cl")."""
    radius = BACKBONE_RADII.get(atom)
    if radius is None:
        radius = _BY_RESIDUE.get(residue, {}).get(atom)
    return ELEMENT_RADII.get(element, OTHER_RADIUS) if radius is None else radius
