"""The use case `molgen train sidegen`: stores of complexes to a SIDEGEN checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from molgen.api.tables import json_ready
from molgen.api.training_run import (
    TrainingRun,
    TrainResult,
    lasting,
    split_facts,
    split_parts,
    start_from,
)
from molgen.config import build, check, located, merge, read_yaml, to_dict
from molgen.datasets.store import Store
from molgen.diffusion.model import SidegenModel, load_sidegen, save_sidegen
from molgen.encoders.registry import TARGET_ENCODERS
from molgen.errors import ConfigError, InputError, RegistryError
from molgen.report.training_plot import Line
from molgen.training.pose_data import PoseData
from molgen.training.poses import DRAWS, PoseLossModule, PoseTask, PoseTraining, measure

_LINES = (
    Line("val_rigid-torsion_rmsd_within2", "poses within 2 Å, rigid-torsion"),
    Line("val_cartesian_rmsd_within2", "poses within 2 Å, Cartesian"),
)


@dataclass(frozen=True)
class SidegenRun:
    """What to train: the settings, and options of the target encoder."""

    training: PoseTraining = PoseTraining()
    encoder: Mapping[str, Any] | None = None


def read_run(path: str | Path | None, overrides: Mapping[str, Any]) -> SidegenRun:
    """Return the settings of a YAML file with ``overrides`` laid over them.

    The file holds fields of `PoseTraining`, and may hold ``encoder`` with options of the target
    encoder.

    Raises:
        ConfigError: unreadable, or a key or value that is not accepted.
    """
    values = merge(read_yaml(path) if path else {}, overrides)
    encoder = values.pop("encoder", None)
    if encoder is not None and not isinstance(encoder, Mapping):
        raise ConfigError(f"{path}: encoder: must hold keys and values")
    try:
        training = build(PoseTraining, values)
        _check_encoder(training, encoder)
        return SidegenRun(training, encoder)
    except (ConfigError, RegistryError) as error:
        raise located(ConfigError(str(error)), path, overrides) from None


def _check_encoder(training: PoseTraining, options: Mapping[str, Any] | None) -> None:
    """Look at the options of the target encoder before any data is read.

    Raises:
        RegistryError: no encoder of the name.
        ConfigError: an option that it does not have, or options where there is no encoder.
    """
    if training.network.target:
        build(TARGET_ENCODERS[training.network.encoder].Config, options or {}, "encoder")
    elif options:
        raise ConfigError("encoder: has no use in a network without target")


def smoke(run: SidegenRun) -> SidegenRun:
    """Return the run cut down to seconds: two short epochs of a small network."""
    training = run.training
    network = replace(training.network, width=16, blocks=2)
    sampling = replace(training.sampling, complexes=16, poses=2, atoms=128)
    validation = replace(training.validation, complexes=4, poses=2, steps=4, held=4)
    loop = replace(training.loop, epochs=2, warmup=1)
    training = replace(
        training, network=network, sampling=sampling, validation=validation, loop=loop
    )
    return SidegenRun(training, dict(run.encoder or {}) | {"width": 16, "blocks": 1})


def train_sidegen(
    stores: Sequence[str | Path],
    out: str | Path,
    *,
    run: SidegenRun | None = None,
    split: str | Path | None = None,
    exclude: Sequence[str | Path] = (),
    init: str | None = None,
    device: str = "auto",
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> TrainResult:
    """Train SIDEGEN and write its checkpoint folder.

    Args:
        stores: of `molgen preprocess`; several count as one.
        out: folder of the checkpoint; while training it holds the state of the run.
        run: settings.
        split: folder with val.txt and test.txt, ids to hold out; by default a split by clusters
            of the pocket chains is made.
        init: checkpoint of the same network to start from, a name or a folder; by default the
            weights are random. The held-out numbers hold only if it was trained on the same split.
        exclude: lists of entries to leave out (`molgen.datasets.entry_lists`).
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

    run = run or SidegenRun()
    training = check(run.training)
    job = TrainingRun(
        out, device=device, command=command, resume=resume, force=force, progress=progress
    )
    opened = [Store(store) for store in stores]
    rows = [row for store in opened for row in store.rows.values()]
    parts, left_out = split_parts(rows, split, training.seed, exclude)
    data = PoseData(opened, training.pocket)
    torch.manual_seed(training.seed)
    model = SidegenModel(training.network, run.encoder, training.schedule, training.pocket)
    weights, origin = start_from(model, load_sidegen, init, job.folder, {"fade", "chirality"})
    _hold_all_but(model, training.only)
    prints = hashlib.sha256(
        json.dumps([store.manifest["shards"] for store in opened], sort_keys=True).encode()
    )
    identity = [lasting(training), model.config(), prints.hexdigest(), parts, weights]
    task = PoseTask(model, data, parts["train"], parts["val"], training)
    if not task.train or not task.val:
        raise InputError(
            f"{len(task.train)} complexes to train on and {len(task.val)} to validate with; "
            "expected some of both"
        )
    torch.set_float32_matmul_precision("high")
    job.fit(task, training.loop, _LINES, seed=training.seed, identity=identity)
    of_split = split_facts(parts, split, training.seed)
    held = held_out(data, parts[of_split["held_out"]], training)
    module = PoseLossModule(model, training.loss, training.sampling.poses)
    module = module.to(job.device).eval()
    metrics = json_ready(measure(module, data, held, training, job.device, DRAWS))
    model.to("cpu")
    sizes, charges = data.sizes[task.train], data.charges[task.train]
    domain = {
        "ligand_atoms": [int(sizes.min()), int(sizes.max())],
        "formal_charge": [int(charges.min()), int(charges.max())],
        "elements": sorted({int(e) for k in task.train for e in data.ligands[k].features[:, 0]}),
    }
    return job.finish(
        model,
        save_sidegen,
        trained_on=len(task.train),
        held_out=len(held),
        metrics=metrics,
        facts={
            "settings": to_dict(training) | {"encoder": run.encoder or {}},
            "data_sha256": prints.hexdigest(),
            **of_split,
            **left_out,
            "init": origin,
            "held_complexes": len(held),
        },
        domain=domain,
        card=_card,
    )


def _hold_all_but(model: SidegenModel, part: str) -> None:
    """Train only weights with ``part`` in their name.

    Raises:
        ConfigError: no weight has.
    """
    named = dict(model.named_parameters())
    if not any(part in name for name in named):
        raise ConfigError(f"only: no weight has {part!r} in its name, as {next(iter(named))} does")
    for name, weight in named.items():
        weight.requires_grad_(part in name)


def held_out(data: PoseData, ids: Sequence[str], training: PoseTraining) -> list[int]:
    """Return the places of the complexes that the numbers of the model card are measured on."""
    places = data.positions(ids, training.sampling)
    return [
        int(k) for k in np.random.default_rng(1).permutation(places)[: training.validation.held]
    ]


_MEASURES = {
    "rmsd_within2": "poses within 2 Å",
    "best_within2": "best of the poses within 2 Å",
    "rmsd_median": "median RMSD, Å",
    "best_median": "median RMSD of the best pose, Å",
    "aligned_median": "median RMSD after superposition, Å",
    "loss": "loss",
}


def _card(facts: Mapping[str, Any], domain: Mapping[str, Any]) -> str:
    return _CARD.format(
        **{
            **facts,
            "rows": metric_rows(facts["metrics"]),
            "smallest": domain["ligand_atoms"][0],
            "largest": domain["ligand_atoms"][1],
            "poses": facts["settings"]["validation"]["poses"],
            "denoising": facts["settings"]["validation"]["steps"],
        }
    )


def metric_rows(metrics: Mapping[str, Any]) -> str:
    """Return the rows of the model card's table."""
    return "\n".join(
        f"| {title} | " + " | ".join(_cell(metrics, space, name) for space in _SPACES) + " |"
        for name, title in _MEASURES.items()
    )


_SPACES = ("rigid-torsion", "cartesian")


def _cell(metrics: Mapping[str, Any], space: str, name: str) -> str:
    key = f"{space}_{name}"
    if metrics.get(key) is None:
        return "–"
    low, high = metrics.get(f"{key}_low"), metrics.get(f"{key}_high")
    interval = "" if low is None else f" ({low:.3f}–{high:.3f})"
    return f"{metrics[key]:.3f}{interval}"


_CARD = """# SIDEGEN

Draws poses of a ligand in a protein pocket by denoising diffusion; {parameters:,} parameters. How
it works: `docs/sidegen.md`.

* Data: {trained_on} complexes in PDBBind layout. SHA-256 over the shards: `{data_sha256}`.
* Split: {split}, SHA-256 of the lists: `{split_sha256}`; excluded by list: {excluded}.
* Code: molgen {molgen}, commit {code}.
* Command: `{command}`
* Settings: `{settings_text}`
* Start: {init}.
* Training: {device}, {epochs} epochs, {steps} steps, {training_seconds} s; kept: epoch {best};
  ended by the limit of {stopped}.

Measured on {held_complexes} held-out complexes ({held_out}), {poses} poses each, {denoising} steps,
bond lengths, angles and rings of the crystal, RMSD without regard to symmetry, nothing refined;
intervals by bootstrap over complexes:

| measure | rigid-torsion | Cartesian |
|---|---|---|
{rows}

Limits: ligands of {smallest} to {largest} heavy atoms; the pocket has to be known to about 2 Å; the
receptor is rigid.
"""
