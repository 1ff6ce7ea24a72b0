"""Settings of the docking search; the defaults live here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

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
class SidegenSettings:
    """Learned proposals that join the starts of the search.

    Attributes:
        checkpoint: of `molgen train sidegen`.
        samples: poses drawn.
        steps: of the sampler.
        eta: 1 is ancestral sampling, 0 deterministic.
        rounds: of the search that follows; 0 only minimises the proposals.
        starts: random placements beside the proposals.
    """

    checkpoint: str = "sidegen-1"
    samples: int = limited(40, min=1)
    steps: int = limited(20, min=1)
    eta: float = limited(1.0, min=0.0, max=1.0)
    rounds: int = limited(14, min=0)
    starts: int = limited(4096, min=1)


@dataclass(frozen=True)
class VinaSettings:
    """Options of the Vina peer.

    Attributes:
        conformers: ETKDG start conformers, each docked on its own; 0 takes the conformer of the
            ligand file as it is given.
        exhaustiveness: Vina's number of runs for every start conformer.
        threads: CPU threads, 0 for all.
    """

    conformers: int = limited(8, min=0)
    exhaustiveness: int = limited(4, min=1)
    threads: int = limited(0, min=0)
