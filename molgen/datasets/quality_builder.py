"""Building a quality store: every target in parallel, resumable after a kill.

A target gives one shard or more, each named after what it was made from: one that stands under its
name is whole and of the same inputs, so a build adds what is missing and drops what is obsolete.
The tables and then the manifest are written when all shards are there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from molgen.datasets.manifest import MANIFEST
from molgen.datasets.quality import INDEX, SPLITS, TARGETS
from molgen.datasets.quality_entry import GLOBAL_LABELS, NATIVE, LabelledModel, pack
from molgen.datasets.quality_labels import LabelledTarget
from molgen.datasets.quality_shard import (
    FORMAT,
    INDEX_FIELDS,
    VERSION,
    Row,
    ShardHeader,
    read_header,
    shard_bytes,
)
from molgen.datasets.workers import run_tasks
from molgen.errors import InputError, MolgenError, OutputError, StoreError, StructureError
from molgen.io import atomic_write, read_structure, safe_name

SHARD_SIZE = 64
"""Models in a shard, also what a kill can cost at most per worker."""

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".pdb.gz", ".ent.gz", ".cif.gz", ".mmcif.gz")


@dataclass(frozen=True)
class ModelFile:
    """A model to label; no path stands for the native itself."""

    name: str
    path: Path | None
    kind: str


@dataclass(frozen=True)
class ShardTask:
    """Some models of one target, for one shard."""

    target: str
    native: Path
    models: tuple[ModelFile, ...]
    weight: float
    folder: Path
    part: int

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that decides the content of the shard."""
        lines = [f"{FORMAT} {VERSION}", f"{self.target} {self.weight:g} {_digest(self.native)}"]
        lines += [f"{m.name}\t{m.kind}\t{_digest(m.path)}" for m in self.models]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def path(self) -> Path:
        """Where the shard belongs."""
        label = safe_name(self.target)[:60]
        return self.folder / f"{label}-{self.part:03d}-{self.fingerprint[:10]}.safetensors"


def find_tasks(
    roots: Sequence[Path], folder: Path, weights: Mapping[str, float] | None = None
) -> list[ShardTask]:
    """Return the shards to make from ``<root>/<target>/{target.pdb, models/*}``.

    A target in several roots keeps its name; models of later roots carry the name of their root
    where it is taken. The kind of a model is that in ``<target>/models.csv``, else "model".

    Args:
        weights: of targets in training; 0 leaves a target out.

    Raises:
        InputError: a root is no folder, or there is no target in all of them.
    """
    weights = weights or {}
    tasks: list[ShardTask] = []
    taken: dict[str, set[str]] = {}
    parts: Counter[str] = Counter()
    for root in roots:
        for home, native in _targets(root):
            if weights.get(home.name, 1.0) <= 0:
                continue
            models = [] if home.name in taken else [ModelFile(NATIVE, None, NATIVE)]
            names = taken.setdefault(home.name, {NATIVE})
            models += _models(home, root.name, names)
            for k in range(0, len(models), SHARD_SIZE):
                chunk = tuple(models[k : k + SHARD_SIZE])
                weight = weights.get(home.name, 1.0)
                part = parts[home.name]
                tasks.append(ShardTask(home.name, native, chunk, weight, folder, part))
                parts[home.name] += 1
    if not tasks:
        listed = ", ".join(map(str, roots))
        raise InputError(f"{listed}: no target there; expected <target>/target.pdb and models/")
    return tasks


def _targets(root: Path) -> Iterable[tuple[Path, Path]]:
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected one folder per target in it")
    for home in sorted(path for path in root.iterdir() if path.is_dir()):
        natives = [home / f"target{suffix}" for suffix in SUFFIXES]
        native = next((path for path in natives if path.is_file()), None)
        if native is not None:
            yield home, native


def _models(home: Path, root: str, taken: set[str]) -> list[ModelFile]:
    folder = home / "models"
    kinds = _kinds(home / "models.csv")
    models = []
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
        if suffix is None or path.name.startswith("."):
            continue
        stem = path.name[: -len(suffix)]
        name = stem if stem not in taken else f"{root}.{stem}"
        while name in taken:
            name += "_"
        taken.add(name)
        models.append(ModelFile(name, path, kinds.get(path.name) or kinds.get(stem) or "model"))
    return models


def _kinds(path: Path) -> dict[str, str]:
    """Return model to kind from a table with these columns; an empty one if there is none."""
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["model"]: row["kind"] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise InputError(f"{path}: not a table of models and kinds ({error!r})") from None


def build_quality_store(
    tasks: Sequence[ShardTask],
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Make the shards of ``tasks`` and the tables; return the rows of the index.

    Raises:
        OutputError: the folder holds something and neither ``resume`` nor ``force`` is set.
        StoreError: a worker died.
    """
    notify = progress or (lambda count: None)
    prepare_folder(folder, resume=resume, force=force)
    waiting = []
    for task in tasks:
        if _stands(task):
            notify(len(task.models))
        else:
            waiting.append(task)
    for count in run_tasks(build_shard, waiting, workers):
        notify(count)
    return finish_store(folder, [task.path for task in tasks])


def prepare_folder(folder: Path, *, resume: bool, force: bool) -> None:
    """Make the folder ready; raise `OutputError` if it holds what must not be touched."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used as output folder ({error})") from None
    if present and not (resume or force):
        raise OutputError(
            f"{folder}: is not empty; add --resume to continue or --force to start over"
        )
    shards = list(folder.glob("*.safetensors"))
    known = {MANIFEST, INDEX, TARGETS, SPLITS, *(path.name for path in shards)}
    if foreign := [path.name for path in present if path.name not in known]:
        raise OutputError(f"{folder}: holds {foreign[0]}, which is no part of a quality store")
    for path in folder.glob(".*.safetensors.*"):  # what a killed atomic_write left behind
        path.unlink()
    (folder / MANIFEST).unlink(missing_ok=True)  # unfinished until it is written again
    if force:
        for path in [folder / INDEX, folder / TARGETS, *shards]:
            path.unlink(missing_ok=True)
        for path in (folder / SPLITS).glob("*/*.txt"):
            path.unlink()


def _stands(task: ShardTask) -> bool:
    try:
        return task.path.is_file() and read_header(task.path).fingerprint == task.fingerprint
    except StoreError:
        return False


def build_shard(task: ShardTask) -> int:
    """Write one shard and return how many models it covers; failures become rows."""
    models: list[LabelledModel] = []
    rows: list[Row] = []
    target, problem = None, None
    try:
        target = LabelledTarget(task.target, read_structure(task.native).atoms)
    except Exception as error:  # one target must never stop the others
        problem = ("native_unusable", _message(error, task))
    for file in task.models:
        row = dict.fromkeys(INDEX_FIELDS, "")
        row |= {"id": f"{task.target}/{file.name}", "target": task.target, "model": file.name}
        row |= {"kind": file.kind, "weight": f"{task.weight:g}", "status": "failed"}
        if target is None and problem is not None:
            row["reason"], row["detail"] = problem
        elif target is not None:
            try:
                model = _label(target, file, task.weight)
                pack(model)  # its refusal is this model's failure, not the shard's
            except Exception as error:  # one model must never stop the others
                row["reason"], row["detail"] = _reason(error), _message(error, task)
            else:
                row |= _numbers(model) | {"status": "ok", "shard": task.path.name}
                models.append(model)
        rows.append(row)
    sequence = target.sequence if target else ""
    header = ShardHeader(task.fingerprint, task.target, sequence, rows)
    with atomic_write(task.path) as temporary:
        temporary.write_bytes(shard_bytes(header, models))
    return len(task.models)


def _label(target: LabelledTarget, file: ModelFile, weight: float) -> LabelledModel:
    if file.path is None:
        return target.label_native(weight)
    return target.label(file.name, read_structure(file.path).atoms, file.kind, weight)


def _numbers(model: LabelledModel) -> Row:
    import numpy as np

    known = int(np.isfinite(model.cad_local).sum())
    scores = {name: getattr(model, name) for name in GLOBAL_LABELS}
    return {
        "residues": str(len(model.contacts)),
        "labelled": str(known),
        **{name: f"{value:.5f}" if value == value else "" for name, value in scores.items()},
    }


def _reason(error: Exception) -> str:
    if isinstance(error, StructureError):
        return "not_of_this_target" if "does not match the sequence" in str(error) else "unusable"
    return "too_large" if isinstance(error, StoreError) else "unexpected_error"


def _message(error: Exception, task: ShardTask) -> str:
    text = str(error) if isinstance(error, MolgenError) else f"{type(error).__name__}: {error}"
    text = text.replace(f"{task.native.parent}/", "")  # the store does not say where it came from
    return " ".join(text.split())[:300]


def _digest(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


def finish_store(folder: Path, shards: Sequence[Path]) -> list[Row]:
    """Write the tables and then the manifest of a store; return the rows of its index.

    Shards in the folder that are not listed are removed.
    """
    rows: list[Row] = []
    sequences: dict[str, str] = {}
    sums: dict[str, str] = {}
    for path in shards:
        header = read_header(path)
        rows += header.rows
        sequences[header.target] = sequences.get(header.target) or header.sequence
        sums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.glob("*.safetensors"):
        if path.name not in sums:
            path.unlink()
    named = [{"target": name, "sequence": text} for name, text in sequences.items()]
    tables = {
        INDEX: _table(INDEX_FIELDS, rows),
        TARGETS: _table(("target", "sequence"), named),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "models": len(rows),
        "targets": len(sequences),
        "outcomes": dict(sorted(Counter(row["reason"] or row["status"] for row in rows).items())),
        "kinds": dict(sorted(Counter(r["kind"] for r in rows if r["status"] == "ok").items())),
        "tables": {name: hashlib.sha256(content).hexdigest() for name, content in tables.items()},
        "shards": sums,
    }
    tables[MANIFEST] = (json.dumps(manifest, indent=2) + "\n").encode()
    for name, content in tables.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)
    return rows


def _table(columns: tuple[str, ...], rows: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
