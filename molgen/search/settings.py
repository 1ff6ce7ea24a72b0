"""Settings of the docking search; the defaults live here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from molgen.config import limited


@dataclass(frozen=True)
class SearchSettings:
    """Effort and resolution of the search.

    Attributes:
        conformers: ETKDG start conformers.
        num_starts: random placements that are minimised briefly.
        num_chains: of them, the best distinct ones that start Monte-Carlo chains.
        rounds: the chains restart this often from the best distinct minima found so far.
        steps: Monte-Carlo steps of a chain in a round; every torsion adds ``steps_per_torsion``.
        steps_per_torsion: see ``steps``.
        iterations: BFGS iterations of a Monte-Carlo step.
        temperature: of the Metropolis test, kcal/mol.
        grid_spacing: Å between points of the receptor grids.
        torsion_weight: factor on the crystal-structure torsion preferences.
        distinct: Å RMSD that keeps two returned poses apart.
        potential: checkpoint of the learned contact correction; null for the Vina function alone.
    """

    conformers: int = limited(32, min=1, max=1000)
    num_starts: int = limited(4096, min=1)
    num_chains: int = limited(64, min=1)
    rounds: int = limited(14, min=1)
    steps: int = limited(30, min=1)
    steps_per_torsion: int = limited(3, min=0)
    iterations: int = limited(20, min=1)
    temperature: float = limited(1.2, above=0.0)
    grid_spacing: float = limited(0.4, min=0.1, max=1.0)
    torsion_weight: float = limited(0.05, min=0.0)
    distinct: float = limited(1.5, min=0.0)
    potential: str | None = "contacts-1"


@dataclass(frozen=True)
class GuidanceSettings:
    """Weights of the energies that move the estimates of SIDEGEN; 0 switches one off.

    Attributes:
        on: False leaves the estimates alone.
        clash: van der Waals overlap with the receptor.
        vina: the Vina energy.
        internal: van der Waals overlap within the ligand.
        bounds: bond lengths, angles and rigid 1-4 distances; Cartesian space only, as the next two.
        planarity: rings, trigonal atoms and double bonds.
        chirality: tetrahedral centres, E/Z double bonds.
        scf: learned energy of the ligand.
        gap: learned gap between its orbitals.
        charges: electrostatics of its learned charges.
        start: Å, noise below which the energies begin to act.
        full: Å, noise below which they act in full.
        iterations: gradient steps at every step of the sampler.
        rate: Å² mol/kcal, length of a gradient step.
        largest: Å, most that a gradient step moves an atom.
    """

    on: bool = False
    clash: float = limited(1.0, min=0.0)
    vina: float = limited(0.5, min=0.0)
    internal: float = limited(1.0, min=0.0)
    bounds: float = limited(0.1, min=0.0)
    planarity: float = limited(0.2, min=0.0)
    chirality: float = limited(0.2, min=0.0)
    scf: float = limited(0.0, min=0.0)
    gap: float = limited(0.0, min=0.0)
    charges: float = limited(0.0, min=0.0)
    start: float = limited(1.5, above=0.0)
    full: float = limited(0.75, min=0.0)
    iterations: int = limited(4, min=1)
    rate: float = limited(0.02, above=0.0)
    largest: float = limited(0.3, above=0.0)

    def __post_init__(self) -> None:
        if self.full > self.start:
            raise ValueError(f"full = {self.full} must not be above start = {self.start}")


@dataclass(frozen=True)
class InferenceSettings:
    """Search while SIDEGEN samples, for poses of low energy.

    Attributes:
        kind: "none"; "best-of-n" keeps the best of ``budget`` times as many poses; "particles"
            resamples poses on their way (Feynman-Kac steering); "noise" searches the neighbourhood
            of the initial noise; "tree" branches where earlier poses came out low.
        budget: network evaluations, as a multiple of those without a search.
        temperature: kcal/mol, of the weights of particles and branches.
        group: particles that compete with each other.
        interval: steps of the sampler between two resamplings, or two branching points.
        reach: size of the neighbourhood of a noise, as a share of it.
    """

    kind: Literal["none", "best-of-n", "particles", "noise", "tree"] = "none"
    budget: int = limited(2, min=1)
    temperature: float = limited(2.0, above=0.0)
    group: int = limited(4, min=2)
    interval: int = limited(4, min=1)
    reach: float = limited(0.3, above=0.0, max=1.0)


@dataclass(frozen=True)
class SidegenSettings:
    """Learned proposals that join the starts of the search.

    Attributes:
        checkpoint: of `molgen train sidegen`.
        space: of the poses while they are drawn; "cartesian" lets every atom move for itself.
        samples: poses drawn.
        steps: of the sampler.
        eta: 1 is ancestral sampling, 0 deterministic.
        temperature: factor on the noise that a step of the sampler adds; below 1 more poses lie
            where the network is surest, and fewer elsewhere.
        rounds: of the search that follows; 0 only minimises the proposals.
        starts: random placements beside the proposals.
        guidance: of the sampler by energies.
        inference: search while sampling.
    """

    checkpoint: str = "sidegen-3"
    space: Literal["rigid-torsion", "cartesian"] = "rigid-torsion"
    samples: int = limited(40, min=1)
    steps: int = limited(20, min=1)
    eta: float = limited(1.0, min=0.0, max=1.0)
    temperature: float = limited(1.0, min=0.0, max=1.0)
    rounds: int = limited(14, min=0)
    starts: int = limited(4096, min=1)
    guidance: GuidanceSettings = GuidanceSettings()
    inference: InferenceSettings = InferenceSettings()

    def __post_init__(self) -> None:
        for name in ("eta", "temperature"):
            if getattr(self, name) == 0 and self.inference.kind in ("particles", "tree"):
                raise ValueError(f"{name} = 0 gives {self.inference.kind} no noise to branch by")


SECOND_SEARCH = SidegenSettings(samples=16, steps=12, rounds=12, starts=2048)
"""Of a ligand that a first search left in doubt: about as long as that."""


@dataclass(frozen=True)
class VinaSettings:
    """Options of the Vina peer.

    Attributes:
        conformers: ETKDG start conformers, each docked on its own; 0 takes the conformer of the
            ligand file as it is given.
        exhaustiveness: Vina's number of runs for every start conformer.
        threads: CPU threads, 0 for as many as torch uses (``OMP_NUM_THREADS``).
    """

    conformers: int = limited(8, min=0)
    exhaustiveness: int = limited(4, min=1)
    threads: int = limited(0, min=0)
