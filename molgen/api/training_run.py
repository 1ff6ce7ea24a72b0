"""One run of training: what all of them do before, while and after a model is fitted."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import molgen
from molgen.api.provenance import code_commit, sha256_of
from molgen.api.training_folder import (
    STATE,
    check_folder,
    open_folder,
    write_checkpoint,
    write_course,
)
from molgen.checkpoints import checkpoint_folder
from molgen.config import to_dict
from molgen.datasets.entry_lists import BENCHMARKS, is_listed, read_entry_list
from molgen.datasets.quality_splits import read_split
from molgen.datasets.splits import SplitOptions, split_ids
from molgen.errors import ConfigError, MolgenWarning, OutputError, first_few
from molgen.report.training_plot import Line
from molgen.search.device import resolve_device
from molgen.training.loop import LoopConfig, Report, fit
from molgen.training.task import Task


@dataclass(frozen=True)
class TrainResult:
    """What a run made.

    Attributes:
        folder: of the checkpoint.
        parameters: of the model.
        trained_on, held_out: how many examples.
        epochs, steps, best_epoch, stopped: as in `molgen.training.loop.FitResult`.
        metrics: on what was held out.
        seconds: of training and measuring.
    """

    folder: Path
    parameters: int
    trained_on: int
    held_out: int
    epochs: int
    steps: int
    best_epoch: int
    stopped: str
    metrics: dict[str, Any]
    seconds: float


class TrainingRun:
    """A run that fits a model and writes its checkpoint.

    Args:
        out: folder of the checkpoint; while training it holds the state of the run.
        device: "auto", "cpu" or "cuda[:N]".
        command: the command line, for the model card.
        resume: go on where an earlier run with the same settings and data was stopped.
        force: remove what an earlier run left in ``out``.
        progress: show a bar on stderr.

    Raises:
        OutputError: ``out`` is not empty and neither ``resume`` nor ``force`` is set.
        DeviceError: no such device.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        device: str,
        command: str,
        resume: bool,
        force: bool,
        progress: bool,
    ) -> None:
        self.folder, self.command = Path(out), command
        check_folder(self.folder, resume=resume, force=force)
        self.device = resolve_device(device)
        self.resume, self.progress = resume, progress

    def fit(
        self,
        task: Task,
        config: LoopConfig,
        lines: Sequence[Line],
        *,
        seed: int,
        identity: Sequence[Any],
    ) -> None:
        """Train ``task``; state, history.csv and history.png of the run are in the folder.

        Args:
            lines: what the curves show beside the loss.
            identity: all that a resumed run must have in common with the earlier one.

        Raises:
            StoreError: the state in the folder belongs to another run.
        """
        self.start, self.commit, self.lines = time.perf_counter(), code_commit(), lines
        open_folder(self.folder, resume=self.resume)
        with ExitStack() as stack:
            self.fitted = fit(
                task,
                config,
                self.folder / STATE,
                seed=seed,
                fingerprint=hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
                device=self.device,
                resume=self.resume,
                report=_progress_bar(stack, config.epochs) if self.progress else None,
                record=lambda history: write_course(self.folder, history, lines),
            )

    def finish(
        self,
        model: Any,
        save: Callable[[Path, Any], None],
        *,
        trained_on: int,
        held_out: int,
        metrics: dict[str, Any],
        facts: Mapping[str, Any],
        domain: Mapping[str, Any],
        card: Callable[[Mapping[str, Any], Mapping[str, Any]], str],
    ) -> TrainResult:
        """Write the checkpoint of the fitted model and return what the run made.

        Args:
            save: writes the model into a folder.
            trained_on, held_out: how many examples.
            metrics: on what was held out.
            facts: what metrics.json says beside that and beside what all runs say.
            domain: what was seen in training.
            card: makes the model card of the domain and of all facts, with ``settings_text`` and
                ``best``, the number of the epoch that was kept, for people.
        """
        fitted = self.fitted
        full: dict[str, Any] = {
            "molgen": molgen.__version__,
            "code": self.commit,
            "command": self.command,
            "parameters": sum(p.numel() for p in model.parameters()),
            "trained_on": trained_on,
            **facts,
            "device": _device_name(self.device),
            "epochs": len(fitted.history),
            "best_epoch": fitted.best_epoch,
            "stopped": fitted.stopped,
            "steps": fitted.steps,
            "training_seconds": round(fitted.seconds),
            "metrics": metrics,
        }
        texts = {
            "settings_text": json.dumps(full["settings"], sort_keys=True),
            "best": fitted.best_epoch + 1,
        }
        write_checkpoint(
            self.folder,
            lambda folder: save(folder, model),
            fitted.history,
            self.lines,
            facts=full,
            domain=domain,
            card=card(full | texts, domain),
        )
        return TrainResult(
            folder=self.folder,
            parameters=full["parameters"],
            trained_on=trained_on,
            held_out=held_out,
            epochs=len(fitted.history),
            steps=fitted.steps,
            best_epoch=fitted.best_epoch,
            stopped=fitted.stopped,
            metrics=metrics,
            seconds=time.perf_counter() - self.start,
        )


def lasting(settings: Any) -> dict[str, Any]:
    """Return the settings that a resumed run must have in common with the earlier one.

    How long it may take is none of them.

    Args:
        settings: a config with a field ``loop``.
    """
    values = to_dict(settings)
    for name in ("epochs", "max_minutes", "save_minutes"):
        values["loop"].pop(name)
    return values


def split_parts(
    rows: list[dict[str, str]],
    split: str | Path | None,
    seed: int,
    exclude: Sequence[str | Path] = (),
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Return {part: ids} of a store's rows, and what metrics.json says of excluded entries.

    Warns of entries to train on that benchmarks are made of.

    Ids on no list of the folder ``split`` train; without a folder the split is made by clusters of
    the pocket chains.

    Args:
        exclude: lists of entries that are in no part (`molgen.datasets.entry_lists`).

    Raises:
        InputError: a list cannot be read.
    """
    left_out = read_entry_list(exclude)
    if split is None:
        parts = split_ids(rows, SplitOptions("sequence", seed))
    else:
        parts = read_split(split)
        held = {*parts["val"], *parts["test"]}
        parts |= {"train": sorted(row["id"] for row in rows if row["id"] not in held)}
    kept = {part: [k for k in ids if not is_listed(k, left_out)] for part, ids in parts.items()}
    _warn_of_benchmarks(kept["train"])
    facts = {
        "exclude": [Path(one).name for one in exclude],
        "excluded": sum(len(parts[part]) - len(ids) for part, ids in kept.items()),
    }
    return kept, facts


def _warn_of_benchmarks(ids: Sequence[str]) -> None:
    listed = read_entry_list([BENCHMARKS])
    if known := [name for name in ids if is_listed(name, listed)]:
        warnings.warn(
            f"{len(known)} of {len(ids)} entries to train on are of benchmarks "
            f"({first_few(known)}); "
            f"--exclude {BENCHMARKS} leaves them out",
            MolgenWarning,
            stacklevel=3,
        )


def split_facts(
    parts: Mapping[str, Sequence[str]], split: str | Path | None, seed: int
) -> dict[str, str]:
    """Return what metrics.json says of a split, ``split`` being the folder of its lists if any."""
    return {
        "split_sha256": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
        "split": f"lists in {Path(split).name}"
        if split
        else f"by clusters of sequences, seed {seed}",
        "held_out": "test" if parts["test"] else "val",
    }


def start_from(
    model: Any,
    load: Callable[[str], Any],
    init: str | None,
    out: Path,
    free: Set[str] = frozenset(),
) -> tuple[str, str]:
    """Load the weights of the checkpoint ``init``, if any, into ``model``.

    Args:
        model: with ``config()`` and a state dict, as all models that a checkpoint holds.
        load: returns the model of a checkpoint.
        out: folder of the training, which must not be that of ``init``.
        free: names of options that may differ. What such an option adds to the network keeps its
            new weights.

    Returns:
        SHA-256 of the checkpoint's weights ("" without one), and what a model card calls them.

    Raises:
        ConfigError: a network with other options.
        OutputError: the training would replace what it starts from.
    """
    if init is None:
        return "", "random weights"
    if checkpoint_folder(init).resolve() == out.resolve():
        raise OutputError(f"{out}: holds the weights that --init names; choose another folder")
    other = load(init)
    if _without(other.config(), free) != _without(model.config(), free):
        raise ConfigError(f"init {init}: a network with other options than the one to train")
    _, unused = model.load_state_dict(other.state_dict(), strict=False)
    if unused:
        raise ConfigError(f"init {init}: the network to train has no {unused[0]}")
    weights = sha256_of(checkpoint_folder(init) / "model.safetensors")
    return weights, f"weights {weights[:12]} of {Path(init).name}"


def _without(options: Any, names: Set[str]) -> Any:
    """Return nested options without those of these names."""
    if not isinstance(options, dict):
        return options
    return {name: _without(value, names) for name, value in options.items() if name not in names}


def _device_name(device: str) -> str:
    """Return what a model card calls a device."""
    if device == "cpu":
        return "CPU"
    import torch

    return str(torch.cuda.get_device_name(device))


def _progress_bar(stack: ExitStack, epochs: int) -> Report:
    """Return a reporter that draws a bar on stderr until ``stack`` closes."""
    from tqdm import tqdm

    bar = stack.enter_context(tqdm(total=1, unit="batch", dynamic_ncols=True))
    shown: dict[str, str] = {}

    def report(stage: str, done: int, total: int, numbers: dict[str, float]) -> None:
        if stage == "batch":
            bar.total, bar.n = total, done
            bar.set_postfix({"loss": f"{numbers['loss']:.4f}", **shown}, refresh=False)
            bar.refresh()
        else:
            shown["val"] = f"{numbers['monitor']:.4f}"
            bar.set_description(f"epoch {done}/{epochs}")

    return report
