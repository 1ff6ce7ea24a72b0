"""Finding the metals, cofactors and ligands of a structure, and which may be the ligand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from molgen.errors import LigandError
from molgen.io.atom_table import ParsedFile
from molgen.structure.assembly import HeteroGroup, Structure
from molgen.structure.protein import Protein
from molgen.vocabulary import ADDITIVES, COFACTORS, METALS, SUGARS

COVALENT_CUTOFF = 1.9
"""Distance in Å below which two non-metal heavy atoms of different residues are bonded."""

DISULFIDE_CUTOFF = 2.4
"""The same for sulfur and selenium among each other; S-S bonds are 2.05 Å long, Se-Se 2.35 Å."""

MIN_LIGAND_ATOMS = 6
"""Heavy atoms a co-crystal ligand has at least."""


def find_groups(protein: Protein, parsed: ParsedFile) -> tuple[tuple[HeteroGroup, ...], list[str]]:
    """Return the hetero groups in file order with their roles, and notes about them."""
    groups = [
        HeteroGroup(
            residue=residue,
            code=code,
            atoms=np.arange(atoms.start, atoms.stop),
            bonds=parsed.bonds.get(code, ()),
            charges=parsed.charges.get(code, ()),
        )
        for residue, code, atoms in protein.residues()
        if protein.hetero[atoms.start]
    ]
    if not groups:
        return (), []
    bonded, neighbours = _bonds_between(protein, groups, parsed)
    anchored = _reachable(bonded, neighbours)
    notes: list[str] = []
    typed = []
    for index, group in enumerate(groups):
        candidate = _is_candidate(protein, group)
        if group.code in SUGARS and index in anchored:
            candidate = False
        joined = sorted(neighbours[index])
        if candidate and joined and group.code not in SUGARS and index not in bonded:
            notes.append(f"{group} is bonded to {groups[joined[0]]}: a part of a larger ligand")
        candidate = candidate and not joined
        partners = tuple(groups[other].residue for other in joined)
        typed.append(
            replace(group, is_ligand=candidate, covalent=index in bonded, partners=partners)
        )
    typed, more = _with_stand_ins(protein, typed)
    return tuple(typed), notes + more


def _is_candidate(protein: Protein, group: HeteroGroup) -> bool:
    """Return whether a group could be a drug-like ligand by what it is made of."""
    return group.code not in ADDITIVES | COFACTORS and _is_organic(protein, group)


def _is_organic(protein: Protein, group: HeteroGroup) -> bool:
    elements = set(protein.elements[group.atoms].tolist())
    return len(group.atoms) >= MIN_LIGAND_ATOMS and "C" in elements and not elements & METALS


def _with_stand_ins(
    protein: Protein, groups: list[HeteroGroup]
) -> tuple[list[HeteroGroup], list[str]]:
    """Mark the cofactors of a structure without ligand that may be re-posed instead of one."""
    if any(group.is_ligand for group in groups):
        return groups, []
    allowed = [
        group.code in COFACTORS and _is_organic(protein, group) and not group.covalent
        for group in groups
    ]
    if not any(allowed):
        return groups, []
    codes = sorted({g.code for g, ok in zip(groups, allowed, strict=True) if ok})
    return [replace(g, stand_in=ok) for g, ok in zip(groups, allowed, strict=True)], [
        f"no ligand found: cofactor {', '.join(codes)} is what can be re-posed"
    ]


def _bonds_between(
    protein: Protein, groups: list[HeteroGroup], parsed: ParsedFile
) -> tuple[set[int], dict[int, set[int]]]:
    """Return the groups bonded to the polymer, and for each group those it is bonded to."""
    owner = np.full(len(protein), -1)
    for index, group in enumerate(groups):
        owner[group.atoms] = index
    usable = ~np.isin(protein.elements, sorted(METALS))
    bonded: set[int] = set()
    neighbours: dict[int, set[int]] = {index: set() for index in range(len(groups))}
    for first, second in [
        *_close_pairs(protein, owner, usable),
        *_declared_pairs(protein, parsed, usable),
    ]:
        one, two = int(owner[first]), int(owner[second])
        if one == two:
            continue
        if min(one, two) == -1:
            bonded.add(max(one, two))
        else:
            neighbours[one].add(two)
            neighbours[two].add(one)
    return bonded, neighbours


def _close_pairs(protein: Protein, owner: np.ndarray, usable: np.ndarray) -> list[tuple[int, int]]:
    """Return atom pairs of different owners at bonding distance; single-atom groups left out."""
    sizes = np.bincount(owner[owner >= 0])
    mine = np.flatnonzero(usable & (owner >= 0) & (sizes[owner] > 1))
    if not len(mine):
        return []
    polymer = np.flatnonzero(~protein.hetero & usable)
    pairs = _bonding(protein, polymer, mine)
    between: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for first, second in _bonding(protein, mine, mine):
        one, two = int(owner[first]), int(owner[second])
        if one < two:  # every pair comes twice
            between.setdefault((one, two), []).append((first, second))
    # More contacts than a linkage has: two groups that overlap, not a bond.
    return pairs + [contacts[0] for contacts in between.values() if len(contacts) <= 2]


def _bonding(protein: Protein, ours: np.ndarray, theirs: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs of atoms, one of either set of indices, at bonding distance."""
    trees = [cKDTree(protein.coords[atoms]) for atoms in (ours, theirs)]
    near = trees[0].sparse_distance_matrix(trees[1], DISULFIDE_CUTOFF, output_type="ndarray")
    first, second = ours[near["i"]], theirs[near["j"]]
    sulfur = np.isin(protein.elements, ("S", "Se"))
    limit = np.where(sulfur[first] & sulfur[second], DISULFIDE_CUTOFF, COVALENT_CUTOFF)
    bonded = (near["v"] <= limit) & (first != second)
    return list(zip(first[bonded].tolist(), second[bonded].tolist(), strict=True))


def _declared_pairs(
    protein: Protein, parsed: ParsedFile, usable: np.ndarray
) -> list[tuple[int, int]]:
    """Return the non-metal atom pairs of LINK records or ``_struct_conn``."""
    if not parsed.links:
        return []
    columns = zip(
        protein.chains.tolist(),
        protein.residue_numbers.tolist(),
        protein.insertion_codes.tolist(),
        protein.atom_names.tolist(),
        strict=True,
    )
    where = {address: index for index, address in enumerate(columns)}
    pairs = [(where.get(first), where.get(second)) for first, second in parsed.links]
    return [(a, b) for a, b in pairs if a is not None and b is not None and usable[a] and usable[b]]


def _reachable(bonded: set[int], neighbours: dict[int, set[int]]) -> set[int]:
    """Return the groups tied to the polymer directly or through other groups."""
    reached, queue = set(bonded), list(bonded)
    while queue:
        for other in neighbours[queue.pop()] - reached:
            reached.add(other)
            queue.append(other)
    return reached


_SPEC = re.compile(
    r"^(?:(?P<code>[A-Za-z0-9+-]{1,5}):)?(?P<chain>[^:]*):(?P<number>-?\d+)(?P<icode>[A-Za-z]?)$"
)


def find_group(structure: Structure, text: str) -> HeteroGroup:
    """Return the group meant by ``CODE``, ``CODE:CHAIN:NUM`` or ``CHAIN:NUM``.

    A code that several groups carry means the first in the file.

    Raises:
        LigandError: no group fits; the message lists the groups there are.
    """
    wanted = text.strip()
    match = _SPEC.match(wanted)
    for group in structure.groups:
        if match is None:
            if group.code.upper() == wanted.upper():
                return group
            continue
        residue = group.residue
        here = (residue.chain, residue.number, residue.insertion_code)
        there = (match["chain"], int(match["number"]), match["icode"])
        if here == there and (match["code"] or group.code).upper() == group.code.upper():
            return group
    raise LigandError(
        f"{structure.name}: no group {wanted!r}; expected CODE, CODE:CHAIN:NUM or CHAIN:NUM of "
        f"one of: {list_groups(structure)}"
    )


def list_groups(structure: Structure) -> str:
    """Return the groups as ``CODE:CHAIN:NUM`` text for messages."""
    shown = [f"{group.code}:{group.residue}" for group in structure.groups]
    if not shown:
        return "none (the file has no hetero groups)"
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
