"""What the processes of `molgen score` are told; apart from their work, which needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODELS = "models"
"""Folder of the structures with predicted quality in the B-factor column."""


@dataclass(frozen=True)
class ScoreJob:
    """What every process needs to know.

    Attributes:
        checkpoint: name or folder.
        device: "cpu" or "cuda[:N]".
        reference: structure to compare with.
        folder: of the results; None to write nothing.
    """

    checkpoint: str
    device: str
    reference: str | None
    folder: Path | None
