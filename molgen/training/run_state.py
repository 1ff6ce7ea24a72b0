"""The state of a training run in one file, so that a killed run goes on where it was.

Weights, their moving average, the optimiser and the random generator are tensors; counters and the
history are JSON in the header of the same safetensors file, which is renamed into place whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from molgen.errors import StoreError

_FORMAT = "molgen-training-state-1"


@dataclass
class Counters:
    """Where a run stands.

    Attributes:
        fingerprint: of the settings and data of the run.
        epoch: the epoch in progress, from 0.
        batch: batches of it that are done.
        step: optimiser steps in all.
        drops: of the learning rate, by the plateau schedule.
        best: the best value of the monitored metric; None before the first validation.
        best_epoch: the epoch that reached it.
        seconds: of training so far.
        sums: of the losses of the epoch in progress.
        history: one row for every finished epoch.
    """

    fingerprint: str
    epoch: int = 0
    batch: int = 0
    step: int = 0
    drops: int = 0
    best: float | None = None
    best_epoch: int = -1
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    path: Path,
    counters: Counters,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
) -> None:
    """Write the state; a reader sees the old file or the whole new one."""
    from safetensors.torch import save_file

    tensors = {
        f"{role}.{name}": value
        for role, module in modules.items()
        for name, value in module.state_dict().items()
    }
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(v) for key, v in state.items()}
    tensors["generator.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    # clones: safetensors refuses tensors that share memory
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    record = json.dumps({"format": _FORMAT, **counters.__dict__})
    temporary = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(plain, str(temporary), metadata={"state": record})
    os.replace(temporary, path)


def read_counters(path: Path) -> Counters:
    """Return where the run of a state file stands.

    Raises:
        StoreError: damaged or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})["state"])
        if record.pop("format") != _FORMAT:
            raise ValueError("another format")
        return Counters(**record)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: no state of a training run ({error}); start over") from None


def load_state(
    path: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Put the tensors of a state file in place; return the best weights so far.

    Raises:
        StoreError: damaged, or of a model of another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        for role, module in modules.items():
            module.load_state_dict(_below(tensors, role), strict=True)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimizer").items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        torch.set_rng_state(tensors["generator.cpu"])
        if torch.cuda.is_available() and "generator.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["generator.cuda"])
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise StoreError(f"{path}: state does not fit this run ({text}); start over") from None
    return _below(tensors, "best")


def _below(tensors: dict[str, Tensor], role: str) -> dict[str, Tensor]:
    start = f"{role}."
    return {name[len(start) :]: v for name, v in tensors.items() if name.startswith(start)}
