"""The use case `molgen score`: protein models to their predicted quality."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import molgen
from molgen.api.output_folder import check_folder, write_text
from molgen.api.provenance import input_record, run_record, sha256_of
from molgen.api.score_agreement import agreement_record
from molgen.api.score_files import (
    JOURNAL,
    RUN,
    SCORE_RUN,
    models_are_there,
    opened_for_models,
    refuse_own_models,
    write_tables,
)
from molgen.api.score_inputs import InputFile, find_models
from molgen.api.score_job import ScoreJob
from molgen.api.score_pool import score_files
from molgen.api.score_records import FileResult, Journal, ModelRecord
from molgen.api.score_report import write_score_report
from molgen.api.tables import json_ready
from molgen.checkpoints import checkpoint_folder, load_tensors
from molgen.config import check, to_dict
from molgen.datasets.workers import usable_cpus
from molgen.errors import ConfigError, InputError
from molgen.search.device import resolve_device

FILES_A_PROCESS = 16
"""Files that make it worth to start one more process, which takes seconds."""


@dataclass(frozen=True)
class ScoreConfig:
    """Settings of a run.

    Attributes:
        model: checkpoint, a shipped name or a folder.
        device: "auto", "cpu" or "cuda[:N]".
        plots: "auto" draws the overview and the profiles of the best 20 models, "all" those of
            all models (about 0.1 s each), "none" nothing.
    """

    model: str = "sgcn-1"
    device: str = "auto"
    plots: Literal["auto", "all", "none"] = "auto"


@dataclass(frozen=True)
class ScoreResult:
    """What a run found.

    Attributes:
        folder: of the results; None when nothing was written.
        checkpoint: its name.
        ranked: models with a score, best first.
        failed: the others, in input order.
        agreement: with the reference: correlations, loss, calibration; empty without one.
        resumed: files that an earlier run had finished.
        seconds: wall time.
    """

    folder: Path | None
    checkpoint: str
    ranked: tuple[ModelRecord, ...]
    failed: tuple[ModelRecord, ...]
    agreement: dict[str, Any]
    resumed: int
    seconds: float

    @property
    def incomplete(self) -> int:
        """Number of models without a score, or without the comparison that was asked for."""
        return len(self.failed) + sum(bool(record.mismatch) for record in self.ranked)


def score(
    models: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    reference: str | Path | None = None,
    config: ScoreConfig | None = None,
    jobs: int | None = None,
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> ScoreResult:
    """Predict the quality of protein models; with ``out`` write the output folder.

    Args:
        models: structure files, folders of them, or patterns.
        out: folder of the results; must be empty unless ``resume`` or ``force``.
        reference: the native structure, to say how right models and predictions are.
        config: settings.
        jobs: processes; default: the CPUs this process may use, fewer for few files.
        command: the command line, for run.json.
        resume: keep the files that an earlier run with the same inputs finished.
        force: replace the results of an earlier run.
        progress: show a bar on stderr.

    Raises:
        InputError: no models, none that can be scored, or none that the reference matches; the
            latter two after the folder was written.
        StoreError: the checkpoint cannot be used.
        DeviceError: the device is not there.
        OutputError: the folder cannot be used, or a model or the reference lies in it.
    """
    from tqdm import tqdm

    start = time.perf_counter()
    config = check(config or ScoreConfig())
    config = replace(config, device=resolve_device(config.device))
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs must be at least 1, got {jobs}")
    if resume and out is None:
        raise ConfigError("resume needs the folder of the earlier run")
    folder = None if out is None else Path(out)
    if folder is not None:
        check_folder(folder, resume=resume, force=force, files=SCORE_RUN)
    checkpoint = _checkpoint_record(config.model)
    files = find_models(models)
    if folder is not None:
        refuse_own_models(folder, [*(file.path for file in files), reference])
    inputs = {} if reference is None else {"reference": _reference_record(reference)}
    job = ScoreJob(
        config.model, config.device, None if reference is None else str(reference), folder
    )
    run_key = _run_key(checkpoint, inputs)
    loaded = time.perf_counter()

    place = (
        nullcontext() if folder is None else opened_for_models(folder, resume=resume, force=force)
    )
    counter = tqdm(total=len(files), unit="file", disable=not progress, dynamic_ncols=True)
    with place, counter as bar:
        if folder is None:
            results = []
            for result in score_files(files, job, _processes(jobs, len(files))):
                results.append(result.light())
                bar.update()
            return _checked(_result(None, config, results, 0, start), len(files), reference)
        with Journal(folder / JOURNAL, keep=resume) as journal:
            results, keys, resumed = [], [], 0
            for result, key, kept in _through(journal, files, job, run_key, jobs, resume):
                results.append(result.light())
                keys.append(key)
                resumed += kept
                bar.update()
            scored = time.perf_counter()
            found = _result(folder, config, results, resumed, start)
            write_tables(folder, found.ranked, results, journal.read_all(keys))
            record = run_record(
                command=command,
                config=to_dict(config),
                inputs=inputs,
                timings={
                    "load": loaded - start,
                    "score": scored - loaded,
                    "total": time.perf_counter() - start,
                },
                extra={
                    "checkpoint": checkpoint,
                    "files": len(files),
                    "models": len(found.ranked) + len(found.failed),
                    "failed": len(found.failed),
                    "resumed": resumed,
                    "models_per_second": _rate(results, resumed, scored - loaded),
                    **({"agreement": found.agreement} if found.agreement else {}),
                },
            )
            record = {key: value for key, value in record.items() if value is not None}
            places = {key: result for key, result in zip(keys, results, strict=True)}
            write_score_report(folder, found.ranked, found.failed, record, config.plots,
                               lambda wanted: _rows(journal, places, wanted))  # fmt: skip
            write_text(folder / RUN, json.dumps(json_ready(record), indent=2) + "\n")
    return _checked(found, len(files), reference)


def _through(
    journal: Journal,
    files: Sequence[InputFile],
    job: ScoreJob,
    run_key: str,
    jobs: int | None,
    resume: bool,
) -> Iterator[tuple[FileResult, str, bool]]:
    """Yield the outcome of every file in order, its key in the journal, and whether it was kept."""
    assert job.folder is not None
    kept: dict[str, FileResult] = {}
    if resume:
        for file in files:
            key = _file_key(file, run_key)
            found = journal.read(key) if key else None
            if found is not None and not found.again and models_are_there(job.folder, found):
                kept[file.name] = found.light()
    todo = [file for file in files if file.name not in kept]
    scored = score_files(todo, job, _processes(jobs, len(todo))) if todo else iter(())
    for file in files:
        if file.name in kept:
            result = kept.pop(file.name)
            yield result, _key(file.name, result.sha256, run_key), True
            continue
        result = next(scored)
        key = _key(file.name, result.sha256, run_key)
        journal.add(key, result)
        yield result, key, False


def _rows(
    journal: Journal, places: dict[str, FileResult], wanted: Sequence[str]
) -> Iterator[ModelRecord]:
    """Yield the wanted models with their rows of residues."""
    names = set(wanted)
    for key, light in places.items():
        if any(record.model in names for record in light.records):
            whole = journal.read(key)
            if whole is not None:
                yield from (record for record in whole.records if record.model in names)


def _processes(jobs: int | None, files: int) -> int:
    if jobs is not None:
        return jobs
    return max(1, min(usable_cpus(), math.ceil(files / FILES_A_PROCESS)))


def _result(
    folder: Path | None,
    config: ScoreConfig,
    results: Sequence[FileResult],
    resumed: int,
    start: float,
) -> ScoreResult:
    records = [record for result in results for record in result.records]
    good = [record for record in records if record.ok]
    ranked = sorted(good, key=lambda record: -(record.predicted_cad or 0.0))
    return ScoreResult(
        folder=folder,
        checkpoint=config.model,
        ranked=tuple(ranked),
        failed=tuple(record for record in records if not record.ok),
        agreement=agreement_record(ranked),
        resumed=resumed,
        seconds=time.perf_counter() - start,
    )


def _checked(result: ScoreResult, files: int, reference: str | Path | None) -> ScoreResult:
    """Return the result, or say that there is none to speak of."""
    see = f"; see {result.folder / 'status.csv'}" if result.folder else ""
    if not result.ranked:
        first = result.failed[0].reason if result.failed else "no models in the files"
        raise InputError(f"none of {files} files could be scored: {first}{see}")
    if reference is not None and not any(record.truth for record in result.ranked):
        raise InputError(f"no model could be compared: {result.ranked[0].mismatch}{see}")
    return result


def _rate(results: Sequence[FileResult], resumed: int, seconds: float) -> float | None:
    """Return models a second, start of the processes included; None for a resumed run."""
    models = sum(len(result.records) for result in results)
    return round(models / seconds, 2) if not resumed and seconds > 0 else None


def _checkpoint_record(name: str) -> dict[str, Any]:
    """Return name, kind of network and checksum of a checkpoint; refuse one that cannot serve."""
    config, _ = load_tensors(name, kind="quality")
    weights = checkpoint_folder(name) / "model.safetensors"
    return {"name": name, "network": config.get("name"), "sha256": sha256_of(weights)}


def _reference_record(reference: str | Path) -> dict[str, str]:
    from molgen.api.score_truth import check_reference

    check_reference(reference)
    return input_record(reference)


def _run_key(checkpoint: dict[str, Any], inputs: dict[str, dict[str, str]]) -> str:
    """Return what the outcome of every file depends on."""
    parts = [molgen.__version__, checkpoint["sha256"]]
    parts += [entry["sha256"] for entry in inputs.values()]
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:16]


def _file_key(file: InputFile, run_key: str) -> str:
    try:
        return _key(file.name, sha256_of(file.path), run_key)
    except (OSError, ValueError):
        return ""


def _key(name: str, sha256: str, run_key: str) -> str:
    return f"{run_key}:{name}:{sha256}"
