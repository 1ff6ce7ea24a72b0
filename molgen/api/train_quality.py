"""The use case `molgen train quality`: stores of labelled models to a quality checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from molgen.api.tables import json_ready
from molgen.api.training_run import TrainingRun, TrainResult, lasting, split_facts, start_from
from molgen.config import build, check, located, merge, read_yaml, to_dict
from molgen.datasets.quality import QualityStore
from molgen.errors import ConfigError
from molgen.report.training_plot import Line
from molgen.scoring.quality_model import build_quality, load_quality, save_quality
from molgen.training.quality import QualityTask, QualityTraining, Validation, predict
from molgen.training.quality_data import QualityData
from molgen.training.quality_metrics import bootstrap_intervals

_LINES = (
    Line("val_target_pearson", "Pearson per target"),
    Line("val_pooled_pearson", "Pearson of all models"),
    Line("val_residue_pearson", "Pearson of all residues"),
)


@dataclass(frozen=True)
class QualityRun:
    """What to train: the settings, and options that differ from those of the named model.

    Attributes:
        training: settings.
        encoder: options of the encoder.
        head: options of the head.
    """

    training: QualityTraining = QualityTraining()
    encoder: Mapping[str, Any] | None = None
    head: Mapping[str, Any] | None = None


def read_run(path: str | Path | None, overrides: Mapping[str, Any]) -> QualityRun:
    """Return the settings of a YAML file with ``overrides`` laid over them.

    The file holds fields of `QualityTraining`, and may hold ``encoder`` and ``head`` with options
    of these.

    Raises:
        ConfigError: unreadable, or a key or value that is not accepted.
    """
    values = merge(read_yaml(path) if path else {}, overrides)
    parts = {name: values.pop(name, None) for name in ("encoder", "head")}
    for name, part in parts.items():
        if part is not None and not isinstance(part, Mapping):
            raise ConfigError(f"{path}: {name}: must hold keys and values")
    try:
        return QualityRun(build(QualityTraining, values), **parts)
    except ConfigError as error:
        raise located(ConfigError(str(error)), path, overrides) from None


def smoke(run: QualityRun) -> QualityRun:
    """Return the run cut down to seconds: two short epochs of few models."""
    training = run.training
    sampling = replace(training.sampling, models=min(32, training.sampling.models))
    loop = replace(training.loop, epochs=2, warmup=1, patience=0)
    return replace(run, training=replace(training, sampling=sampling, loop=loop, max_validation=64))


def train_quality(
    stores: Sequence[str | Path],
    out: str | Path,
    *,
    run: QualityRun | None = None,
    split: str | Path | None = None,
    init: str | None = None,
    device: str = "auto",
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> TrainResult:
    """Train a quality model and write its checkpoint folder.

    Args:
        stores: of `molgen label quality`; several count as one.
        out: folder of the checkpoint; while training it holds the state of the run.
        run: settings.
        split: folder with val.txt and test.txt, names of targets to hold out; by default a split
            by clusters of sequences is made.
        init: checkpoint of the same network to start from, a name or a folder; by default the
            weights are random. The held-out numbers hold only if it was trained on the same split.
        device: "auto", "cpu" or "cuda[:N]".
        command: the command line, for the model card.
        resume: go on where an earlier run with the same settings and stores was stopped.
        force: remove what an earlier run left in ``out``.
        progress: show a bar on stderr.

    Raises:
        StoreError: a store cannot be read, or the state belongs to another run.
        InputError: nothing to train on or to validate with.
        ConfigError: settings that do not fit together, or ``init`` is another network.
        OutputError: ``out`` is not empty and neither ``resume`` nor ``force`` is set.
        DeviceError: no such device.
    """
    import torch

    run = run or QualityRun()
    training = check(run.training)
    job = TrainingRun(
        out, device=device, command=command, resume=resume, force=force, progress=progress
    )
    data = QualityData([QualityStore(store) for store in stores])
    parts = data.split(str(split) if split else None, training.split_seed, training.fractions)
    torch.manual_seed(training.seed)
    model = build_quality(training.model, encoder=run.encoder, head=run.head)
    weights, origin = start_from(model, load_quality, init, job.folder)
    prints = hashlib.sha256("".join(store.fingerprint for store in data.stores).encode())
    identity = [lasting(training), model.config(), prints.hexdigest(), parts, weights]
    model.prepare(data.natives(parts["train"]))
    task = QualityTask(model, data, parts["train"], parts["val"], training)
    job.fit(task, training.loop, _LINES, seed=training.seed, identity=identity)
    of_split = split_facts(parts, split, training.split_seed)
    held_targets = parts[of_split["held_out"]]
    held = data.of_targets(held_targets)
    found = predict(model, data, held, "cpu", training.sampling.max_nodes)
    train_positions = data.of_targets(parts["train"])
    return job.finish(
        model,
        save_quality,
        trained_on=len(train_positions),
        held_out=len(held),
        metrics=held_out_metrics(found, data),
        facts={
            "model": model.name,
            "settings": to_dict(training) | {"encoder": run.encoder or {}, "head": run.head or {}},
            "data_sha256": prints.hexdigest(),
            "stores": [
                {"name": s.folder.name, "sha256": s.fingerprint, "models": len(s)}
                for s in data.stores
            ],
            **of_split,
            "init": origin,
            "train_targets": len(parts["train"]),
            "train_models": len(train_positions),
            "kinds": _counts(data.kinds[train_positions]),
            "held_targets": len(held_targets),
            "held_models": len(held),
            "by_kind": json_ready(found.by_kind(data.kinds)),
        },
        domain=_domain(data, train_positions),
        card=_card,
    )


def held_out_metrics(found: Validation, data: QualityData) -> dict[str, Any]:
    """Return value and 95 % interval (bootstrap over targets) of every metric."""
    targets = data.targets[found.positions]
    values = found.metrics(data.targets)
    intervals = bootstrap_intervals(
        targets, found.score, found.true_score, np.random.default_rng(0)
    )
    table: dict[str, Any] = {}
    for name, value in values.items():
        low, high = intervals.get(name, (None, None))
        table[name] = {
            "value": round(value, 4) if np.isfinite(value) else None,
            "low": None if low is None else round(low, 4),
            "high": None if high is None else round(high, 4),
        }
    return table


def _counts(kinds: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(kinds, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _domain(data: QualityData, positions: Sequence[int]) -> dict[str, Any]:
    """Return what was seen in training; outside of it a prediction is a guess."""
    from molgen.graphs.residue_graph import RESIDUES

    sizes, cad = data.sizes[list(positions)], data.cad[list(positions)]
    return {
        "residue_types": list(RESIDUES),
        "residues": [int(sizes.min()), int(sizes.max())],
        "chains": list(data.chains(positions)),
        "cad": [round(float(np.nanmin(cad)), 4), round(float(np.nanmax(cad)), 4)],
        "kinds": sorted(set(data.kinds[list(positions)].tolist())),
    }


_MEASURES = {
    "target_pearson": "Pearson per target, mean",
    "target_spearman": "Spearman per target, mean",
    "top1_loss": "CAD lost by taking the top-ranked model",
    "pooled_pearson": "Pearson of all models",
    "residue_pearson": "Pearson of all residues",
    "score_mse": "squared error of models",
    "residue_mse": "squared error of residues",
}


def _card(facts: Mapping[str, Any], domain: Mapping[str, Any]) -> str:
    rows = []
    for name, title in _MEASURES.items():
        found = facts["metrics"][name]
        value = "–" if found["value"] is None else f"{found['value']:.4f}"
        interval = "–" if found["low"] is None else f"{found['low']:.3f} to {found['high']:.3f}"
        rows.append(f"| {title} | {value} | {interval} |")
    return _CARD.format(
        **{
            **facts,
            "rows": "\n".join(rows),
            "kind_rows": "\n".join(kind_row(*item) for item in facts["by_kind"].items()),
            "kinds": ", ".join(f"{count} {kind}" for kind, count in facts["kinds"].items()),
            "stores": ", ".join(s["name"] for s in facts["stores"]),
            "ranked": int(facts["metrics"]["targets"]["value"] or 0),
            "smallest": domain["residues"][0],
            "largest": domain["residues"][1],
        }
    )


def kind_row(kind: str, found: dict[str, float | None]) -> str:
    """Return a line of the card's table of kinds."""
    numbers = [found[key] for key in ("true", "predicted", "pearson", "residue_pearson")]
    cells = ["–" if value is None else f"{value:.3f}" for value in numbers]
    return f"| {kind} | {found['models']:.0f} | {' | '.join(cells)} |"


_CARD = """# Protein model quality: {model}

Predicts the local CAD-score of every residue of a protein model and the score of the whole model
from its geometry alone; {parameters:,} parameters. What the name stands for:
`molgen/scoring/quality_recipes.py`.

* Data: {train_models} models ({kinds}) of {train_targets} targets, stores {stores}. Each target
  has the same chance in an epoch, times its weight. SHA-256 over the shards: `{data_sha256}`.
* Split: {split}, SHA-256 of the lists: `{split_sha256}`.
* Code: molgen {molgen}, commit {code}.
* Command: `{command}`
* Settings: `{settings_text}`
* Start: {init}.
* Training: {epochs} epochs, {steps} steps, {training_seconds} s; kept: epoch {best}; ended by the
  limit of {stopped}.

Measured on {held_models} models of {held_targets} held-out targets ({held_out}); {ranked} of them
have five models or more to rank. Intervals by bootstrap over targets.

| measure | value | 95 % interval |
|---|---|---|
{rows}

| kind, held out | models | true CAD, mean | predicted | Pearson, models | Pearson, residues |
|---|---|---|---|---|---|
{kind_rows}

Limits: standard amino acids of protein chains; ligands, nucleic acids and waters are not seen.
Trained on models of {smallest} to {largest} residues. The score says how much of the contact area
of the native is right; it is no free energy and does not tell whether a fold is biologically
relevant.
"""
