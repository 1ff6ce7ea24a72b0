"""A protein model to residues, Voronoi contacts and angles: the only featuriser of quality models.

Contacts, volumes and accessible areas are those of the power diagram of all heavy atoms of the
chains (`molgen.geometry.power_diagram`) with a probe of 1.4 Å and Voronota's radii. Atoms are in
contact when their cells share a face, bonded ones included; residues are when any of their atoms
are, and the area of the pair is the sum (Igashov et al., arXiv 2011.07980). Hetero groups are left
out: models rarely have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molgen.errors import StructureError
from molgen.geometry.power_diagram import PROBE, depth, power_diagram
from molgen.graphs.backbone import backbone_coords, torsion_angles
from molgen.graphs.protein_atoms import ProteinAtoms, protein_atoms
from molgen.graphs.residue_graph import ModelContacts
from molgen.structure import Protein
from molgen.structure.protein import ResidueId

MIN_EDGES = 5
"""Residue contacts below which a model says nothing."""

_EXPOSED = 1e-4
"""Å²; atoms with less accessible area are buried."""


@dataclass(frozen=True)
class ResidueReport:
    """What became of every chain residue of a model, in file order.

    Attributes:
        residues: chain, number and insertion code.
        names: residue names after normalisation.
        node: (residues,) int32 node of each residue, -1 where it is none.
        reasons: why a residue is no node; "" for nodes.
    """

    residues: tuple[ResidueId, ...]
    names: tuple[str, ...]
    node: np.ndarray
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.residues)

    def nodes(self) -> list[ResidueId]:
        """Return the residue of every node, in the order of the nodes."""
        return [self.residues[i] for i in np.flatnonzero(self.node >= 0)]


def model_contacts(protein: Protein) -> tuple[ModelContacts, ResidueReport]:
    """Return what quality models see of ``protein``, and what became of each residue.

    Raises:
        StructureError: no chain residues, none with a complete backbone (the message names what
            is missing), or fewer than five contacts between residues.
    """
    polymer = protein if not protein.hetero.any() else protein.select(~protein.hetero)
    if not len(polymer):
        raise StructureError(
            f"{protein.name}: no protein chain (ATOM records) found; expected amino-acid residues"
        )
    atoms = protein_atoms(polymer)
    is_node = (atoms.slots[:, :3] >= 0).all(axis=1) & (atoms.residue_type >= 0)
    report = _report(polymer, atoms, is_node)
    if not is_node.any():
        raise StructureError(_no_nodes(protein.name, atoms))

    coords = polymer.coords.astype(np.float64)
    diagram = power_diagram(coords, atoms.radii, PROBE)
    buried = depth(diagram.pairs, diagram.sasa > _EXPOSED)

    node_of_atom = report.node[atoms.residue]
    nodes = int(is_node.sum())
    inside = node_of_atom >= 0
    owner = node_of_atom[inside]
    buriedness = np.full(nodes, 255, dtype=np.uint8)
    np.minimum.at(buriedness, owner, buried[inside])

    between = atoms.residue[diagram.pairs[:, 0]] != atoms.residue[diagram.pairs[:, 1]]
    pairs, areas = diagram.pairs[between], diagram.areas[between]
    edge_nodes, edge_area, contact_edge = _edges(node_of_atom[pairs], areas, nodes)
    if len(edge_nodes) < MIN_EDGES:
        raise StructureError(
            f"{protein.name}: {len(edge_nodes)} contacts between the {nodes} usable residues; "
            f"expected at least {MIN_EDGES}"
        )
    slots = atoms.slots[is_node]
    starts = atoms.starts[is_node]
    contacts = ModelContacts(
        residue_type=atoms.residue_type[is_node].astype(np.uint8),
        chain=atoms.chain[is_node].astype(np.int16),
        number=_along_chain(polymer.residue_numbers[starts], atoms.chain[is_node]),
        backbone=backbone_coords(coords, slots).astype(np.float32),
        torsions=torsion_angles(coords, atoms)[is_node].astype(np.float32),
        volume=np.bincount(owner, diagram.volumes[inside], nodes).astype(np.float32),
        sasa=np.bincount(owner, diagram.sasa[inside], nodes).astype(np.float32),
        buriedness=buriedness,
        atom_type=atoms.atom_type,
        atom_node=node_of_atom,
        atom_sasa=diagram.sasa.astype(np.float32),
        contact_atoms=pairs,
        contact_area=areas.astype(np.float32),
        edge_nodes=edge_nodes,
        edge_area=edge_area.astype(np.float32),
        contact_edge=contact_edge,
    )
    return contacts, report


def _along_chain(numbers: np.ndarray, chain: np.ndarray) -> np.ndarray:
    """Return residue numbers that go up where only insertion codes differ (50, 50A), int32."""
    again = np.zeros(len(numbers), dtype=np.int64)
    again[1:] = (numbers[1:] == numbers[:-1]) & (chain[1:] == chain[:-1])
    return (numbers + np.cumsum(again)).astype(np.int32)


def _edges(
    ends: np.ndarray, areas: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return node pairs, their areas and the pair of every contact.

    Args:
        ends: (contacts, 2) nodes of the two atoms, -1 where there is none.
        areas: (contacts,) Å².
        nodes: number of nodes.
    """
    known = (ends >= 0).all(axis=1)
    low, high = ends.min(axis=1), ends.max(axis=1)
    key = low[known].astype(np.int64) * nodes + high[known]
    found, row = np.unique(key, return_inverse=True)
    contact_edge = np.full(len(ends), -1, dtype=np.int32)
    contact_edge[known] = row
    edge_nodes = np.stack([found // nodes, found % nodes], axis=1).astype(np.int32)
    return edge_nodes, np.bincount(row, areas[known], len(found)), contact_edge


def _report(polymer: Protein, atoms: ProteinAtoms, is_node: np.ndarray) -> ResidueReport:
    names = polymer.residue_names[atoms.starts].tolist()
    identifiers = tuple(
        map(
            ResidueId,
            polymer.chains[atoms.starts].tolist(),
            polymer.residue_numbers[atoms.starts].tolist(),
            polymer.insertion_codes[atoms.starts].tolist(),
        )
    )
    node = np.full(len(names), -1, dtype=np.int32)
    node[is_node] = np.arange(int(is_node.sum()))
    reasons = [""] * len(names)
    for index in np.flatnonzero(~is_node).tolist():
        if atoms.residue_type[index] < 0:
            reasons[index] = f"non-standard residue {names[index]}"
        else:
            gone = [
                atom for slot, atom in enumerate(("N", "CA", "C")) if atoms.slots[index, slot] < 0
            ]
            reasons[index] = f"incomplete backbone (no {', '.join(gone)})"
    return ResidueReport(identifiers, tuple(names), node, tuple(reasons))


def _no_nodes(name: str, atoms: ProteinAtoms) -> str:
    standard = atoms.residue_type >= 0
    if not standard.any():
        return f"{name}: no standard amino-acid residue among {len(standard)}; nothing to score"
    there = atoms.slots[standard][:, :3] >= 0
    only_ca = not there[:, [0, 2]].any() and there[:, 1].all()
    lacking = [f"{a} ({int((~there[:, k]).sum())})" for k, a in enumerate(("N", "CA", "C"))]
    lacking = [text for text, k in zip(lacking, range(3), strict=True) if not there[:, k].all()]
    what = "Cα-only model" if only_ca else "no residue has a complete backbone"
    return (
        f"{name}: {what}: of {len(there)} residues, missing are {', '.join(lacking)}; expected "
        "N, CA and C in each residue (and side chains, for contacts)"
    )
