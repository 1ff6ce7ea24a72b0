"""The use case `molgen train sidegen`: stores of complexes to a SIDEGEN checkpoint."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import molgen
from molgen.api.provenance import code_commit
from molgen.api.tables import json_ready
from molgen.api.training_folder import (
    check_folder,
    device_name,
    fit_facts,
    fit_in,
    open_folder,
    split_parts,
    start_from,
    write_checkpoint,
)
from molgen.config import build, check, fingerprint, merge, read_yaml, to_dict
from molgen.datasets.store import Store
from molgen.diffusion.model import SidegenModel, load_sidegen, save_sidegen
from molgen.errors import ConfigError, InputError
from molgen.report.training_plot import Line
from molgen.search.device import resolve_device
from molgen.training.pose_data import PoseData
from molgen.training.poses import PoseLossModule, PoseTask, PoseTraining, measure

_LINES = (
    Line("val_rigid-torsion_rmsd_within2", "poses within 2 Å, rigid-torsion"),
    Line("val_cartesian_rmsd_within2", "poses within 2 Å, Cartesian"),
)


@dataclass(frozen=True)
class SidegenRun:
    """What to train: the settings, and options of the target encoder."""

    training: PoseTraining = PoseTraining()
    encoder: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TrainSidegenResult:
    """What a run made; ``metrics`` are on the held-out complexes."""

    folder: Path
    parameters: int
    trained_on: int
    held_out: int
    epochs: int
    steps: int
    best_epoch: int
    stopped: str
    metrics: dict[str, Any]
    seconds: float


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
        return SidegenRun(build(PoseTraining, values), encoder)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None


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
    init: str | None = None,
    device: str = "auto",
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> TrainSidegenResult:
    """Train SIDEGEN and write its checkpoint folder.

    Args:
        stores: of `molgen preprocess`; several count as one.
        out: folder of the checkpoint; while training it holds the state of the run.
        run: settings.
        split: folder with val.txt and test.txt, ids to hold out; by default a split by clusters
            of the pocket chains is made.
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

    run = run or SidegenRun()
    training = check(run.training)
    folder = Path(out)
    check_folder(folder, resume=resume, force=force)
    device = resolve_device(device)
    opened = [Store(store) for store in stores]
    rows = [row for store in opened for row in store.rows.values()]
    parts = split_parts(rows, split, training.seed)
    data = PoseData(opened, training.pocket)
    torch.manual_seed(training.seed)
    model = SidegenModel(training.network, run.encoder, training.schedule, training.pocket)
    started_from = start_from(model, load_sidegen(init), init) if init else ""
    prints = hashlib.sha256(
        json.dumps([store.manifest["shards"] for store in opened], sort_keys=True).encode()
    )
    identity = json.dumps(
        [fingerprint(training), model.config(), prints.hexdigest(), parts, started_from]
    )
    open_folder(folder, resume=resume)
    task = PoseTask(model, data, parts["train"], parts["val"], training)
    if not task.train or not task.val:
        raise InputError(
            f"{len(task.train)} complexes to train on and {len(task.val)} to validate with; "
            "expected some of both"
        )
    torch.set_float32_matmul_precision("high")
    start, commit = time.perf_counter(), code_commit()
    fitted = fit_in(
        folder, task, training.loop, seed=training.seed, identity=identity, device=device,
        resume=resume, progress=progress,
    )  # fmt: skip
    held_part = "test" if parts["test"] else "val"
    held = data.positions(parts[held_part], training.sampling)
    held = np.random.default_rng(1).permutation(held)[: training.validation.held].tolist()
    module = PoseLossModule(model, training.loss, training.sampling.poses).to(device).eval()
    metrics = json_ready(measure(module, data, held, training, device))
    model.to("cpu")
    sizes = data.sizes[task.train]
    domain = {
        "ligand_atoms": [int(sizes.min()), int(sizes.max())],
        "elements": sorted({int(e) for k in task.train for e in data.ligands[k].features[:, 0]}),
    }
    facts: dict[str, Any] = {
        "molgen": molgen.__version__,
        "code": commit,
        "command": command,
        "parameters": sum(p.numel() for p in model.parameters()),
        "settings": to_dict(training) | {"encoder": run.encoder or {}},
        "data_sha256": prints.hexdigest(),
        "split_sha256": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
        "split": f"lists in {Path(split).name}" if split else f"seed {training.seed}",
        "init": f"weights {started_from[:12]} of {Path(init).name}" if init else "random weights",
        "trained_on": len(task.train),
        "held_out": held_part,
        "held_complexes": len(held),
        "device": device_name(device),
        **fit_facts(fitted),
        "metrics": metrics,
    }
    write_checkpoint(
        folder,
        partial(save_sidegen, model=model),
        fitted.history,
        _LINES,
        facts=facts,
        domain=domain,
        card=_card(facts, domain),
    )
    return TrainSidegenResult(
        folder=folder,
        parameters=facts["parameters"],
        trained_on=len(task.train),
        held_out=len(held),
        epochs=len(fitted.history),
        steps=fitted.steps,
        best_epoch=fitted.best_epoch,
        stopped=fitted.stopped,
        metrics=metrics,
        seconds=time.perf_counter() - start,
    )


_MEASURES = {
    "rmsd_within2": "poses within 2 Å",
    "best_within2": "best of the poses within 2 Å",
    "rmsd_median": "median RMSD, Å",
    "best_median": "median RMSD of the best pose, Å",
    "aligned_median": "median RMSD after superposition, Å",
    "loss": "loss",
}


def _card(facts: dict[str, Any], domain: dict[str, Any]) -> str:
    rows = [
        f"| {title} | "
        + " | ".join(_cell(facts["metrics"], space, name) for space in _SPACES)
        + " |"
        for name, title in _MEASURES.items()
    ]
    return _CARD.format(
        **facts
        | {
            "settings": json.dumps(facts["settings"], sort_keys=True),
            "rows": "\n".join(rows),
            "smallest": domain["ligand_atoms"][0],
            "largest": domain["ligand_atoms"][1],
            "best": facts["best_epoch"] + 1,
            "poses": facts["settings"]["validation"]["poses"],
            "denoising": facts["settings"]["validation"]["steps"],
        }
    )


_SPACES = ("rigid-torsion", "cartesian")


def _cell(metrics: Mapping[str, Any], space: str, name: str) -> str:
    value = metrics.get(f"{space}_{name}")
    return "–" if value is None else f"{value:.3f}"


_CARD = """# SIDEGEN

Draws poses of a ligand in a protein pocket by denoising diffusion; {parameters:,} parameters. How
it works: `docs/sidegen.md`.

* Data: {trained_on} complexes in PDBBind layout. None is in CASF-2016, Astex, PoseBusters or the
  PDBBind time split by PDB id. SHA-256 over the shards: `{data_sha256}`.
* Split by clusters of the pocket chains ({split}), SHA-256 of the lists: `{split_sha256}`.
* Code: molgen {molgen}, commit {code}.
* Command: `{command}`
* Settings: `{settings}`
* Start: {init}.
* Training: {device}, {epochs} epochs, {steps} steps, {training_seconds} s; kept: epoch {best};
  ended by the limit of {stopped}.

Measured on {held_complexes} held-out complexes ({held_out}), {poses} poses each, {denoising} steps,
bond lengths, angles and rings of the crystal, RMSD without regard to symmetry, nothing refined:

| measure | rigid-torsion | Cartesian |
|---|---|---|
{rows}

Limits: ligands of {smallest} to {largest} heavy atoms; the pocket has to be known to about 2 Å; the
receptor is rigid.
"""
