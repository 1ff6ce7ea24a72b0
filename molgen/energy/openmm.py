"""OpenMM at its border: Å, kcal/mol and radians on our side, nm and kJ/mol on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openmm
from openmm import unit

from molgen.errors import DeviceError, StructureError
from molgen.units import ANGSTROM_PER_NM, KCAL_PER_KJ

PLATFORMS = ("CUDA", "CPU", "Reference")
"""Platforms in the order of preference."""

NM_PER_ANGSTROM = 1.0 / ANGSTROM_PER_NM
KJ_PER_KCAL = 1.0 / KCAL_PER_KJ
SPRING = KJ_PER_KCAL * ANGSTROM_PER_NM**2
"""kJ/mol/nm² per kcal/mol/Å²."""


def to_nm(coords: np.ndarray) -> np.ndarray:
    """Return coordinates or lengths in nm as float64."""
    return np.asarray(coords, dtype=np.float64) * NM_PER_ANGSTROM


def to_angstrom(coords_nm: np.ndarray) -> np.ndarray:
    """Return coordinates or lengths in Å as float64."""
    return np.asarray(coords_nm, dtype=np.float64) * ANGSTROM_PER_NM


def read_nonbonded(
    system: openmm.System,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the non-bonded parameters of a system that has OpenMM's `NonbondedForce`.

    Returns:
        charges (atoms,) e; half distance and depth of the minimum (atoms, 2) Å, kcal/mol; the
        pairs with parameters of their own (pairs, 2); their charge product, e², distance and
        depth (pairs, 3) Å, kcal/mol.
    """
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    atoms = np.array(
        [
            [value._value for value in force.getParticleParameters(i)]
            for i in range(force.getNumParticles())
        ]
    ).reshape(-1, 3)
    pairs, own = [], []
    for index in range(force.getNumExceptions()):
        i, j, *values = force.getExceptionParameters(index)
        pairs.append((i, j))
        own.append([value._value for value in values])
    table = np.array(own, dtype=np.float64).reshape(-1, 3)
    minimum = 2.0 ** (1.0 / 6.0) * ANGSTROM_PER_NM  # Å per nm of sigma
    scale = np.array([1.0, minimum, KCAL_PER_KJ])
    return (
        atoms[:, 0],
        atoms[:, 1:] * np.array([0.5 * minimum, KCAL_PER_KJ]),
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        table * scale,
    )


def in_angstrom(formula: str, distance: str | None = "d") -> str:
    """Return an energy formula for OpenMM from one that is in kcal/mol and Å.

    Args:
        formula: the energy first, definitions after it; all parameters in molgen's units.
        distance: name that the formula gives to OpenMM's ``r``; None where it has no ``r``.
    """
    energy, _, definitions = formula.partition(";")
    parts = [f"{KJ_PER_KCAL}*({energy})", *([definitions] if definitions else [])]
    if distance:
        parts.append(f"{distance}={ANGSTROM_PER_NM}*r")
    return ";".join(parts)


def make_context(
    system: openmm.System,
    integrator: openmm.Integrator,
    platform: str,
    threads: int = 1,
    *,
    deterministic: bool = False,
) -> openmm.Context:
    """Return a context on a platform by name.

    Args:
        threads: for the CPU platform.
        deterministic: sum forces in a fixed order, which costs a little time.

    Raises:
        DeviceError: OpenMM does not offer the platform, or it does not work.
    """
    offered = available_platforms()
    if platform not in offered:
        raise DeviceError(f"OpenMM platform {platform!r} is not there; expected one of {offered}")
    properties = {"Threads": str(threads)} if platform == "CPU" else {}
    if platform == "CUDA":
        properties = {"Precision": "mixed"}
    if deterministic and platform in ("CPU", "CUDA"):
        properties["DeterministicForces"] = "true"
    chosen = openmm.Platform.getPlatformByName(platform)
    try:
        return openmm.Context(system, integrator, chosen, properties)
    except openmm.OpenMMException as error:
        raise DeviceError(f"OpenMM platform {platform!r} does not work here: {error}") from error


def pick_platform() -> str:
    """Return the first of the available platforms that works: CUDA may lack its device."""
    probe = openmm.System()
    probe.addParticle(1.0)
    for name in available_platforms():
        try:
            make_context(probe, openmm.VerletIntegrator(0.001), name)
        except DeviceError:
            continue
        return name
    raise DeviceError("OpenMM offers no platform that works")


def available_platforms() -> list[str]:
    """Return the names of the platforms this installation offers, preferred first."""
    count = openmm.Platform.getNumPlatforms()
    names = [openmm.Platform.getPlatform(i).getName() for i in range(count)]
    return [name for name in PLATFORMS if name in names] + [n for n in names if n not in PLATFORMS]


def read_coords(context: openmm.Context, what: str) -> np.ndarray:
    """Return the positions, (atoms, 3) float32 Å.

    Raises:
        StructureError: they are not finite; ``what`` opens the message.
    """
    state = context.getState(getPositions=True)
    coords_nm = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    coords = np.asarray(coords_nm * ANGSTROM_PER_NM, dtype=np.float32)
    if not np.isfinite(coords).all():
        raise StructureError(f"{what}: coordinates are no longer finite")
    return coords


def read_energy(context: openmm.Context, what: str, groups: set[int] | None = None) -> float:
    """Return the potential energy, kcal/mol, of the force ``groups``; of all by default.

    Raises:
        StructureError: it is not finite.
    """
    chosen = {} if groups is None else {"groups": groups}
    energy = context.getState(getEnergy=True, **chosen).getPotentialEnergy()
    value = float(energy.value_in_unit(unit.kilojoule_per_mole)) * KCAL_PER_KJ
    if not np.isfinite(value):
        raise StructureError(f"{what}: the energy is not finite")
    return value


def minimise(context: openmm.Context, steps: int, tolerance: float, what: str) -> None:
    """Move the context to the nearest minimum by L-BFGS.

    Args:
        steps: iterations at most.
        tolerance: root-mean-square force at which it stops, kcal/mol/Å.
        what: opens the message.

    Raises:
        StructureError: the minimisation failed.
    """
    limit = tolerance * KJ_PER_KCAL / NM_PER_ANGSTROM
    try:
        openmm.LocalEnergyMinimizer.minimize(context, limit, steps)
    except openmm.OpenMMException as error:
        raise StructureError(f"{what}: minimisation failed: {error}") from error


def check_coords(coords: np.ndarray, atoms: int, what: str) -> np.ndarray:
    """Return ``coords`` as float64.

    Raises:
        StructureError: not (atoms, 3) finite numbers.
    """
    values = np.asarray(coords, dtype=np.float64)
    if values.shape != (atoms, 3):
        raise StructureError(f"{what}: coordinates are {values.shape}, expected ({atoms}, 3)")
    if not np.isfinite(values).all():
        raise StructureError(f"{what}: coordinates hold NaN or infinity")
    return values


@dataclass(frozen=True)
class Relaxed:
    """Outcome of a minimisation.

    Attributes:
        coords: (atoms, 3) float32, Å.
        energy: kcal/mol, restraints included.
    """

    coords: np.ndarray
    energy: float


def run_dynamics(
    context: openmm.Context,
    temperature: float,
    steps: int,
    every: int,
    seed: int,
    what: str,
) -> np.ndarray:
    """Return frames (frames, atoms, 3) float32 Å, one after each ``every`` of ``steps`` steps.

    Velocities are drawn for ``temperature`` in kelvin from ``seed``.

    Raises:
        StructureError: the simulation blew up.
        ValueError: not 1 <= every <= steps.
    """
    if not 1 <= every <= steps:
        raise ValueError(f"dynamics: expected 1 <= every <= steps, got {every} and {steps}")
    context.setVelocitiesToTemperature(temperature, openmm_seed(seed))
    frames = []
    for frame in range(steps // every):
        try:
            context.getIntegrator().step(every)
        except openmm.OpenMMException as error:
            raise StructureError(f"{what}: dynamics failed in frame {frame}: {error}") from error
        frames.append(read_coords(context, f"{what}: dynamics, frame {frame}"))
    return np.stack(frames)


def pull_force(
    atoms: np.ndarray, targets_nm: np.ndarray, strength: float | np.ndarray
) -> openmm.Force:
    """Return strength (x - x0)^2 on atoms (n,); strength in kcal/mol/Å², number or (n,)."""
    force = openmm.CustomExternalForce("pull*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("pull", "x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    pull = np.broadcast_to(np.asarray(strength, dtype=np.float64) * SPRING, (len(atoms),))
    columns = (np.asarray(atoms).tolist(), targets_nm.tolist(), pull.tolist())
    for atom, target, k in zip(*columns, strict=True):
        force.addParticle(atom, [k, *target])
    return force


def langevin(temperature: float, friction: float, step: float, seed: int) -> openmm.Integrator:
    """Return a Langevin integrator: kelvin, 1/ps, fs; the same seed gives the same run."""
    integrator = openmm.LangevinMiddleIntegrator(
        temperature * unit.kelvin, friction / unit.picosecond, step * unit.femtosecond
    )
    integrator.setRandomNumberSeed(openmm_seed(seed))
    return integrator


def openmm_seed(seed: int) -> int:
    """Return a seed that OpenMM takes: positive, below 2^31 (it reads 0 as 'any')."""
    return int(seed) % (2**31 - 2) + 1
