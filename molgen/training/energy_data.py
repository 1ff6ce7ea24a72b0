"""What a property model is trained on: labelled conformers in memory, and noisy batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from molgen.config import limited
from molgen.datasets.energy_labels import KINDS, EnergyLabels, LigandEnergies
from molgen.datasets.store import Store
from molgen.energy.property_model import composition
from molgen.errors import InputError, StoreError
from molgen.graphs.pose_graph import LigandGraph, ligand_of, stack_ligands
from molgen.training.task import packed


@dataclass(frozen=True)
class EnergySampling:
    """How batches are drawn.

    Attributes:
        atoms: heavy atoms in a batch, padding included, before the conformers.
        clean: share of conformers without noise.
        least, most: Å, the noise of the others, drawn evenly in its logarithm.
    """

    atoms: int = limited(256, min=1)
    clean: float = limited(0.5, min=0.0, max=1.0)
    least: float = limited(0.02, above=0.0)
    most: float = limited(2.0, above=0.0)


@dataclass(frozen=True)
class Targets:
    """Labels of some ligands, padded to the most conformers and atoms.

    Attributes:
        energies: less the reference of the composition, kcal/mol.
        gaps: kcal/mol.
        charges: e.
        present: what is no padding.
    """

    energies: Float[Tensor, "ligands poses"]
    gaps: Float[Tensor, "ligands poses"]
    charges: Float[Tensor, "ligands atoms"]
    present: Bool[Tensor, "ligands poses"]


class EnergyBatch:
    """Some ligands with noisy conformers and the labels of the clean ones.

    Attributes:
        ligand: what they are.
        coords: (ligands, poses, atoms, 3) Å, with noise.
        sigma: (ligands, poses) Å, of that noise.
        targets: labels.
    """

    def __init__(
        self,
        ligand: LigandGraph,
        coords: Float[Tensor, "ligands poses atoms 3"],
        sigma: Float[Tensor, "ligands poses"],
        targets: Targets,
    ) -> None:
        # a plain class: Fabric would take a dataclass apart and refuses a frozen one
        self.ligand, self.coords, self.sigma, self.targets = ligand, coords, sigma, targets

    def to(self, device: torch.device | str) -> EnergyBatch:
        """Return the batch on ``device``."""
        labels = {name: value.to(device) for name, value in vars(self.targets).items()}
        return EnergyBatch(
            self.ligand.to(device), self.coords.to(device), self.sigma.to(device), Targets(**labels)
        )


class EnergyData:
    """Labelled ligands as one list in memory.

    Attributes:
        ids: of the ligands.
        smiles: of the ligands.
        labels: of the ligands.
        sizes: (ligands,) heavy atoms.
        compositions: (ligands, COMPOSITION), see `molgen.energy.property_model.composition`.
        reference: coefficients for compositions, kcal/mol; 0 until `fit_reference`.

    Raises:
        StoreError: the labels belong to another store.
        InputError: no labelled ligand.
    """

    def __init__(self, labels: EnergyLabels, store: Store) -> None:
        if labels.manifest["store_index_sha256"] != store.manifest["index_sha256"]:
            raise StoreError(f"{labels.folder}: labels of another store than {store.folder}")
        if not len(labels):
            raise InputError(f"{labels.folder}: no labelled ligand")
        self.labels: list[LigandEnergies] = list(labels)
        self.ids = [ligand.id for ligand in self.labels]
        self.smiles = [labels.rows[name]["smiles"] for name in self.ids]
        self.graphs = [ligand_of(store[name]) for name in self.ids]
        self.sizes = np.array([len(graph) for graph in self.graphs])
        self.compositions = np.stack([composition(graph.features) for graph in self.graphs])
        self.reference = np.zeros(self.compositions.shape[1])
        self._place = {name: k for k, name in enumerate(self.ids)}

    def positions(self, ids: Sequence[str]) -> list[int]:
        """Return the places of those ids that are labelled."""
        return [self._place[name] for name in ids if name in self._place]

    def fit_reference(self, positions: Sequence[int]) -> np.ndarray:
        """Fit the energy of every ligand's lowest conformer as linear in its composition.

        Least squares of least norm, so that an element that never occurs has no energy.

        Args:
            positions: of the ligands to fit.
        """
        lowest = np.array([self.labels[k].energies.min() for k in positions])
        self.reference, *_ = np.linalg.lstsq(self.compositions[positions], lowest, rcond=1e-10)
        return self.reference

    def relative(self, position: int) -> np.ndarray:
        """Return the energies of a ligand's conformers less its reference, kcal/mol."""
        base = float(self.compositions[position] @ self.reference)
        return np.asarray(self.labels[position].energies - base)

    def scales(self, positions: Sequence[int]) -> tuple[float, tuple[float, float]]:
        """Return the spread of conformer energies, and mean and spread of gaps, kcal/mol."""
        parts = [self.labels[k].energies for k in positions]
        apart = np.concatenate([energies - energies.mean() for energies in parts])
        gaps = np.concatenate([self.labels[k].gaps for k in positions])
        spread = float(np.median(np.abs(apart)))
        return max(spread, 1.0), (float(gaps.mean()), max(float(gaps.std()), 1.0))

    def batch(
        self,
        positions: Sequence[int],
        seed: int,
        sampling: EnergySampling,
        sigma: float | None = None,
    ) -> EnergyBatch:
        """Return ligands with all their conformers.

        Args:
            seed: of noise levels and noise.
            sigma: Å, the noise of all conformers; by default levels are drawn.
        """
        rng = np.random.default_rng(seed)
        found = [self.labels[k] for k in positions]
        poses = max(len(ligand.energies) for ligand in found)
        shape = (len(found), poses)
        atoms = int(self.sizes[list(positions)].max())
        coords = np.zeros((*shape, atoms, 3), dtype=np.float32)
        energies, gaps = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        present, charges = np.zeros(shape, bool), np.zeros((len(found), atoms), np.float32)
        level = np.full(shape, sigma or 0.0, dtype=np.float32)
        if sigma is None:
            low, high = np.log(sampling.least), np.log(sampling.most)
            drawn = np.exp(rng.uniform(low, high, shape))
            level = np.where(rng.random(shape) < sampling.clean, 0.0, drawn).astype(np.float32)
        for row, (k, ligand) in enumerate(zip(positions, found, strict=True)):
            many, size = ligand.coords.shape[:2]
            noise = rng.standard_normal((many, size, 3)).astype(np.float32)
            moved = ligand.coords - ligand.coords.mean(1, keepdims=True)
            coords[row, :many, :size] = moved + level[row, :many, None, None] * noise
            energies[row, :many], gaps[row, :many] = self.relative(k), ligand.gaps
            present[row, :many], charges[row, :size] = True, ligand.charges
        return EnergyBatch(
            stack_ligands([self.graphs[k] for k in positions]),
            torch.from_numpy(coords),
            torch.from_numpy(level),
            Targets(*map(torch.from_numpy, (energies, gaps, charges, present))),
        )

    def plan(
        self, positions: Sequence[int], sampling: EnergySampling, seed: int
    ) -> list[tuple[tuple[int, ...], int]]:
        """Return (positions, seed) of every batch of an epoch; ligands of like size meet."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(np.asarray(positions))
        order = order[np.argsort(self.sizes[order] + rng.uniform(0.0, 4.0, len(order)))]
        batches = packed(order.tolist(), self.sizes, sampling.atoms)
        return [
            (tuple(batches[k]), int(rng.integers(2**31))) for k in rng.permutation(len(batches))
        ]


def settled(labels: LigandEnergies) -> np.ndarray:
    """Return (conformers,) bool: those that are not shaken."""
    return np.asarray(labels.kinds != KINDS.index("shaken"))
