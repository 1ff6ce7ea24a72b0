"""Measure how fast SIDEGEN trains and samples on a device.

    python workflows/sidegen/speed.py STORE [--device cuda] [--model CHECKPOINT] [--atoms 2048]

Prints one JSON object: noisy poses per second of training (forward, backward, optimiser step) in
batches of so many ligand atoms, seconds for 40 poses of ligands with about 30 heavy atoms, target
encoding included, the operations that one step of the sampler starts on the device (on a GPU they
are what it waits for), and seconds for the encoding alone by each target encoder (random weights,
default options); medians over complexes after one warm-up each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from molgen.datasets.store import Store
from molgen.diffusion.model import SidegenModel, load_sidegen
from molgen.diffusion.network import Sidegen, SidegenConfig
from molgen.diffusion.sampling import Denoiser, SamplingConfig, sample
from molgen.encoders.registry import TARGET_ENCODERS
from molgen.training.pose_data import PoseBatch, PoseData, PoseSampling
from molgen.training.poses import PoseLossModule, PoseTraining


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", help="checkpoint; default: random weights")
    parser.add_argument("--poses", type=int, default=40)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--atoms", type=int, default=PoseSampling().atoms, help="of a batch")
    options = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    model = load_sidegen(options.model) if options.model else SidegenModel()
    model.to(options.device)
    store = Store(options.store)
    store.ids = store.ids[:400]
    data = PoseData([store], model.pocket)
    print(
        json.dumps(
            {
                "device": options.device,
                "threads": torch.get_num_threads(),
                "training_poses_per_second": training(model, data, options),
                "sampling_seconds": sampling(model, data, options),
                "operations_of_a_step": operations(model, data, options.device),
                "encoding_seconds": {
                    name: encoding(name, data, options) for name in sorted(TARGET_ENCODERS)
                },
                "poses": options.poses,
                "steps": options.steps,
            },
            indent=2,
        )
    )


def training(model: SidegenModel, data: PoseData, options: argparse.Namespace) -> float:
    """Return noisy poses per second, median over batches."""
    settings = PoseTraining(sampling=PoseSampling(atoms=options.atoms))
    module = PoseLossModule(model, settings.loss, settings.sampling.poses).to(options.device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)
    plan = data.plan(data.positions(data.ids, settings.sampling), settings.sampling, 0)
    rates = []
    for k, item in enumerate([*plan, *plan][: options.batches + 2]):
        batch = data.batch(*item, settings.sampling).to(options.device)
        wait(options.device)
        start = time.perf_counter()
        with torch.autocast(options.device.split(":")[0], dtype=torch.bfloat16):
            loss = module(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wait(options.device)
        if k >= 2:
            poses = len(item[0]) * settings.sampling.poses
            rates.append(poses / (time.perf_counter() - start))
    return round(statistics.median(rates), 1)


def sampling(model: SidegenModel, data: PoseData, options: argparse.Namespace) -> float:
    """Return seconds for the poses of one ligand, median over five complexes."""
    model.eval()

    def draw(batch: PoseBatch) -> None:
        with torch.no_grad():
            target = model.network.encode(batch.target)
        start_poses = batch.coords[:, None].expand(-1, options.poses, -1, -1)
        sample(
            model, start_poses, batch.ligand, target, SamplingConfig(steps=options.steps),
            torch.Generator().manual_seed(0),
        )  # fmt: skip

    return round(timed(draw, data, options.device), 3)


class Operations(TorchDispatchMode):
    """Counts what is computed on a device; views cost nothing."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.count = torch.device(device).type, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        first = found[0] if isinstance(found, tuple | list) else found
        if isinstance(first, torch.Tensor) and first.device.type == self.device:
            self.count += not function.is_view
        return found


@torch.no_grad()
def operations(model: SidegenModel, data: PoseData, device: str) -> dict[str, int]:
    """Return how many operations one estimate and one move of the poses take on the device."""
    model.eval()
    batch = data.batch([0], "rigid-torsion", 0, PoseSampling()).to(device)
    target = model.network.encode(batch.target)
    walk = Denoiser(model, batch.ligand, target, SamplingConfig())
    generator = torch.Generator().manual_seed(0)
    poses = walk.start(batch.coords[:, None].expand(-1, 2, -1, -1), generator)
    with Operations(device) as estimate:
        clean = walk.estimate(poses, 5)
    with Operations(device) as move:
        walk.advance(poses, clean, 5, generator)
    return {"estimate": estimate.count, "move": move.count}


@torch.no_grad()
def encoding(name: str, data: PoseData, options: argparse.Namespace) -> float:
    """Return seconds that an encoder takes for one target, median over five complexes."""
    network = Sidegen(SidegenConfig(encoder=name)).to(options.device).eval()
    return round(timed(lambda batch: network.encode(batch.target), data, options.device), 4)


def timed(work: Callable[[PoseBatch], object], data: PoseData, device: str) -> float:
    """Return seconds for a complex, median over five with ligands of about 30 heavy atoms.

    Everything is done twice, and the second time counts.
    """
    seconds = []
    for k in [k for k in range(len(data.ids)) if 29 <= data.sizes[k] <= 31][:5]:
        batch = data.batch([k], "rigid-torsion", 0, PoseSampling()).to(device)
        for _ in range(2):
            wait(device)
            start = time.perf_counter()
            work(batch)
            wait(device)
            last = time.perf_counter() - start
        seconds.append(last)
    return statistics.median(seconds)


def wait(device: str) -> None:
    """Wait for the device to finish."""
    if device != "cpu":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
