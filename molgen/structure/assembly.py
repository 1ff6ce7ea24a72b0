"""A structure file as read: the polymer, and every non-polymer group it came with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from molgen.errors import StructureError
from molgen.structure.protein import Protein, ResidueId

PEPTIDE = 25
"""Residues of a chain up to which it may be a ligand beside a longer chain."""


@dataclass(frozen=True)
class HeteroGroup:
    """One non-polymer, non-water group: metal, cofactor, additive or ligand.

    Attributes:
        residue: where it stands in the file.
        code: component code ("NAP", "ZN").
        atoms: indices into the atoms of the `Structure`.
        bonds: (name, name, order) from the file's ``_chem_comp_bond`` (order 1, 2, 3; aromatic
            bonds as the file's Kekulé orders), empty when the file has no such table.
        charges: (name, formal charge) of the atoms that the same table gives a charge.
        is_ligand: whether it may be the co-crystal ligand (organic, not an additive, sugar of a
            glycan or a common cofactor).
        stand_in: whether it is a cofactor that may be re-posed, in a file without any ligand.
        covalent: whether an atom of it is bonded to the polymer.
        partners: the groups it is bonded to; together they are one molecule.
    """

    residue: ResidueId
    code: str
    atoms: np.ndarray
    bonds: tuple[tuple[str, str, int], ...] = ()
    charges: tuple[tuple[str, int], ...] = ()
    is_ligand: bool = False
    stand_in: bool = False
    covalent: bool = False
    partners: tuple[ResidueId, ...] = ()

    def __str__(self) -> str:
        return f"{self.code} {self.residue}"


@dataclass(frozen=True)
class Structure:
    """All heavy atoms of one model of a file without waters, and its hetero groups.

    ``atoms`` carries polymer and hetero atoms alike (``hetero`` tells them apart); its notes say
    what the reader dropped or changed.
    """

    atoms: Protein
    groups: tuple[HeteroGroup, ...] = ()

    @property
    def name(self) -> str:
        """Label of the file."""
        return self.atoms.name

    @property
    def ligands(self) -> tuple[HeteroGroup, ...]:
        """Groups that may be the co-crystal ligand, largest first."""
        return _largest_first(group for group in self.groups if group.is_ligand)

    @property
    def reposable(self) -> tuple[HeteroGroup, ...]:
        """The ligands; in a file without any the cofactors that may stand in, largest first."""
        return self.ligands or _largest_first(group for group in self.groups if group.stand_in)

    def molecule(self, group: HeteroGroup) -> tuple[HeteroGroup, ...]:
        """Return a group and those bonded to it, directly or through others; the group first."""
        at = {other.residue: other for other in self.groups}
        found = {group.residue: group}
        queue = [group]
        while queue:
            for place in queue.pop().partners:
                if place not in found:
                    found[place] = at[place]
                    queue.append(at[place])
        return tuple(found.values())

    def standing_at(self, points: np.ndarray, cutoff: float = 1.0) -> tuple[HeteroGroup, ...]:
        """Return the groups of several atoms, and short chains, that stand where ``points`` are.

        Half of their atoms or more lie within ``cutoff`` Å of one of the (points, 3). A chain of at
        most `PEPTIDE` residues comes as one group with the code "chain".
        """
        tree = cKDTree(points)
        return tuple(
            group
            for group in (*self.groups, *self.peptides())
            if len(group.atoms) > 1
            and np.median(tree.query(self.atoms.coords[group.atoms])[0]) <= cutoff
        )

    def peptides(self) -> tuple[HeteroGroup, ...]:
        """Return the chains of at most `PEPTIDE` residues beside a longer one."""
        chains: dict[str, list[tuple[ResidueId, slice]]] = {}
        for residue, _, atoms in self.atoms.residues():
            if not self.atoms.hetero[atoms.start]:
                chains.setdefault(residue.chain, []).append((residue, atoms))
        if max(map(len, chains.values()), default=0) <= PEPTIDE:
            return ()
        return tuple(
            HeteroGroup(parts[0][0], "chain", np.concatenate([np.r_[atoms] for _, atoms in parts]))
            for parts in chains.values()
            if len(parts) <= PEPTIDE
        )

    def formal_charges(self, without: tuple[HeteroGroup, ...] = ()) -> np.ndarray:
        """Return the formal charge that the file gives each atom of ``receptor(without)``, e.

        Polymer atoms and groups that the file has no table for have none, (atoms,) float64.
        """
        charges = np.zeros(len(self.atoms))
        keep = np.ones(len(self.atoms), dtype=bool)
        for group in self.groups:
            known = dict(group.charges)
            for atom in group.atoms.tolist():
                charges[atom] = known.get(str(self.atoms.atom_names[atom]), 0)
        for group in without:
            keep[group.atoms] = False
        return charges[keep]

    def receptor(self, without: tuple[HeteroGroup, ...] = ()) -> Protein:
        """Return everything but the groups in ``without``; metals and cofactors stay.

        Raises:
            StructureError: no polymer atom is left.
        """
        keep = np.ones(len(self.atoms), dtype=bool)
        for group in without:
            keep[group.atoms] = False
        if not (keep & ~self.atoms.hetero).any():
            raise StructureError(f"{self.name}: no protein residue found in the file")
        receptor = self.atoms.select(keep)
        removed = tuple(f"{group} removed from the receptor" for group in without)
        return replace(receptor, notes=receptor.notes + removed)


def _largest_first(groups: Iterable[HeteroGroup]) -> tuple[HeteroGroup, ...]:
    return tuple(sorted(groups, key=lambda group: -len(group.atoms)))
