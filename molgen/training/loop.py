"""The training loop: any task, on a CPU, a GPU or several, resumable at any kill.

A task brings batches, a loss and a validation; the loop knows nothing of what is trained. Lightning
Fabric places things on devices. All that is random comes from the seed: the plan of an epoch from
(seed, epoch), dropout from torch's generator, whose state is saved with the run.

A batch that does not fit into the memory of a GPU is halved until it does, with gradients added up;
a loss or gradient that is no number ends the run, and the state on disk is from before it.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from molgen.config import limited
from molgen.errors import (
    ConfigError,
    DependencyError,
    MolgenWarning,
    OutputError,
    StoreError,
    TrainingError,
)
from molgen.training.run_state import Counters, load_state, read_counters, save_state
from molgen.training.schedule import MovingAverage, learning_rate_factor
from molgen.training.task import Piece, Task, divided


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the loop.

    Attributes:
        epochs: at most.
        learning_rate: of Adam, at its height.
        weight_decay: of Adam (added to the gradient, as in the S-GCN paper) or AdamW (decoupled).
        optimizer: which of the two.
        clip: largest norm of the gradient; 0 for none.
        ema: decay of the moving average of weights, which is what is validated and kept; 0: none.
        schedule: of the learning rate after the warm-up.
        warmup: steps of linear rise.
        final: factor on the learning rate at the end.
        patience: epochs without a better validation before stopping; 0: never. With the plateau
            schedule the rate is halved at every third of it.
        max_minutes: stop after an epoch when this much time was spent; 0: no limit. The cosine
            schedule then falls with the time, so that it ends where the run does.
        save_minutes: between saved states within an epoch.
        precision: of Lightning Fabric; with "16-mixed" a resumed run finds the scale of its losses
            anew.
        devices: processes on a machine, each with a GPU of its own, or on the CPU; more than one
            train as DDP.
        nodes: machines.
    """

    epochs: int = limited(40, min=1)
    learning_rate: float = limited(1e-3, above=0.0)
    weight_decay: float = limited(0.003, min=0.0)
    optimizer: Literal["adam", "adamw"] = "adam"
    clip: float = limited(1.0, min=0.0)
    ema: float = limited(0.995, min=0.0, below=1.0)
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup: int = limited(100, min=0)
    final: float = limited(0.02, min=0.0, max=1.0)
    patience: int = limited(10, min=0)
    max_minutes: float = limited(0.0, min=0.0)
    save_minutes: float = limited(5.0, min=0.0)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int = limited(1, min=1)
    nodes: int = limited(1, min=1)


@dataclass(frozen=True)
class FitResult:
    """The outcome of a run; the module of the task carries the best weights.

    Attributes:
        history: a row for every epoch.
        best_epoch: whose weights are kept, from 0.
        stopped: why the run ended: "epochs", "patience" or "time".
        steps: of the optimiser.
        seconds: of training, earlier parts of a resumed run included.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    stopped: str
    steps: int
    seconds: float


Report = Callable[[str, int, int, dict[str, float]], None]
"""Called with a stage ("batch" or "epoch"), how many are done, of how many, and numbers."""
Record = Callable[[Sequence[Mapping[str, Any]]], None]
"""Called with a row for every epoch so far."""


def fit(
    task: Task,
    config: LoopConfig,
    state: Path,
    *,
    seed: int,
    fingerprint: str,
    device: str = "cpu",
    resume: bool = False,
    report: Report | None = None,
    record: Record | None = None,
) -> FitResult:
    """Train the module of ``task`` and leave the best weights in it.

    Args:
        state: file of the run's state; removed by nobody here.
        fingerprint: of settings and data; a state of another one is not resumed.
        device: "cpu" or "cuda[:N]".
        resume: go on from ``state`` if it is there.
        report: hears about progress; on the first process only.
        record: is given the history after every epoch; on the first process only.

    Raises:
        OutputError: ``state`` exists and ``resume`` is not set.
        StoreError: ``state`` cannot be read or is of other settings or data.
        TrainingError: a loss or gradient is no number, or one example is too large for the GPU.
        DependencyError: Lightning is not installed.
    """
    fabric = _fabric(config, device)
    fabric.barrier()  # the first process takes away what is to be forgotten
    if state.is_file() and not resume:
        raise OutputError(f"{state}: a run is under way there; --resume continues it")
    torch.manual_seed(seed + fabric.global_rank)
    run = _Run(fabric, task, config, state, report or (lambda *_: None), record or (lambda _: None))
    run.counters = Counters(fingerprint)
    if state.is_file():
        run.counters = read_counters(state)
        if run.counters.fingerprint != fingerprint:
            raise StoreError(f"{state}: belongs to a run with other settings or data; start over")
        run.best = load_state(state, run.modules, run.optimizer)
        if fabric.global_rank:  # the saved random state is that of the first process
            torch.manual_seed(seed + fabric.global_rank + 1_000_003 * run.counters.step)
    stopped = run.train()
    if run.best:
        task.module.load_state_dict(run.best)
    task.module.to("cpu").eval()
    counters = run.counters
    return FitResult(
        counters.history, counters.best_epoch, stopped, counters.step, counters.seconds
    )


class _Run:
    """One call of `fit`: the objects that the steps share."""

    def __init__(
        self,
        fabric: Any,
        task: Task,
        config: LoopConfig,
        state: Path,
        report: Report,
        record: Record,
    ) -> None:
        self.fabric, self.task, self.config = fabric, task, config
        self.state, self.report, self.record = state, report, record
        module = task.module.to(fabric.device)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
        optimizer = kind(
            module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.average = MovingAverage(module, config.ema)
        self.live = module
        self.wrapped, self.wrapped_optimizer = fabric.setup(module, optimizer)
        self.optimizer = optimizer
        self.modules = {"live": module, "average": self.average.model}
        self.counters = Counters("")
        self.best: dict[str, Tensor] = {}
        self.parts = 1
        self.last: list[Piece] = []
        self.wrong: list[int] = []
        self.scaled = config.precision == "16-mixed"
        self.started = time.monotonic()
        self.saved = self.agreed = 0.0

    def train(self) -> str:
        """Run epochs until one of the reasons to stop; return it."""
        self.started = time.monotonic()
        before = self.counters.seconds
        while True:
            reason = self._finished()
            if reason:
                return reason
            self._epoch(before)
            self.counters.seconds = before + self._spent()
            self._validate()
            self._save()
            if self.fabric.global_rank == 0:
                self.record(self.counters.history)

    def _finished(self) -> str:
        counters, config = self.counters, self.config
        if counters.epoch >= config.epochs:
            return "epochs"
        since_best = counters.epoch - 1 - counters.best_epoch
        if config.patience and counters.best_epoch >= 0 and since_best >= config.patience:
            return "patience"
        late = config.max_minutes and counters.seconds >= 60 * config.max_minutes
        return "time" if late and counters.epoch else ""

    def _epoch(self, before: float) -> None:
        counters = self.counters
        plan = self.task.plan(counters.epoch)
        mine = _share(plan, self.fabric.global_rank, self.fabric.world_size)
        total = self.config.epochs * len(mine)
        self.wrapped.train()
        for pieces in prefetch(mine[counters.batch :], self._load):
            factor = learning_rate_factor(
                self.config.schedule,
                counters.step,
                self._expected(total, before),
                warmup=self.config.warmup,
                final=self.config.final,
                drops=counters.drops,
            )
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate * factor
            losses = self._step(pieces)
            for name, value in losses.items():
                counters.sums[name] = counters.sums.get(name, 0.0) + value
            counters.step += 1
            counters.batch += 1
            if self.fabric.global_rank == 0:
                self.report("batch", counters.batch, len(mine), losses)
            if self._spent() - self.saved > 60 * self.config.save_minutes:
                counters.seconds = before + self._spent()
                self._save()

    def _spent(self) -> float:
        """Return the seconds of this call, as of the last step where processes must agree."""
        return self.agreed if self.fabric.world_size > 1 else time.monotonic() - self.started

    def _expected(self, total: int, before: float) -> int:
        """Return the steps that the run will have, as far as its time limit allows."""
        limit = 60 * self.config.max_minutes
        spent = before + self._spent()
        if not limit or spent <= 0 or self.counters.step <= self.config.warmup:
            return total
        return min(total, round(self.counters.step * max(1.0, limit / spent)))

    def _load(self, item: Any) -> list[Piece]:
        """Return the batch of an item, in as many pieces as fitted into memory before."""
        pieces = divided(self.task, [item], self.parts)
        return [Piece(piece, self.task.load(piece)) for piece in pieces]

    def _step(self, pieces: list[Piece]) -> dict[str, float]:
        losses = self._losses(pieces)
        while losses is None:
            # outside of the handler: its traceback would keep the tensors alive
            torch.cuda.empty_cache()
            pieces = self._smaller(pieces)
            losses = self._losses(pieces)
        norm = self.fabric.clip_gradients(
            self.wrapped, self.wrapped_optimizer, max_norm=self.config.clip or math.inf,
            error_if_nonfinite=False,
        )  # fmt: skip
        self.wrapped_optimizer.step()
        if self.config.ema:
            self.average.update(self.live, self.counters.step)
        names = list(losses)
        *values, size = torch.stack([*losses.values(), norm.detach().float()]).tolist()
        numbers = dict(zip(names, values, strict=True))
        # the scaler of half precision skips a step without gradient and takes a smaller scale
        judged = numbers if self.scaled else numbers | {"norm of the gradient": size}
        if self.wrong or not all(map(math.isfinite, judged.values())):
            said = [f"{k} is {v}" for k, v in judged.items() if not math.isfinite(v)]
            others = [rank for rank in self.wrong if rank != self.fabric.global_rank]
            said += [f"process {rank} met a loss or gradient that is no number" for rank in others]
            wrong = ", ".join(said)
            raise TrainingError(self._diverged(self.counters.step + 1, wrong, pieces))
        self.last = pieces
        return numbers

    def _losses(self, pieces: list[Piece]) -> dict[str, Tensor] | None:
        """Return the losses of a batch and leave its gradients; None if the memory ran out."""
        self.wrapped_optimizer.zero_grad()
        counts = [len(self.task.names(piece.item)) for piece in pieces]
        total: dict[str, Tensor] = {}
        several = self.fabric.world_size > 1
        try:
            # each process has as many pieces as its memory asks for: they meet afterwards
            with self.fabric.no_backward_sync(self.wrapped, enabled=several):
                for piece, count in zip(pieces, counts, strict=True):
                    share = count / sum(counts)
                    losses = self.wrapped(piece.batch.to(self.fabric.device))
                    self.fabric.backward(losses["loss"] * share)
                    for name, value in losses.items():
                        total[name] = total.get(name, 0.0) + share * value.detach().float()
        except torch.OutOfMemoryError:
            return None
        if several:
            self._average_gradients(total)
        return total

    def _average_gradients(self, losses: Mapping[str, Tensor]) -> None:
        """Give all processes the mean of their gradients and of their clocks.

        Where a process has no gradient it counts as 0, where none has one there is none. All learn
        who of them met something that is no number.
        """
        weights = [p for p in self.live.parameters() if p.requires_grad]
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in weights]
        used = [float(p.grad is not None) for p in weights]
        flat = torch.cat([g.flatten() for g in own])
        flags = flat.new_zeros(self.fabric.world_size)
        mine = [*losses.values()] if self.scaled else [*losses.values(), flat.sum()]
        flags[self.fabric.global_rank] = (~torch.stack(mine).isfinite().all()).to(flat)
        clock = flat.new_tensor([time.monotonic() - self.started])
        given = torch.cat([flat, flat.new_tensor(used), flags, clock])
        mean = self.fabric.all_reduce(given, reduce_op="mean")
        sizes = [*(p.numel() for p in weights), len(used), len(flags), 1]
        *parts, some, flags, clock = mean.split(sizes)
        for weight, part, share in zip(weights, parts, some.tolist(), strict=True):
            weight.grad = part.view_as(weight) if share else None
        self.wrong = flags.nonzero().flatten().tolist()
        self.agreed = float(clock)

    def _smaller(self, pieces: list[Piece]) -> list[Piece]:
        """Return the batch in twice as many pieces; those to come are divided alike."""
        items = divided(self.task, [piece.item for piece in pieces], 2 * len(pieces))
        names = ", ".join(name for piece in pieces for name in self.task.names(piece.item))
        if len(items) == len(pieces):
            raise TrainingError(f"one example alone does not fit into memory, of: {names}")
        self.parts = max(self.parts, len(items))
        warnings.warn(
            f"step {self.counters.step + 1}: out of memory; batches go on in {len(items)} parts",
            MolgenWarning,
            stacklevel=2,
        )
        return [Piece(item, self.task.load(item)) for item in items]

    def _diverged(self, step: int, wrong: str, pieces: list[Piece]) -> str:
        items = [piece.item for piece in pieces]
        if self.wrong:  # of the processes that met it
            counters, processes = self.counters, self.fabric.world_size
            plan = self.task.plan(counters.epoch)
            items = [_share(plan, rank, processes)[counters.batch] for rank in self.wrong]
        names = ", ".join(name for item in items for name in self.task.names(item))
        good = "no state was saved before"
        if self.state.is_file():
            good = f"{self.state} holds the state of step {read_counters(self.state).step}"
        return (
            f"step {step}, epoch {self.counters.epoch + 1}: {wrong}; {good}; "
            f"a lower learning rate may help; the batch was {names}"
        )

    def _validate(self) -> None:
        """Validate, keep the weights if they are the best, and close the row of the epoch."""
        counters = self.counters
        judged = self.average.model if self.config.ema else self.live
        judged.eval()
        try:
            with torch.no_grad():
                metrics = self.task.validate(judged, self.fabric.device)
        except torch.linalg.LinAlgError as error:  # of numbers that are none
            wrong = f"the validation fails ({' '.join(str(error).split())})"
            raise TrainingError(self._diverged(counters.step, wrong, self.last)) from None
        if self.fabric.world_size > 1:  # all must come to the same decision
            metrics = self.fabric.broadcast(metrics, src=0)
        row: dict[str, Any] = {
            "epoch": counters.epoch,
            "steps": counters.step,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            **{f"train_{k}": v / max(1, counters.batch) for k, v in counters.sums.items()},
            **{f"val_{name}": value for name, value in metrics.items()},
            "seconds": round(counters.seconds, 1),
        }
        # JSON knows no NaN
        row = {
            k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()
        }
        counters.history.append(row)
        value = metrics["monitor"]
        if math.isfinite(value) and (counters.best is None or value > counters.best):
            counters.best, counters.best_epoch = value, counters.epoch
            state = judged.state_dict()
            self.best = {name: v.detach().cpu().clone() for name, v in state.items()}
        elif self.config.schedule == "plateau" and self.config.patience:
            third = max(1, self.config.patience // 3)
            counters.drops += (counters.epoch - counters.best_epoch) % third == 0
        counters.epoch += 1
        counters.batch, counters.sums = 0, {}
        if self.fabric.global_rank == 0:
            self.report("epoch", counters.epoch, self.config.epochs, metrics)

    def _save(self) -> None:
        if self.fabric.global_rank == 0:
            save_state(self.state, self.counters, self.modules, self.optimizer, self.best)
        self.fabric.barrier()
        self.saved = self._spent()


def prefetch(items: Sequence[Any], load: Callable[[Any], Any], ahead: int = 2) -> Iterator[Any]:
    """Yield ``load(item)`` in order; a thread prepares the next ones meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future] = []
        try:
            for item in items:
                waiting.append(pool.submit(load, item))
                if len(waiting) > ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def _share(plan: Sequence[Any], rank: int, processes: int) -> Sequence[Any]:
    """Return the batches of one process; all get as many, some twice if need be."""
    if processes == 1:
        return plan
    each = math.ceil(len(plan) / processes)
    return [plan[k % len(plan)] for k in range(rank, each * processes, processes)]


def _fabric(config: LoopConfig, device: str) -> Any:
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.strategies import DDPStrategy
    except ImportError:
        raise DependencyError("training needs Lightning: pip install lightning") from None
    kind, _, number = device.partition(":")
    devices: Any = [int(number)] if number else config.devices
    started, expected = int(os.environ.get("WORLD_SIZE", 1)), config.devices * config.nodes
    if started > expected:  # else each process trains all by itself, into the same files
        raise ConfigError(
            f"{started} processes were started (WORLD_SIZE), but loop.devices x loop.nodes is "
            f"{expected}; set them to the processes of a machine and the machines"
        )
    several = expected > 1
    # gradients meet in `_average_gradients`: nothing else is to be exchanged during a step
    parallel = DDPStrategy(broadcast_buffers=False)
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=config.nodes,
        strategy=parallel if several else "auto",
        precision=config.precision,
    )
    fabric.launch()
    return fabric
