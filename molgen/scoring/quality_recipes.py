"""The quality models by name: which encoder, which options, which head.

A further model is one constant here and one row of the table; an own encoder is one file and one
row in `molgen.encoders.registry`. A published name is never changed: what differs gets a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from molgen.config import limited
from molgen.registry import Registry

QUALITY_MODELS = Registry(
    "quality model",
    {
        "sgcn_5": "molgen.scoring.quality_recipes:SGCN_5",
        "sgcn_10": "molgen.scoring.quality_recipes:SGCN_10",
        "sgcn_s_5": "molgen.scoring.quality_recipes:SGCN_S_5",
        "sgcn_r_5": "molgen.scoring.quality_recipes:SGCN_R_5",
        "message_passing": "molgen.scoring.quality_recipes:MESSAGE_PASSING",
        "message_passing_wide": "molgen.scoring.quality_recipes:MESSAGE_PASSING_WIDE",
        "gated_contacts": "molgen.scoring.quality_recipes:GATED_CONTACTS",
    },
)


@dataclass(frozen=True)
class HeadConfig:
    """From residue features to quality.

    Attributes:
        plain: the features are the logits already (an encoder of width one, or two with lddt).
        hidden: widths of the perceptron on top of the features otherwise.
        dropout: after each hidden layer.
        lddt: a second output per residue, its lDDT.
        pooled: the score of a model is the mean of its residues, corrected by a small perceptron
            that sees the mean features; without it, it is that mean.
    """

    plain: bool = False
    hidden: tuple[int, ...] = limited((), min=1)
    dropout: float = limited(0.0, min=0.0, below=1.0)
    lddt: bool = False
    pooled: bool = False


@dataclass(frozen=True)
class Recipe:
    """What a name stands for: an encoder of the registry, its options, and the head."""

    encoder: str
    options: Mapping[str, Any] = field(default_factory=dict)
    head: HeadConfig = HeadConfig()


SGCN_5 = Recipe("spherical", {"order": 5}, HeadConfig(plain=True))
"""S-GCN of arXiv 2011.07980 with harmonics up to l = 4; 24,633 parameters."""

SGCN_10 = Recipe("spherical", {"order": 10}, HeadConfig(plain=True))
"""S-GCN with harmonics up to l = 9; 95,433 parameters."""

SGCN_S_5 = Recipe(
    "spherical",
    {"order": 5, "widths": (20, 16, 14, 12, 8), "activate_last": True},
    HeadConfig(hidden=(128, 64)),
)
"""S-GCN_s: the last layers are a perceptron for every residue; 42,567 parameters."""

SGCN_R_5 = Recipe("spherical", {"order": 5, "weighting": "area"}, HeadConfig(plain=True))
"""S-GCN with the harmonics multiplied by row-normalised contact areas."""

MESSAGE_PASSING = Recipe("message_passing", {}, HeadConfig(plain=True))
"""The baseline of the paper: same graph and widths, area-normalised adjacency, no harmonics."""

MESSAGE_PASSING_WIDE = Recipe(
    "message_passing", {"widths": (80, 72, 48, 16, 1)}, HeadConfig(plain=True)
)
"""The baseline with as many parameters as S-GCN(5), to tell harmonics from mere size."""

GATED_CONTACTS = Recipe(
    "gated_contacts", {}, HeadConfig(hidden=(64,), dropout=0.1, lddt=True, pooled=True)
)
"""Atom contacts, distances, areas and dihedral angles; see `molgen.encoders.gated_contacts`."""
