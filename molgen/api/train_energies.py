"""The use case `molgen train energies`: labelled ligands to a model of their properties."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from molgen.api.tables import json_ready
from molgen.api.training_run import TrainingRun, TrainResult, lasting, split_facts
from molgen.config import check, to_dict
from molgen.datasets.energy_labels import EnergyLabels
from molgen.datasets.quality_splits import read_split
from molgen.datasets.splits import PARTS, SplitOptions, split_ids
from molgen.datasets.store import Store
from molgen.energy.property_model import PropertyModel, save_properties
from molgen.errors import InputError
from molgen.report.training_plot import Line
from molgen.training.energies import EnergyTask, EnergyTraining, predict
from molgen.training.energy_data import EnergyData
from molgen.training.energy_metrics import baselines, errors, interval
from molgen.units import KCAL_PER_EV

_LINES = (
    Line("val_conformer_0", "conformer energy, kcal/mol"),
    Line("val_gap_0", "gap, kcal/mol"),
)


def smoke(settings: EnergyTraining) -> EnergyTraining:
    """Return the settings cut down to seconds: two epochs of a small network."""
    network = replace(settings.network, width=16, edge=16, blocks=2)
    return replace(settings, network=network, loop=replace(settings.loop, epochs=2, warmup=1))


def train_energies(
    labels: str | Path,
    store: str | Path,
    out: str | Path,
    *,
    settings: EnergyTraining | None = None,
    split: str | Path | None = None,
    device: str = "auto",
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> TrainResult:
    """Train a model of SCF energy, orbital gap and charges and write its checkpoint folder.

    Ligands of the training part that are held out under another id are not trained on.

    Args:
        labels: of `molgen label energies`.
        store: that was labelled.
        out: folder of the checkpoint; while training it holds the state of the run.
        settings: of the training.
        split: folder with val.txt and test.txt, ids to hold out; by default a split by clusters
            of the pocket chains is made.
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

    settings = check(settings or EnergyTraining())
    job = TrainingRun(
        out, device=device, command=command, resume=resume, force=force, progress=progress
    )
    opened, found = Store(store), EnergyLabels(labels)
    data = EnergyData(found, opened)
    parts = _parts(data, list(opened.rows.values()), split, settings.seed)
    if not parts["train"] or not parts["val"]:
        raise InputError(
            f"{len(parts['train'])} ligands to train on and {len(parts['val'])} to validate with; "
            "expected some of both"
        )
    torch.manual_seed(settings.seed)
    model = PropertyModel(settings.network)
    print_ = hashlib.sha256(json.dumps(found.manifest["shards"], sort_keys=True).encode())
    named = {part: [data.ids[k] for k in places] for part, places in parts.items()}
    identity = [lasting(settings), model.config(), print_.hexdigest(), named]
    task = EnergyTask(model, data, parts["train"], parts["val"], settings)
    job.fit(task, settings.loop, _LINES, seed=settings.seed, identity=identity)
    of_split = split_facts(named, split, settings.seed)
    held = parts[of_split["held_out"]]
    return job.finish(
        model,
        save_properties,
        trained_on=len(parts["train"]),
        held_out=len(held),
        metrics=json_ready(_measure(model, data, parts["train"], held, settings)),
        facts={
            "settings": to_dict(settings),
            "labelling": found.manifest["settings"],
            "labels_sha256": print_.hexdigest(),
            **of_split,
            "conformers": sum(len(data.labels[k].energies) for k in parts["train"]),
            "held_ligands": len(held),
        },
        domain=_domain(data, parts["train"]),
        card=_card,
    )


def _parts(
    data: EnergyData, rows: list[dict[str, str]], split: str | Path | None, seed: int
) -> dict[str, list[int]]:
    """Return {part: places in the data}; no molecule is in two parts, ids on no list train."""
    named = split_ids(rows, SplitOptions("sequence", seed)) if split is None else read_split(split)
    places = {part: data.positions(named[part]) for part in ("val", "test")}
    test = {data.smiles[k] for k in places["test"]}
    places["val"] = [k for k in places["val"] if data.smiles[k] not in test]
    held = test | {data.smiles[k] for k in places["val"]}
    listed = {*named["val"], *named["test"]}
    places["train"] = [
        k
        for k, (name, smiles) in enumerate(zip(data.ids, data.smiles, strict=True))
        if name not in listed and smiles not in held
    ]
    return {part: places[part] for part in PARTS}


def _measure(
    model: PropertyModel,
    data: EnergyData,
    train: Sequence[int],
    held: Sequence[int],
    settings: EnergyTraining,
) -> dict[str, dict[str, dict[str, float]]]:
    """Return {arm: {measure: interval}} on held-out ligands, the network's arms by noise level."""
    arms = {}
    for sigma in (0.0, *settings.noisy):
        name = f"network, noise {sigma:g} Å" if sigma else "network, clean"
        arms[name] = errors(data, predict(model, data, held, sigma, settings.sampling))
    arms |= baselines(data, train, held)
    return {
        arm: {name: interval(values) for name, values in found.items() if len(values)}
        for arm, found in arms.items()
    }


def _domain(data: EnergyData, train: Sequence[int]) -> dict[str, Any]:
    charges = data.compositions[list(train), -2]
    sizes = data.sizes[list(train)]
    return {
        "ligand_atoms": [int(sizes.min()), int(sizes.max())],
        "formal_charge": [int(charges.min()), int(charges.max())],
        "elements": sorted(
            {int(e) for k in train for e in np.unique(data.graphs[k].features[:, 0])}
        ),
    }


MEASURES = {
    "conformer": ("conformer energy, kcal/mol", 1.0),
    "settled": ("… without shaken ones, kcal/mol", 1.0),
    "order": ("pairs of conformers in the wrong order, %", 100.0),
    "level": ("energy of the ligand, kcal/mol", 1.0),
    "gap": ("HOMO–LUMO gap, eV", 1.0 / KCAL_PER_EV),
    "charge": ("charge, e", 1.0),
}
"""What the card says: measure to its title and a factor on its value."""


def _card(facts: Mapping[str, Any], domain: Mapping[str, Any]) -> str:
    arms: Mapping[str, Any] = facts["metrics"]
    rows = [
        f"| {title} | "
        + " | ".join(_cell(found.get(name), factor) for found in arms.values())
        + " |"
        for name, (title, factor) in MEASURES.items()
    ]
    return _CARD.format(
        **{
            **facts,
            "labelling": json.dumps(facts["labelling"], sort_keys=True),
            "head": "| | " + " | ".join(arms) + " |",
            "line": "|---" * (len(arms) + 1) + "|",
            "rows": "\n".join(rows),
            "smallest": domain["ligand_atoms"][0],
            "largest": domain["ligand_atoms"][1],
            "elements": ", ".join(map(str, domain["elements"])),
        }
    )


def _cell(found: Mapping[str, float] | None, factor: float) -> str:
    if found is None:
        return "–"
    value, low, high = (factor * found[name] for name in ("value", "low", "high"))
    return f"{value:.3g} ({low:.3g}–{high:.3g})"


_CARD = """# Ligand properties: SCF energy, HOMO–LUMO gap, partial charges

Predicts GFN2-xTB energy and orbital gap and Marsili–Gasteiger charges from the heavy atoms of a
ligand's pose; {parameters:,} parameters. What the terms mean and are good for: `docs/energies.md`.

* Data: {conformers} conformers of {trained_on} ligands of complexes in PDBBind layout. SHA-256 over
  the shards of labels: `{labels_sha256}`.
* Labelling: `{labelling}`
* Split: {split}; molecules that are held out under another id
  are not trained on. SHA-256 of the lists: `{split_sha256}`.
* Code: molgen {molgen}, commit {code}.
* Command: `{command}`
* Settings: `{settings_text}`
* Training: {device}, {epochs} epochs, {steps} steps, {training_seconds} s; kept: epoch {best};
  ended by the limit of {stopped}.

Mean absolute errors on {held_ligands} held-out ligands ({held_out}), with 95 % intervals:

{head}
{line}
{rows}

Conformer energies are relative to the mean over the ligand's labelled conformers; "noise" is that
on every coordinate, the property to predict that of the pose without it. The energy of the ligand
is that mean less a reference that is linear in its composition. `constant` is the mean over the
training ligands, `composition` a linear fit on the numbers of atoms (for charges the mean of atoms
of the same element, charge, hydrogens and neighbours), `mmff` MMFF94s.

Limits: ligands of {smallest} to {largest} heavy atoms of the elements {elements} (atomic numbers),
closed shells, in vacuum. Hydrogens are no input: energies are those of poses with relaxed
hydrogens. Mirror images have the same energy.
"""
