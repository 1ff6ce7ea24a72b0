"""What a pose model is trained on: complexes of stores in memory, and batches of noisy poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from molgen.config import limited
from molgen.datasets.store import Store
from molgen.diffusion.model import PocketConfig
from molgen.errors import InputError
from molgen.graphs.pose_graph import (
    LigandGraph,
    TargetGraph,
    ligand_of,
    stack_coords,
    stack_ligands,
    stack_targets,
    target_of,
)
from molgen.training.pose_geometry import matched_conformers
from molgen.training.task import packed


@dataclass(frozen=True)
class PoseSampling:
    """How batches are drawn.

    Attributes:
        poses: noisy copies of every complex in a batch; its target is encoded once for all.
        atoms: ligand atoms in a batch, padding included, before the copies.
        largest: complexes with more heavy ligand atoms are left out.
        smallest: complexes with fewer heavy ligand atoms are left out.
        complexes: in an epoch; 0 for all.
        cartesian: share of batches with noise in Cartesian space; the rest is rigid-torsion.
        centre: Å, the pocket's centre is moved by Gaussian noise of this size along each axis.
        receptor: Å, Gaussian noise on the coordinates of the target.
        conformers: share of ligands that get bond lengths, angles and rings of an embedded
            conformer, among those that the store has any of.
    """

    poses: int = limited(8, min=1)
    atoms: int = limited(512, min=1)
    largest: int = limited(64, min=1)
    smallest: int = limited(5, min=1)
    complexes: int = limited(0, min=0)
    cartesian: float = limited(0.5, min=0.0, max=1.0)
    centre: float = limited(1.0, min=0.0)
    receptor: float = limited(0.1, min=0.0)
    conformers: float = limited(0.5, min=0.0, max=1.0)


class PoseBatch:
    """Some complexes; coordinates are relative to the centre of each pocket.

    Attributes:
        target, ligand: what they are.
        coords: clean poses, Å.
        space: that noise is to be added in.
        seed: of that noise.
    """

    def __init__(
        self,
        target: TargetGraph,
        ligand: LigandGraph,
        coords: Float[Tensor, "complexes atoms 3"],
        space: str,
        seed: int,
    ) -> None:
        # a plain class: Fabric would take a dataclass apart and refuses a frozen one
        self.target, self.ligand, self.coords = target, ligand, coords
        self.space, self.seed = space, seed

    def to(self, device: torch.device | str) -> PoseBatch:
        """Return the batch on ``device``."""
        return PoseBatch(
            self.target.to(device), self.ligand.to(device), self.coords.to(device),
            self.space, self.seed,
        )  # fmt: skip


class PoseData:
    """The usable complexes of stores, as one list in memory.

    Attributes:
        ids: of the complexes.
        sizes: (complexes,) heavy ligand atoms.
        charges: (complexes,) formal charge of the ligand.
        shapes: of each complex (conformers, atoms, 3) Å, embedded and in the crystal pose.
    """

    def __init__(self, stores: Sequence[Store], pocket: PocketConfig) -> None:
        entries = [entry for store in stores for entry in store]
        if not entries:
            raise InputError("no usable complex in the stores")
        self.pocket = pocket
        self.ids = [entry.id for entry in entries]
        self.sizes = np.array([entry.num_ligand_atoms for entry in entries])
        for store in stores:
            store.require_receptors(pocket.reach(int(self.sizes.max())))
        self.charges = np.array([int(entry.ligand_charges.sum()) for entry in entries])
        self.targets = [target_of(entry) for entry in entries]
        self.ligands = [ligand_of(entry) for entry in entries]
        self.coords = [entry.ligand_coords for entry in entries]
        self.shapes = matched_conformers(
            self.ligands, self.coords, [entry.ligand_conformers for entry in entries]
        )
        self._place = {name: k for k, name in enumerate(self.ids)}

    def positions(self, ids: Sequence[str], sampling: PoseSampling) -> list[int]:
        """Return the places of complexes whose ligands have a size that is trained on."""
        places = [self._place[name] for name in ids if name in self._place]
        low, high = sampling.smallest, sampling.largest
        return [k for k in places if low <= self.sizes[k] <= high]

    def batch(
        self, positions: Sequence[int], space: str, seed: int, sampling: PoseSampling
    ) -> PoseBatch:
        """Return complexes as a batch; the seed draws the centres of the pockets too."""
        rng = np.random.default_rng(seed)
        targets, coords = [], []
        for k in positions:
            ligand = self.coords[k]
            center = ligand.mean(0) + rng.normal(0.0, sampling.centre, 3)
            shapes = self.shapes[k]
            if sampling.conformers and len(shapes) and rng.random() < sampling.conformers:
                ligand = shapes[rng.integers(len(shapes))]
            target = self.targets[k].within(center, self.pocket.reach(len(ligand)))
            noise = rng.normal(0.0, sampling.receptor, target.coords.shape).astype(np.float32)
            targets.append(replace(target, coords=target.coords + noise))
            coords.append((ligand - center).astype(np.float32))
        return PoseBatch(
            stack_targets(targets),
            stack_ligands([self.ligands[k] for k in positions], coords),
            stack_coords(coords),
            space,
            seed,
        )

    def plan(
        self, positions: Sequence[int], sampling: PoseSampling, seed: int
    ) -> list[tuple[tuple[int, ...], str, int]]:
        """Return (positions, space, seed) of every batch of an epoch; ligands of like size meet."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(np.asarray(positions))
        if sampling.complexes:
            order = order[: sampling.complexes]
        jitter = self.sizes[order] + rng.uniform(0.0, 4.0, len(order))
        order = order[np.argsort(jitter)]
        batches = packed(order.tolist(), self.sizes, sampling.atoms)
        plan = []
        for k in rng.permutation(len(batches)):
            space = "cartesian" if rng.random() < sampling.cartesian else "rigid-torsion"
            plan.append((tuple(batches[k]), space, int(rng.integers(2**31))))
        return plan
