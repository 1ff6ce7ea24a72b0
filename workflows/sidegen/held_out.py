"""Measure a SIDEGEN checkpoint again on what its training held out, as its model card says.

    python workflows/sidegen/held_out.py CHECKPOINT STORE --split FOLDER [--device cuda] [--write]

FOLDER holds val.txt and test.txt of the training. Prints the table of the card with 95 % intervals;
``--write`` puts it into metrics.json and MODEL_CARD.md.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from molgen.api.provenance import code_commit
from molgen.api.tables import json_ready
from molgen.api.train_sidegen import held_out, metric_rows
from molgen.api.training_folder import write_card
from molgen.api.training_run import split_facts, split_parts
from molgen.checkpoints import checkpoint_folder
from molgen.datasets.store import Store
from molgen.diffusion.model import load_sidegen
from molgen.training.pose_data import PoseData, PoseSampling
from molgen.training.poses import (
    DRAWS,
    PoseLoss,
    PoseLossModule,
    PoseTraining,
    PoseValidation,
    measure,
)

_TABLE = re.compile(r"(?<=\n\|---\|---\|---\|\n)(\|.*\n)+")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("store")
    parser.add_argument("--split", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = checkpoint_folder(options.checkpoint)
    facts = json.loads((folder / "metrics.json").read_text("utf-8"))
    training = as_trained(facts["settings"])
    # in both spaces, also where one was trained in
    training = replace(training, sampling=replace(training.sampling, cartesian=0.5))
    store, model = Store(options.store), load_sidegen(options.checkpoint)
    parts, _ = split_parts(list(store.rows.values()), options.split, training.seed)
    if split_facts(parts, options.split, training.seed)["split_sha256"] != facts["split_sha256"]:
        raise SystemExit(f"{options.split}: not the split that {folder.name} was trained on")
    data = PoseData([store], model.pocket)
    held = held_out(data, parts[facts["held_out"]], training)
    module = PoseLossModule(model, training.loss, training.sampling.poses).to(options.device).eval()
    metrics = json_ready(measure(module, data, held, training, options.device, DRAWS))
    print(metric_rows(metrics))
    if options.write:
        measured = {"code": code_commit(), "device": options.device}
        facts |= {"metrics": metrics, "measured": measured}
        write_card(folder, facts, revised((folder / "MODEL_CARD.md").read_text("utf-8"), facts))


def revised(card: str, facts: Mapping[str, Any]) -> str:
    """Return a model card with the numbers of ``facts``, and when they were measured."""
    said = "Measured again with intervals (bootstrap over complexes)"
    text = f"{said}: commit {facts['measured']['code']}, {facts['measured']['device']}."
    card = re.sub(rf"\n{re.escape(said)}.*\n", "", card)
    return _TABLE.sub(f"{metric_rows(facts['metrics'])}\n\n{text}\n", card, count=1)


def as_trained(settings: dict[str, Any]) -> PoseTraining:
    """Return the settings that the measurement depends on."""
    asked = ("atoms", "cartesian", "centre", "largest", "smallest", "poses")
    sampling = {name: settings["sampling"][name] for name in asked}
    return PoseTraining(
        seed=settings["seed"],
        loss=PoseLoss(**settings["loss"]),
        sampling=PoseSampling(**sampling),
        validation=PoseValidation(**settings["validation"]),
    )


if __name__ == "__main__":
    main()
