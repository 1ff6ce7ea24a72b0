"""Units, stated once: lengths in Å, energies in kcal/mol, angles in radians, charges in e.

Files that speak another unit convert at their border and carry the unit in the name
(``coords_nm``); nothing else in molgen multiplies by a unit.
"""

from __future__ import annotations

ANGSTROM_PER_NM = 10.0
KCAL_PER_KJ = 1.0 / 4.184
