"""What a quality model sees of a protein: residues, their contacts and the atoms behind them.

`ModelContacts` is one protein model in numpy, as the featuriser makes it and a store keeps it;
`ResidueGraph` is one or several of them in torch. Nothing here reads structures, so training
needs numpy and torch only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.vocabulary import RESIDUE_ATOMS

RESIDUES: tuple[str, ...] = tuple(RESIDUE_ATOMS)
"""The standard amino acids in alphabetical order; a node carries the index."""

ATOM_TYPES: tuple[tuple[str, str], ...] = tuple(
    (residue, atom) for residue, atoms in RESIDUE_ATOMS.items() for atom in atoms
)
"""(residue, atom) of the 167 heavy atoms of the standard amino acids; an atom carries the index.

OXT counts as O. An atom of another name or residue carries the type nearest to it.
"""


@dataclass(frozen=True)
class ModelContacts:
    """Residues, atoms and Voronoi contacts of one protein model, as numpy arrays.

    A node is a residue with N, CA and C and a standard name. Atoms of other polymer residues are
    there too, as they fill space, but belong to no node.

    Attributes:
        residue_type: (nodes,) uint8, index into `RESIDUES`.
        chain: (nodes,) int16 ordinal of the chain.
        number: (nodes,) int32 residue number of the file, the place along the chain.
        backbone: (nodes, 4, 3) float32 Å of N, CA, C, CB; CB built from the other three in glycine
            and wherever it is absent.
        torsions: (nodes, 7) float32 rad, phi, psi, omega, chi1 to chi4; NaN where undefined.
        volume: (nodes,) float32 Å³ of the Voronoi cells.
        sasa: (nodes,) float32 Å².
        buriedness: (nodes,) uint8; 1 at the surface, one more for every contact away from it.
        atom_type: (atoms,) uint8, index into `ATOM_TYPES`.
        atom_node: (atoms,) int32; -1 for atoms of residues that are no node.
        atom_sasa: (atoms,) float32 Å².
        contact_atoms: (contacts, 2) int32, first < second; atoms of different residues only.
        contact_area: (contacts,) float32 Å².
        edge_nodes: (edges, 2) int32, first < second; residues with an atom contact.
        edge_area: (edges,) float32 Å², the sum of their atom contacts.
        contact_edge: (contacts,) int32 edge of each atom contact; -1 where a residue is no node.
    """

    residue_type: np.ndarray
    chain: np.ndarray
    number: np.ndarray
    backbone: np.ndarray
    torsions: np.ndarray
    volume: np.ndarray
    sasa: np.ndarray
    buriedness: np.ndarray
    atom_type: np.ndarray
    atom_node: np.ndarray
    atom_sasa: np.ndarray
    contact_atoms: np.ndarray
    contact_area: np.ndarray
    edge_nodes: np.ndarray
    edge_area: np.ndarray
    contact_edge: np.ndarray

    def __len__(self) -> int:
        return len(self.residue_type)


@dataclass(frozen=True)
class ResidueGraph:
    """One or several proteins as a graph of residues; columns as in `ModelContacts`.

    Attributes:
        scalars: volume in Å³, buriedness and SASA in Å², as they are.
        edge_index: both directions of every pair, the one direction of all pairs first. Row 0 is
            the receiver, in whose frame directions are seen; row 1 its neighbour.
        contact_edge: pair p of an atom contact; its directed edges are p and p + edges / 2. -1
            where a residue is no node.
        graph: protein that a node belongs to.
        num_graphs: proteins.
    """

    residue_type: Int[Tensor, "nodes"]
    scalars: Float[Tensor, "nodes 3"]
    chain: Int[Tensor, "nodes"]
    number: Int[Tensor, "nodes"]
    backbone: Float[Tensor, "nodes 4 3"]
    torsions: Float[Tensor, "nodes 7"]
    edge_index: Int[Tensor, "2 edges"]
    edge_area: Float[Tensor, "edges"]
    atom_type: Int[Tensor, "atoms"]
    atom_node: Int[Tensor, "atoms"]
    atom_sasa: Float[Tensor, "atoms"]
    contact_atoms: Int[Tensor, "2 contacts"]
    contact_area: Float[Tensor, "contacts"]
    contact_edge: Int[Tensor, "contacts"]
    graph: Int[Tensor, "nodes"]
    num_graphs: int

    def __len__(self) -> int:
        return len(self.residue_type)

    def to(self, device: torch.device | str) -> ResidueGraph:
        """Return the graph on ``device``."""
        moved: dict[str, Any] = {
            f.name: value.to(device)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


def to_graph(models: Sequence[ModelContacts]) -> ResidueGraph:
    """Return the models as one graph, in their order; indices int64, numbers float32."""
    nodes = np.array([len(m.residue_type) for m in models], dtype=np.int64)
    atoms = _offsets([len(m.atom_type) for m in models])
    edges = _offsets([len(m.edge_area) for m in models])
    first = _offsets(nodes)
    pairs = _indices([m.edge_nodes.reshape(-1, 2) for m in models], first, (2,))
    scalars = [
        np.stack([m.volume, m.buriedness, m.sasa], axis=1, dtype=np.float32, casting="unsafe")
        for m in models
    ]
    area = _join([m.edge_area for m in models], np.float32)
    return ResidueGraph(
        residue_type=_join([m.residue_type for m in models], np.int64),
        scalars=_join(scalars, np.float32, (3,)),
        chain=_join([m.chain for m in models], np.int64),
        number=_join([m.number for m in models], np.int64),
        backbone=_join([m.backbone for m in models], np.float32, (4, 3)),
        torsions=_join([m.torsions for m in models], np.float32, (7,)),
        edge_index=torch.cat([pairs, pairs.flip(1)]).T.contiguous(),
        edge_area=torch.cat([area, area]),
        atom_type=_join([m.atom_type for m in models], np.int64),
        atom_node=_indices([m.atom_node for m in models], first),
        atom_sasa=_join([m.atom_sasa for m in models], np.float32),
        contact_atoms=_indices([m.contact_atoms.reshape(-1, 2) for m in models], atoms, (2,)).T,
        contact_area=_join([m.contact_area for m in models], np.float32),
        contact_edge=_indices([m.contact_edge for m in models], edges),
        graph=torch.from_numpy(np.repeat(np.arange(len(models)), nodes)),
        num_graphs=len(models),
    )


def _offsets(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.cumsum([0, *counts])[:-1]


def _join(parts: list[np.ndarray], dtype: type[np.generic], shape: tuple[int, ...] = ()) -> Tensor:
    if not parts:
        return torch.from_numpy(np.zeros((0, *shape), dtype=dtype))
    return torch.from_numpy(np.concatenate(parts).astype(dtype))


def _indices(parts: list[np.ndarray], offsets: np.ndarray, shape: tuple[int, ...] = ()) -> Tensor:
    """Return indices joined, shifted by the offset of their part; -1 stays."""
    shifted = [
        np.where(part < 0, -1, part.astype(np.int64) + offset)
        for part, offset in zip(parts, offsets, strict=True)
    ]
    return _join(shifted, np.int64, shape)
