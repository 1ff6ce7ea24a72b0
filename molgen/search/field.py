"""The receptor as seen by one ligand: interaction grids and the tables of its internal pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.energy.contacts import ContactPotential
from molgen.energy.vina_terms import CUTOFF, VinaWeights, bin_distances, pair_energy, pair_table
from molgen.graphs.atom_types import receptor_types
from molgen.graphs.contact_types import receptor_contacts
from molgen.graphs.torsion_tree import TorsionTree
from molgen.search import kernels
from molgen.structure import Pocket, Protein

DENSITY = 32
"""Bins per Å of the pair tables."""


@dataclass(frozen=True)
class Potential:
    """What atoms feel: the Vina pair potential and its learned correction."""

    weights: VinaWeights
    contacts: ContactPotential


@dataclass(frozen=True)
class ReceptorField:
    """Everything a search evaluates besides the ligand template.

    Attributes:
        grids: (kinds, nx, ny, nz) float32 kcal/mol, one for every kind of ligand atom.
        origin: (3,) first grid point, Å.
        spacing: Å between grid points.
        kind: (atoms,) grid of every ligand atom, tree order.
        pair_tables: (rows, bins) kcal/mol, internal pairs over distance.
        pair_row: (pairs,) table of every pair of the torsion tree.
        density: bins per Å.
        cutoff: Å.
    """

    grids: np.ndarray
    origin: np.ndarray
    spacing: float
    kind: np.ndarray
    pair_tables: np.ndarray
    pair_row: np.ndarray
    density: float
    cutoff: float


@dataclass(frozen=True)
class TypedReceptor:
    """Receptor atoms sorted by x with their types: made once for many ligands.

    Attributes:
        coords: (atoms, 3) float64, Å.
        types: (atoms, 2) docking and contact type.
    """

    coords: np.ndarray
    types: np.ndarray

    @classmethod
    def of(cls, protein: Protein) -> TypedReceptor:
        """Return the typed atoms of ``protein``."""
        order = np.argsort(protein.coords[:, 0], kind="stable")
        docking = receptor_types(protein)
        types = np.stack([docking, receptor_contacts(protein, docking)], axis=1)
        return cls(
            np.ascontiguousarray(protein.coords[order].astype(np.float64)),
            types[order].astype(np.int64),
        )

    def within(self, lower: np.ndarray, upper: np.ndarray) -> TypedReceptor:
        """Return the atoms that an atom between the corners can feel."""
        reach = CUTOFF + 1e-3
        near = ((self.coords > lower - reach) & (self.coords < upper + reach)).all(axis=1)
        return TypedReceptor(np.ascontiguousarray(self.coords[near]), self.types[near])


def build_field(
    receptor: TypedReceptor,
    pocket: Pocket,
    tree: TorsionTree,
    potential: Potential,
    spacing: float,
) -> ReceptorField:
    """Return grids over the pocket box for the atoms of one ligand."""
    shape = np.ceil(pocket.edges / spacing).astype(np.int64) + 1
    near = receptor.within(pocket.lower, pocket.lower + (shape - 1) * spacing)
    tables, row, kind = contact_tables(near, tree, potential)
    grids = kernels.build_grids(
        near.coords, row, pocket.lower.copy(), shape, spacing, tables, float(DENSITY), CUTOFF
    )
    ends = np.sort(tree.types[tree.pairs].astype(np.int64).reshape(-1, 2), axis=1)
    combinations, pair_row = np.unique(ends, axis=0, return_inverse=True)
    first, second = combinations[:, 0], combinations[:, 1]
    full = pair_table(first, second, potential.weights, DENSITY)
    repulsion = pair_table(first, second, potential.weights.repulsion_only(), DENSITY)
    return ReceptorField(
        grids=grids,
        origin=pocket.lower.copy(),
        spacing=spacing,
        kind=kind,
        pair_tables=repulsion + potential.contacts.attraction * (full - repulsion),
        pair_row=pair_row.reshape(-1).astype(np.int64),
        density=float(DENSITY),
        cutoff=CUTOFF,
    )


def contact_tables(
    receptor: TypedReceptor, tree: TorsionTree, potential: Potential
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pair energies over distance for all kinds of atoms that meet.

    Returns:
        tables (receptor kinds, bins, ligand kinds) kcal/mol, the receptor kind of every receptor
        atom and the ligand kind of every tree atom.
    """
    rows, row = np.unique(receptor.types.reshape(-1, 2), axis=0, return_inverse=True)
    pairs = np.stack([tree.types, tree.contacts], axis=1).astype(np.int64)
    kinds, kind = np.unique(pairs, axis=0, return_inverse=True)
    distance = bin_distances(DENSITY)[None, :, None]
    tables = pair_energy(
        distance, rows[:, None, None, 0], kinds[None, None, :, 0], potential.weights
    )
    tables += potential.contacts.energy(distance, rows[:, None, None, 1], kinds[None, None, :, 1])
    return (
        np.ascontiguousarray(tables),
        row.reshape(-1).astype(np.int64),
        kind.reshape(-1).astype(np.int64),
    )
