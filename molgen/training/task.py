"""What `molgen.training.loop` trains: a module with its batches, which can be divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import nn

Members = TypeVar("Members", list[int], tuple[int, ...])


@runtime_checkable
class Task(Protocol):
    """What the loop trains on."""

    module: nn.Module
    """Takes a batch and returns its losses by name, "loss" among them."""

    def plan(self, epoch: int) -> Sequence[Any]:
        """Return what each batch of an epoch is made of; the same whenever it is asked."""

    def load(self, item: Any) -> Any:
        """Return a batch, with a method ``to(device)``; called in another thread."""

    def names(self, item: Any) -> list[str]:
        """Return the ids of what a batch is made of."""

    def halves(self, item: Any) -> Sequence[Any]:
        """Return two items that together are this one; of one example only itself."""

    def validate(self, module: nn.Module, device: torch.device) -> dict[str, float]:
        """Return metrics; the one called "monitor" is to rise."""


@dataclass(frozen=True)
class Piece:
    """A part of a batch, the whole of it where memory allows.

    Attributes:
        item: what it is made of.
        batch: what the module takes.
    """

    item: Any
    batch: Any


def divided(task: Task, items: list[Any], parts: int) -> list[Any]:
    """Return items halved until there are ``parts`` of them or none can be halved."""
    while len(items) < parts:
        halves = [half for item in items for half in task.halves(item)]
        if len(halves) == len(items):
            break
        items = halves
    return items


def halved(members: Members) -> list[Members]:
    """Return the two halves of a sequence, or only itself if it has one member."""
    middle = len(members) // 2
    return [members[:middle], members[middle:]] if middle else [members]


def seeded_halves(members: Members, seed: int) -> list[tuple[Members, int]]:
    """Return the halves with a seed each; among halves of halves no seed comes twice."""
    return [(part, 2 * seed + 1 + k) for k, part in enumerate(halved(members))]


def packed(order: Sequence[int], sizes: Sequence[int] | np.ndarray, most: int) -> list[list[int]]:
    """Return ``order`` cut into batches that are padded to at most ``most``, longer ones alone."""
    batches: list[list[int]] = []
    largest = 0
    for k in order:
        largest = max(largest, int(sizes[k]))
        if not batches or (len(batches[-1]) + 1) * largest > most:
            batches.append([])
            largest = int(sizes[k])
        batches[-1].append(k)
    return batches
