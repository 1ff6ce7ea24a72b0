"""The quality of protein models as a checkpoint sees it: contacts in, a score per residue out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from molgen.checkpoints import training_domain
from molgen.errors import DeviceError
from molgen.graphs.residue_graph import ModelContacts, to_graph
from molgen.scoring.quality_model import QualityPrediction, load_quality

BATCH_CONTACTS = 400_000
"""Atom contacts predicted together on a GPU, about 100 models of 200 residues."""


@dataclass(frozen=True)
class QualityScore:
    """Predicted quality of one protein model; higher is better, 0 to 1.

    Attributes:
        value: CAD-score of the whole model.
        local: (nodes,) float32 local CAD-score of every residue that is a node.
        lddt: (nodes,) float32 lDDT, from checkpoints that tell it.
    """

    value: float
    local: np.ndarray
    lddt: np.ndarray | None = None


class QualityScorer:
    """A checkpoint, ready to score.

    Args:
        checkpoint: name of a shipped one, or a folder.
        device: "cpu" or "cuda[:N]".

    Raises:
        StoreError: no such checkpoint, damaged, or of another kind.
        DeviceError: the device cannot be used.
    """

    def __init__(self, checkpoint: str, device: str = "cpu") -> None:
        self.domain = read_domain(checkpoint)
        try:
            self.model = load_quality(checkpoint).to(device)
        except (RuntimeError, AssertionError) as error:  # the latter: torch without CUDA
            raise DeviceError(f"device {device!r} cannot be used ({error})") from None
        self.device = torch.device(device)

    def score(self, models: Sequence[ModelContacts]) -> list[QualityScore]:
        """Return the scores in the order of the models.

        On a CPU each model is a batch of its own: nothing is faster together there, and a score
        then does not depend on its company.
        """
        scores: list[QualityScore] = []
        with torch.inference_mode():
            for batch in self._batches(models):
                found = self.model.predict(to_graph(batch).to(self.device))
                scores += _split(found, [len(model) for model in batch])
        return scores

    def outside(self, model: ModelContacts) -> str:
        """Return in what ``model`` differs from everything in training; "" for nothing known."""
        sizes = {"residues": len(model), "chains": len(np.unique(model.chain))}
        said = [
            f"{sizes[what]} {what}, trained on {low} to {high}"
            for what, (low, high) in self.domain.items()
            if what in sizes and not low <= sizes[what] <= high
        ]
        return "; ".join(said)

    def _batches(self, models: Sequence[ModelContacts]) -> Iterator[list[ModelContacts]]:
        batch: list[ModelContacts] = []
        size = 0
        for model in models:
            size += len(model.contact_area)
            if batch and (self.device.type == "cpu" or size > BATCH_CONTACTS):
                yield batch
                batch, size = [], len(model.contact_area)
            batch.append(model)
        if batch:
            yield batch


def _split(found: QualityPrediction, nodes: Sequence[int]) -> list[QualityScore]:
    ends = np.cumsum(nodes)[:-1]
    local = np.split(found.local.float().cpu().numpy(), ends)
    lddt: Sequence[Any] = [None] * len(nodes)
    if found.lddt is not None:
        lddt = np.split(found.lddt.float().cpu().numpy(), ends)
    values = found.score.float().cpu().tolist()
    return [QualityScore(*row) for row in zip(values, local, lddt, strict=True)]


def read_domain(checkpoint: str) -> dict[str, tuple[int, int]]:
    """Return the sizes seen in training, as domain.json says; empty without that file.

    Raises:
        StoreError: no such checkpoint, or the file is damaged.
    """
    with training_domain(checkpoint) as said:
        ranges = {key: said[key] for key in ("residues", "chains") if key in said} if said else {}
        return {key: (int(low), int(high)) for key, (low, high) in ranges.items()}
