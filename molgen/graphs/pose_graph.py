"""A receptor's surroundings and a ligand as padded tensors: the only featuriser of pose models.

Training reads complexes from a store, inference makes the same arrays from files; both come here.
Distances are in Å. A target node is a heavy atom or the centre of a residue; the latter carry the
message over the whole pocket while the ligand is still far from its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from molgen.geometry.frames import backbone_frames
from molgen.geometry.volumes import unit_bonds, volume_slopes
from molgen.graphs.ligand_arrays import HYBRIDIZATIONS
from molgen.graphs.ligand_torsions import Torsions, find_torsions

BONDED = 1.95
"""Å; receptor atoms nearer than this count as bonded, for the direction of an atom's open side."""

PAIR_KINDS = ("none", "other", "single", "double", "triple", "aromatic", "1-3", "1-4")
"""How two ligand atoms are connected; `LigandGraph.pair_kind` holds positions in this table."""

_BOND_KIND = np.array([1, 2, 3, 4, 5, 1, 1])
"""Position in `PAIR_KINDS` of every bond type code of a store."""

LIGAND_FEATURES = {
    "element": 119, "charge": 7, "aromatic": 2, "hybridization": 8, "ring": 10, "hydrogens": 5,
    "degree": 7,
}  # fmt: skip
"""Categories of a ligand atom and how many values each has."""
TARGET_FEATURES = {"element": 119, "atom_name": 64, "residue_type": 96, "level": 2}
"""Categories of a target node; level 0 is an atom, 1 a residue."""
LEVEL = list(TARGET_FEATURES).index("level")
"""Column of the level among the features of a target node."""

PLANAR = 0.2
"""Triple product of unit bond vectors below which an atom counts as neither left nor right."""

BACKBONE_NAMES = (1, 2, 3)
"""Codes of the atom names N, CA and C in a store."""


@runtime_checkable
class LigandColumns(Protocol):
    """What is read of a ligand; `molgen.graphs.ligand_arrays.LigandArrays` says what it means."""

    @property
    def ligand_elements(self) -> np.ndarray: ...

    @property
    def ligand_charges(self) -> np.ndarray: ...

    @property
    def ligand_aromatic(self) -> np.ndarray: ...

    @property
    def ligand_hybridizations(self) -> np.ndarray: ...

    @property
    def ligand_rings(self) -> np.ndarray: ...

    @property
    def ligand_hydrogens(self) -> np.ndarray: ...

    @property
    def bond_atoms(self) -> np.ndarray: ...

    @property
    def bond_types(self) -> np.ndarray: ...

    @property
    def bond_rings(self) -> np.ndarray: ...


@runtime_checkable
class ComplexArrays(LigandColumns, Protocol):
    """What is read of a complex; `molgen.datasets.complex.StoredComplex` is one."""

    @property
    def coords(self) -> np.ndarray: ...

    @property
    def elements(self) -> np.ndarray: ...

    @property
    def atom_names(self) -> np.ndarray: ...

    @property
    def residue_sizes(self) -> np.ndarray: ...

    @property
    def residue_types(self) -> np.ndarray: ...

    @property
    def ligand_coords(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Target:
    """Target nodes of one receptor, residues after atoms.

    Attributes:
        coords: (nodes, 3) float32 Å.
        features: (nodes, 4) int16 in the order of `TARGET_FEATURES`.
        open_side: (nodes, 3) float32, unit vector away from the bonded neighbours; 0 if there are
            none, and for residues.
        frames: (nodes, 3, 3) float32, the backbone frame of the node's residue
            (`molgen.geometry.frames`); 0 for residues without N, CA and C.
    """

    coords: np.ndarray
    features: np.ndarray
    open_side: np.ndarray
    frames: np.ndarray

    def within(self, center: np.ndarray, radius: float) -> Target:
        """Return the nodes closer than ``radius`` Å to a point, relative to it."""
        offset = self.coords - np.asarray(center, dtype=np.float32)
        near = (offset**2).sum(1) < radius**2
        return Target(offset[near], self.features[near], self.open_side[near], self.frames[near])


@dataclass(frozen=True)
class LigandTopology:
    """What is known of one ligand before it has coordinates.

    Attributes:
        features: (atoms, 7) int16 in the order of `LIGAND_FEATURES`.
        pair_kind: (atoms, atoms) uint8, position in `PAIR_KINDS`.
        rigid: (atoms, atoms) bool, pairs whose distance no torsion changes.
        torsions: the rotatable bonds.
        centres: (centres, 4) int64, a tetrahedral atom that cannot invert and three of its
            neighbours; whether it is a stereocentre does not matter.
    """

    features: np.ndarray
    pair_kind: np.ndarray
    rigid: np.ndarray
    torsions: Torsions
    centres: np.ndarray

    def __len__(self) -> int:
        return len(self.features)


def target_of(complex_: ComplexArrays) -> Target:
    """Return all target nodes of a complex, in its frame."""
    coords = complex_.coords.astype(np.float32)
    residue = np.repeat(np.arange(len(complex_.residue_sizes)), complex_.residue_sizes)
    counts = np.bincount(residue, minlength=len(complex_.residue_sizes))[:, None]
    centres = np.zeros((len(counts), 3))
    np.add.at(centres, residue, coords)
    centres /= np.maximum(counts, 1)
    types = complex_.residue_types
    atoms = np.stack(
        [
            complex_.elements,
            complex_.atom_names,
            types[residue],
            np.zeros(len(coords), dtype=np.uint8),
        ],
        axis=1,
    )
    residues = np.zeros((len(types), 4), dtype=np.uint8)
    residues[:, 2], residues[:, 3] = types, 1
    frames = _residue_frames(coords, complex_.atom_names, residue, len(types))
    return Target(
        coords=np.concatenate([coords, centres.astype(np.float32)]),
        features=np.concatenate([atoms, residues]).astype(np.int16),
        open_side=np.concatenate([_open_sides(coords), np.zeros((len(types), 3), np.float32)]),
        frames=np.concatenate([frames[residue], frames]),
    )


def ligand_of(complex_: LigandColumns) -> LigandTopology:
    """Return the topology of a ligand, alone or of a complex."""
    atoms, bonds = len(complex_.ligand_elements), complex_.bond_atoms.astype(np.int64)
    adjacent = np.zeros((atoms, atoms), dtype=bool)
    adjacent[bonds[:, 0], bonds[:, 1]] = adjacent[bonds[:, 1], bonds[:, 0]] = True
    degree = adjacent.sum(1)
    columns = [
        complex_.ligand_elements,
        complex_.ligand_charges.astype(np.int64) + 3,
        complex_.ligand_aromatic,
        complex_.ligand_hybridizations,
        complex_.ligand_rings,
        complex_.ligand_hydrogens,
        degree,
    ]
    features = np.stack(
        [
            np.clip(values, 0, size - 1)
            for values, size in zip(columns, LIGAND_FEATURES.values(), strict=True)
        ],
        axis=1,
    )
    steps = adjacent.astype(np.int64)
    two = (steps @ steps) > 0
    three = (steps @ steps @ steps) > 0
    kind = np.zeros((atoms, atoms), dtype=np.uint8)
    kind[three] = PAIR_KINDS.index("1-4")
    kind[two] = PAIR_KINDS.index("1-3")
    codes = _BOND_KIND[np.minimum(complex_.bond_types, len(_BOND_KIND) - 1)]
    kind[bonds[:, 0], bonds[:, 1]] = kind[bonds[:, 1], bonds[:, 0]] = codes
    np.fill_diagonal(kind, 0)
    torsions = find_torsions(
        adjacent,
        bonds,
        single=complex_.bond_types == 1,
        ring=complex_.bond_rings > 0,
        double=complex_.bond_types == 2,
        triple=complex_.bond_types == 3,
        elements=complex_.ligand_elements,
    )
    centres = _tetrahedral(complex_, adjacent)
    return LigandTopology(
        features.astype(np.int16), kind, torsions.rigid_pairs(), torsions, centres
    )


def _tetrahedral(complex_: LigandColumns, adjacent: np.ndarray) -> np.ndarray:
    """Return (centres, 4): sp3 atoms with three heavy neighbours or more, and three of these."""
    neighbours = [np.flatnonzero(row)[:3] for row in adjacent]
    degree = adjacent.sum(1)
    tetrahedral = complex_.ligand_hybridizations == HYBRIDIZATIONS.index("SP3")
    inverts = (complex_.ligand_elements == 7) & (degree < 4)
    found = np.flatnonzero(tetrahedral & (degree >= 3) & ~inverts)
    rows = [[k, *neighbours[k]] for k in found.tolist()]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _open_sides(coords: np.ndarray) -> np.ndarray:
    pairs = cKDTree(coords).query_pairs(BONDED, output_type="ndarray")
    side = np.zeros_like(coords)
    if len(pairs):
        unit = coords[pairs[:, 1]] - coords[pairs[:, 0]]
        unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-6)
        np.add.at(side, pairs[:, 0], -unit)
        np.add.at(side, pairs[:, 1], unit)
    length = np.linalg.norm(side, axis=1, keepdims=True)
    return np.where(length > 0.1, side / np.maximum(length, 1e-6), 0.0).astype(np.float32)


def _residue_frames(
    coords: np.ndarray, names: np.ndarray, residue: np.ndarray, count: int
) -> np.ndarray:
    """Return the frame of every residue, (count, 3, 3) float32; 0 where an atom is missing."""
    backbone = np.zeros((count, len(BACKBONE_NAMES), 3), dtype=np.float32)
    whole = np.ones(count, dtype=bool)
    for place, code in enumerate(BACKBONE_NAMES):
        atoms = np.flatnonzero(names == code)
        backbone[residue[atoms], place] = coords[atoms]
        whole &= np.isin(np.arange(count), residue[atoms])
    frames = backbone_frames(torch.from_numpy(backbone).double()).float().numpy()
    return np.where(whole[:, None, None], frames, np.float32(0.0))


Self = TypeVar("Self", bound="_Tensors")


class _Tensors:
    """Moves all its tensors together."""

    def to(self: Self, device: torch.device | str) -> Self:
        """Return the same on ``device``."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self)}  # type: ignore[arg-type]
        return type(self)(**moved)


@dataclass(frozen=True)
class TargetGraph(_Tensors):
    """Targets of some complexes, padded to the longest.

    Attributes:
        coords: relative to the centre of the pocket, Å; padding lies far away.
        features: codes in the order of `TARGET_FEATURES`.
        open_side: unit vectors or 0.
        mask: what is no padding.
        frames: of the nodes' residues, rows are unit vectors; or 0.
    """

    coords: Float[Tensor, "complexes nodes 3"]
    features: Int[Tensor, "complexes nodes categories"]
    open_side: Float[Tensor, "complexes nodes 3"]
    mask: Bool[Tensor, "complexes nodes"]
    frames: Float[Tensor, "complexes nodes 3 3"]


@dataclass(frozen=True)
class LigandGraph(_Tensors):
    """Ligands of some complexes, padded to the largest.

    Attributes:
        features: codes in the order of `LIGAND_FEATURES`.
        pair_kind: positions in `PAIR_KINDS`.
        rigid: pairs whose distance no torsion changes.
        mask: what is no padding.
        quads: atoms of each torsion; the last two are on the moving side's end of the bond.
        moving: atoms that each torsion moves; none for padding.
        centres: tetrahedral atoms and three neighbours of each.
        handedness: sign of the triple product of the bonds to these neighbours in the poses to
            make; 0 where it is not known, and for padding.
    """

    features: Int[Tensor, "complexes atoms categories"]
    pair_kind: Int[Tensor, "complexes atoms atoms"]
    rigid: Bool[Tensor, "complexes atoms atoms"]
    mask: Bool[Tensor, "complexes atoms"]
    quads: Int[Tensor, "complexes torsions 4"]
    moving: Bool[Tensor, "complexes torsions atoms"]
    centres: Int[Tensor, "complexes centres 4"]
    handedness: Float[Tensor, "complexes centres"]


FAR = 1e4
"""Å; where padding lies."""


def stack_targets(targets: Sequence[Target]) -> TargetGraph:
    """Return targets as one graph."""
    size = max(1, *(len(t.coords) for t in targets))
    return TargetGraph(
        coords=torch.from_numpy(_padded([t.coords for t in targets], (size, 3), FAR)),
        features=torch.from_numpy(_padded([t.features for t in targets], (size, 4))).long(),
        open_side=torch.from_numpy(_padded([t.open_side for t in targets], (size, 3))),
        mask=_mask([len(t.coords) for t in targets], size),
        frames=torch.from_numpy(_padded([t.frames for t in targets], (size, 3, 3))),
    )


def stack_ligands(
    ligands: Sequence[LigandTopology], coords: Sequence[np.ndarray] | None = None
) -> LigandGraph:
    """Return ligands as one graph.

    Args:
        coords: (atoms, 3) Å of each, any conformer: the handedness of its centres is kept.
    """
    size = max(len(ligand) for ligand in ligands)
    torsions = max(len(ligand.torsions) for ligand in ligands)
    most = max(len(ligand.centres) for ligand in ligands)
    width = len(LIGAND_FEATURES)
    centres = torch.from_numpy(_padded([m.centres for m in ligands], (most, 4)))
    handedness = torch.zeros(centres.shape[:2])
    if coords is not None:
        volume, _ = volume_slopes(unit_bonds(stack_coords(coords)[:, None], centres))
        handedness = volume[:, 0].sign() * (volume[:, 0].abs() > PLANAR)
    return LigandGraph(
        features=torch.from_numpy(_padded([m.features for m in ligands], (size, width))).long(),
        pair_kind=torch.from_numpy(_padded([m.pair_kind for m in ligands], (size, size))).long(),
        rigid=torch.from_numpy(_padded([m.rigid for m in ligands], (size, size))),
        mask=_mask([len(ligand) for ligand in ligands], size),
        quads=torch.from_numpy(_padded([m.torsions.quads for m in ligands], (torsions, 4))).long(),
        moving=torch.from_numpy(_padded([m.torsions.moving for m in ligands], (torsions, size))),
        centres=centres,
        handedness=handedness,
    )


def stack_coords(coords: Sequence[np.ndarray]) -> Float[Tensor, "complexes atoms 3"]:
    """Return coordinates as one tensor, padded with zeros."""
    size = max(len(c) for c in coords)
    return torch.from_numpy(_padded([c.astype(np.float32) for c in coords], (size, 3)))


def _padded(arrays: Sequence[np.ndarray], shape: tuple[int, ...], value: float = 0.0) -> np.ndarray:
    out = np.full((len(arrays), *shape), value, dtype=arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[tuple(slice(n) for n in array.shape)] = array
    return out


def _mask(sizes: Sequence[int], size: int) -> Bool[Tensor, "complexes nodes"]:
    return torch.arange(size)[None] < torch.tensor(sizes)[:, None]
