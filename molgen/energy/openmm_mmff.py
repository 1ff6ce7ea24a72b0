"""MMFF94 as OpenMM forces: the formulas as published, in Å, degrees and kcal/mol.

Halgren, J. Comput. Chem. 1996, 17, 490 (paper I), equations 2 to 9. `molgen.energy.openmm`
turns the finished formulas into OpenMM's units.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import openmm

from molgen.energy.mmff import MmffTerms
from molgen.energy.openmm import KJ_PER_KCAL, in_angstrom
from molgen.units import ANGSTROM_PER_NM

STRETCH = 143.9325
"""kcal/mol per md Å."""
BEND = STRETCH * (np.pi / 180.0) ** 2
"""kcal/mol per md Å/rad², for angles in degrees."""
STRETCH_BEND = 2.51210
"""kcal/mol per md/rad, for angles in degrees and lengths in Å."""
COULOMB = 332.0716
"""kcal/mol Å/e²."""
BUFFER = 0.05
"""Å added to distances in the Coulomb term."""
FOURTH = 0.75
"""Factor on the Coulomb term of atoms three bonds apart."""

Screening = Literal["constant", "distance"]
"""Dielectric: a constant, or the constant times the (buffered) distance in Å."""

_BOND = f"{STRETCH}/2*k*x^2*(1-2*x+7/3*x^2); x=d-d0"
_ANGLE = f"{BEND}/2*k*x^2*(1-0.006981317*x); x=57.29577951308232*theta-theta0"
_LINE = f"{STRETCH}*k*(1+cos(theta))"
_STRETCH_BEND = (
    f"{STRETCH_BEND}*(k1*({ANGSTROM_PER_NM}*distance(p1,p2)-d1)+k2*({ANGSTROM_PER_NM}*distance(p3,p2)-d2))*(a-a0);"
    "a=57.29577951308232*angle(p1,p2,p3)"
)
# the sine of the angle between the bond to p4 and the plane of the others
_PLANE = (
    f"{BEND}/2*k*chi^2; chi=57.29577951308232*asin(max(-1, min(1, sine)));"
    "sine=sin(angle(p4,p2,p1))*sin(dihedral(p3,p1,p2,p4))"
)
VAN_DER_WAALS = "eps*(1.07/(q+0.07))^7*(1.12/(q^7+0.12)-2); q=d/best"


def mmff_forces(
    terms: MmffTerms, offset: int = 0, *, screening: Screening = "constant", dielectric: float = 1.0
) -> list[openmm.Force]:
    """Return the forces of one molecule whose first particle in the system is ``offset``.

    Args:
        screening: how charges are screened; RDKit's default is "constant".
        dielectric: relative permittivity; with "distance" it grows by this much an Å.
    """
    forces = [
        _bonds(terms, offset),
        _angles(terms, offset),
        _torsions(terms, offset),
        _pairs(terms, offset, screening, dielectric),
    ]
    if len(terms.linear):
        forces.append(_lines(terms, offset))
    if len(terms.stretch_bends):
        forces.append(_stretch_bends(terms, offset))
    if len(terms.planes):
        forces.append(_planes(terms, offset))
    return forces


def coulomb(screening: Screening, charge: str = "charge") -> str:
    """Return MMFF94's Coulomb energy, kcal/mol, of the product ``charge`` over ``d`` in Å."""
    power = "^2" if screening == "distance" else ""
    return f"{COULOMB}*{charge}/(dielectric*(d+{BUFFER}){power})"


def _bonds(terms: MmffTerms, offset: int) -> openmm.Force:
    force = openmm.CustomBondForce(in_angstrom(_BOND))
    return _fill(force, ("k", "d0"), terms.bonds + offset, terms.bond_params)


def _angles(terms: MmffTerms, offset: int) -> openmm.Force:
    force = openmm.CustomAngleForce(in_angstrom(_ANGLE, distance=None))
    return _fill(force, ("k", "theta0"), terms.angles + offset, terms.angle_params)


def _lines(terms: MmffTerms, offset: int) -> openmm.Force:
    force = openmm.CustomAngleForce(in_angstrom(_LINE, distance=None))
    return _fill(force, ("k",), terms.linear + offset, terms.linear_params[:, None])


def _stretch_bends(terms: MmffTerms, offset: int) -> openmm.Force:
    force = openmm.CustomCompoundBondForce(3, in_angstrom(_STRETCH_BEND, distance=None))
    names = ("k1", "k2", "d1", "d2", "a0")
    return _fill(force, names, terms.stretch_bends + offset, terms.stretch_bend_params)


def _planes(terms: MmffTerms, offset: int) -> openmm.Force:
    force = openmm.CustomCompoundBondForce(4, in_angstrom(_PLANE, distance=None))
    return _fill(force, ("k",), terms.planes + offset, terms.plane_params[:, None])


def _torsions(terms: MmffTerms, offset: int) -> openmm.Force:
    # (V1 (1 + cos x) + V2 (1 - cos 2x) + V3 (1 + cos 3x)) / 2
    force = openmm.PeriodicTorsionForce()
    heights = 0.5 * KJ_PER_KCAL * terms.torsion_params
    for quad, values in zip((terms.torsions + offset).tolist(), heights.tolist(), strict=True):
        for fold, height in enumerate(values, start=1):
            if height:
                force.addTorsion(*quad, fold, np.pi if fold == 2 else 0.0, height)
    return force


def _pairs(terms: MmffTerms, offset: int, screening: Screening, dielectric: float) -> openmm.Force:
    formula = f"{coulomb(screening)}+{VAN_DER_WAALS}"
    force = openmm.CustomBondForce(in_angstrom(formula))
    force.addGlobalParameter("dielectric", dielectric)
    charges = terms.charges[terms.pairs].prod(axis=1) * np.where(terms.fourth, FOURTH, 1.0)
    params = np.column_stack([charges, terms.pair_params])
    return _fill(force, ("charge", "best", "eps"), terms.pairs + offset, params)


def _fill(
    force: openmm.Force, names: tuple[str, ...], atoms: np.ndarray, params: np.ndarray
) -> openmm.Force:
    """Add the per-term parameters and the terms of one of OpenMM's custom forces."""
    compound = isinstance(force, openmm.CustomCompoundBondForce)
    kind = "Angle" if isinstance(force, openmm.CustomAngleForce) else "Bond"
    for name in names:
        getattr(force, f"addPer{kind}Parameter")(name)
    add = getattr(force, f"add{kind}")
    for members, values in zip(atoms.tolist(), params.tolist(), strict=True):
        if compound:
            add(members, values)
        else:
            add(*members, values)
    return force
