"""A small store of made-up models whose quality can be told from their contacts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))
from made_models import contacts_of

from molgen.datasets.quality_builder import finish_store
from molgen.datasets.quality_entry import LabelledModel
from molgen.datasets.quality_shard import INDEX_FIELDS, ShardHeader, shard_bytes
from molgen.graphs.residue_graph import RESIDUES

LETTERS = "ARNDCQEGHILKMFPSTWYV"


def model_of(target: str, name: str, seed: int, residues: int, noise: float) -> LabelledModel:
    """Return a model whose labels fall with the noise in its coordinates."""
    contacts = contacts_of(residues, seed, noise=noise)
    quality = float(np.exp(-0.5 * noise))
    buried = 0.1 * (contacts.buriedness / contacts.buriedness.max() - 0.5)
    local = (quality + buried).clip(0, 1).astype(np.float32)
    local[0] = np.nan
    return LabelledModel(
        target=target,
        name=name,
        kind="native" if noise == 0 else "made-up",
        weight=1.0,
        contacts=contacts,
        cad_local=local,
        lddt_local=local,
        cad=quality,
        lddt=quality,
        gdt_ts=quality,
        tm=float("nan"),
    )


def make_store(folder: Path, targets: int = 6, models: int = 6, residues: int = 14) -> Path:
    """Write a store of ``targets`` unrelated targets with ``models`` each; return its folder."""
    folder.mkdir(parents=True)
    shards = []
    for t in range(targets):
        made = [model_of(f"t{t}", f"m{k}", 100 + t, residues + t, 0.5 * k) for k in range(models)]
        path = folder / f"t{t}-000-{t:010d}.safetensors"
        rows = []
        for model in made:
            row = dict.fromkeys(INDEX_FIELDS, "")
            row |= {"id": model.id, "target": model.target, "model": model.name}
            row |= {"kind": model.kind, "weight": "1", "status": "ok", "shard": path.name}
            row |= {"residues": str(len(model.contacts)), "labelled": str(len(model.contacts) - 1)}
            row |= {name: f"{getattr(model, name):.5f}" for name in ("cad", "lddt", "gdt_ts")}
            rows.append(row)
        sequence = "".join(LETTERS[kind] for kind in made[0].contacts.residue_type)
        assert len(RESIDUES) == len(LETTERS)
        header = ShardHeader(f"{t}", f"t{t}", sequence, rows)
        path.write_bytes(shard_bytes(header, made))
        shards.append(path)
    finish_store(folder, shards)
    return folder
