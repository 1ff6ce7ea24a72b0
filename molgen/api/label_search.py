"""Poses of known complexes with their labels: one complex after the other, or many on a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from molgen.api.pose_output import pose_molecule
from molgen.config import limited
from molgen.datasets.pdbbind import RawEntry
from molgen.datasets.workers import usable_cpus, worker_pool
from molgen.errors import LigandError, MolgenError
from molgen.io import read_ligand, read_protein
from molgen.metrics import ligand_rmsd
from molgen.scoring.pose_features import TERMS
from molgen.scoring.validity import check_poses
from molgen.search.samplers import SamplerSettings
from molgen.search.search_sampler import SearchSampler, search_together
from molgen.search.settings import SearchSettings
from molgen.structure import Ligand, Pocket, Poses, Protein

_FAILURES = (MolgenError, RuntimeError, ValueError)
"""What odd complexes raise; the next one goes on."""


@dataclass(frozen=True)
class LabelConfig:
    """Settings of a labelling run; the search is light because decoys need not be exhaustive.

    Attributes:
        seed: of the choice and order of entries, of the pocket jitter and the search.
        limit: entries to label, chosen at random; 0 takes all.
        max_atoms: heavy atoms above which a ligand is left out.
        num_poses: distinct minima kept per entry.
        native_poses: minima kept that start at the crystal pose.
        jitter: Å; the box centre is moved by up to this along each axis.
        edge: Å, of the box.
        checks: whether PoseBusters judges every pose.
        search: of the sampler.
    """

    seed: int = limited(0, min=0)
    limit: int = limited(0, min=0)
    max_atoms: int = limited(50, min=1)
    num_poses: int = limited(60, min=2)
    native_poses: int = limited(4, min=0)
    jitter: float = limited(3.0, min=0.0)
    edge: float = limited(22.5, min=10.0, max=60.0)
    checks: bool = True
    search: SearchSettings = SearchSettings(
        potential=None,
        conformers=8,
        num_starts=1024,
        num_chains=64,
        rounds=1,
        steps=25,
        steps_per_torsion=2,
    )


class Label(NamedTuple):
    """What is known of the poses of one complex.

    Attributes:
        tensors: coords (poses, atoms, 3) Å, rmsd (poses,) Å, is_native (poses,), terms (poses,
            terms) kcal/mol in the order of `TERMS`, passed (poses, checks); crystal_coords,
            crystal_terms and crystal_passed are of the crystal pose as it is.
        checks: PoseBusters' names of the columns of ``passed``.
    """

    tensors: dict[str, np.ndarray]
    checks: list[str]


class Made(NamedTuple):
    """An entry with its label, or the reason why there is none, and the seconds spent on it."""

    entry: RawEntry
    label: Label | str
    seconds: float


class _Case(NamedTuple):
    """A complex that is ready for the search."""

    protein: Protein
    ligand: Ligand
    sampler: SearchSampler


def labelled(
    entries: Sequence[RawEntry], config: LabelConfig, device: str, together: int
) -> Iterator[Made]:
    """Yield what becomes of every entry, in order.

    Args:
        device: "cpu" or "cuda[:N]".
        together: complexes searched at once on a GPU.

    Raises:
        StoreError: a worker process died.
    """
    if device != "cpu":
        yield from label_together(entries, config, device, together)
        return
    for entry in entries:
        start = time.perf_counter()
        case = _case_or_reason(entry, config)
        label = case if isinstance(case, str) else _label_or_reason(case, None, config)
        yield Made(entry, label, time.perf_counter() - start)


def label_together(
    entries: Sequence[RawEntry], config: LabelConfig, device: str, together: int
) -> Iterator[Made]:
    """Search batches on a device while other processes prepare the next and judge the last."""
    batches = [entries[k : k + together] for k in range(0, len(entries), together)]
    with worker_pool(min(together, usable_cpus())) as pool:

        def opened(number: int) -> list[Future[_Case | str]]:
            batch = batches[number] if number < len(batches) else []
            return [pool.submit(_case_or_reason, entry, config) for entry in batch]

        ahead = opened(0)
        last: list[tuple[RawEntry, Future[Label | str], float]] = []
        for number, batch in enumerate(batches):
            cases, ahead = [future.result() for future in ahead], opened(number + 1)
            start = time.perf_counter()
            ready = [case for case in cases if not isinstance(case, str)]
            minima = iter(_searched(ready, config.seed, device))
            seconds = (time.perf_counter() - start) / len(batch)
            yield from (Made(entry, future.result(), spent) for entry, future, spent in last)
            found = [case if isinstance(case, str) else next(minima) for case in cases]
            last = [
                (entry, pool.submit(_label_or_reason, case, coords, config), seconds)
                for entry, case, coords in zip(batch, cases, found, strict=True)
            ]
        yield from (Made(entry, future.result(), spent) for entry, future, spent in last)


def _searched(cases: Sequence[_Case], seed: int, device: str) -> list[np.ndarray | str]:
    """Return the minima of every case or a reason; fewer at a time where they do not fit."""
    import torch

    if not cases:
        return []
    try:
        return [*search_together([(case.sampler, case.ligand) for case in cases], seed, device)]
    except torch.OutOfMemoryError:
        reason = "the search does not fit into the memory of the GPU"
    except MolgenError as error:
        reason = _reason(error)
    # outside of the handler: its traceback would keep the tensors alive
    torch.cuda.empty_cache()
    if len(cases) == 1:
        return [reason]
    half = len(cases) // 2
    return _searched(cases[:half], seed, device) + _searched(cases[half:], seed, device)


def _case_or_reason(entry: RawEntry, config: LabelConfig) -> _Case | str:
    """Return an entry with its conformers and grids, or why it has none."""
    try:
        return _opened(entry, config)
    except _FAILURES as error:
        return _reason(error)


def _label_or_reason(
    case: _Case | str, minima: np.ndarray | str | None, config: LabelConfig
) -> Label | str:
    """Return the label of a case, or why there is none; without ``minima`` they are searched."""
    if isinstance(case, str) or isinstance(minima, str):
        return case if isinstance(case, str) else str(minima)
    try:
        return _label(case, minima, config)
    except _FAILURES as error:
        return _reason(error)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())


def searched_box(name: str, ligand: Ligand, config: LabelConfig) -> Pocket:
    """Return the box in which a complex is searched, its centre moved off the crystal ligand's."""
    rng = np.random.default_rng([config.seed, *name.encode()])
    shift = rng.uniform(-config.jitter, config.jitter, 3)
    return Pocket(ligand.coords.mean(axis=0) + shift, np.full(3, config.edge), "jittered")


def _opened(entry: RawEntry, config: LabelConfig) -> _Case:
    if entry.protein is None or entry.ligand is None:
        raise LigandError("protein or ligand file missing")
    protein, ligand = read_protein(entry.protein), read_ligand(entry.ligand)
    if ligand.num_atoms > config.max_atoms:
        raise LigandError(f"{ligand.num_atoms} heavy atoms, more than {config.max_atoms}")
    pocket = searched_box(entry.id, ligand, config)
    sampler = SearchSampler(protein, pocket, SamplerSettings(search=config.search))
    sampler.prepare(ligand, config.seed)
    return _Case(protein, ligand, sampler)


def _label(case: _Case, minima: np.ndarray | None, config: LabelConfig) -> Label:
    """Return the found poses, the native minima and the crystal pose with what is known of them."""
    protein, ligand, sampler = case
    seed, native = config.seed, ligand.coords[None].astype(np.float64)
    if minima is None:
        parts = [sampler.sample(ligand, config.num_poses, seed)]
    else:
        parts = [sampler.finish(ligand, minima, config.num_poses, seed)]
    if config.native_poses:
        parts.append(sampler.refine(ligand, native, seed, config.native_poses))
    parts.append(sampler.rescore(ligand, native, seed))
    coords = np.concatenate([part.coords for part in parts])
    tensors = {
        "coords": coords.astype(np.float32),
        "rmsd": np.asarray(ligand_rmsd(ligand.mol, coords)).astype(np.float32),
        "is_native": np.arange(len(coords)) >= len(parts[0]),
        "terms": np.concatenate([_terms(part) for part in parts]).astype(np.float32),
    }
    checks: list[str] = []
    if config.checks:
        mols = [pose_molecule(ligand, xyz) for xyz in coords]
        verdicts = check_poses(mols, protein, ligand)
        checks = list(dict.fromkeys(name for verdict in verdicts for name in verdict.checks))
        passed = [[verdict.checks.get(name, False) for name in checks] for verdict in verdicts]
        tensors["passed"] = np.array(passed, dtype=bool)
    crystal = {f"crystal_{name}": values[-1:] for name, values in tensors.items()
               if name not in ("rmsd", "is_native")}  # fmt: skip
    return Label({name: values[:-1] for name, values in tensors.items()} | crystal, checks)


def _terms(poses: Poses) -> np.ndarray:
    return np.stack([poses.terms[name] for name in TERMS], axis=1)
