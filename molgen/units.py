"""Units, stated once: lengths in Å, energies in kcal/mol, angles in radians, charges in e.

Files that speak another unit convert at their border and carry the unit in the name
(``coords_nm``); nothing else in molgen multiplies by a unit.
"""

from __future__ import annotations

ANGSTROM_PER_NM = 10.0
KCAL_PER_KJ = 1.0 / 4.184
KCAL_PER_HARTREE = 627.509474063
KCAL_PER_EV = 23.0605478306
ANGSTROM_PER_BOHR = 0.529177210903
"""CODATA 2018, with the thermochemical kilocalorie of 4.184 kJ."""
COULOMB = 332.0637128
"""kcal/mol Å / e², the energy of two unit charges at 1 Å in vacuum."""
