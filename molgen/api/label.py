"""The use case `molgen label poses`: what the search finds for known complexes, with its RMSDs.

The poses are the raw material for learned scoring. Every entry becomes one safetensors file,
written last, so a stopped run goes on where it was; failures are rows with a reason.
"""

from __future__ import annotations

import csv
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molgen.checkpoints import checkpoint_folder
from molgen.config import fingerprint, limited, to_dict
from molgen.datasets.pdbbind import RawEntry, find_entries
from molgen.errors import LigandError, MolgenError, OutputError
from molgen.io import atomic_write, read_ligand, read_protein
from molgen.metrics import ligand_rmsd
from molgen.scoring.pose_features import TERMS
from molgen.search.samplers import SamplerSettings
from molgen.search.search_sampler import SearchSampler, load_contacts
from molgen.search.settings import SearchSettings
from molgen.structure import Pocket


@dataclass(frozen=True)
class LabelConfig:
    """Settings of a labelling run; the search is light because decoys need not be exhaustive.

    Attributes:
        seed: of the choice and order of entries, of the pocket jitter and the search.
        limit: entries to label, chosen at random; 0 takes all.
        max_atoms: heavy atoms above which a ligand is left out.
        num_poses: distinct minima kept per entry.
        native_poses: minima kept that start at the crystal pose.
        jitter: Å; the box centre is moved by up to this along each axis.
        edge: Å, of the box.
        search: of the sampler.
    """

    seed: int = limited(0, min=0)
    limit: int = limited(0, min=0)
    max_atoms: int = limited(50, min=1)
    num_poses: int = limited(60, min=2)
    native_poses: int = limited(4, min=0)
    jitter: float = limited(3.0, min=0.0)
    edge: float = limited(22.5, min=10.0, max=60.0)
    search: SearchSettings = SearchSettings(
        potential=None,
        conformers=8,
        num_starts=1024,
        num_chains=64,
        rounds=1,
        steps=25,
        steps_per_torsion=2,
    )


def label_poses(
    raw: str | Path, out: str | Path, config: LabelConfig, *, progress: bool = False
) -> dict[str, int]:
    """Label the entries of a collection in PDBBind layout; return counts by outcome.

    A run in a folder that an earlier one started adds what is missing.

    Raises:
        InputError: the collection cannot be read.
        OutputError: the folder holds labels of other settings, or other files.
        StoreError: the checkpoint that the search is to use cannot be read.
    """
    from tqdm import tqdm

    folder = Path(out)
    entries = find_entries(raw)
    random.Random(config.seed).shuffle(entries)
    entries = entries[: config.limit or len(entries)]
    _check_folder(folder, config)
    rows = []
    for entry in tqdm(entries, unit="complex", disable=not progress, dynamic_ncols=True):
        path = folder / "entries" / f"{entry.id}.safetensors"
        failed = path.with_suffix(".failed")
        if not path.is_file() and not failed.is_file():
            start = time.perf_counter()
            try:
                tensors = _label(entry, config)
            except (MolgenError, RuntimeError, ValueError) as error:
                with atomic_write(failed) as temporary:
                    temporary.write_text(" ".join(str(error).split()) + "\n", encoding="utf-8")
            else:
                _save(path, tensors, time.perf_counter() - start)
        reason = failed.read_text("utf-8").strip() if failed.is_file() else ""
        rows.append((entry.id, "failed" if reason else "ok", reason))
    with atomic_write(folder / "status.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "status", "reason"))
        writer.writerows(rows)
    return {status: sum(row[1] == status for row in rows) for status in ("ok", "failed")}


def _check_folder(folder: Path, config: LabelConfig) -> None:
    """Write the settings into a new folder, or compare them with those of an earlier run."""
    path = folder / "labels.json"
    # more entries of the same kind may join, so the limit does not count
    print_ = fingerprint(LabelConfig(**{**config.__dict__, "limit": 0}))
    potential = _potential_sums(config.search.potential)
    if path.is_file():
        try:
            earlier = json.loads(path.read_text("utf-8"))
            same = earlier["fingerprint"] == print_
            same = same and earlier.get("potential", potential) == potential
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{path}: not the settings of labels ({error!r})") from None
        if not same:
            raise OutputError(f"{folder}: holds labels of other settings; take another folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.glob("[!.]*"))):
        raise OutputError(f"{folder}: is not an empty folder and holds no labels")
    with atomic_write(path) as temporary:
        record = {
            "format": "molgen-pose-labels",
            "fingerprint": print_,
            "potential": potential,
            "config": to_dict(config),
        }
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _potential_sums(name: str | None) -> str | None:
    """Return the checksums of the checkpoint, which may have changed under the same name."""
    if name is None:
        return None
    load_contacts(name)  # a bad one must not become the failure of every entry
    return (checkpoint_folder(name) / "SHA256SUMS").read_text("utf-8")


def _save(path: Path, tensors: dict[str, np.ndarray], seconds: float) -> None:
    from safetensors.numpy import save_file

    with atomic_write(path) as temporary:
        save_file(tensors, str(temporary), metadata={"seconds": f"{seconds:.3f}"})


def _label(entry: RawEntry, config: LabelConfig) -> dict[str, np.ndarray]:
    """Return the searched poses and native minima of one complex with their RMSDs."""
    if entry.protein is None or entry.ligand is None:
        raise LigandError("protein or ligand file missing")
    protein, ligand = read_protein(entry.protein), read_ligand(entry.ligand)
    if ligand.num_atoms > config.max_atoms:
        raise LigandError(f"{ligand.num_atoms} heavy atoms, more than {config.max_atoms}")
    rng = np.random.default_rng([config.seed, *entry.id.encode()])
    shift = rng.uniform(-config.jitter, config.jitter, 3)
    pocket = Pocket(ligand.coords.mean(axis=0) + shift, np.full(3, config.edge), "jittered")
    sampler = SearchSampler(protein, pocket, SamplerSettings(search=config.search))
    parts = [sampler.sample(ligand, config.num_poses, config.seed)]
    if config.native_poses:
        native = ligand.coords[None]
        parts.append(sampler.refine(ligand, native, config.seed, config.native_poses))
    coords = np.concatenate([part.coords for part in parts])
    terms = [np.stack([part.terms[name] for name in TERMS], axis=1) for part in parts]
    return {
        "coords": coords.astype(np.float32),
        "rmsd": np.asarray(ligand_rmsd(ligand.mol, coords)).astype(np.float32),
        "is_native": np.arange(len(coords)) >= len(parts[0]),
        "terms": np.concatenate(terms).astype(np.float32),
    }
