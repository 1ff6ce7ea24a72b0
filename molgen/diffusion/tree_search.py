"""Tree search: Diffusion Tree Sampling (Jain et al., arXiv 2506.20701), many leaves at a time.

The states of a walk at some steps are nodes of a tree, its poses the leaves. The value of a node is
the soft mean of its children's, V = ln mean exp(V_child), leaves having r = -E / temperature: an
estimate of ln E[exp(r(x_0))] over what the model would draw from that state. A new walk descends
from the root to children drawn in proportion to exp(V), branches where a node has been visited
often enough for another child (progressive widening), runs to its end and hands its reward back.

At a finite budget values are low: a branch that came out badly by chance is not looked at again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from molgen.diffusion.inference import Verifier, Walk, log_mean_exp, uniform
from molgen.search.settings import InferenceSettings

WIDENING = 0.6
"""A node visited n times has at most n^WIDENING children: late, cheap branches come first."""
WORST = -1e6
"""Reward of a pose without a finite energy."""


@dataclass(eq=False)
class Node:
    """A state on the way.

    Attributes:
        step: of the sampler; -1 is the root, the number of steps a leaf.
        coords: (atoms, 3) Å.
        value: soft value; of a leaf its reward.
    """

    step: int
    coords: Tensor | None
    parent: Node | None
    children: list[Node] = field(default_factory=list)
    visits: int = 0
    value: float = 0.0

    def path(self) -> list[Node]:
        """Return the nodes from this one to the root."""
        return [self, *(self.parent.path() if self.parent else [])]


def grow_tree(
    walk: Walk,
    start: Float[Tensor, "1 poses atoms 3"],
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the leaves of lowest energy after so many evaluations as ``budget`` allows."""
    root = explore(walk, start, verify, settings, generator)
    leaves = sorted(leaves_of(root), key=lambda leaf: -leaf.value)[: start.shape[1]]
    coords = torch.stack([leaf.coords for leaf in leaves if leaf.coords is not None])[None]
    values = [-leaf.value * settings.temperature for leaf in leaves]
    return coords, torch.tensor(values, dtype=coords.dtype, device=coords.device)


def explore(
    walk: Walk,
    start: Float[Tensor, "1 poses atoms 3"],
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> Node:
    """Return the root of the tree; its first children are the noises of ``start``."""
    count, steps = start.shape[1], len(walk.levels)
    root = Node(-1, None, None)
    noises = walk.start(start, generator)
    begun = [Node(0, coords, root, visits=1) for coords in noises[0]]
    root.children, root.visits = list(begun), count
    allowed = walk.evaluations + settings.budget * count * steps
    _walk(begun, walk, verify, settings, generator)
    while True:
        room = allowed - walk.evaluations
        branches: list[Node] = []
        while len(branches) < count:
            node = descend(root, settings.interval, steps, generator)
            room -= steps - node.step
            if room < 0:
                break
            branches.append(node)
        if not branches:
            return root
        _walk(branches, walk, verify, settings, generator)


def descend(root: Node, interval: int, steps: int, generator: torch.Generator) -> Node:
    """Return the node that the next walk branches from; every node on the way is visited."""
    node = root
    node.visits += 1
    while True:
        if node.step >= 0 and len(node.children) < int(node.visits**WIDENING):
            return node
        onward = [child for child in node.children if child.step < steps]
        if not onward:
            return node
        node = onward[_drawn([child.value for child in onward], generator)]
        node.visits += 1


def _drawn(values: list[float], generator: torch.Generator) -> int:
    """Return a position, drawn in proportion to exp(value)."""
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    point = uniform(1, generator)[0] * sum(weights)
    for position, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return position
    return len(values) - 1


def _walk(
    nodes: list[Node],
    walk: Walk,
    verify: Verifier,
    settings: InferenceSettings,
    generator: torch.Generator,
) -> None:
    """Walk from nodes to leaves, add what is passed to the tree and hand the rewards back.

    Walks that begin later join when the others have come to their step.
    """
    steps = len(walk.levels)
    waiting = sorted(nodes, key=lambda node: node.step)
    tips: list[Node] = []
    states: list[Tensor] = []
    for step in range(steps):
        while waiting and waiting[0].step == step:
            node = waiting.pop(0)
            assert node.coords is not None
            tips.append(node)
            states.append(node.coords)
        if not tips:
            continue
        noisy = torch.stack(states)[None]
        moved = walk.advance(noisy, walk.estimate(noisy, step), step, generator)
        states = list(moved[0])
        if (step + 1) % settings.interval == 0 or step + 1 == steps:
            for place, coords in enumerate(states):
                child = Node(step + 1, coords, tips[place], visits=1)
                tips[place].children.append(child)
                tips[place] = child
    rewards = (-verify(torch.stack(states)) / settings.temperature).tolist()
    for leaf, reward in zip(tips, rewards, strict=True):
        leaf.value = max(reward, WORST) if math.isfinite(reward) else WORST
        for node in leaf.path()[1:]:
            node.value = log_mean_exp([child.value for child in node.children])


def leaves_of(node: Node) -> list[Node]:
    """Return all leaves below a node."""
    if not node.children:
        return [node]
    return [leaf for child in node.children for leaf in leaves_of(child)]
