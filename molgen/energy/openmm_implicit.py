"""All-atom AMBER with implicit solvent: the real thing, for thermal unfolding of a few proteins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import openmm
from openmm import app, unit

from molgen.config import limited
from molgen.energy import openmm as border
from molgen.energy.openmm import NM_PER_ANGSTROM, Relaxed
from molgen.energy.openmm_completion import atom_rows, complete_protein
from molgen.errors import ConfigError, StructureError
from molgen.structure.protein import Protein


@dataclass(frozen=True)
class ImplicitSolventConfig:
    """Force field and integration.

    Attributes:
        solvent: generalised Born models OBC2 (Onufriev 2004) or, slower, GBn2 (Nguyen 2013);
            "reaction_field" has no solvation energy, only charges screened beyond ``cutoff`` by
            the dielectric of water: crude, but many times faster on a CPU.
        cutoff: Å; None for none, which "reaction_field" does not allow.
        ph: at which hydrogens are added.
        hydrogen_mass: dalton, taken from the heavy neighbour; allows ``step``.
        step: fs; bonds to hydrogen are constrained.
        friction: 1/ps.
        platform: OpenMM platform; None takes the best that works.
        threads: of the CPU platform.
    """

    solvent: Literal["obc2", "gbn2", "reaction_field"] = "obc2"
    cutoff: float | None = limited(12.0, above=0)
    ph: float = limited(7.0, min=0, max=14)
    hydrogen_mass: float = limited(3.0, min=1.0, max=4.0)
    step: float = limited(4.0, above=0)
    friction: float = limited(1.0, above=0)
    platform: str | None = None
    threads: int = limited(1, min=1)


_OBC_OFFSET_NM = 0.009


class ImplicitSolvent:
    """One protein in AMBER ff14SB with implicit solvent; frames come back as its heavy atoms."""

    def __init__(self, protein: Protein, config: ImplicitSolventConfig | None = None) -> None:
        """Add missing heavy atoms and hydrogens and set up the system; takes seconds.

        Raises:
            StructureError: a residue is not standard, or the force field does not know it.
            ConfigError: "reaction_field" without a cutoff.
        """
        self.config = config or ImplicitSolventConfig()
        if self.config.solvent == "reaction_field" and self.config.cutoff is None:
            raise ConfigError("cutoff: solvent reaction_field needs one, not null")
        self.name = protein.name
        self.platform = self.config.platform or border.pick_platform()
        topology, start = complete_protein(protein, self.config.ph)
        self.topology = topology
        self.start_nm = start  # all atoms, hydrogens included
        self._heavy = atom_rows(protein, topology)
        self._elements = np.array([atom.element.symbol for atom in topology.atoms()])
        files = ["amber14/protein.ff14SB.xml"]
        if self.config.solvent != "reaction_field":
            files.append(f"implicit/{self.config.solvent}.xml")
        force_field = app.ForceField(*files)
        options: dict = {"nonbondedMethod": app.NoCutoff}
        if self.config.cutoff is not None:
            options = {
                "nonbondedMethod": app.CutoffNonPeriodic,
                "nonbondedCutoff": NM_PER_ANGSTROM * self.config.cutoff * unit.nanometer,
            }
        try:
            self._system = force_field.createSystem(
                topology,
                constraints=app.HBonds,
                hydrogenMass=self.config.hydrogen_mass * unit.dalton,
                **options,
            )
        except ValueError as error:
            raise StructureError(f"{self.name}: no AMBER parameters: {error}") from error
        if self.config.solvent == "obc2":
            use_native_obc2(self._system, self.config.cutoff)

    @property
    def atoms(self) -> int:
        """Number of atoms, hydrogens included."""
        return len(self._elements)

    def relax(self, *, steps: int = 200, tolerance: float = 2.0, hold: float = 0.0) -> Relaxed:
        """Return the nearest minimum of the protein's own coordinates.

        Args:
            steps: iterations of L-BFGS at most.
            tolerance: root-mean-square force at which it stops, kcal/mol/Å.
            hold: pull of the given heavy atoms to where they were, kcal/mol/Å².

        Raises:
            StructureError: the minimisation diverged.
        """
        context = self._context(300.0, 0, hold)
        self._minimise(context, steps, tolerance)
        coords = border.read_coords(context, f"{self.name}: relaxation")[self._heavy]
        return Relaxed(coords, border.read_energy(context, f"{self.name}: relaxation"))

    def dynamics(
        self,
        *,
        temperature: float,
        steps: int,
        every: int,
        seed: int,
        relax_steps: int = 200,
    ) -> np.ndarray:
        """Return frames of Langevin dynamics, (steps // every, atoms, 3) float32 Å.

        The start is the protein's own coordinates after ``relax_steps`` of minimisation; the
        atoms are those of the protein, in its order.

        Raises:
            StructureError: the simulation blew up.
            ValueError: not 1 <= every <= steps.
        """
        context = self._context(temperature, seed, 0.0)
        self._minimise(context, relax_steps, 2.0)
        frames = border.run_dynamics(context, temperature, steps, every, seed, self.name)
        return frames[:, self._heavy]

    def _context(self, temperature: float, seed: int, hold: float) -> openmm.Context:
        system = self._system
        if hold:
            # the system itself stays as it is
            system = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
            system.addForce(border.pull_force(self._heavy, self.start_nm[self._heavy], hold))
        integrator = border.langevin(temperature, self.config.friction, self.config.step, seed)
        context = border.make_context(system, integrator, self.platform, self.config.threads)
        context.setPositions(self.start_nm)
        return context

    def _minimise(self, context: openmm.Context, steps: int, tolerance: float) -> None:
        if steps < 1:
            return
        border.minimise(context, steps, tolerance, f"{self.name}: relaxation")


def use_native_obc2(system: openmm.System, cutoff: float | None) -> None:
    """Replace the OBC2 model that OpenMM's XML writes as formulas by the built-in one, in place.

    Radii, scales and surface term stay the same; the CPU platform is several times faster.
    """
    index, written = next(
        (i, force)
        for i, force in enumerate(system.getForces())
        if isinstance(force, openmm.CustomGBForce)
    )
    names = [written.getPerParticleParameterName(i) for i in range(3)]
    if names != ["charge", "or", "sr"]:
        raise AssertionError(f"OBC2 of this OpenMM has parameters {names}")
    force = openmm.GBSAOBCForce()
    for i in range(written.getNumParticles()):
        charge, offset_radius, scaled = written.getParticleParameters(i)
        force.addParticle(charge, offset_radius + _OBC_OFFSET_NM, scaled / offset_radius)
    force.setNonbondedMethod(openmm.GBSAOBCForce.NoCutoff)
    if cutoff is not None:
        force.setNonbondedMethod(openmm.GBSAOBCForce.CutoffNonPeriodic)
        force.setCutoffDistance(NM_PER_ANGSTROM * cutoff)
    system.removeForce(index)
    system.addForce(force)
