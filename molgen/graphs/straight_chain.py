"""The straight chains of a ligand: atoms in a line, as those of an alkyne are."""

from __future__ import annotations

from collections.abc import Sequence


def straight_chain(
    neighbours: Sequence[Sequence[int]], straight: Sequence[bool], a: int, b: int
) -> list[int]:
    """Return the atoms of the line through the bond a-b, from beyond a to beyond b.

    The two ends bend (or end the molecule), all atoms between them are straight: ``[a, b]`` where
    neither is.

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
