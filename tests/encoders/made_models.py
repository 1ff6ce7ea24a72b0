"""Protein models made of random numbers: filled cubes with contacts between near residues."""

from __future__ import annotations

import numpy as np

from molgen.graphs.residue_graph import ATOM_TYPES, RESIDUES, ModelContacts


def contacts_of(residues: int, seed: int, *, noise: float = 0.0) -> ModelContacts:
    """Return a model of ``residues`` in two chains; ``noise`` (Å) moves it away from the seed's."""
    rng = np.random.default_rng(seed)
    ca = _snake(residues, rng)
    kinds = rng.integers(0, len(RESIDUES), residues)
    ca = ca + noise * np.random.default_rng([seed, 1]).standard_normal(ca.shape)
    offsets = np.array([[-1.2, 0.7, 0.2], [0, 0, 0], [1.1, 0.9, -0.3], [0.1, -1.2, 0.9]])
    backbone = ca[:, None] + offsets + 0.2 * rng.standard_normal((residues, 4, 3))
    names = np.array([RESIDUES.index(residue) for residue, _ in ATOM_TYPES])
    types = np.concatenate([np.flatnonzero(names == kind)[:4] for kind in kinds])
    owner = np.repeat(np.arange(residues), 4)
    sites = backbone.reshape(-1, 3)
    distance = np.linalg.norm(sites[:, None] - sites[None], axis=2)
    first, second = np.nonzero(np.triu(distance < 5.5) & (owner[:, None] != owner[None]))
    area = (6.0 - distance[first, second]) ** 2 * 0.5
    pairs, edge = np.unique(np.stack([owner[first], owner[second]], 1), axis=0, return_inverse=True)
    edge_area = np.bincount(edge.ravel(), area, minlength=len(pairs))
    degree = np.bincount(pairs.ravel(), minlength=residues)
    chain = (np.arange(residues) >= residues // 2).astype(np.int16)
    torsions = rng.uniform(-np.pi, np.pi, (residues, 7)).astype(np.float32)
    torsions[rng.random(torsions.shape) < 0.3] = np.nan
    return ModelContacts(
        residue_type=kinds.astype(np.uint8),
        chain=chain,
        number=(1 + np.arange(residues)).astype(np.int32),
        backbone=backbone.astype(np.float32),
        torsions=torsions,
        volume=rng.uniform(60, 250, residues).astype(np.float32),
        sasa=(200 * np.exp(-degree / 5.0)).astype(np.float32),
        buriedness=(1 + degree // 5).astype(np.uint8),
        atom_type=types.astype(np.uint8),
        atom_node=owner.astype(np.int32),
        atom_sasa=rng.uniform(0, 30, len(owner)).astype(np.float32),
        contact_atoms=np.stack([first, second], 1).astype(np.int32),
        contact_area=area.astype(np.float32),
        edge_nodes=pairs.astype(np.int32),
        edge_area=edge_area.astype(np.float32),
        contact_edge=edge.ravel().astype(np.int32),
    )


def _snake(residues: int, rng: np.random.Generator) -> np.ndarray:
    """Return a path that fills a cube row by row, 5 Å a step, shaken and turned."""
    side = int(np.ceil(residues ** (1 / 3)))
    x, y, z = np.unravel_index(np.arange(residues), (side, side, side))
    y = np.where(x % 2, side - 1 - y, y)
    z = np.where((x * side + y) % 2, side - 1 - z, z)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    shaken = 5.0 * np.stack([x, y, z], axis=1) + 0.8 * rng.standard_normal((residues, 3))
    return shaken @ turn
