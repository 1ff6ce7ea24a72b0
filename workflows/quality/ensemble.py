"""Join trained quality models into one checkpoint that answers with their mean.

    python workflows/quality/ensemble.py STORE --split DIR --out DIR CHECKPOINT CHECKPOINT ...

The members must have been trained on the split given: the numbers of the model card are measured on
its held-out targets.
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
from molgen.api.train_quality import held_out_metrics, kind_row
from molgen.api.training_folder import write_card
from molgen.checkpoints import save_domain
from molgen.datasets.quality import QualityStore
from molgen.scoring.quality_model import QualityEnsemble, QualityModel, load_quality, save_quality
from molgen.training.quality import predict
from molgen.training.quality_data import QualityData

CARD = """# Protein model quality: mean of {count} models

Predicts the local CAD-score of every residue of a protein model and the score of the whole model
from its geometry alone. The score is the mean of what the members say; their settings stand in
`workflows/quality/models/`, what their names stand for in `molgen/scoring/quality_recipes.py`.

| member | parameters | code | training | weights, SHA-256 |
|---|---|---|---|---|
{members}

{commands}

* Joined by: `{command}`, molgen {molgen}, commit {code}.
* Data of all members: {train_models} models of {train_targets} targets ({kinds}). SHA-256 over
  the shards `{data_sha256}`, of the lists of the split `{split_sha256}`.

Measured on {held_models} models of {held_targets} held-out targets; {ranked} of them
have five models or more to rank. Intervals by bootstrap over targets.

| measure | value | 95 % interval |
|---|---|---|
{rows}

| kind, held out | models | true CAD, mean | predicted | Pearson, models | Pearson, residues |
|---|---|---|---|---|---|
{kind_rows}

Limits: standard amino acids of protein chains; ligands, nucleic acids and waters are not seen.
Trained on models of {smallest} to {largest} residues. Good server predictions are rated too high
(docs/quality.md). The score says how much of the contact area of the native is right; it is no free
energy and does not tell whether a fold is biologically relevant.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("members", nargs="+", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    known = [json.loads((m / "metrics.json").read_text("utf-8")) for m in options.members]
    for key in ("data_sha256", "split_sha256"):
        if len({facts[key] for facts in known}) > 1:
            sys.exit(f"the members differ in {key}: train all on the same data")
    members = [load_quality(str(folder)) for folder in options.members]
    if not all(isinstance(member, QualityModel) for member in members):
        sys.exit("a member is itself an ensemble: name its members")
    model = QualityEnsemble([m for m in members if isinstance(m, QualityModel)]).eval()
    data = QualityData([QualityStore(options.store)])
    held = data.of_targets(data.split(str(options.split), 0, (0.8, 0.1, 0.1))["test"])
    found = predict(model, data, held, "cpu", 2500)
    measured = {
        "metrics": held_out_metrics(found, data),
        "by_kind": json_ready(found.by_kind(data.kinds)),
    }
    write(options.out, options.members, known, model, measured)
    for name, value in measured["metrics"].items():
        print(f"{name:16s} {value['value']}")


def write(
    out: Path,
    folders: list[Path],
    known: list[dict[str, Any]],
    model: QualityEnsemble,
    measured: dict[str, Any],
) -> None:
    """Write weights, config, domain, metrics and card."""
    first = known[0]
    domain = json.loads((folders[0] / "domain.json").read_text("utf-8"))
    facts = {
        "molgen": molgen.__version__,
        "code": code_commit(),
        "command": " ".join(["python", *sys.argv]),
        "members": [
            {key: facts[key] for key in ("model", "code", "command", "parameters", "init")}
            | {"weights": sha256_of(folder / "model.safetensors")}
            for folder, facts in zip(folders, known, strict=True)
        ],
        **{key: first[key] for key in ("data_sha256", "split_sha256", "train_targets")},
        **{key: first[key] for key in ("train_models", "held_targets", "held_models", "kinds")},
        **measured,
    }
    card = CARD.format(
        **facts
        | {
            "ranked": int(measured["metrics"]["targets"]["value"]),
            "kinds": ", ".join(f"{count} {kind}" for kind, count in first["kinds"].items()),
            "members": "\n".join(_member(*pair) for pair in zip(folders, known, strict=True)),
            "commands": "\n".join(f"* `{facts['command']}`" for facts in known),
            "rows": "\n".join(_row(*item) for item in measured["metrics"].items()),
            "kind_rows": "\n".join(kind_row(*item) for item in measured["by_kind"].items()),
            "smallest": domain["residues"][0],
            "largest": domain["residues"][1],
        }
    )
    save_quality(out, model)
    save_domain(out, domain)
    write_card(out, facts, card)


def _member(folder: Path, facts: dict[str, Any]) -> str:
    training = f"{facts['epochs']} epochs, {facts['steps']} steps, {facts['training_seconds']} s"
    cells = (
        facts["model"], f"{facts['parameters']:,}", facts["code"],
        f"{training}, from {facts['init']}", sha256_of(folder / "model.safetensors")[:12],
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _row(name: str, found: dict[str, Any]) -> str:
    interval = "–" if found["low"] is None else f"{found['low']:.3f} to {found['high']:.3f}"
    return f"| {name} | {found['value']} | {interval} |"


if __name__ == "__main__":
    main()
