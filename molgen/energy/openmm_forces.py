"""OpenMM forces of the united-heavy-atom protein field and of its restraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openmm

from molgen.config import limited
from molgen.energy.openmm import (
    KJ_PER_KCAL,
    NM_PER_ANGSTROM,
    SPRING,
    check_coords,
    pull_force,
    to_nm,
)
from molgen.energy.openmm_tables import MAP_STEP, MAPS
from molgen.energy.openmm_topology import HeavyTerms
from molgen.errors import StructureError


@dataclass(frozen=True)
class HeavyAtomConfig:
    """Strengths of the terms and numbers of the integration.

    Attributes:
        bond, angle, rigid: of 1-2, 1-3 and rigid distances, k (d - d0)^2, kcal/mol/Å².
        planar: of impropers and planar groups, k (1 + cos), kcal/mol.
        peptide: of the torsions about the peptide bond, kcal/mol.
        chi: of staggered side chains, kcal/mol.
        phi_psi: factor on the phi/psi maps.
        wall: repulsion k (contact - r)^2 of overlapping atoms, kcal/mol/Å².
        well: depth of the attraction of two non-polar atoms, kcal/mol; others feel 0.3 of it.
        hydrogen_bond: depth for donor and acceptor, kcal/mol.
        width: reach of the attraction beyond contact, Å.
        cutoff: Å.
        mass: of every atom, dalton.
        step: fs.
        friction: 1/ps.
        platform: OpenMM platform.
        threads: of the CPU platform.
    """

    bond: float = limited(300.0, above=0)
    angle: float = limited(100.0, above=0)
    rigid: float = limited(60.0, above=0)
    planar: float = limited(25.0, above=0)
    peptide: float = limited(8.0, above=0)
    chi: float = limited(1.0, min=0)
    phi_psi: float = limited(1.0, min=0)
    wall: float = limited(10.0, above=0)
    well: float = limited(0.22, min=0)
    hydrogen_bond: float = limited(0.8, min=0)
    width: float = limited(2.0, above=0)
    cutoff: float = limited(6.0, above=0)
    mass: float = limited(16.0, above=0)
    step: float = limited(5.0, above=0)
    friction: float = limited(2.0, above=0)
    platform: str = "CPU"
    threads: int = limited(1, min=1)


@dataclass(frozen=True)
class Restraints:
    """What holds a protein near something, besides the force field.

    Attributes:
        reference: (atoms, 3) Å; atoms are pulled there by ``strength`` (x - x0)^2.
        strength: kcal/mol/Å²; a number, or (atoms,) with zeros for free atoms.
        pairs: (pairs, 2) residue ordinals; their CA distance is held by
            k max(0, |d - distance| - tolerance)^2, linear beyond 3 Å.
        distances, distance_strength, tolerance: numbers or (pairs,); Å, kcal/mol/Å², Å.
        phi, psi: (residues,) rad, NaN where free; k (1 - cos(x - x0)).
        torsion_strength: kcal/mol.
    """

    reference: np.ndarray | None = None
    strength: float | np.ndarray = 1.0
    pairs: np.ndarray | None = None
    distances: float | np.ndarray = 8.0
    distance_strength: float | np.ndarray = 1.0
    tolerance: float | np.ndarray = 0.0
    phi: np.ndarray | None = None
    psi: np.ndarray | None = None
    torsion_strength: float = 10.0


HYDROGEN_BOND_SHIFT = 0.2
"""Å by which donor and acceptor come closer than their radii say."""
SULPHUR_SHIFT = 1.6
"""Å, likewise for two cysteine sulphurs, which may form a bridge."""
FOURTH_SHIFT = 0.6
"""Å, likewise for atoms four bonds apart, which only repel."""
LINEAR_BEYOND = 3.0
"""Å of violation beyond which a distance restraint pulls with constant force."""

# Distances in nm. `wall` and `attraction` are factors that a soft start turns down.
_NONBONDED = (
    "wall*k*max(0, s-r)^2 - attraction*e*max(0, 1-((r-s)/w)^2)^2;"
    "w=width*(1-0.4*h);"
    "e=well*(0.3+0.7*nonpolar1*nonpolar2)+depth*h;"
    "s=radius1+radius2-shift*h-bridge*sulphur1*sulphur2;"
    "h=min(1, donor1*acceptor2+acceptor1*donor2)"
)
_FOURTH = "wall*k*max(0, s-r)^2"
_FLAT = "k*(min(over, far)^2+2*far*max(0, over-far)); over=max(0, abs(r-d)-t)"


def heavy_forces(terms: HeavyTerms, config: HeavyAtomConfig) -> list[openmm.Force]:
    """Return the forces of one protein."""
    return [
        _distances(terms, config),
        _torsions(terms, config),
        *_maps(terms, config),
        _nonbonded(terms, config),
        _fourth(terms, config),
    ]


def restraint_forces(terms: HeavyTerms, restraints: Restraints, what: str) -> list[openmm.Force]:
    """Return the forces of restraints.

    Raises:
        StructureError: an array does not fit the protein; ``what`` opens the message.
    """
    forces = []
    if restraints.reference is not None:
        forces.append(_pull(terms, restraints.reference, restraints.strength, what))
    if restraints.pairs is not None and len(restraints.pairs):
        forces.append(_hold_distances(terms, restraints, what))
    if restraints.phi is not None or restraints.psi is not None:
        forces.append(_hold_torsions(terms, restraints, what))
    return forces


def _distances(terms: HeavyTerms, config: HeavyAtomConfig) -> openmm.Force:
    # OpenMM's harmonic force is k/2 x^2
    strength = 2.0 * SPRING * np.array([config.bond, config.angle, config.rigid])[terms.kind]
    force = openmm.HarmonicBondForce()
    for (i, j), length, k in zip(
        terms.pairs.tolist(), to_nm(terms.lengths).tolist(), strength.tolist(), strict=True
    ):
        force.addBond(i, j, length, k)
    return force


def _torsions(terms: HeavyTerms, config: HeavyAtomConfig) -> openmm.Force:
    strength = KJ_PER_KCAL * np.array([config.planar, config.peptide, config.chi])[terms.family]
    force = openmm.PeriodicTorsionForce()
    columns = (terms.torsions, terms.periodicity, terms.phase, strength)
    for quad, fold, phase, k in zip(*(c.tolist() for c in columns), strict=True):
        if k:
            force.addTorsion(*quad, fold, phase, k)
    return force


def _maps(terms: HeavyTerms, config: HeavyAtomConfig) -> list[openmm.Force]:
    if not config.phi_psi or not terms.maps:
        return []
    force = openmm.CMAPTorsionForce()
    for kind, rows in terms.maps.items():
        digits = np.array([[int(d) for d in line] for line in MAPS[kind].split()], dtype=float)
        # OpenMM's maps start at 0 degrees and run over the first angle fastest
        half = len(digits) // 2
        energy = np.roll(digits, (half, half), axis=(0, 1)).T * MAP_STEP * config.phi_psi
        index = force.addMap(len(digits), (energy * KJ_PER_KCAL).ravel().tolist())
        for a, b, c, d, e in rows.tolist():
            force.addTorsion(index, a, b, c, d, b, c, d, e)
    return [force]


def _nonbonded(terms: HeavyTerms, config: HeavyAtomConfig) -> openmm.Force:
    force = openmm.CustomNonbondedForce(_NONBONDED)
    for name, value in {
        "wall": 1.0,
        "attraction": 1.0,
        "k": SPRING * config.wall,
        "well": KJ_PER_KCAL * config.well,
        "depth": KJ_PER_KCAL * config.hydrogen_bond,
        "width": NM_PER_ANGSTROM * config.width,
        "shift": NM_PER_ANGSTROM * HYDROGEN_BOND_SHIFT,
        "bridge": NM_PER_ANGSTROM * SULPHUR_SHIFT,
    }.items():
        force.addGlobalParameter(name, value)
    for name in ("radius", "nonpolar", "donor", "acceptor", "sulphur"):
        force.addPerParticleParameter(name)
    table = np.stack(
        [to_nm(terms.radius), terms.nonpolar, terms.donor, terms.acceptor, terms.sulphur], axis=1
    )
    for row in table.tolist():
        force.addParticle(row)
    for i, j in np.concatenate([terms.excluded, terms.fourth]).tolist():
        force.addExclusion(i, j)
    force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffNonPeriodic)
    force.setCutoffDistance(NM_PER_ANGSTROM * config.cutoff)
    return force


def _fourth(terms: HeavyTerms, config: HeavyAtomConfig) -> openmm.Force:
    force = openmm.CustomBondForce(_FOURTH)
    force.addGlobalParameter("wall", 1.0)
    force.addPerBondParameter("s")
    force.addPerBondParameter("k")
    one, two = terms.fourth[:, 0], terms.fourth[:, 1]
    polar = terms.donor[one] * terms.acceptor[two] + terms.donor[two] * terms.acceptor[one]
    contact = terms.radius[one] + terms.radius[two] - HYDROGEN_BOND_SHIFT * np.minimum(1.0, polar)
    for i, j, s in zip(
        one.tolist(), two.tolist(), to_nm(contact - FOURTH_SHIFT).tolist(), strict=True
    ):
        force.addBond(i, j, [s, SPRING * config.wall])
    return force


def _pull(
    terms: HeavyTerms, target: np.ndarray, pull: float | np.ndarray, what: str
) -> openmm.Force:
    atoms = len(terms.radius)
    reference = to_nm(check_coords(target, atoms, f"{what}: reference"))
    strength = _spread(pull, atoms, f"{what}: strength")
    held = np.flatnonzero(strength)
    return pull_force(held, reference[held], strength[held])


def _hold_distances(terms: HeavyTerms, restraints: Restraints, what: str) -> openmm.Force:
    pairs = np.asarray(restraints.pairs)
    residues = len(terms.backbone)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.min() < 0 or pairs.max() >= residues:
        raise StructureError(
            f"{what}: restrained pairs must be (pairs, 2) residue ordinals below {residues}"
        )
    count = len(pairs)
    distance = to_nm(_spread(restraints.distances, count, f"{what}: distances"))
    strength = SPRING * _spread(restraints.distance_strength, count, f"{what}: distance_strength")
    tolerance = to_nm(_spread(restraints.tolerance, count, f"{what}: tolerance"))
    force = openmm.CustomBondForce(_FLAT)
    force.addGlobalParameter("far", NM_PER_ANGSTROM * LINEAR_BEYOND)
    for name in ("d", "k", "t"):
        force.addPerBondParameter(name)
    ends = terms.backbone[pairs, 1]
    for (i, j), row in zip(
        ends.tolist(), np.stack([distance, strength, tolerance], 1).tolist(), strict=True
    ):
        force.addBond(i, j, row)
    return force


def _hold_torsions(terms: HeavyTerms, restraints: Restraints, what: str) -> openmm.Force:
    residues = len(terms.backbone)
    force = openmm.PeriodicTorsionForce()
    k = KJ_PER_KCAL * restraints.torsion_strength
    n, ca, c = terms.backbone.T.tolist()
    if restraints.phi is not None:
        phi = _spread(restraints.phi, residues, f"{what}: phi")
        for i in np.flatnonzero(np.isfinite(phi[1:]) & terms.joined).tolist():
            force.addTorsion(c[i], n[i + 1], ca[i + 1], c[i + 1], 1, float(phi[i + 1]) + np.pi, k)
    if restraints.psi is not None:
        psi = _spread(restraints.psi, residues, f"{what}: psi")
        for i in np.flatnonzero(np.isfinite(psi[:-1]) & terms.joined).tolist():
            force.addTorsion(n[i], ca[i], c[i], n[i + 1], 1, float(psi[i]) + np.pi, k)
    return force


def _spread(value: float | np.ndarray, count: int, what: str) -> np.ndarray:
    """Return ``value`` as (count,) float64."""
    values = np.asarray(value, dtype=np.float64)
    if values.ndim and values.shape != (count,):
        raise StructureError(f"{what} has shape {values.shape}, expected a number or ({count},)")
    return np.broadcast_to(values, (count,))
