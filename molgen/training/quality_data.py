"""What a quality model is trained on: which models an epoch draws, and batches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from molgen.config import limited
from molgen.datasets.quality import QualityStore
from molgen.datasets.quality_entry import NATIVE, unpack_contacts, unpack_label
from molgen.datasets.quality_splits import apply_split, read_split, split_targets
from molgen.errors import InputError
from molgen.graphs.residue_graph import ModelContacts, ResidueGraph, to_graph

Group = tuple[int, ...]
"""Positions of models of one target, drawn together so that they can be compared."""


@dataclass(frozen=True)
class SamplingConfig:
    """How an epoch is drawn.

    Every target has the same chance (times its weight), however many models it has.

    Attributes:
        models: drawn in an epoch, some more than once where there are fewer.
        group: models of a target drawn together.
        max_nodes: residues in a batch; a larger model stands alone.
        kinds: factor on the chance of a model of this kind within its target; others have 1. "*"
            ends a name that stands for all kinds that begin so.
    """

    models: int = limited(8192, min=1)
    group: int = limited(4, min=1)
    max_nodes: int = limited(4000, min=1)
    kinds: dict[str, float] = limited({}, min=0.0)


class QualityBatch:
    """Some models as one graph, with their labels; moves between devices as a whole.

    Attributes:
        graph: (nodes) of all models.
        cad_local, lddt_local: (nodes,) float32, NaN where unknown.
        cad: (graphs,) float32.
        target: (graphs,) int64; equal for models of the same target.
    """

    def __init__(
        self,
        graph: ResidueGraph,
        cad_local: Float[Tensor, " nodes"],
        lddt_local: Float[Tensor, " nodes"],
        cad: Float[Tensor, " graphs"],
        target: Int[Tensor, " graphs"],
    ) -> None:
        # a plain class: Fabric would take a dataclass apart and refuses a frozen one
        self.graph, self.cad_local, self.lddt_local = graph, cad_local, lddt_local
        self.cad, self.target = cad, target

    def to(self, device: torch.device | str) -> QualityBatch:
        """Return the batch on ``device``."""
        tensors = (self.cad_local, self.lddt_local, self.cad, self.target)
        return QualityBatch(self.graph.to(device), *(tensor.to(device) for tensor in tensors))


class QualityData:
    """The usable models of one store or several, as one list.

    Attributes:
        targets: (models,) name of the target of each.
        kinds: (models,) where each comes from.
        cad: (models,) float64 global CAD-score.
        sizes: (models,) residues.
        weights: (models,) relative frequency of the target in training.
        sequences: target to sequence of the native.
    """

    def __init__(self, stores: Sequence[QualityStore]) -> None:
        self.stores = list(stores)
        self._places = [(s, at) for s, store in enumerate(stores) for at in range(len(store))]
        rows = [row for store in stores for row in store.rows]
        if not rows:
            raise InputError("no usable model in the stores")
        self.ids = [row["id"] for row in rows]
        self.targets = np.array([row["target"] for row in rows])
        self.kinds = np.array([row["kind"] for row in rows])
        self.cad = np.concatenate([store.labels("cad") for store in stores])
        self.sizes = np.array([int(row["residues"]) for row in rows])
        self.weights = np.array([float(row["weight"]) for row in rows])
        self.sequences: dict[str, str] = {}
        for store in stores:
            self.sequences |= store.sequences
        self._code = np.unique(self.targets, return_inverse=True)[1]

    def __len__(self) -> int:
        return len(self.ids)

    def of_targets(self, names: Sequence[str]) -> list[int]:
        """Return the positions of all models of these targets."""
        return np.flatnonzero(np.isin(self.targets, list(names))).tolist()

    def split(
        self, folder: str | None, seed: int, fractions: tuple[float, float, float]
    ) -> dict[str, list[str]]:
        """Return {part: targets}, of a folder with lists or made now; see `apply_split`."""
        present = set(self.targets.tolist())
        sequences = {name: text for name, text in self.sequences.items() if name in present}
        if folder is None:
            parts = split_targets(sequences, seed=seed, fractions=fractions)
        else:
            parts = apply_split(sequences, read_split(folder))
        if not parts["train"] or not parts["val"]:
            raise InputError(
                f"{folder or 'split'}: leaves {len(parts['train'])} targets to train on and "
                f"{len(parts['val'])} to validate with; expected some of both"
            )
        return parts

    def chains(self, positions: Sequence[int]) -> tuple[int, int]:
        """Return the least and the largest number of chains of the models at ``positions``."""
        places = (self._places[p] for p in positions)
        counts = {len(np.unique(self.stores[s].packed(at)["chain"])) for s, at in places}
        return min(counts), max(counts)

    def natives(self, names: Sequence[str]) -> list[ModelContacts]:
        """Return the native structures of these targets."""
        places = [self._places[p] for p in self.of_targets(names) if self.kinds[p] == NATIVE]
        return [unpack_contacts(self.stores[s].packed(at)) for s, at in places]

    def load(self, positions: Sequence[int]) -> QualityBatch:
        """Return the models at ``positions`` as one batch."""
        packed = [self.stores[s].packed(at) for s, at in (self._places[p] for p in positions)]
        at = np.asarray(positions)
        return QualityBatch(
            to_graph([unpack_contacts(p) for p in packed]),
            torch.from_numpy(np.concatenate([unpack_label(p["cad_local"]) for p in packed])),
            torch.from_numpy(np.concatenate([unpack_label(p["lddt_local"]) for p in packed])),
            torch.from_numpy(self.cad[at].astype(np.float32)),
            torch.from_numpy(self._code[at]),
        )


class EpochSampler:
    """Draws the batches of an epoch; the same seed and epoch, the same batches."""

    def __init__(
        self, data: QualityData, positions: Sequence[int], config: SamplingConfig, seed: int
    ) -> None:
        self.data, self.config, self.seed = data, config, seed
        usable = np.asarray(positions, dtype=np.int64)
        chance = np.array([kind_weight(kind, config.kinds) for kind in data.kinds[usable]])
        usable, chance = usable[chance > 0], chance[chance > 0]
        if not len(usable):
            raise InputError("no model to train on: every kind has the weight 0")
        names, owner = np.unique(data.targets[usable], return_inverse=True)
        self._models = [usable[owner == k] for k in range(len(names))]
        self._chances = [chance[owner == k] for k in range(len(names))]
        weight = np.array([data.weights[models].mean() for models in self._models])
        self._weight = weight / weight.max()

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the positions in each batch of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        groups: list[Group] = []
        drawn = 0
        while drawn < self.config.models:
            order = rng.permutation(len(self._models))
            order = order[rng.random(len(order)) < self._weight[order]]
            for target in order:
                models, chance = self._models[target], self._chances[target]
                count = min(self.config.group, len(models), self.config.models - drawn)
                found = rng.choice(models, count, replace=False, p=chance / chance.sum())
                groups.append(tuple(found.tolist()))
                drawn += count
                if drawn >= self.config.models:
                    break
        packed = pack_groups(groups, self.data.sizes, self.config.max_nodes)
        return [packed[k] for k in rng.permutation(len(packed))]


def kind_weight(kind: str, weights: Mapping[str, float]) -> float:
    """Return the factor for a kind: its own, else that of the longest "begin*", else 1."""
    if kind in weights:
        return weights[kind]
    fits = [name for name in weights if name.endswith("*") and kind.startswith(name[:-1])]
    return weights[max(fits, key=len)] if fits else 1.0


def pack_groups(groups: Sequence[Group], sizes: np.ndarray, max_nodes: int) -> list[list[int]]:
    """Return batches of up to ``max_nodes`` residues; a group is divided only if it must."""
    batches: list[list[int]] = []
    room = 0
    for group in groups:
        size = int(sizes[list(group)].sum())
        if size > max_nodes and len(group) > 1:
            half = len(group) // 2
            batches += pack_groups([group[:half], group[half:]], sizes, max_nodes)
            room = 0
            continue
        if not batches or size > room:
            batches.append([])
            room = max_nodes
        batches[-1] += group
        room -= size
    return batches
