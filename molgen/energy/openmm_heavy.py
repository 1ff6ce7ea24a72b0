"""A fast protein force field of united heavy atoms, to give models realistic local geometry.

Distances, impropers and planar torsions hold the covalent geometry measured on natives; phi/psi
maps, staggered side chains, soft walls, a shallow attraction and hydrogen bonds do the rest. Walls
are harmonic, so that nothing is singular and atoms can pass through each other in a soft stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import openmm

from molgen.energy import openmm as border
from molgen.energy.openmm import Relaxed, to_nm
from molgen.energy.openmm_forces import (
    HeavyAtomConfig,
    Restraints,
    heavy_forces,
    restraint_forces,
)
from molgen.energy.openmm_strain import LocalGeometry, Strain
from molgen.energy.openmm_topology import HeavyTerms, heavy_terms
from molgen.structure.protein import Protein

__all__ = ["HeavyAtomConfig", "HeavyAtomField", "Relaxed", "Restraints", "Strain"]

_SOFT = (0.02, 0.2)
"""Fractions of the wall in the soft stages of a bad start."""
_SOFT_STEPS = 100
_MIRRORS = 3
"""Attempts to put inverted centres right."""
_BAD_BOND, _BAD_CONTACT = 0.5, 1.5  # Å: beyond these a start is relaxed in soft stages first


class HeavyAtomField:
    """The force field of one sequence, made once and used for any coordinates of its atoms."""

    def __init__(
        self,
        protein: Protein,
        config: HeavyAtomConfig | None = None,
        cis: Sequence[int] | None = None,
    ) -> None:
        """Make the field; see `molgen.energy.openmm_topology.heavy_terms` for what it reads.

        Raises:
            StructureError: a residue is not standard or not complete.
            DeviceError: OpenMM lacks the platform.
        """
        self.config = config or HeavyAtomConfig()
        self.terms: HeavyTerms = heavy_terms(protein, cis)
        self.name = protein.name
        self.atoms = len(protein)
        self._geometry = LocalGeometry(protein, self.terms)
        self._plain: openmm.System | None = None

    def relax(
        self,
        coords: np.ndarray,
        *,
        steps: int = 500,
        tolerance: float = 1.0,
        restraints: Restraints | None = None,
    ) -> Relaxed:
        """Return the nearest minimum; broken and overlapping starts go through soft stages.

        Args:
            coords: (atoms, 3) Å.
            steps: iterations of L-BFGS at most in the last stage.
            tolerance: root-mean-square force at which it stops, kcal/mol/Å.
            restraints: what to hold on to.

        Raises:
            StructureError: wrong shape, not finite, or the minimisation diverged.
        """
        values = border.check_coords(coords, self.atoms, self.name)
        context = self._context(restraints)
        strain = self._geometry.measure(values)
        if strain.worst_bond > _BAD_BOND or strain.closest < _BAD_CONTACT:
            # coincident atoms have no direction to part in: a fixed jitter gives them one
            values = values + np.random.default_rng(0).normal(0.0, 0.02, values.shape)
            for wall in _SOFT:
                values = self._minimise(context, values, wall, 0.0, tolerance, _SOFT_STEPS)
        for _ in range(_MIRRORS):
            values = self._geometry.mirror(values)
            values = self._minimise(context, values, 1.0, 1.0, tolerance, steps)
            if not self._geometry.measure(values).inverted:
                break
        what = f"{self.name}: relaxation"
        return Relaxed(border.read_coords(context, what), border.read_energy(context, what))

    def _minimise(
        self,
        context: openmm.Context,
        coords: np.ndarray,
        wall: float,
        attraction: float,
        tolerance: float,
        steps: int,
    ) -> np.ndarray:
        context.setPositions(to_nm(coords))
        context.setParameter("wall", wall)
        context.setParameter("attraction", attraction)
        what = f"{self.name}: relaxation"
        border.minimise(context, steps, tolerance, what)
        return border.read_coords(context, what).astype(np.float64)

    def energy(self, coords: np.ndarray, restraints: Restraints | None = None) -> float:
        """Return the energy of ``coords`` (atoms, 3) Å in kcal/mol, restraints included."""
        context = self._context(restraints)
        context.setPositions(to_nm(border.check_coords(coords, self.atoms, self.name)))
        context.setParameter("wall", 1.0)
        context.setParameter("attraction", 1.0)
        return border.read_energy(context, self.name)

    def dynamics(
        self,
        coords: np.ndarray,
        *,
        temperature: float,
        steps: int,
        every: int,
        seed: int,
        restraints: Restraints | None = None,
        attraction: float = 1.0,
    ) -> np.ndarray:
        """Return frames of Langevin dynamics, (steps // every, atoms, 3) float32 Å.

        Relax first: a start with broken bonds may blow up.

        Args:
            coords: (atoms, 3) Å.
            temperature: kelvin.
            steps: of ``config.step`` fs.
            every: steps between frames.
            seed: of velocities and noise.
            restraints: what to hold on to.
            attraction: factor on the wells; 0 for a chain that only repels.

        Raises:
            StructureError: wrong shape, not finite, or the simulation blew up.
            ValueError: not 1 <= every <= steps.
        """
        values = border.check_coords(coords, self.atoms, self.name)
        integrator = border.langevin(temperature, self.config.friction, self.config.step, seed)
        context = border.make_context(
            self._system(restraints), integrator, self.config.platform, self.config.threads
        )
        context.setPositions(to_nm(values))
        context.setParameter("attraction", attraction)
        return border.run_dynamics(context, temperature, steps, every, seed, self.name)

    def strain(self, coords: np.ndarray) -> Strain:
        """Return deviations of ``coords`` (atoms, 3) Å from ideal geometry."""
        return self._geometry.measure(border.check_coords(coords, self.atoms, self.name))

    def _context(self, restraints: Restraints | None) -> openmm.Context:
        """Return a fresh context: a used one sums forces in another order (not repeatable)."""
        return border.make_context(
            self._system(restraints),
            openmm.VerletIntegrator(0.001),
            self.config.platform,
            self.config.threads,
        )

    def _system(self, restraints: Restraints | None) -> openmm.System:
        if restraints is None and self._plain is not None:
            return self._plain
        system = openmm.System()
        for _ in range(self.atoms):
            system.addParticle(self.config.mass)
        for force in heavy_forces(self.terms, self.config):
            system.addForce(force)
        if restraints is None:
            self._plain = system
            return system
        for force in restraint_forces(self.terms, restraints, self.name):
            system.addForce(force)
        return system
