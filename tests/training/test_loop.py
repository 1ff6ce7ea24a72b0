"""The training loop on a task that can be checked by hand, and what happens after a kill."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from molgen.errors import ConfigError, MolgenWarning, OutputError, StoreError, TrainingError
from molgen.training.loop import LoopConfig, _share, fit, prefetch
from molgen.training.schedule import MovingAverage, learning_rate_factor


class Line(nn.Module):
    """Fits y = 2 x + 1 with a little dropout, so that the random state matters."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.noise = nn.Dropout(0.1)

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.noise(self.linear(batch))
        loss = (found - 2 * batch - 1).square().mean()
        return {"loss": loss, "again": loss}


class LineTask:
    def __init__(
        self, stop_at: tuple[int, int] | None = None, worse: bool = False, size: int = 8
    ) -> None:
        torch.manual_seed(3)
        self.module: nn.Module = Line()
        self.stop_at, self.worse, self.size = stop_at, worse, size
        self.epoch = self.validations = 0

    def plan(self, epoch):
        self.epoch = epoch
        generator = torch.Generator().manual_seed(epoch)
        return list(enumerate(torch.randn(6, self.size, 1, generator=generator)))

    def load(self, item):
        if self.stop_at == (self.epoch, item[0]):
            raise KeyboardInterrupt
        return item[1]

    def names(self, item):
        number, examples, *first = item
        return [f"{number}-{sum(first) + k}" for k in range(len(examples))]

    def halves(self, item):
        number, examples, *first = item
        middle = len(examples) // 2
        if not middle:
            return [item]
        start = sum(first)
        return [(number, examples[:middle], start), (number, examples[middle:], start + middle)]

    def validate(self, module, device):
        assert not module.training
        self.validations += 1
        x = torch.linspace(-1, 1, 9)[:, None]
        error = (module.linear(x) - 2 * x - 1).square().mean().item()
        return {"monitor": -float(self.validations) if self.worse else -error, "error": error}


CONFIG = LoopConfig(epochs=8, learning_rate=0.1, weight_decay=0.0, warmup=3, save_minutes=0.0)


def train(path, task, config=CONFIG, **options):
    options = {"seed": 1, "fingerprint": "f", **options}
    return fit(task, config, path, **options)


def test_it_learns_and_leaves_the_best_weights(tmp_path):
    task = LineTask()
    result = train(tmp_path / "state", task)
    assert len(result.history) == 8 and result.stopped == "epochs" and result.steps == 48
    errors = [row["val_error"] for row in result.history]
    assert errors[-1] < 0.1 * errors[0]
    assert result.best_epoch == min(range(8), key=errors.__getitem__)
    x = torch.linspace(-1, 1, 9)[:, None]
    kept = (task.module.linear(x) - 2 * x - 1).square().mean().item()
    assert kept == pytest.approx(min(errors), rel=1e-5)
    row = result.history[0]
    assert row["train_loss"] == pytest.approx(row["train_again"]) and row["steps"] == 6


@pytest.mark.parametrize("where", [(0, 4), (2, 0), (5, 3)])
def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path, where):
    whole = LineTask()
    expected = train(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "state", LineTask(stop_at=where))
    again = LineTask()
    found = train(tmp_path / "state", again, resume=True)
    for a, b in zip(whole.module.parameters(), again.module.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    drop = {"seconds"}
    plain = [{k: v for k, v in row.items() if k not in drop} for row in found.history]
    assert plain == [{k: v for k, v in row.items() if k not in drop} for row in expected.history]


def test_a_resumed_run_still_has_the_best_weights_of_before(tmp_path):
    whole, again = LineTask(worse=True), LineTask(worse=True)
    train(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "state", LineTask(stop_at=(2, 0), worse=True))
    assert train(tmp_path / "state", again, resume=True).best_epoch == 0
    assert torch.equal(whole.module.linear.weight, again.module.linear.weight)


def test_the_same_seed_the_same_weights(tmp_path):
    tasks = [LineTask() for _ in range(3)]
    for at, (task, seed) in enumerate(zip(tasks, (1, 1, 2), strict=True)):
        train(tmp_path / str(at), task, seed=seed)
    first, same, other = (task.module.linear.weight.item() for task in tasks)
    assert first == same != other


def test_more_processes_than_the_settings_say_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"2 processes were started .* loop.nodes is 1"):
        train(tmp_path / "state", LineTask())


def test_it_stops_without_progress_and_when_time_is_up(tmp_path):
    patient = LoopConfig(epochs=20, patience=3, schedule="plateau", warmup=0)
    result = train(tmp_path / "a", LineTask(worse=True), patient)
    assert result.stopped == "patience" and result.best_epoch == 0 and len(result.history) == 4
    # halved after every epoch that brought nothing (a third of the patience)
    rates = [row["learning_rate"] for row in result.history]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])
    hasty = LoopConfig(epochs=50, max_minutes=1e-9)
    assert len(train(tmp_path / "b", LineTask(), hasty).history) == 1


def test_time_runs_out_where_no_validation_gives_a_number(tmp_path):
    task = LineTask()
    task.validate = lambda module, device: {"monitor": math.nan}
    result = train(tmp_path / "state", task, LoopConfig(epochs=12, patience=1, max_minutes=1e-9))
    assert (result.stopped, len(result.history)) == ("time", 1)


def test_the_cosine_ends_with_the_time(tmp_path, monkeypatch):
    clock = iter(range(10**9))
    monkeypatch.setattr("molgen.training.loop.time.monotonic", lambda: float(next(clock)))
    config = LoopConfig(epochs=1000, max_minutes=10.0, warmup=2, final=0.05)
    rows = train(tmp_path / "state", LineTask(), config).history
    assert 10 < len(rows) < 900
    rates = [row["learning_rate"] / config.learning_rate for row in rows]
    assert rates[0] > 0.9 and rates[-1] < 0.1
    assert all(a > b for a, b in pairwise(rates))


def test_states_that_cannot_be_taken_up(tmp_path):
    path = tmp_path / "state"
    train(path, LineTask(), LoopConfig(epochs=1))
    with pytest.raises(OutputError, match="a run is under way there"):
        train(path, LineTask())
    with pytest.raises(StoreError, match="belongs to a run with other settings or data"):
        train(path, LineTask(), resume=True, fingerprint="other")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(StoreError, match="no state of a training run"):
        train(path, LineTask(), resume=True)


def small_memory(task, monkeypatch, most):
    """Let the module of a task run out of memory with more than ``most`` examples."""
    real, seen = task.module.forward, []

    def forward(batch):
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(len(batch))
        return real(batch)

    monkeypatch.setattr(task.module, "forward", forward)
    return seen


@pytest.mark.parametrize(("size", "parts", "sizes"), [(8, 4, {2}), (5, 2, {2, 3})])
def test_a_batch_too_large_for_memory_is_halved_until_it_fits(
    tmp_path, monkeypatch, size, parts, sizes
):
    whole, halved = LineTask(size=size), LineTask(size=size)
    for task in (whole, halved):
        task.module.noise.p = 0.0
    expected = train(tmp_path / "whole", whole)
    seen = small_memory(halved, monkeypatch, 3)
    message = f"step 1: out of memory; batches go on in {parts} parts"
    with pytest.warns(MolgenWarning, match=message):
        result = train(tmp_path / "halved", halved)
    assert set(seen) == sizes and result.steps == 48
    for key in ("train_loss", "val_error"):
        found, wanted = ([row[key] for row in run.history] for run in (result, expected))
        assert found == pytest.approx(wanted, rel=1e-4)


TWO_PROCESSES = """
import json, os, sys
from pathlib import Path
import pytest
sys.path.insert(0, sys.argv[1])
from test_loop import LineTask, LoopConfig, TrainingError, small_memory, spoil, train
config = LoopConfig(epochs=2, warmup=3, devices=2)
rank = os.environ["RANK"]
for most in (8, 3):
    task = LineTask()
    task.module.noise.p = 0.0
    if rank == "1":
        small_memory(task, pytest.MonkeyPatch(), most)
    train(Path(sys.argv[2]) / str(most), task, config)
    weights = json.dumps([p.item() for p in task.module.parameters()])
    (Path(sys.argv[2]) / f"weights-{most}-{rank}.json").write_text(weights)
for how in ("nan", "inf"):
    task = LineTask()
    if rank == "1":
        spoil(task, pytest.MonkeyPatch(), (1, 3), how)
    with pytest.raises(TrainingError) as caught:
        train(Path(sys.argv[2]) / how, task, config)
    (Path(sys.argv[2]) / f"{how}-{rank}.txt").write_text(str(caught.value))
"""


class JoinedTask(LineTask):
    """Takes the batches that two processes have at a time as one."""

    def plan(self, epoch):
        batches = [examples for _, examples in super().plan(epoch)]
        return [(k, torch.cat(batches[2 * k : 2 * k + 2])) for k in range(len(batches) // 2)]


def test_two_processes_train_as_one_and_may_have_less_memory(tmp_path):
    (tmp_path / "two.py").write_text(TWO_PROCESSES)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", tmp_path / "two.py", Path(__file__).parent, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "step 1: out of memory; batches go on in 4 parts" in done.stderr
    one = JoinedTask()
    one.module.noise.p = 0.0
    train(tmp_path / "one", one, LoopConfig(epochs=2, warmup=3))
    expected = [p.item() for p in one.module.parameters()]
    assert expected != [p.item() for p in LineTask().module.parameters()]
    for most in (8, 3):
        first, second = (
            json.loads((tmp_path / f"weights-{most}-{rank}.json").read_text()) for rank in (0, 1)
        )
        assert first == second == pytest.approx(expected, rel=1e-5)
    # both know whose batch it was, and that nothing of it was saved
    other = "process 1 met a loss or gradient that is no number; "
    for how, first in (("nan", f"norm of the gradient is nan, {other}"), ("inf", other)):
        told = [(tmp_path / f"{how}-{rank}.txt").read_text() for rank in (0, 1)]
        assert told[0].startswith(f"step 5, epoch 2: {first}")
        assert told[1].startswith(f"step 5, epoch 2: loss is {how}")
        assert all("holds the state of step 3" in text for text in told)
        assert all(text.endswith("3-4, 3-5, 3-6, 3-7") and "2-0" not in text for text in told)


def test_more_processes_than_batches_have_as_many_steps():
    shares = [_share([1, 2], rank, 5) for rank in range(5)]
    assert {len(share) for share in shares} == {1}
    assert {item for share in shares for item in share} == {1, 2}


def test_one_example_too_large_for_memory_ends_the_run(tmp_path, monkeypatch):
    task = LineTask()
    small_memory(task, monkeypatch, 0)
    with (
        pytest.warns(MolgenWarning, match="in 8 parts"),
        pytest.raises(TrainingError, match="one example alone does not fit .*, of: 0-0, 0-1"),
    ):
        train(tmp_path / "state", task)


def spoil(task, monkeypatch, where, how="nan"):
    """Let the loss of one batch be no number, given (epoch, number); "inf": not its gradient."""
    load, forward, spoilt = task.load, task.module.forward, []

    def damaged(item):
        here = (task.epoch, item[0]) == where
        batch = load(item) * (math.nan if here and how == "nan" else 1.0)
        if here:
            spoilt.append(batch)
        return batch

    def infinite(batch):
        losses = forward(batch)
        added = math.inf if any(batch is one for one in spoilt) else 0.0
        return {name: value + added for name, value in losses.items()}

    monkeypatch.setattr(task, "load", damaged)
    if how == "inf":
        monkeypatch.setattr(task.module, "forward", infinite)


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(tmp_path, monkeypatch, clip):
    task, path = LineTask(), tmp_path / "state"
    config = LoopConfig(epochs=8, warmup=3, save_minutes=0.0, clip=clip)
    spoil(task, monkeypatch, (2, 3))
    with pytest.raises(TrainingError) as caught:
        train(path, task, config)
    text = str(caught.value)
    assert text.startswith("step 16, epoch 3: loss is nan, again is nan, norm of the gradient is")
    assert f"{path} holds the state of step 15" in text and text.endswith("3-5, 3-6, 3-7")
    healthy = train(path, LineTask(), config, resume=True)
    assert healthy.steps == 48 and math.isfinite(healthy.history[-1]["val_error"])


def test_a_validation_that_breaks_down_names_step_and_batch(tmp_path):
    task = LineTask()

    def validate(module, device):
        torch.linalg.svd(torch.full((2, 2), math.nan))

    task.validate = validate
    message = (
        r"step 6, epoch 1: the validation fails \(.*\); .* holds the state of step 6; .* batch was "
    )
    with pytest.raises(TrainingError, match=message):
        train(tmp_path / "state", task)


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_gradient_that_is_no_number_ends_the_run(tmp_path, monkeypatch, clip):
    task = LineTask()
    real = task.module.forward

    def forward(batch):
        losses = real(batch)  # the root of zero has a value and no slope
        return losses | {"loss": losses["loss"] + (0.0 * task.module.linear.weight.sum()).sqrt()}

    monkeypatch.setattr(task.module, "forward", forward)
    message = "step 1, epoch 1: norm of the gradient is nan; no state was saved before"
    with pytest.raises(TrainingError, match=message):
        train(tmp_path / "state", task, replace(CONFIG, clip=clip))


def test_no_step_takes_a_longer_gradient_than_clip_unless_it_is_0(tmp_path, monkeypatch):
    real, norms = torch.optim.Adam.step, []

    def step(self, *given, **named):
        weights = [weight for group in self.param_groups for weight in group["params"]]
        norms.append(torch.cat([weight.grad.flatten() for weight in weights]).norm().item())
        return real(self, *given, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    for clip in (0.01, 0.0):
        train(tmp_path / str(clip), LineTask(), replace(CONFIG, clip=clip, epochs=1))
    clipped, free = norms[:6], norms[6:]
    assert max(clipped) == pytest.approx(0.01, rel=1e-3)
    assert len(free) == 6 and max(free) > 1.0


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_weight_decay_is_that_of_the_optimiser(tmp_path, monkeypatch, optimizer):
    task, rate, decay = LineTask(), 0.1, 0.5
    line = task.module.linear

    def flat(batch):
        return {"loss": 0.0 * (line.weight.sum() + line.bias.sum())}

    monkeypatch.setattr(task.module, "forward", flat)
    monkeypatch.setattr(task, "plan", lambda epoch: [(0, torch.zeros(2, 1))])
    before = line.weight.item()
    config = LoopConfig(
        epochs=1, learning_rate=rate, weight_decay=decay, optimizer=optimizer, ema=0.0, warmup=0
    )
    train(tmp_path / "state", task, config)
    # the first step of Adam has the length of the rate, whatever the gradient
    step = rate * decay * before if optimizer == "adamw" else math.copysign(rate, before)
    assert line.weight.item() == pytest.approx(before - step, rel=1e-4)


@pytest.mark.parametrize("ema", [0.9, 0.0])
def test_the_average_is_validated_and_kept_and_without_it_the_live_weights(tmp_path, ema):
    task = LineTask()
    result = train(tmp_path / "state", task, replace(CONFIG, epochs=1, ema=ema))
    saved, kept = load_file(tmp_path / "state"), task.module.linear.weight
    roles = ("average", "live") if ema else ("live", "average")
    wanted, other = (saved[f"{role}.linear.weight"] for role in roles)
    assert torch.equal(kept, wanted) and not torch.equal(kept, other)
    error = task.validate(task.module, "cpu")["error"]
    assert result.history[0]["val_error"] == pytest.approx(error)


def test_learning_rates_by_hand():
    def cosine(step):
        return learning_rate_factor("cosine", step, 110, warmup=10, final=0.1)

    assert [cosine(k) for k in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert cosine(60) == pytest.approx(0.1 + 0.9 * 0.5)  # half-way between 10 and 110
    assert cosine(110) == pytest.approx(0.1) and cosine(500) == pytest.approx(0.1)
    found = [
        learning_rate_factor("plateau", 9, 1, warmup=0, final=0.2, drops=n) for n in (0, 1, 2, 3)
    ]
    assert found == pytest.approx([1.0, 0.5, 0.25, 0.2])
    assert learning_rate_factor("constant", 10**6, 1, warmup=0, final=0.2) == 1.0


def test_the_moving_average_by_hand():
    model = nn.BatchNorm1d(1)
    average = MovingAverage(model, 0.5)
    model.weight.data.fill_(3.0)
    model.running_mean.fill_(7.0)
    average.update(model, 0)  # decay min(0.5, 1 / 10)
    assert average.model.weight.item() == pytest.approx(0.1 * 1.0 + 0.9 * 3.0)
    assert average.model.running_mean.item() == 7.0
    average.update(model, 1000)
    assert average.model.weight.item() == pytest.approx(0.5 * 2.8 + 0.5 * 3.0)


def test_prefetch_keeps_order_and_passes_errors_on():
    assert list(prefetch(range(7), lambda k: k * k)) == [k * k for k in range(7)]
    with pytest.raises(ZeroDivisionError):
        list(prefetch([1, 0, 2], lambda k: 1 / k))
    assert math.isclose(next(prefetch([4], float)), 4.0)
