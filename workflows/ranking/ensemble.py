"""Join models of confidence into one checkpoint that answers with the mean of their logits.

    python workflows/ranking/ensemble.py STORE --poses DIR ... --split DIR --out DIR CHECKPOINT ...

The members must have been trained on these labels and this split, from different seeds: validation
pockets calibrate the mean, test pockets give the numbers of the card.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import molgen
from molgen.api.provenance import code_commit, sha256_of
from molgen.api.tables import json_ready
from molgen.api.train_confidence import metric_rows
from molgen.api.training_folder import write_card
from molgen.checkpoints import save_domain
from molgen.datasets.quality_splits import read_split
from molgen.datasets.store import Store
from molgen.scoring.confidence import ConfidenceModel, load_confidence, save_confidence
from molgen.scoring.confidence_network import ConfidenceNetwork, MeanNetwork
from molgen.scoring.pose_features import RATED
from molgen.training.confidence import rate
from molgen.training.confidence_data import ConfidenceData
from molgen.training.confidence_metrics import measured

CARD = """# Confidence of poses: mean of {count} networks

Rates the poses of one ligand in one pocket: the probability that each lies within 2 Å of the true
pose, and its expected RMSD; {parameters:,} parameters. How it works: `docs/ranking.md`.

* Data of all members: {poses} searched poses and native minima of {trained_on} complexes in PDBBind
  layout, and the crystal poses of {crystals}. None is in CASF-2016, Astex, PoseBusters or the
  PDBBind time split by PDB id. SHA-256 over the labels: `{labels_sha256}`.
* Split by clusters of the pocket chains (lists in {split}), SHA-256 of the lists:
  `{split_sha256}`. The validation part chose the epochs and the calibration.
* Joined by: `{command}`, molgen {molgen}, commit {code}.

| seed | code | training | weights, SHA-256 |
|---|---|---|---|
{members}

{commands}
* Settings of the first: `{settings}`

Measured on {held_complexes} held-out complexes (test), {rated} searched poses each, with 95 %
intervals by bootstrap over complexes:

| measure | value |
|---|---|
{rows}

Limits: poses of the sampler `search` in a rigid receptor; ligands of {smallest} to {largest} heavy
atoms. It tells poses of one ligand apart, not binders from others.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("members", nargs="+", type=Path)
    parser.add_argument("--poses", type=Path, nargs="+", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    known = [json.loads((m / "metrics.json").read_text("utf-8")) for m in options.members]
    for key in ("labels_sha256", "split_sha256"):
        if len({facts[key] for facts in known}) > 1:
            sys.exit(f"the members differ in {key}: train all on the same data")
    data = ConfidenceData(Store(options.store), options.poses, RATED)
    if data.fingerprint != known[0]["labels_sha256"]:
        sys.exit("the members were trained on other labels than those given")
    networks = [load_confidence(str(folder)).network for folder in options.members]
    if not all(isinstance(network, ConfidenceNetwork) for network in networks):
        sys.exit("a member is itself a mean of networks: name its members")
    members = [network for network in networks if isinstance(network, ConfidenceNetwork)]
    model = ConfidenceModel(MeanNetwork(members)).eval()
    parts = read_split(options.split)
    val, test = (
        rate(model.network, data, data.positions(parts[k]), "cpu") for k in ("val", "test")
    )
    model.calibrate([one.logit for one in val], [one.right for one in val])
    metrics = json_ready(measured(test, model.probability))
    write(options, known, model, metrics, len(test))
    print(metric_rows(metrics))


def write(
    options: argparse.Namespace,
    known: list[dict[str, Any]],
    model: ConfidenceModel,
    metrics: dict[str, Any],
    held: int,
) -> None:
    """Write weights, config, domain, metrics and card."""
    domain = json.loads((options.members[0] / "domain.json").read_text("utf-8"))
    weights = [sha256_of(folder / "model.safetensors") for folder in options.members]
    same = ("labels_sha256", "split_sha256", "trained_on", "poses", "crystals", "settings")
    facts = {
        "molgen": molgen.__version__,
        "code": code_commit(),
        "command": " ".join(["python", *sys.argv]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "members": [
            {key: found[key] for key in ("code", "command", "best_epoch", "steps")} | {"weights": w}
            for found, w in zip(known, weights, strict=True)
        ],
        **{key: known[0][key] for key in same},
        "held_complexes": held,
        "metrics": metrics,
    }
    rows = [
        f"| {found['settings']['seed']} | {found['code']} | {found['device']}, {found['steps']} "
        f"steps, {found['training_seconds']} s; kept: epoch {found['best_epoch'] + 1} | {w[:12]} |"
        for found, w in zip(known, weights, strict=True)
    ]
    said = {
        "count": len(known),
        "split": options.split.name,
        "members": "\n".join(rows),
        "commands": "\n".join(f"* `{found['command']}`" for found in known),
        "settings": json.dumps(known[0]["settings"], sort_keys=True),
        "rated": RATED,
        "rows": metric_rows(metrics),
        "smallest": domain["ligand_atoms"][0],
        "largest": domain["ligand_atoms"][1],
    }
    save_confidence(options.out, model)
    save_domain(options.out, domain)
    write_card(options.out, facts, CARD.format(**facts | said))


if __name__ == "__main__":
    main()
