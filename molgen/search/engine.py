"""The CPU search: random starts, Monte Carlo with minimisation, restarts, distinct minima."""

from __future__ import annotations

import numpy as np

from molgen.search import kernels
from molgen.search.field import ReceptorField
from molgen.search.selection import distinct
from molgen.search.settings import SearchSettings
from molgen.search.templates import LigandTemplate

POOL = 600
"""Distinct minima kept from round to round."""
CANDIDATES = 6000
"""Best minima among which the distinct ones are looked for."""
SAME = 1.0
"""Å RMSD below which two minima count as one in the pool."""
_APART = 1.5
"""Å RMSD between the starts of a round."""
_BRIEF = 8
"""BFGS iterations of a random start; enough to tell a hopeless one."""
_FINAL = 60
"""BFGS iterations of the final minimisation."""
_MAX_STEP = 1.0
"""Å or radians that one component may change in a trial step."""


def search(
    field: ReceptorField,
    template: LigandTemplate,
    settings: SearchSettings,
    rng: np.random.Generator,
    proposals: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct minima as (poses, atoms, 3) Å in tree order and their energies, best first.

    The energies are kcal/mol on the grids: receptor, internal pairs and torsion preferences.

    Args:
        proposals: states (proposals, 7 + torsions) and their conformers that join the random
            starts, as `molgen.search.refine.project` returns them.
    """
    ligand, receptor = pack(field, template, settings)
    states, conformer = random_starts(field, template, settings.num_starts, rng)
    if proposals is not None:
        states = np.concatenate([states, proposals[0]])
        conformer = np.concatenate([conformer, proposals[1]])
    energies = kernels.minimize_all(states, conformer, ligand, receptor, _BRIEF, _MAX_STEP)
    steps = settings.steps + settings.steps_per_torsion * template.tree.num_torsions
    pool = condense((states, conformer, energies), ligand, template.symmetries)
    for _ in range(settings.rounds):
        coords = kernels.place_all(pool[0], pool[1], ligand)
        chosen = distinct(
            coords, np.arange(len(coords)), _APART, settings.num_chains, template.symmetries
        )
        seeds = rng.integers(0, 2**31, len(chosen))
        found, shape, energy = kernels.monte_carlo(
            pool[0][chosen], pool[1][chosen], pool[2][chosen], ligand, receptor, seeds,
            steps, settings.iterations, _MAX_STEP, settings.temperature,
        )  # fmt: skip
        found = found.reshape(-1, found.shape[-1])
        new = (found, shape.ravel(), energy.ravel())
        both = tuple(np.concatenate(pair) for pair in zip(pool, new, strict=True))
        pool = condense(both, ligand, template.symmetries)
    states, conformer, _ = pool
    energies = kernels.minimize_all(states, conformer, ligand, receptor, _FINAL, _MAX_STEP)
    coords = kernels.place_all(states, conformer, ligand)
    order = np.argsort(energies, kind="stable")
    kept = distinct(coords, order, settings.distinct, POOL, template.symmetries)
    return coords[kept], energies[kept]


def pack(field: ReceptorField, template: LigandTemplate, settings: SearchSettings) -> tuple:
    """Return the (ligand, field) tuples that the kernels take."""
    tree = template.tree
    ligand = (
        np.ascontiguousarray(template.conformers), tree.axis, tree.span, field.kind, tree.pairs,
        field.pair_row, np.ascontiguousarray(template.torsion_energy * settings.torsion_weight),
    )  # fmt: skip
    receptor = (
        field.grids, field.origin, 1.0 / field.spacing, field.pair_tables, field.density,
        field.cutoff,
    )  # fmt: skip
    return ligand, receptor


def random_starts(
    field: ReceptorField, template: LigandTemplate, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return uniform random states (count, 7 + torsions) in the box and their conformers."""
    torsions = template.tree.num_torsions
    edges = (np.array(field.grids.shape[1:]) - 1) * field.spacing
    margin = np.minimum(3.0, edges / 4)
    states = np.empty((count, 7 + torsions))
    states[:, :3] = field.origin + margin + rng.random((count, 3)) * (edges - 2 * margin)
    turn = rng.standard_normal((count, 4))
    states[:, 3:7] = turn / np.linalg.norm(turn, axis=1, keepdims=True)
    states[:, 7:] = rng.uniform(-np.pi, np.pi, (count, torsions))
    return states, rng.integers(0, len(template.conformers), count)


def condense(pool: tuple, ligand: tuple, symmetries: tuple) -> tuple:
    """Return the best distinct minima of a pool (states, conformers, energies), sorted.

    Without this the pool fills with copies of the deepest minimum and the search narrows to it.
    """
    order = np.argsort(pool[2], kind="stable")[:CANDIDATES]
    states, conformer, energies = (part[order] for part in pool)
    coords = kernels.place_all(states, conformer, ligand)
    kept = distinct(coords, np.arange(len(coords)), SAME, POOL, symmetries)
    return states[kept], conformer[kept], energies[kept]
