"""The checkpoint folder of a training run: before, while and after the training."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from molgen.api.processes import first_process
from molgen.checkpoints import save_domain
from molgen.errors import InputError, OutputError
from molgen.io import atomic_write
from molgen.report.training_plot import Line, training_curves

STATE = "training.safetensors"
"""State of an unfinished run, in the checkpoint folder; gone when it is finished."""
_CHECKPOINT = (
    "model.safetensors", "config.json", "SHA256SUMS", "MODEL_CARD.md", "domain.json",
    "metrics.json", "history.csv", "history.png",
)  # fmt: skip


def check_folder(folder: Path, *, resume: bool, force: bool) -> None:
    """Refuse a folder that holds something else, or a run without ``resume`` or ``force``.

    Raises:
        OutputError: says what is in the way.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; expected a folder for the checkpoint")
    present = [p.name for p in folder.iterdir()] if folder.exists() else []
    present = [name for name in present if not name.startswith(".")]
    if foreign := [name for name in present if name not in (*_CHECKPOINT, STATE)]:
        raise OutputError(f"{folder}: holds {foreign[0]}, which is no part of a checkpoint")
    if present and not (resume or force):
        raise OutputError(
            f"{folder}: is not empty; --resume continues a run in it, --force replaces it"
        )
    if resume and "model.safetensors" in present and STATE not in present:
        raise OutputError(f"{folder}: the run in it is finished; --force replaces it")


def open_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder; without ``resume`` remove what an earlier run left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # another process of the same run (DDP) must not take the first one's state away
        if not resume and first_process():
            for name in (*_CHECKPOINT, STATE):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used for the checkpoint ({error})") from None


def write_course(folder: Path, history: Sequence[Mapping[str, Any]], lines: Sequence[Line]) -> None:
    """Write history.csv and history.png, what `write_checkpoint` says of them."""
    _write_history(folder / "history.csv", history)
    training_curves(folder / "history.png", history, lines)


def write_checkpoint(
    folder: Path,
    save: Callable[[Path], None],
    history: Sequence[Mapping[str, Any]],
    lines: Sequence[Line],
    *,
    facts: Mapping[str, Any],
    domain: Mapping[str, Any],
    card: str,
) -> None:
    """Write all files beside the folder and move them in; the state of the run goes last.

    Args:
        save: writes model.safetensors, config.json and SHA256SUMS into a folder.
        history: a row for every epoch.
        lines: what of it is drawn beside the training loss.
        facts: content of metrics.json.
        domain: what was seen in training, domain.json.
        card: MODEL_CARD.md.
    """
    if not first_process():
        return
    made = folder / ".checkpoint.part"
    shutil.rmtree(made, ignore_errors=True)
    save(made)
    save_domain(made, domain)
    write_course(made, history, lines)
    write_card(made, facts, card)
    for name in sorted(_CHECKPOINT, key=lambda name: name == "SHA256SUMS"):
        os.replace(made / name, folder / name)  # the sums last: without them nothing loads
    made.rmdir()
    (folder / STATE).unlink(missing_ok=True)


def write_card(folder: Path, facts: Mapping[str, Any], card: str) -> None:
    """Write metrics.json and MODEL_CARD.md, what `write_checkpoint` says of them."""
    numbers = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, text in {"MODEL_CARD.md": card, "metrics.json": numbers}.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    if not history:
        raise InputError("no epoch was trained")
    columns = list(dict.fromkeys(name for row in history for name in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in history:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
