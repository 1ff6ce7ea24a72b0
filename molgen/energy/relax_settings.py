"""Settings of a relaxation, apart from the physics so that reading them needs no OpenMM."""

from __future__ import annotations

from dataclasses import dataclass

from molgen.config import limited


@dataclass(frozen=True)
class RelaxSettings:
    """The physics of a relaxation.

    Attributes:
        flexible: Å from the ligand within which a side chain may move; 0 holds the protein fixed.
        reach: Å from the ligand within which the receptor is modelled.
        cutoff: Å between non-bonded atoms at the start; which pairs count does not change after.
        dielectric: permittivity an Å.
        backbone: pull of moving residues' main chain to where it was, kcal/mol/Å².
        side_chain: the same for their side chains.
        ligand: the same for the heavy atoms of the ligand.
        soften: iterations of L-BFGS at most while overlapping atoms push with bounded force.
        iterations: the same after it, with the full repulsion.
        tolerance: root-mean-square force at which it stops, kcal/mol/Å.
        ph: at which hydrogens of the protein are added.
        threads: of OpenMM's CPU platform; the result may change with their number.
    """

    flexible: float = limited(6.0, min=0, max=12)
    reach: float = limited(12.0, above=0, max=30)
    cutoff: float = limited(8.0, min=4, max=20)
    dielectric: float = limited(4.0, min=1)
    backbone: float = limited(50.0, min=0)
    side_chain: float = limited(1.0, min=0)
    ligand: float = limited(0.0, min=0)
    soften: int = limited(50, min=0)
    iterations: int = limited(200, min=1)
    tolerance: float = limited(0.5, above=0)
    ph: float = limited(7.0, min=0, max=14)
    threads: int = limited(1, min=1)


@dataclass(frozen=True)
class RelaxConfig:
    """Settings of a relaxation; every key may stand in a YAML file.

    Attributes:
        platform: of OpenMM: CUDA, CPU, Reference; "auto" takes the first of them that works.
        max_displacement: Å RMSD of heavy atoms beyond which a relaxed pose is refused.
        physics: force field, what may move, how long.
    """

    platform: str = "auto"
    max_displacement: float = limited(2.0, above=0)
    physics: RelaxSettings = RelaxSettings()
