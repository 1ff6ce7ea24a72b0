"""Predicted quality of protein models: an encoder with a head, and its checkpoints.

The quality of a residue is its local CAD-score against the (unknown) native structure, that of a
model the mean over its residues; both between 0 and 1, 1 for the native.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from molgen.checkpoints import FORMAT, load_model, save_model
from molgen.config import build, merge, to_dict
from molgen.encoders.registry import build_encoder
from molgen.errors import ConfigError
from molgen.graphs.residue_graph import ModelContacts, ResidueGraph
from molgen.scoring.quality_recipes import QUALITY_MODELS, HeadConfig

KIND = "quality"
_IRREP = re.compile(r"(?:(\d+)x)?(\d+[eo])")


class QualityPrediction(NamedTuple):
    """What a quality model says.

    Attributes:
        local: (nodes,) CAD-score of every residue.
        score: (graphs,) CAD-score of every protein.
        lddt: (nodes,) lDDT of every residue, from models that were built to tell it.
    """

    local: Float[Tensor, " nodes"]
    score: Float[Tensor, " graphs"]
    lddt: Float[Tensor, " nodes"] | None = None


class QualityModel(nn.Module):
    """An encoder of the registry with a quality head.

    Args:
        name: of the recipe, for checkpoints.
        encoder: name in `molgen.encoders.registry.ENCODERS`.
        options: fields of the encoder's config.
        head: what follows the encoder.

    Raises:
        ConfigError: options that the encoder does not take, or a plain head on features that are
            no logits.
        RegistryError: no such encoder.
    """

    def __init__(
        self, name: str, encoder: str, options: Mapping[str, Any], head: HeadConfig
    ) -> None:
        super().__init__()
        self.name, self.encoder_name, self.head_config = name, encoder, head
        self.encoder: Any = build_encoder(encoder, options)
        width = _scalars(str(self.encoder.irreps_out))
        outputs = 2 if head.lddt else 1
        if head.plain and width != outputs:
            raise ConfigError(
                f"{name}: a plain head needs an encoder of width {outputs}, "
                f"{encoder} gives {width}; widths must end in {outputs}"
            )
        self.head = nn.Identity() if head.plain else _perceptron(width, outputs, head)
        self.pool = _Pool(width) if head.pooled else None

    def prepare(self, natives: Sequence[ModelContacts]) -> None:
        """Let the encoder count what it counts on the native structures of the training data."""
        if hasattr(self.encoder, "prepare"):
            self.encoder.prepare(natives)

    def forward(self, graph: ResidueGraph) -> Float[Tensor, " nodes"]:
        """Return the predicted CAD-score of every residue."""
        return self.predict(graph).local

    def predict(self, graph: ResidueGraph) -> QualityPrediction:
        """Return everything the model says about the proteins of ``graph``."""
        features = self.encoder(graph)
        out = torch.sigmoid(self.head(features))
        local = out[:, 0]
        score = graph_mean(local[:, None], graph)[:, 0]
        if self.pool is not None:
            score = self.pool(features, local, score, graph)
        return QualityPrediction(local, score, out[:, 1] if self.head_config.lddt else None)

    def config(self) -> dict[str, Any]:
        """Return the content of config.json, all options spelled out."""
        return {
            "format": FORMAT,
            "kind": KIND,
            "name": self.name,
            "options": {
                "encoder": self.encoder_name,
                "encoder_options": to_dict(self.encoder.config),
                "head": to_dict(self.head_config),
            },
        }


class QualityEnsemble(nn.Module):
    """Several quality models that answer together: the mean of what they say.

    Args:
        members: their own errors differ most where they learned differently, on proteins unlike
            those of training.
    """

    name = "ensemble"

    def __init__(self, members: Sequence[QualityModel]) -> None:
        super().__init__()
        if not members:
            raise ConfigError("an ensemble needs at least one quality model")
        self.members: Any = nn.ModuleList(members)

    def forward(self, graph: ResidueGraph) -> Float[Tensor, " nodes"]:
        """Return the predicted CAD-score of every residue."""
        return self.predict(graph).local

    def predict(self, graph: ResidueGraph) -> QualityPrediction:
        """Return the means over the members; lDDT over those that tell it."""
        said: list[QualityPrediction] = [member.predict(graph) for member in self.members]
        lddt = [found.lddt for found in said if found.lddt is not None]
        return QualityPrediction(
            torch.stack([found.local for found in said]).mean(0),
            torch.stack([found.score for found in said]).mean(0),
            torch.stack(lddt).mean(0) if lddt else None,
        )

    def config(self) -> dict[str, Any]:
        """Return the content of config.json, that of every member inside."""
        members = [member.config() for member in self.members]
        return {
            "format": FORMAT,
            "kind": KIND,
            "name": self.name,
            "options": {"members": [{k: m[k] for k in ("name", "options")} for m in members]},
        }


def graph_mean(
    values: Float[Tensor, "nodes width"], graph: ResidueGraph
) -> Float[Tensor, "graphs width"]:
    """Return the mean over the residues of every protein."""
    total = values.new_zeros(graph.num_graphs, values.shape[1]).index_add(0, graph.graph, values)
    count = torch.bincount(graph.graph, minlength=graph.num_graphs)
    return total / count.clamp_min(1).to(values.dtype)[:, None]


class _Pool(nn.Module):
    """Corrects the mean of the residues; starts as no correction."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Linear(32, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(width + 3, 32), nn.ELU(), last)

    def forward(
        self, features: Tensor, local: Tensor, score: Tensor, graph: ResidueGraph
    ) -> Tensor:
        deviation = (local - score[graph.graph]) ** 2
        spread = graph_mean(deviation[:, None], graph).clamp_min(1e-8).sqrt()
        nodes = torch.bincount(graph.graph, minlength=graph.num_graphs).clamp_min(1)
        size = torch.log(nodes.to(local.dtype) / 150.0)[:, None]
        logit = torch.logit(score, eps=1e-4)
        seen = torch.cat([graph_mean(features, graph), spread, size, logit[:, None]], dim=1)
        return torch.sigmoid(logit + self.layers(seen)[:, 0])


def _perceptron(inputs: int, outputs: int, head: HeadConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in head.hidden:
        layers += [nn.Linear(inputs, width), nn.ELU()]
        layers += [nn.Dropout(head.dropout)] if head.dropout else []
        inputs = width
    layers.append(nn.Linear(inputs, outputs))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def _scalars(irreps: str) -> int:
    """Return the number of features; only invariant ones make a quality.

    Reads e3nn's notation ("64x0e+8x1o") without e3nn, which takes a second to import.
    """
    parts = [_IRREP.fullmatch(part.strip()) for part in irreps.split("+")]
    found = [part.groups() for part in parts if part]
    if len(found) < len(parts) or any(kind != "0e" for _, kind in found):
        raise ConfigError(f"a quality head needs invariant features (0e), not {irreps}")
    return sum(int(count or 1) for count, _ in found)


def build_quality(
    name: str,
    *,
    encoder: Mapping[str, Any] | None = None,
    head: Mapping[str, Any] | None = None,
) -> QualityModel:
    """Return a new model of the registry with fresh weights (torch's global generator).

    Args:
        name: in `QUALITY_MODELS`.
        encoder: options that differ from the recipe.
        head: fields of `HeadConfig` that differ from the recipe.

    Raises:
        RegistryError: no model of this name.
        ConfigError: an option that is not one.
    """
    recipe = QUALITY_MODELS[name]
    options = merge(recipe.options, encoder or {})
    return QualityModel(
        name, recipe.encoder, options, build(HeadConfig, head or {}, "head", recipe.head)
    )


def save_quality(folder: Path, model: QualityModel | QualityEnsemble) -> None:
    """Write model.safetensors, config.json and SHA256SUMS into ``folder``."""
    save_model(folder, model)


def load_quality(name: str) -> QualityModel | QualityEnsemble:
    """Return the model of a checkpoint (a shipped name or a folder), ready to predict, on the CPU.

    Raises:
        StoreError: no such checkpoint, damaged, of another kind, or it does not fit its config.
    """
    return load_model(name, kind=KIND, rebuild=_rebuilt)


def _rebuilt(config: Mapping[str, Any]) -> QualityModel | QualityEnsemble:
    options = config["options"]
    if "members" in options:
        return QualityEnsemble([_member(**member) for member in options["members"]])
    return _member(config["name"], options)


def _member(name: str, options: Mapping[str, Any]) -> QualityModel:
    head = build(HeadConfig, options["head"], "head")
    return QualityModel(name, options["encoder"], options["encoder_options"], head)
