"""Walks along the bonds of a ligand: straight chains, and what hangs together."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def straight_chain(
    neighbours: Sequence[Sequence[int]], straight: Sequence[bool], a: int, b: int
) -> list[int]:
    """Return the atoms of the line through the bond a-b, from beyond a to beyond b.

    Those of an alkyne are in a line. The two ends bend (or end the molecule), all atoms between
    them are straight: ``[a, b]`` where neither is.

    Args:
        neighbours: of every atom.
        straight: whether the two bonds of an atom lie in a line.
    """
    line = [a, b]
    for forward in (True, False):
        last, before = (b, a) if forward else (a, b)
        while straight[last]:
            (after,) = (n for n in neighbours[last] if n != before)
            if after in line:  # a ring of straight atoms
                break
            line.insert(len(line) if forward else 0, after)
            last, before = after, last
    return line


def reachable(
    neighbours: Sequence[Sequence[int]], start: int, cut: Collection[frozenset[int]]
) -> list[int]:
    """Return the atoms that bonds join with ``start`` when the bonds ``cut`` are away."""
    seen = {start}
    stack = [start]
    while stack:
        atom = stack.pop()
        for other in neighbours[atom]:
            if other not in seen and frozenset((atom, other)) not in cut:
                seen.add(other)
                stack.append(other)
    return list(seen)
