"""Distances between ligand and receptor atoms in crystal complexes, for the distogram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from molgen.datasets.store import Store
from molgen.graphs.pose_graph import ligand_of, target_of
from molgen.scoring.confidence_network import BINS, PoseSet, pose_set
from molgen.scoring.pose_features import FEATURES

CONTEXT = 12.0
"""Å; receptor atoms closer than this to the ligand take part, so that some pairs are far apart."""


class AtomPairs(NamedTuple):
    """Pairs of a ligand and a receptor atom of one complex.

    Attributes:
        poses: the crystal pose alone.
        atom, node: the pairs.
        bin: of the distance, see `molgen.scoring.confidence_network.BINS`.
    """

    poses: PoseSet
    atom: Int[Tensor, " pairs"]
    node: Int[Tensor, " pairs"]
    bin: Int[Tensor, " pairs"]

    def to(self, device: torch.device | str) -> AtomPairs:
        """Return the same on ``device``."""
        pairs = (one.to(device) for one in (self.atom, self.node, self.bin))
        return AtomPairs(self.poses.to(device), *pairs)


class CrystalPoses:
    """The crystal poses of some complexes of a store, in memory.

    Args:
        ids: of the complexes.
    """

    def __init__(self, store: Store, ids: Sequence[str]) -> None:
        named = set(ids)
        none = np.zeros((1, len(FEATURES)))
        self.poses = [
            pose_set(entry.ligand_coords[None], ligand_of(entry), target_of(entry), none, CONTEXT)
            for entry in store
            if entry.id in named
        ]

    def __len__(self) -> int:
        return len(self.poses)

    def draw(self, position: int, pairs: int, noise: float, rng: np.random.Generator) -> AtomPairs:
        """Return some pairs of a complex, half of them closer than the last of `BINS`.

        Args:
            pairs: how many at most.
            noise: Å, Gaussian, on all atoms.
        """
        poses = self.poses[position]
        shaken = [
            value + torch.from_numpy(rng.normal(0.0, noise, value.shape).astype(np.float32))
            for value in (poses.coords, poses.target)
        ]
        distance = torch.cdist(
            shaken[0][0], shaken[1], compute_mode="donot_use_mm_for_euclid_dist"
        ).numpy()
        place = np.digitize(distance, BINS)
        near, far = np.flatnonzero(place < len(BINS)), np.flatnonzero(place == len(BINS))
        few = min(len(near), pairs // 2)
        chosen = np.concatenate([rng.permutation(near)[:few], rng.permutation(far)[:few]])
        atom, node = np.divmod(chosen, distance.shape[1])
        return AtomPairs(
            poses._replace(coords=shaken[0], target=shaken[1]),
            torch.from_numpy(atom), torch.from_numpy(node),
            torch.from_numpy(place.ravel()[chosen]),
        )  # fmt: skip
