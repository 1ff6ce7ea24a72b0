"""GFN2-xTB single points through the optional package tblite: SCF energy and orbital gap.

The border to Hartree and Bohr: outside this file energies are in kcal/mol and lengths in Å.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.errors import DependencyError, LigandError
from molgen.units import ANGSTROM_PER_BOHR, KCAL_PER_HARTREE

METHOD = "GFN2-xTB"
"""Bannwarth, Ehlert & Grimme, J. Chem. Theory Comput. 2019, 15, 1652; in vacuum, 300 K."""


@dataclass(frozen=True)
class SinglePoint:
    """What one self-consistent-field calculation yields.

    Attributes:
        energy: total energy, kcal/mol; zero are the valence electrons and cores far apart.
        gap: energy of the lowest empty minus that of the highest filled orbital, kcal/mol.
    """

    energy: float
    gap: float


def single_point(numbers: np.ndarray, coords: np.ndarray, charge: int = 0) -> SinglePoint:
    """Return SCF energy and HOMO-LUMO gap of a closed-shell molecule.

    Args:
        numbers: (atoms,) atomic numbers, hydrogens among them.
        coords: (atoms, 3) Å.
        charge: total charge, e.

    Raises:
        DependencyError: tblite is not installed.
        LigandError: an odd number of electrons, an element beyond radon, no convergence.
    """
    try:
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
        from tblite.interface import Calculator
    except ImportError:
        raise DependencyError("GFN2-xTB needs tblite: pip install tblite") from None
    numbers = np.asarray(numbers, dtype=np.int64)
    if (int(numbers.sum()) - charge) % 2:
        raise LigandError(
            f"odd number of electrons at charge {charge:+d}; expected a closed-shell molecule"
        )
    try:
        calculator = Calculator(
            METHOD, numbers, np.asarray(coords, np.float64) / ANGSTROM_PER_BOHR, charge=charge
        )
        calculator.set("verbosity", 0)
        found = calculator.singlepoint()
        energy = float(found.get("energy"))
        levels, filled = found.get("orbital-energies"), found.get("orbital-occupations")
    except (TBLiteRuntimeError, TBLiteValueError) as error:
        raise LigandError(f"{METHOD}: {' '.join(str(error).split())}") from None
    pairs = round(float(filled.sum()) / 2.0)
    gap = float(levels[pairs] - levels[pairs - 1]) if pairs < len(levels) else float("inf")
    if not np.isfinite([energy, gap]).all():
        raise LigandError(f"{METHOD}: no finite energy and gap")
    return SinglePoint(energy * KCAL_PER_HARTREE, gap * KCAL_PER_HARTREE)
