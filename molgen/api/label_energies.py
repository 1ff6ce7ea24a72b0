"""The use case `molgen label energies`: GFN2-xTB energies and charges of a store's ligands."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molgen.config import check, fingerprint, limited, to_dict
from molgen.datasets.complex import StoredComplex
from molgen.datasets.energy_labels import (
    FORMAT,
    INDEX,
    INDEX_FIELDS,
    KINDS,
    VERSION,
    LigandEnergies,
    Row,
    read_header,
    shard_bytes,
)
from molgen.datasets.manifest import MANIFEST
from molgen.datasets.store import Store
from molgen.datasets.workers import run_tasks, usable_cpus
from molgen.errors import InputError, LigandError, OutputError, StoreError
from molgen.io import atomic_write

SHARD_SIZE = 16
"""Ligands in a shard, also what a kill can cost at most per worker."""


@dataclass(frozen=True)
class EnergyLabelling:
    """Settings of `molgen label energies`.

    Attributes:
        limit: ligands, chosen at random; 0 for all. A larger limit keeps those of a smaller one.
        conformers: of a ligand: the crystal's, then embedded, shaken and twisted ones in turn.
        seed: of the choice and of the conformers.
        largest: ligands with more heavy atoms are left out.
        highest: kcal/mol; conformers this much above the ligand's lowest are left out.
    """

    limit: int = limited(0, min=0)
    conformers: int = limited(4, min=2)
    seed: int = limited(0, min=0)
    largest: int = limited(50, min=2)
    highest: float = limited(500.0, above=0.0)


@dataclass(frozen=True)
class LabelEnergiesResult:
    """What a run made.

    Attributes:
        ligands: attempted.
        usable: with labels.
        conformers: labelled, of all usable ligands.
        outcomes: ligands by "ok" or reason of failure.
    """

    folder: Path
    ligands: int
    usable: int
    conformers: int
    outcomes: dict[str, int]
    size_mb: float
    seconds: float


@dataclass(frozen=True)
class _Task:
    """One shard to make."""

    path: Path
    entries: tuple[StoredComplex, ...]
    smiles: tuple[str, ...]
    settings: EnergyLabelling
    fingerprint: str


def label_energies(
    store: str | Path,
    out: str | Path,
    settings: EnergyLabelling | None = None,
    *,
    jobs: int | None = None,
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> LabelEnergiesResult:
    """Label ligands of a store of complexes with SCF energies, orbital gaps and charges.

    Args:
        store: of `molgen preprocess`.
        out: folder of the labels.
        jobs: processes; default: the CPUs this process may use.
        resume: keep shards of the same store and settings; a larger limit adds to them.
        force: start over.
        progress: show a bar on stderr.

    Raises:
        StoreError: the store cannot be read, or a worker process died.
        InputError: no usable ligand in the store.
        OutputError: ``out`` is not empty and neither ``resume`` nor ``force`` is set.
        DependencyError: tblite is not installed.
    """
    from tqdm import tqdm

    from molgen.energy.xtb import single_point

    start = time.perf_counter()
    settings = check(settings or EnergyLabelling())
    single_point(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))  # is it there?
    opened, folder = Store(store), Path(out)
    if not opened.ids:
        raise InputError(f"{store}: no usable ligand")
    tasks = _tasks(opened, folder, settings)
    _prepare(folder, resume=resume, force=force)
    ligands = sum(len(task.entries) for task in tasks)
    with tqdm(total=ligands, unit="ligand", disable=not progress, dynamic_ncols=True) as bar:
        waiting = []
        for task in tasks:
            if _stands(task):
                bar.update(len(task.entries))
            else:
                waiting.append(task)
        for count in run_tasks(_make_shard, waiting, jobs or usable_cpus()):
            bar.update(count)
    rows = _finish(folder, [task.path for task in tasks], opened, settings)
    usable = [row for row in rows if row["status"] == "ok"]
    return LabelEnergiesResult(
        folder=folder,
        ligands=len(rows),
        usable=len(usable),
        conformers=sum(int(row["conformers"]) for row in usable),
        outcomes=_outcomes(rows),
        size_mb=sum(path.stat().st_size for path in folder.iterdir()) / 1e6,
        seconds=time.perf_counter() - start,
    )


def label_ligand(entry: StoredComplex, settings: EnergyLabelling) -> LigandEnergies:
    """Return the labels of the ligand of one entry.

    Raises:
        ConformerRefusedError: with a word for counting: too_large, radical, no_mmff_type,
            no_gasteiger_type, scf_failed, too_few_conformers.
    """
    from molgen.datasets.ligand_conformers import (
        ConformerRefusedError,
        make_conformers,
        united_charges,
    )
    from molgen.datasets.rebuild import rebuild_ligand
    from molgen.energy.xtb import single_point
    from molgen.io.rdkit_log import quiet_rdkit

    atoms = entry.num_ligand_atoms
    if atoms > settings.largest:
        raise ConformerRefusedError("too_large", f"{atoms} heavy atoms")
    seed = zlib.crc32(f"{settings.seed} {entry.id}".encode())
    with quiet_rdkit():
        mol = rebuild_ligand(entry)
        full, found = make_conformers(mol, settings.conformers, seed)
        charges = united_charges(mol, full)
    numbers = np.array([atom.GetAtomicNum() for atom in full.GetAtoms()])
    charge = sum(atom.GetFormalCharge() for atom in full.GetAtoms())
    kept, points, problem = [], [], ""
    for conformer in found:
        try:
            points.append(single_point(numbers, conformer.coords, charge))
            kept.append(conformer)
        except LigandError as error:
            problem = str(error)
    if not kept:
        raise ConformerRefusedError("scf_failed", problem)
    energies = np.array([point.energy for point in points])
    near = np.flatnonzero(energies <= energies.min() + settings.highest).tolist()
    if len(near) < 2:
        raise ConformerRefusedError("too_few_conformers", f"{len(near)} within the energy limit")
    return LigandEnergies(
        id=entry.id,
        coords=np.stack([kept[k].coords[:atoms] for k in near]).astype(np.float32),
        kinds=np.array([KINDS.index(kept[k].kind) for k in near], dtype=np.uint8),
        noise=np.array([kept[k].noise for k in near], dtype=np.float32),
        energies=energies[near],
        gaps=np.array([points[k].gap for k in near], dtype=np.float32),
        mmff=np.array([kept[k].mmff for k in near], dtype=np.float64),
        charges=charges.astype(np.float32),
    )


def _tasks(store: Store, folder: Path, settings: EnergyLabelling) -> list[_Task]:
    """Return the shards to make; their content does not depend on the limit."""
    order = np.random.default_rng(settings.seed).permutation(len(store)).tolist()
    chosen = [store.ids[k] for k in order[: settings.limit or None]]
    rules = {k: v for k, v in to_dict(settings).items() if k != "limit"}
    tasks = []
    for begin in range(0, len(chosen), SHARD_SIZE):
        ids = chosen[begin : begin + SHARD_SIZE]
        text = json.dumps([FORMAT, VERSION, rules, ids, store.manifest["index_sha256"]])
        tasks.append(
            _Task(
                path=folder / f"shard-{begin // SHARD_SIZE:05d}.safetensors",
                entries=tuple(store[name] for name in ids),
                smiles=tuple(store.rows[name]["smiles"] for name in ids),
                settings=settings,
                fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            )
        )
    return tasks


def _prepare(folder: Path, *, resume: bool, force: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used as output folder ({error})") from None
    shards = list(folder.glob("shard-*.safetensors"))
    known = {MANIFEST, INDEX, *(path.name for path in shards)}
    if foreign := [path.name for path in present if path.name not in known]:
        raise OutputError(f"{folder}: holds {foreign[0]}, which is no part of energy labels")
    if present and not (resume or force):
        raise OutputError(
            f"{folder}: is not empty; add --resume to continue or --force to start over"
        )
    for path in folder.glob(".shard-*"):  # what a killed atomic_write left behind
        path.unlink()
    (folder / MANIFEST).unlink(missing_ok=True)  # unfinished until it is written again
    if force:
        for path in [folder / INDEX, *shards]:
            path.unlink(missing_ok=True)


def _stands(task: _Task) -> bool:
    try:
        return task.path.is_file() and read_header(task.path)[0] == task.fingerprint
    except StoreError:
        return False


def _make_shard(task: _Task) -> int:
    """Write one shard and return how many ligands it covers; failures become rows."""
    from molgen.datasets.ligand_conformers import ConformerRefusedError

    labels, rows = [], []
    for entry, smiles in zip(task.entries, task.smiles, strict=True):
        row = dict.fromkeys(INDEX_FIELDS, "") | {"id": entry.id, "smiles": smiles}
        row |= {
            "atoms": str(entry.num_ligand_atoms),
            "hydrogens": str(int(entry.ligand_hydrogens.sum())),
            "charge": str(int(entry.ligand_charges.sum())),
            "status": "failed",
        }
        try:
            found = label_ligand(entry, task.settings)
        except ConformerRefusedError as error:
            row["reason"], row["detail"] = error.reason, str(error)
        except Exception as error:  # one ligand must never stop the others
            text = f"{type(error).__name__}: {error}"
            row["reason"], row["detail"] = "unexpected_error", " ".join(text.split())[:300]
        else:
            row |= {"status": "ok", "shard": task.path.name, "conformers": str(len(found.kinds))}
            labels.append(found)
        rows.append(row)
    with atomic_write(task.path) as temporary:
        temporary.write_bytes(shard_bytes(labels, rows, task.fingerprint))
    return len(rows)


def _finish(
    folder: Path, shards: Sequence[Path], store: Store, settings: EnergyLabelling
) -> list[Row]:
    """Write the index and then the manifest; shards that are not listed are removed."""
    rows: list[Row] = []
    sums: dict[str, str] = {}
    for path in shards:
        rows += read_header(path)[1]
        sums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.glob("shard-*.safetensors"):
        if path.name not in sums:
            path.unlink()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, INDEX_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "settings": to_dict(settings),
        "settings_sha256": fingerprint(settings),
        "store_index_sha256": store.manifest["index_sha256"],
        "ligands": len(rows),
        "outcomes": dict(sorted(_outcomes(rows).items())),
        "shards": sums,
    }
    content = {INDEX: text.getvalue(), MANIFEST: json.dumps(manifest, indent=2) + "\n"}
    for name, value in content.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_text(value, encoding="utf-8", newline="")
    return rows


def _outcomes(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(row["reason"] or row["status"] for row in rows).most_common())
