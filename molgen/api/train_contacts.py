"""The use case `molgen train contacts`: labelled contacts to a checkpoint with its model card."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import molgen
from molgen.api.provenance import code_commit
from molgen.api.training_folder import write_card
from molgen.checkpoints import FORMAT, save_tensors
from molgen.config import to_dict
from molgen.datasets.quality_splits import read_split
from molgen.energy.contacts import ContactPotential
from molgen.errors import InputError, OutputError, StoreError
from molgen.geometry.knots import KNOTS
from molgen.metrics.success import proportion
from molgen.training.contact_data import ContactFile
from molgen.training.contacts import (
    ContactTraining,
    ScoredPoses,
    fit_contacts,
    load_poses,
    statistical_potential,
    top_one,
)

HOLD_OUT = 0.15
"""Share of the complexes held out for the numbers of the model card when no split is given."""


@dataclass(frozen=True)
class TrainContactsResult:
    """What a training run made; ``metrics`` are on the held-out complexes."""

    folder: Path
    trained_on: int
    held_out: int
    metrics: dict[str, Any]
    seconds: float


def train_contacts(
    contacts: str | Path,
    out: str | Path,
    *,
    settings: ContactTraining | None = None,
    split: str | Path | None = None,
    command: str = "",
    force: bool = False,
    progress: bool = False,
) -> TrainContactsResult:
    """Fit the contact potential and write a checkpoint folder.

    The metrics come from a fit without the held-out complexes; the shipped curves are then fitted
    on all of them.

    Args:
        contacts: file of ``molgen label contacts``.
        split: folder with val.txt and maybe test.txt (``molgen preprocess --split``); its val
            and test ids are held out. None holds out a random share.

    Raises:
        StoreError: not a contact file, one of another version, or no labelled poses in it.
        InputError: the split leaves nothing to train on or to measure.
        OutputError: ``out`` is not empty and ``force`` is not set.
    """
    from tqdm import tqdm

    settings = settings or ContactTraining()
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; expected a folder for the checkpoint")
    if folder.exists() and any(folder.iterdir()) and not force:
        raise OutputError(f"{folder}: is not empty; --force replaces the checkpoint in it")
    start = time.perf_counter()
    file = ContactFile(contacts)
    shape = ContactPotential.zero().curves.shape
    if file.features != math.prod(shape):
        raise StoreError(
            f"{contacts}: has {file.features} contact features, expected {math.prod(shape)}; "
            "make it anew with molgen label contacts"
        )
    kept, held = _divide(file.ids, split, settings.seed)

    def fit(indices: list[int], name: str) -> tuple[np.ndarray, float]:
        prior = statistical_potential(file.crystal_counts(indices), shape, settings.pseudo_counts)
        poses = load_poses(file, indices, settings.strain)
        with tqdm(total=settings.epochs, desc=name, disable=not progress) as bar:
            return fit_contacts(poses, prior, settings, lambda *_: bar.update())

    test = load_poses(file, held, settings.strain)
    if not test:
        raise InputError("none of the held-out complexes has labelled poses")
    metrics = _metrics(test, *fit(kept, "without held-out"), settings.near_native)
    curves, attraction = fit([*kept, *held], "all")
    config = {
        "format": FORMAT,
        "kind": "contact_potential",
        "name": "contacts",
        "options": {"attraction": attraction, "knots": KNOTS.tolist()},
    }
    save_tensors(folder, config, {"curves": curves})
    ids = hashlib.sha256("\n".join(sorted(file.ids)).encode()).hexdigest()
    labelled = sum(len(file.column("rmsd", index)) > 0 for index in range(len(file.ids)))
    facts = {
        "molgen": molgen.__version__,
        "code": code_commit(),
        "command": command,
        "settings": to_dict(settings),
        "complexes": len(file.ids),
        "labelled": labelled,
        "ids_sha256": ids,
        "held_out": len(test),
        "split": f"split {Path(split).name}" if split else "chosen at random",
        "metrics": metrics,
    }
    write_card(folder, facts, _card(facts))
    seconds = time.perf_counter() - start
    return TrainContactsResult(folder, labelled - len(test), len(test), metrics, seconds)


def _divide(ids: Sequence[str], split: str | Path | None, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices to train on and those to hold out."""
    if split is None:
        shuffled = sorted(ids)
        random.Random(f"hold-out {seed}").shuffle(shuffled)
        out = set(shuffled[: round(HOLD_OUT * len(shuffled))])
    else:
        parts = read_split(split)
        out = {*parts["val"], *parts["test"]}
    held = [index for index, name in enumerate(ids) if name in out]
    kept = [index for index, name in enumerate(ids) if name not in out]
    if not held or not kept:
        raise InputError(
            f"{split or 'random split'}: leaves {len(kept)} complexes to train on and {len(held)} "
            "to measure on; expected some of both"
        )
    return kept, held


def _metrics(
    held: list[ScoredPoses], curves: np.ndarray, attraction: float, near_native: float
) -> dict[str, Any]:
    """Return top-1 success on held-out complexes, Vina against the fitted potential."""
    zero = ContactPotential.zero().curves
    table: dict[str, Any] = {}
    for natives, name in ((False, "searched poses"), (True, "searched and native minima")):
        for label, potential, factor in (("Vina", zero, 1.0), ("contacts", curves, attraction)):
            hits = top_one(held, potential, factor, near_native=near_native, natives=natives)
            found = proportion(hits)
            table[f"top-1 ≤ {near_native:g} Å, {name}, {label}"] = {
                "value": round(found.value, 4),
                "low": round(found.low, 4),
                "high": round(found.high, 4),
                "n": found.total,
            }
    return table


def _card(facts: dict[str, Any]) -> str:
    rows = [
        f"| {name} | {100 * found['value']:.1f} % | {100 * found['low']:.1f} to "
        f"{100 * found['high']:.1f} % |"
        for name, found in facts["metrics"].items()
    ]
    return _CARD.format(
        **{**facts, "settings": json.dumps(facts["settings"]), "rows": "\n".join(rows)}
    )


_CARD = """# Contact potential

A correction to the AutoDock Vina pair potential: one piecewise-linear curve for every pair of
receptor and ligand contact types (`molgen/graphs/contact_types.py`), added to the Vina receptor
energy in search and ranking. How it is fitted: `molgen/training/contacts.py`.

* Data: crystal contacts of {complexes} complexes in PDBBind layout and searched poses of {labelled}
  of them. SHA-256 of the sorted ids: `{ids_sha256}`.
* Code: molgen {molgen}, commit {code}.
* Command: `{command}`
* Settings: `{settings}`

Measured on {held_out} held-out complexes ({split}), fitted without them (shipped: fitted on all):

| measure | value | 95 % interval |
|---|---|---|
{rows}

"Native minima" start at the crystal pose: with them the table measures scoring without search.

Limits: rigid receptor, no waters. Rare contact types (metals other than zinc, phosphorus, heavy
halogens) rest on few examples and stay close to Vina. The score ranks poses of one ligand; it is
not a binding affinity.
"""
