"""The use case `molgen decoys`: models with known errors, made from native structures."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import molgen
from molgen.api.output_folder import opened, write_text
from molgen.api.provenance import sha256_of
from molgen.config import limited, to_dict
from molgen.datasets.workers import spawn_pool, usable_cpus
from molgen.errors import ConfigError, InputError, MolgenError, OutputError, suggest
from molgen.io import atomic_write, read_structure
from molgen.io.pdb_writer import write_pdb

TARGET = "target.pdb"
MODELS = "models"
TABLE = "models.csv"
"""Written last into the folder of a native: ``--resume`` takes it as finished."""
TRAJECTORY = "thermal.xtc"
"""Frames of the unfolding run; its topology is the first of the thermal models."""
STATUS = "status.csv"
RUN = "run.json"
THREADED = ("wrong_fold", "plausible_fold")
"""Kinds whose decoys depend on the templates."""
FILES = (TARGET, TABLE, TRAJECTORY)
"""Of a native, beside the folder of its models."""
COLUMNS = ("native", "model", "kind", "seed", "status", "reason", "ca_rmsd", "seconds")
SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".pdb.gz", ".ent.gz", ".cif.gz", ".mmcif.gz")


@dataclass(frozen=True)
class DecoyConfig:
    """Settings of a run of decoys.

    Attributes:
        per_native: decoys of every native.
        kinds: recipes to take turns with; empty for all, see `molgen.decoys.recipes.RECIPES`.
        thermal: frames of an all-atom molecular dynamics run in implicit solvent, per native, on
            top; slow (minutes a native on a CPU).
        platform: OpenMM platform of the dynamics: auto, CUDA, CPU or Reference.
        max_residues: longer natives are skipped, with a reason.
        seed: same seed, same native, same decoys, whatever else is in the run.
    """

    per_native: int = limited(13, min=0)
    kinds: tuple[str, ...] = ()
    thermal: int = limited(0, min=0)
    platform: str = "auto"
    max_residues: int = limited(1000, min=10)
    seed: int = limited(0, min=0)


@dataclass(frozen=True)
class DecoyResult:
    """What a run made.

    Attributes:
        folder: holds a folder per native, status.csv and run.json.
        natives: natives attempted.
        made: decoys written.
        failed: decoys and natives that failed.
        kinds: decoys written of every kind.
        reasons: failures by reason.
    """

    folder: Path
    natives: int
    made: int
    failed: int
    seconds: float
    kinds: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)


def make_decoys(
    natives: Sequence[str | Path],
    out: str | Path,
    *,
    config: DecoyConfig | None = None,
    templates: str | Path | None = None,
    jobs: int | None = None,
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> DecoyResult:
    """Write decoys of every native: ``out/<native>/{target.pdb, models/*.pdb, models.csv}``.

    Args:
        natives: structure files, or folders of them.
        out: folder of the results; must be empty unless ``resume`` or ``force``.
        config: settings.
        templates: folder of structures to thread sequences on; by default the natives themselves.
        jobs: processes; default one per core.
        command: the command line, for run.json.
        resume: keep natives that an earlier run with the same settings finished.
        force: remove the decoys of an earlier run first.
        progress: show a bar on stderr.

    Raises:
        InputError: no structure file among ``natives``.
        ConfigError: an unknown kind.
        OutputError: the folder is not empty, of other settings, or cannot be written.
    """
    from tqdm import tqdm

    from molgen.decoys.recipes import RECIPES

    config = config or DecoyConfig()
    for kind in config.kinds:
        if kind not in RECIPES:
            raise ConfigError(f"unknown kind of decoy {kind!r}{suggest(kind, RECIPES)}")
    files = _named(_structure_files(natives))
    donors = list(files.values()) if templates is None else list(_structure_files([templates]))
    folder = Path(out)
    start = time.perf_counter()
    sums = {path: _sum(path) for path in {*files.values(), *donors}}
    facts = {
        "natives": {name: sums[path] for name, path in files.items()},
        "templates": sorted(sums[path] for path in donors),
    }
    with _opened(folder, config, facts, command, resume=resume, force=force):
        tasks = [_Task(name, path, folder / name, config) for name, path in files.items()]
        workers = min(jobs or usable_cpus(), max(1, len(tasks)))
        rows: dict[str, list[dict[str, Any]]] = {}
        with tqdm(total=len(tasks), unit="native", disable=not progress) as bar:
            for name, found in _run(tasks, donors, workers):
                rows[name] = found
                bar.update()
        ordered = [row for name in files for row in rows[name]]
        _write_table(folder / STATUS, ordered)
    good = [row for row in ordered if row["status"] == "ok"]
    bad = [row for row in ordered if row["status"] != "ok"]
    return DecoyResult(
        folder=folder,
        natives=len(files),
        made=len(good),
        failed=len(bad),
        seconds=time.perf_counter() - start,
        kinds=dict(sorted(Counter(row["kind"] for row in good).items())),
        reasons=dict(Counter(row["reason"] for row in bad).most_common()),
    )


@dataclass(frozen=True)
class _Task:
    name: str
    native: Path
    folder: Path
    config: DecoyConfig


def _structure_files(places: Iterable[str | Path]) -> Iterator[Path]:
    any_file = False
    for place in map(Path, places):
        if place.is_dir():
            found = sorted(p for p in place.iterdir() if p.name.lower().endswith(SUFFIXES))
            if not found:
                raise InputError(f"{place}: holds no structure file (.pdb, .ent, .cif, also .gz)")
            any_file = True
            yield from found
        elif place.is_file():
            any_file = True
            yield place
        else:
            raise InputError(f"{place}: not found; expected a structure file or a folder of them")
    if not any_file:
        raise InputError("no native structure given")


def _named(files: Iterable[Path]) -> dict[str, Path]:
    """Return files by a name that is unique and safe as a folder."""
    named: dict[str, Path] = {}
    for path in files:
        stem = path.name.split(".")[0] or "native"
        stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in stem)
        name, number = stem, 1
        while name in named:
            number += 1
            name = f"{stem}-{number}"
        named[name] = path
    return named


def _sum(path: Path) -> str:
    """Return the SHA-256 of a file; "" where it cannot be read, which its native will say."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


@contextmanager
def _opened(
    folder: Path,
    config: DecoyConfig,
    inputs: dict[str, Any],
    command: str,
    *,
    resume: bool,
    force: bool,
) -> Iterator[None]:
    """Hold the folder, with the record of the run in it."""
    facts = {"molgen": molgen.__version__, "config": to_dict(config), **inputs, "command": command}
    with opened(folder, resume=resume, force=force, remove=_clear_run):
        if resume and (folder / RUN).is_file():
            _check_settings(folder, json.loads(json.dumps(facts)))
        write_text(folder / RUN, json.dumps(facts, indent=2) + "\n")
        yield


def _clear_run(folder: Path) -> None:
    for name in _recorded_natives(folder):
        path = folder / name
        if (path / TABLE).is_file() and not path.is_symlink():
            _clear(path)


def _recorded_natives(folder: Path) -> list[str]:
    """Return the natives that the run in a folder names; none where there was no run."""
    try:
        found = json.loads((folder / RUN).read_text("utf-8"))["natives"]
        return [name for name in found if Path(name).name == name]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _clear(place: Path) -> None:
    """Remove what a run wrote for one native, and its folder if nothing else is in it."""
    models = place / MODELS
    if not models.is_symlink():
        for path in [*models.glob("*.pdb"), *models.glob(".*.pdb.*")]:
            path.unlink()
        if models.is_dir() and not any(models.iterdir()):
            models.rmdir()
    for path in [place / name for name in FILES] + [*place.glob(".*.*")]:
        path.unlink(missing_ok=True)
    if not any(place.iterdir()):
        place.rmdir()


def _check_settings(folder: Path, facts: dict[str, Any]) -> None:
    try:
        recorded = json.loads((folder / RUN).read_text("utf-8"))
        settings, natives, templates = (recorded[k] for k in ("config", "natives", "templates"))
        now = facts["natives"]
        changed = [name for name, found in natives.items() if now.get(name, found) != found]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(
            f"{folder / RUN}: is not the record of a run; --force starts over"
        ) from None
    if settings != facts["config"]:
        raise OutputError(f"{folder}: holds decoys of other settings; --force replaces them")
    if changed:
        raise OutputError(f"{folder}: {changed[0]} is another file now; --force starts over")
    kinds = facts["config"]["kinds"]
    folds = not kinds or any(kind in THREADED for kind in kinds)
    if folds and templates != facts["templates"]:
        raise OutputError(
            f"{folder}: holds decoys threaded on other templates (the natives, without "
            "--templates); --force replaces them"
        )


def _run(
    tasks: Sequence[_Task], donors: Sequence[Path], workers: int
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the rows of every native as they come."""
    left = []
    for task in tasks:
        done = _finished(task)
        if done is None:
            left.append(task)
        else:
            yield task.name, done
    if not left:
        return
    with spawn_pool(workers, _start_worker, (list(donors),)) as pool:
        futures = {pool.submit(_one_native, task): task for task in left}
        for future in as_completed(futures):
            yield futures[future].name, future.result()


def _finished(task: _Task) -> list[dict[str, Any]] | None:
    try:
        with (task.folder / TABLE).open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError:
        return None


_DONORS: list[Path] = []
_FOLDS: list[Any] = []


def _start_worker(donors: list[Path]) -> None:
    _DONORS[:] = donors


def _templates() -> list[Any]:
    """Return (name, backbone) of all donors, read once per process."""
    from molgen.decoys.build import complete_backbone

    if not _FOLDS:
        for path in _DONORS:
            try:
                native = complete_backbone(read_structure(path).atoms)
            except MolgenError:
                continue
            _FOLDS.append((path, native.backbone))
    return _FOLDS


def _seed(task: _Task, number: int) -> int:
    """Return a seed that depends on the native and the number alone."""
    text = f"{task.config.seed} {task.name} {number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _one_native(task: _Task) -> list[dict[str, Any]]:
    """Make the decoys of one native; return their rows. Nothing here stops the run."""
    try:
        return _decoys_of(task)
    except MolgenError as error:
        reason = " ".join(str(error).split())
    except Exception as error:  # a bug in one native must not lose the others; it is reported
        reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    row = dict.fromkeys(COLUMNS, "") | {"native": task.name, "status": "failed", "reason": reason}
    task.folder.mkdir(parents=True, exist_ok=True)
    _write_table(task.folder / TABLE, [row])
    return [row]


def _decoys_of(task: _Task) -> list[dict[str, Any]]:
    import numpy as np

    from molgen.decoys.build import Builder, complete_backbone
    from molgen.decoys.recipes import RECIPES

    protein = read_structure(task.native).atoms
    source = complete_backbone(protein)
    count = len(source.backbone)
    if count > task.config.max_residues:
        raise InputError(f"{count} residues; the limit is {task.config.max_residues}")
    others = [fold for path, fold in _templates() if path != task.native]
    builder = Builder(source, others)
    (task.folder / MODELS).mkdir(parents=True, exist_ok=True)
    for old in (task.folder / MODELS).glob("*.pdb"):
        old.unlink()
    write_pdb(task.folder / TARGET, source.protein)
    kinds = list(task.config.kinds or RECIPES)
    order = np.random.default_rng(_seed(task, -1)).permutation(len(kinds))
    rows = []
    for number in range(task.config.per_native):
        kind = kinds[int(order[number % len(kinds)])]
        seed = _seed(task, number)
        row, model = _attempt(task, kind, f"{kind}_{number}", seed, lambda k=kind, s=seed: (
            builder.make(RECIPES[k], np.random.default_rng(s))
        ))  # fmt: skip
        rows.append(row | {"ca_rmsd": builder.ca_rmsd(model) if model is not None else ""})
    if task.config.thermal:
        rows += _thermal(task, builder)
    _write_table(task.folder / TABLE, rows)
    return rows


def _attempt(task: _Task, kind: str, name: str, seed: int, make: Any) -> tuple[dict[str, Any], Any]:
    start = time.perf_counter()
    row = {"native": task.name, "model": f"{name}.pdb", "kind": kind, "seed": seed}
    try:
        model = make()
        write_pdb(task.folder / MODELS / f"{name}.pdb", model)
        row |= {"status": "ok", "reason": ""}
    except MolgenError as error:
        model = None
        row |= {"status": "failed", "reason": " ".join(str(error).split())}
    return row | {"seconds": round(time.perf_counter() - start, 2)}, model


def _thermal(task: _Task, builder: Any) -> list[dict[str, Any]]:
    """Return rows of frames of one unfolding run in implicit solvent."""
    import numpy as np

    from molgen.io.trajectory import write_trajectory

    seed = _seed(task, -2)
    start = time.perf_counter()
    base = {"native": task.name, "kind": "thermal", "seed": seed}
    try:
        frames = builder.unfold(task.config.thermal, seed, task.config.platform)
    except MolgenError as error:
        reason = " ".join(str(error).split())
        seconds = round(time.perf_counter() - start, 2)
        failed = {"model": "", "status": "failed", "reason": reason, "ca_rmsd": ""}
        return [base | failed | {"seconds": seconds}]
    if frames:
        coords = np.stack([model.coords for model in frames])
        write_trajectory(task.folder / TRAJECTORY, frames[0], coords)
    each = round((time.perf_counter() - start) / max(1, len(frames)), 2)
    rows = []
    for number, model in enumerate(frames):
        name = f"thermal_{number}.pdb"
        write_pdb(task.folder / MODELS / name, model)
        rows.append(base | {"model": name, "status": "ok", "reason": "", "seconds": each,
                            "ca_rmsd": builder.ca_rmsd(model)})  # fmt: skip
    return rows


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
