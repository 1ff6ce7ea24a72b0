"""The use case `molgen train confidence`: labelled poses to a model that rates poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from molgen.api.tables import json_ready
from molgen.api.training_run import TrainingRun, TrainResult, lasting, split_facts, split_parts
from molgen.config import check, to_dict
from molgen.datasets.splits import PARTS
from molgen.datasets.store import Store
from molgen.errors import InputError
from molgen.report.training_plot import Line
from molgen.scoring.confidence import ConfidenceModel, save_confidence
from molgen.scoring.confidence_network import ConfidenceNetwork
from molgen.training.confidence import ConfidenceTask, ConfidenceTraining, rate
from molgen.training.confidence_data import ConfidenceData
from molgen.training.confidence_metrics import MEASURES, measured
from molgen.training.distance_data import CrystalPoses

_LINES = (
    Line("val_top1", "top pose within 2 Å"),
    Line("val_auroc", "AUROC of poses"),
)


_INTERVAL = ("value", "low", "high")


def smoke(settings: ConfidenceTraining) -> ConfidenceTraining:
    """Return the settings cut down to seconds: two epochs of a small network."""
    network = replace(settings.network, width=8, ligand_rounds=1, target_rounds=1)
    return replace(settings, network=network, loop=replace(settings.loop, epochs=2, warmup=1))


def train_confidence(
    store: str | Path,
    poses: Sequence[str | Path],
    out: str | Path,
    *,
    settings: ConfidenceTraining | None = None,
    split: str | Path | None = None,
    exclude: Sequence[str | Path] = (),
    device: str = "auto",
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> TrainResult:
    """Train a model of pose confidence, calibrate it and write its checkpoint folder.

    Args:
        store: of `molgen preprocess`, with the complexes that were labelled.
        poses: outputs of `molgen label poses`.
        out: folder of the checkpoint; while training it holds the state of the run.
        settings: of the training.
        split: folder with val.txt (chooses the epoch, calibrates) and test.txt (measures), ids to
            hold out; by default a split by clusters of the pocket chains is made.
        exclude: lists of entries to leave out (`molgen.datasets.entry_lists`).
        device: "auto", "cpu" or "cuda[:N]".
        command: the command line, for the model card.
        resume: go on where an earlier run with the same settings and labels was stopped.
        force: remove what an earlier run left in ``out``.
        progress: show a bar on stderr.

    Raises:
        StoreError: labels or store cannot be read or do not belong together, or the state belongs
            to another run.
        InputError: nothing to train on or to validate with.
        OutputError: ``out`` is not empty and neither ``resume`` nor ``force`` is set.
        DeviceError: no such device.
    """
    import torch

    settings = check(settings or ConfidenceTraining())
    job = TrainingRun(
        out, device=device, command=command, resume=resume, force=force, progress=progress
    )
    opened = Store(store)
    data = ConfidenceData(opened, [Path(one) for one in poses], settings.sampling.found)
    seed = settings.seed
    named, left_out = split_parts(list(opened.rows.values()), split, seed, exclude)
    parts = {part: data.positions(named[part]) for part in PARTS}
    if not parts["train"] or not parts["val"]:
        raise InputError(
            f"{len(parts['train'])} complexes to train on and {len(parts['val'])} to validate "
            "with; expected some of both"
        )
    torch.manual_seed(seed)
    network = ConfidenceNetwork(settings.network)
    model = ConfidenceModel(network)
    ids = {part: sorted({data.ids[k] for k in places}) for part, places in parts.items()}
    # distances are learned of all complexes of the training part, labelled or not
    learned = named["train"] if settings.sampling.crystals and settings.network.contacts else []
    crystals = CrystalPoses(opened, learned)
    identity = [lasting(settings), model.config(), data.fingerprint, ids, sorted(learned)]
    task = ConfidenceTask(network, data, parts["train"], parts["val"], settings, crystals)
    job.fit(task, settings.loop, _LINES, seed=seed, identity=identity)
    model.to("cpu")
    known = rate(network, data, parts["val"], "cpu")
    model.calibrate([one.logit for one in known], [one.right for one in known])
    rated = rate(network, data, parts["test"], "cpu") if parts["test"] else known
    held = len({one.id for one in rated})
    return job.finish(
        model,
        save_confidence,
        trained_on=len(ids["train"]),
        held_out=held,
        metrics=json_ready(measured(rated, model.probability)),
        facts={
            "settings": to_dict(settings),
            "labels_sha256": data.fingerprint,
            **split_facts(ids, split, seed),
            **left_out,
            "crystals": len(crystals),
            "poses": int(sum(len(data.poses[k].rmsd) for k in parts["train"])),
            "held_complexes": held,
        },
        domain=_domain(data, parts["train"]),
        card=_card,
    )


def _domain(data: ConfidenceData, train: Sequence[int]) -> dict[str, Any]:
    sizes = [len(data.ligands[k]) for k in train]
    elements = np.unique(np.concatenate([data.ligands[k].features[:, 0] for k in train]))
    return {"ligand_atoms": [min(sizes), max(sizes)], "elements": elements.tolist()}


def _card(facts: Mapping[str, Any], domain: Mapping[str, Any]) -> str:
    return _CARD.format(
        **{
            **facts,
            "rows": metric_rows(facts["metrics"]),
            "smallest": domain["ligand_atoms"][0],
            "largest": domain["ligand_atoms"][1],
        }
    )


def metric_rows(metrics: dict[str, dict[str, float | None]]) -> str:
    """Return the rows of a card, a line for every measure with its interval."""
    lines = []
    for name, found in metrics.items():
        value, low, high = ("–" if found[k] is None else f"{found[k]:.3f}" for k in _INTERVAL)
        lines.append(f"| {MEASURES[name]} | {value} ({low} to {high}) |")
    return "\n".join(lines)


_CARD = """# Confidence of poses

Rates the poses of one ligand in one pocket: the probability that each lies within 2 Å of the true
pose, and its expected RMSD; {parameters:,} parameters. How it works: `docs/ranking.md`.

* Data: {poses} searched poses and native minima of {trained_on} complexes in PDBBind layout, and
  the crystal poses of {crystals}. SHA-256 over the labels: `{labels_sha256}`.
* Split: {split}, SHA-256 of the lists: `{split_sha256}`. The
  validation part chose the epoch and the calibration.
* Code: molgen {molgen}, commit {code}.
* Command: `{command}`
* Settings: `{settings_text}`
* Training: {device}, {epochs} epochs, {steps} steps, {training_seconds} s; kept: epoch {best};
  ended by the limit of {stopped}.

Measured on {held_complexes} held-out complexes ({held_out}), 40 searched poses each, with 95 %
intervals by bootstrap over complexes:

| measure | value |
|---|---|
{rows}

Limits: poses of the sampler `search` in a rigid receptor; ligands of {smallest} to {largest} heavy
atoms. It tells poses of one ligand apart, not binders from others.
"""
