"""Labelled poses of known complexes for the training of pose confidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.spatial import cKDTree
from torch import Tensor

from molgen.config import limited
from molgen.datasets.store import Store
from molgen.errors import InputError, StoreError
from molgen.graphs.pose_graph import LigandTopology, Target, ligand_of, target_of
from molgen.scoring.confidence_network import CUTOFF, PoseSet, pose_set
from molgen.scoring.pose_features import RATED, TERMS, pose_features, search_score
from molgen.training.distance_data import AtomPairs

NEAR_NATIVE = 2.0
"""Å RMSD up to which a pose counts as right."""

REACH = 9.0
"""Å; no pose with an atom farther than this from the crystal ligand is trained on.

A store keeps the receptor near the crystal ligand. A pose with part of its surroundings missing
would give itself away as wrong by that, and no receptor in use has such gaps.
"""


@dataclass(frozen=True)
class ConfidenceSampling:
    """How batches are drawn.

    Attributes:
        complexes: in a batch.
        poses: of a complex in a batch; half of them near-native where there are as many.
        found: best poses of the search that count, as many as users ask for.
        natives: whether minima that start at the crystal pose are trained on.
        receptor: Å, Gaussian noise on the receptor's atoms, and on all of a crystal complex.
        crystals: crystal complexes whose distances are learned with a batch; 0 for none.
        pairs: of atoms of a crystal complex.
    """

    complexes: int = limited(4, min=1)
    poses: int = limited(24, min=2)
    found: int = limited(RATED, min=2)
    natives: bool = True
    receptor: float = limited(0.1, min=0.0)
    crystals: int = limited(4, min=0)
    pairs: int = limited(5000, min=2)


@dataclass(frozen=True)
class LabelledPoses:
    """The poses of one complex.

    Attributes:
        coords: (poses, atoms, 3) float32 Å.
        rmsd: (poses,) Å, symmetry-corrected, in place.
        is_native: (poses,) those that start at the crystal pose.
        reach: (poses,) Å, how far its farthest atom is from the crystal ligand.
        features: (poses, columns) of `molgen.scoring.pose_features`.
        energy: (poses,) kcal/mol, the score of the search.
    """

    coords: np.ndarray
    rmsd: np.ndarray
    is_native: np.ndarray
    reach: np.ndarray
    features: np.ndarray
    energy: np.ndarray


class RatedPoses:
    """Poses of some complexes and their RMSDs.

    Attributes:
        poses: of each complex.
        rmsd: Å, of each complex's poses.
        crystals: pairs of atoms in other complexes and their distances.
    """

    def __init__(
        self,
        poses: list[PoseSet],
        rmsd: list[Float[Tensor, " poses"]],
        crystals: Sequence[AtomPairs] = (),
    ) -> None:
        # a plain class: Fabric would take a dataclass apart and refuses a frozen one
        self.poses, self.rmsd, self.crystals = poses, rmsd, list(crystals)

    def to(self, device: torch.device | str) -> RatedPoses:
        """Return the batch on ``device``."""
        return RatedPoses(
            [one.to(device) for one in self.poses],
            [one.to(device) for one in self.rmsd],
            [one.to(device) for one in self.crystals],
        )


class ConfidenceData:
    """Complexes of a store that have labelled poses, as one list in memory.

    Args:
        store: of `molgen preprocess`.
        folders: outputs of `molgen label poses`; a complex in several is as many examples.
        found: best poses of the search that count.

    Attributes:
        ids: of the complex of every example.
        fingerprint: SHA-256 over all labels.

    Raises:
        InputError: no labelled complex of the store.
        StoreError: labels that cannot be read, or of another ligand; a store whose receptors end
            within what poses touch.
    """

    def __init__(self, store: Store, folders: Sequence[Path], found: int) -> None:
        store.require_receptors(REACH + CUTOFF)
        self.ids: list[str] = []
        self.poses: list[LabelledPoses] = []
        self.ligands: list[LigandTopology] = []
        self.targets: list[Target] = []
        sums = hashlib.sha256()
        for entry in store:
            files = [folder / "entries" / f"{entry.id}.safetensors" for folder in folders]
            files = [file for file in files if file.is_file()]
            if not files:
                continue
            ligand, target = ligand_of(entry), target_of(entry)
            for file in files:
                labelled = read_labels(file, found)
                if labelled.coords.shape[1] != entry.num_ligand_atoms:
                    raise StoreError(
                        f"{file}: {labelled.coords.shape[1]} atoms, the store's ligand has "
                        f"{entry.num_ligand_atoms}: labels of another collection"
                    )
                sums.update(f"{entry.id}:".encode() + file.read_bytes())
                self.ids.append(entry.id)
                self.poses.append(labelled)
                self.ligands.append(ligand)
                self.targets.append(target)
        self.fingerprint = sums.hexdigest()
        if not self.ids:
            raise InputError("no complex of the store has labelled poses in the folders given")

    def positions(self, ids: Sequence[str]) -> list[int]:
        """Return the places of the complexes named."""
        named = set(ids)
        return [k for k, name in enumerate(self.ids) if name in named]

    def whole(self, position: int) -> tuple[PoseSet, LabelledPoses]:
        """Return the poses that the search found for a complex, best energy first."""
        labelled = self.poses[position]
        kept = np.flatnonzero(~labelled.is_native)
        chosen = LabelledPoses(*(values[kept] for values in vars(labelled).values()))
        return self._set(position, kept), chosen

    def draw(
        self, position: int, sampling: ConfidenceSampling, rng: np.random.Generator
    ) -> tuple[PoseSet, Float[Tensor, " poses"]]:
        """Return some poses of a complex, and their RMSDs."""
        labelled = self.poses[position]
        allowed = np.ones(len(labelled.rmsd), bool) if sampling.natives else ~labelled.is_native
        inside = allowed & (labelled.reach <= REACH)
        allowed = inside if inside.any() else allowed  # a batch needs poses of every complex
        near = rng.permutation(np.flatnonzero(allowed & (labelled.rmsd <= NEAR_NATIVE)))
        far = rng.permutation(np.flatnonzero(allowed & (labelled.rmsd > NEAR_NATIVE)))
        half = sampling.poses // 2
        few = min(len(near), max(half, sampling.poses - len(far)))
        rows = np.concatenate([near[:few], far[: sampling.poses - few]])
        poses = self._set(position, rows)
        noise = rng.normal(0.0, sampling.receptor, poses.target.shape).astype(np.float32)
        moved = poses._replace(target=poses.target + torch.from_numpy(noise))
        return moved, torch.from_numpy(labelled.rmsd[rows])

    def _set(self, position: int, rows: np.ndarray) -> PoseSet:
        labelled = self.poses[position]
        return pose_set(
            labelled.coords[rows], self.ligands[position], self.targets[position],
            labelled.features[rows],
        )  # fmt: skip


def read_labels(path: Path, found: int) -> LabelledPoses:
    """Return the labelled poses of a file of `molgen label poses`.

    Args:
        found: best poses of the search that are kept, beside the native minima.

    Raises:
        StoreError: unreadable, or made before energies were stored.
    """
    try:
        arrays = load_file(str(path))
        native = arrays["is_native"].astype(bool)
        kept = np.concatenate([np.flatnonzero(~native)[:found], np.flatnonzero(native)])
        coords, rmsd = arrays["coords"][kept], arrays["rmsd"][kept]
        terms = dict(zip(TERMS, arrays["terms"][kept].T, strict=True))
        crystal = cKDTree(arrays["crystal_coords"][0])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise StoreError(f"{path}: no labelled poses with energies ({error})") from None
    native = native[kept]
    features = pose_features(coords, terms, ~native)
    apart, _ = crystal.query(coords)
    return LabelledPoses(coords, rmsd, native, apart.max(1), features, search_score(terms))
