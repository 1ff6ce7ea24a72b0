"""PDB text to build cases from: residues 1-4 of entry 7X9K (CC0) and lines made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"

TETRAPEPTIDE = """\
ATOM      1  N   MET A   1     -15.760 -12.602  31.919  1.00  0.00           N
ATOM      2  CA  MET A   1     -15.708 -11.188  31.569  1.00  0.00           C
ATOM      3  C   MET A   1     -15.266 -10.986  30.126  1.00  0.00           C
ATOM      4  O   MET A   1     -14.948 -11.944  29.423  1.00  0.00           O
ATOM      5  CB  MET A   1     -14.756 -10.446  32.502  1.00  0.00           C
ATOM      6  CG  MET A   1     -13.376 -11.069  32.551  1.00  0.00           C
ATOM      7  SD  MET A   1     -12.226 -10.118  33.552  1.00  0.00           S
ATOM      8  CE  MET A   1     -13.277  -9.676  34.951  1.00  0.00           C
ATOM      9  N   LYS A   2     -15.246  -9.727  29.699  1.00  0.00           N
ATOM     10  CA  LYS A   2     -14.774  -9.386  28.365  1.00  0.00           C
ATOM     11  C   LYS A   2     -13.296  -9.727  28.221  1.00  0.00           C
ATOM     12  O   LYS A   2     -12.506  -9.531  29.146  1.00  0.00           O
ATOM     13  CB  LYS A   2     -14.992  -7.901  28.100  1.00  0.00           C
ATOM     14  CG  LYS A   2     -16.188  -7.330  28.842  1.00  0.00           C
ATOM     15  CD  LYS A   2     -15.961  -5.892  29.273  1.00  0.00           C
ATOM     16  CE  LYS A   2     -16.257  -4.916  28.145  1.00  0.00           C
ATOM     17  NZ  LYS A   2     -15.317  -5.035  26.995  1.00  0.00           N
ATOM     18  N   LYS A   3     -12.929 -10.240  27.049  1.00  0.00           N
ATOM     19  CA  LYS A   3     -11.561 -10.637  26.738  1.00  0.00           C
ATOM     20  C   LYS A   3     -11.181  -9.971  25.422  1.00  0.00           C
ATOM     21  O   LYS A   3     -11.857 -10.176  24.410  1.00  0.00           O
ATOM     22  CB  LYS A   3     -11.461 -12.164  26.652  1.00  0.00           C
ATOM     23  CG  LYS A   3     -10.085 -12.730  26.394  1.00  0.00           C
ATOM     24  CD  LYS A   3     -10.165 -14.253  26.309  1.00  0.00           C
ATOM     25  CE  LYS A   3      -8.881 -14.874  25.772  1.00  0.00           C
ATOM     26  NZ  LYS A   3      -9.015 -16.353  25.612  1.00  0.00           N
ATOM     27  N   LEU A   4     -10.129  -9.155  25.436  1.00  0.00           N
ATOM     28  CA  LEU A   4      -9.773  -8.340  24.277  1.00  0.00           C
ATOM     29  C   LEU A   4      -8.306  -8.506  23.909  1.00  0.00           C
ATOM     30  O   LEU A   4      -7.455  -8.699  24.774  1.00  0.00           O
ATOM     31  CB  LEU A   4     -10.049  -6.856  24.541  1.00  0.00           C
ATOM     32  CG  LEU A   4     -11.503  -6.447  24.732  1.00  0.00           C
ATOM     33  CD1 LEU A   4     -11.560  -5.020  25.223  1.00  0.00           C
ATOM     34  CD2 LEU A   4     -12.257  -6.599  23.421  1.00  0.00           C
"""


def pdb_line(
    name: str,
    residue: str,
    place: str,
    xyz: tuple[float, float, float],
    element: str | None = None,
    *,
    record: str = "HETATM",
    altloc: str = " ",
    occupancy: float = 1.0,
) -> str:
    """Return one atom line; ``place`` is chain, number and insertion code: "A:10" or "A:10B"."""
    chain, _, number = place.partition(":")
    icode = number[-1] if number[-1].isalpha() else " "
    number = number.rstrip(icode) if icode != " " else number
    element = name[0] if element is None else element
    shown = name if len(name) == 4 or len(element.rstrip("+-0123456789")) == 2 else f" {name}"
    x, y, z = xyz
    return (
        f"{record:<6s}    1 {shown:<4s}{altloc}{residue:>3s} {chain}{number:>4s}{icode}   "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{0.0:6.2f}          {element:>2s}\n"
    )


@pytest.fixture
def peptide() -> str:
    return TETRAPEPTIDE


@pytest.fixture
def line() -> Callable[..., str]:
    return pdb_line


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write text to a file in the test's folder and return its path."""

    def _write(text: str | bytes, name: str = "case.pdb") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


@pytest.fixture
def examples() -> Path:
    return EXAMPLES


NIO_COORDS = {
    "N": (1.661, 19.970, -1.946),
    "C1": (1.878, 20.607, -3.111),
    "C2": (1.846, 21.987, -3.251),
    "C3": (1.579, 22.736, -2.112),
    "C4": (1.338, 22.098, -0.910),
    "C5": (1.389, 20.721, -0.875),
    "C6": (2.101, 22.636, -4.567),
    "O1": (2.484, 21.988, -5.535),
    "O2": (1.867, 23.925, -4.615),
}
"""Nicotinic acid, NIO A:301 of entry 7Z1Q (CC0)."""


@pytest.fixture
def nicotinate() -> Callable[..., str]:
    """Return PDB lines of NIO under any code and place."""

    def _lines(code: str = "NIO", place: str = "A:301", without: str = "") -> str:
        return "".join(
            pdb_line(name, code, place, xyz) for name, xyz in NIO_COORDS.items() if name != without
        )

    return _lines
