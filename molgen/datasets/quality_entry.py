"""A protein model with its quality labels, and the compact columns that a store keeps of it.

Areas and coordinates are whole numbers of 0.01 Å² and 0.01 Å, angles of 0.1 mrad, labels of 1e-4:
finer than the differences between two programs that compute them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from molgen.errors import StoreError
from molgen.graphs.residue_graph import ModelContacts

LENGTH_STEP = 0.01
"""Å, of coordinates relative to the centre of the model."""
AREA_STEP = 0.01
"""Å², of contact and accessible areas."""
ANGLE_STEP = 1e-4
"""rad; the least int16 stands for an undefined angle."""
LABEL_STEP = 1e-4
"""Of local labels; 65535 stands for an unknown one."""
NONE = 65535
"""Stands for -1 in columns of indices."""
_NO_ANGLE = -32768

GLOBAL_LABELS = ("cad", "lddt", "gdt_ts", "tm")
NATIVE = "native"
"""Name and kind of the native as a model of itself."""


@dataclass(frozen=True)
class LabelledModel:
    """One model of a target and how right it is.

    Attributes:
        target: name of the native that it models.
        name: of the model within its target.
        kind: where it comes from ("native", "model", or the kind of decoy).
        weight: relative frequency in training.
        contacts: what a quality model sees of it.
        cad_local: (nodes,) float32 local CAD-score; NaN where the native does not tell.
        lddt_local: (nodes,) float32 lDDT; NaN where the native does not tell.
        cad, lddt, gdt_ts, tm: of the whole model, 0 to 1; NaN where unknown.
    """

    target: str
    name: str
    kind: str
    weight: float
    contacts: ModelContacts
    cad_local: np.ndarray
    lddt_local: np.ndarray
    cad: float
    lddt: float
    gdt_ts: float
    tm: float

    @property
    def id(self) -> str:
        """Target and name; unique in a store."""
        return f"{self.target}/{self.name}"


class Column(NamedTuple):
    """One array of a shard: element type, what it has a row for, and its further shape."""

    dtype: type[np.generic]
    rows: str
    shape: tuple[int, ...] = ()


ROWS = ("nodes", "atoms", "contacts", "edges")

COLUMNS = {
    "residue_type": Column(np.uint8, "nodes"),
    "chain": Column(np.int16, "nodes"),
    "number": Column(np.int32, "nodes"),
    "backbone": Column(np.int16, "nodes", (4, 3)),
    "torsions": Column(np.int16, "nodes", (7,)),
    "volume": Column(np.float32, "nodes"),
    "sasa": Column(np.float32, "nodes"),
    "buriedness": Column(np.uint8, "nodes"),
    "cad_local": Column(np.uint16, "nodes"),
    "lddt_local": Column(np.uint16, "nodes"),
    "atom_type": Column(np.uint8, "atoms"),
    "atom_node": Column(np.uint16, "atoms"),
    "atom_sasa": Column(np.uint16, "atoms"),
    "contact_atoms": Column(np.uint16, "contacts", (2,)),
    "contact_area": Column(np.uint16, "contacts"),
    "contact_edge": Column(np.uint16, "contacts"),
    "edge_nodes": Column(np.uint16, "edges", (2,)),
    "edge_area": Column(np.uint16, "edges"),
}

Packed = dict[str, np.ndarray]
"""Every name of `COLUMNS` to the array of one model."""


def pack(model: LabelledModel) -> Packed:
    """Return the columns of a model.

    Raises:
        StoreError: more than 65,534 atoms or contacts between residues, or wider than 650 Å.
    """
    c = model.contacts
    if max(len(c.atom_type), len(c.edge_nodes)) >= NONE:
        raise StoreError(f"{model.id}: {len(c.atom_type)} atoms; a store takes up to {NONE - 1}")
    centred = c.backbone - c.backbone.reshape(-1, 3).mean(axis=0)
    if np.abs(centred).max(initial=0.0) > 32767 * LENGTH_STEP:
        raise StoreError(f"{model.id}: reaches more than 327 Å from its centre")
    angles = np.rint(np.nan_to_num(c.torsions) / ANGLE_STEP).astype(np.int16)
    packed = {
        "residue_type": c.residue_type,
        "chain": c.chain,
        "number": c.number,
        "backbone": np.rint(centred / LENGTH_STEP),
        "torsions": np.where(np.isfinite(c.torsions), angles, _NO_ANGLE),
        "volume": c.volume,
        "sasa": c.sasa,
        "buriedness": c.buriedness,
        "cad_local": _pack_label(model.cad_local),
        "lddt_local": _pack_label(model.lddt_local),
        "atom_type": c.atom_type,
        "atom_node": np.where(c.atom_node < 0, NONE, c.atom_node),
        "atom_sasa": _pack_area(c.atom_sasa, least=0),
        "contact_atoms": c.contact_atoms,
        "contact_area": _pack_area(c.contact_area, least=1),
        "contact_edge": np.where(c.contact_edge < 0, NONE, c.contact_edge),
        "edge_nodes": c.edge_nodes,
        "edge_area": _pack_area(c.edge_area, least=1),
    }
    return {
        name: np.ascontiguousarray(packed[name], dtype=column.dtype).reshape(-1, *column.shape)
        for name, column in COLUMNS.items()
    }


def unpack_contacts(packed: Packed) -> ModelContacts:
    """Return what a quality model sees, from the columns of a model."""
    angles = packed["torsions"] * np.float32(ANGLE_STEP)
    angles[packed["torsions"] == _NO_ANGLE] = np.nan
    return ModelContacts(
        residue_type=packed["residue_type"],
        chain=packed["chain"],
        number=packed["number"],
        backbone=packed["backbone"] * np.float32(LENGTH_STEP),
        torsions=angles,
        volume=packed["volume"],
        sasa=packed["sasa"],
        buriedness=packed["buriedness"],
        atom_type=packed["atom_type"],
        atom_node=_unpack_index(packed["atom_node"]),
        atom_sasa=packed["atom_sasa"] * np.float32(AREA_STEP),
        contact_atoms=packed["contact_atoms"].astype(np.int32),
        contact_area=packed["contact_area"] * np.float32(AREA_STEP),
        edge_nodes=packed["edge_nodes"].astype(np.int32),
        edge_area=packed["edge_area"] * np.float32(AREA_STEP),
        contact_edge=_unpack_index(packed["contact_edge"]),
    )


def unpack_label(packed: np.ndarray) -> np.ndarray:
    """Return local labels as (nodes,) float32, NaN where unknown."""
    values = packed * np.float32(LABEL_STEP)
    values[packed == NONE] = np.nan
    return np.asarray(values)


def _pack_label(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    steps = np.rint(np.where(known, values, 0.0).clip(0.0, 1.0) / LABEL_STEP)
    return np.where(known, steps, NONE)


def _pack_area(area: np.ndarray, least: int) -> np.ndarray:
    # what is in contact stays in contact
    return np.rint(area / AREA_STEP).clip(least, 65535)


def _unpack_index(packed: np.ndarray) -> np.ndarray:
    index = packed.astype(np.int32)
    index[packed == NONE] = -1
    return index
