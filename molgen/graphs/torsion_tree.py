"""The ligand as rigid fragments joined by rotatable bonds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from molgen.errors import LigandError
from molgen.graphs.atom_types import ligand_types
from molgen.graphs.bond_walks import reachable, straight_chain
from molgen.graphs.contact_types import ligand_contacts

_AMIDE = Chem.MolFromSmarts("[NX3]-[CX3]=[O,N,S]")
_TERTIARY_AMIDE = Chem.MolFromSmarts("[NX3]([!#1])([!#1])-[CX3]=[O,N,S]")
_TRIPLE = Chem.MolFromSmarts("[*]-[*]#[*]")


@dataclass(frozen=True)
class TorsionTree:
    """Topology of a flexible ligand, atoms renumbered so that every moving part is a range.

    Attributes:
        order: (atoms,) index in the molecule of every tree atom.
        types: (atoms,) uint8 docking types, tree order.
        contacts: (atoms,) uint8 contact types, tree order.
        axis: (torsions, 2) tree atoms of each rotatable bond, the second one moves; parents come
            before children.
        span: (torsions, 2) half-open range of the tree atoms that move with each torsion.
        lines: tree atoms on the axis of each torsion, in order: its two ends, and across an
            alkyne all atoms of the straight chain.
        pairs: (pairs, 2) tree atoms more than three bonds apart whose distance a torsion changes.
        rotors: number of rotors of the Vina rotor term (halves for hydroxyls and amines).
    """

    order: np.ndarray
    types: np.ndarray
    contacts: np.ndarray
    axis: np.ndarray
    span: np.ndarray
    lines: tuple[tuple[int, ...], ...]
    pairs: np.ndarray
    rotors: float

    @property
    def num_atoms(self) -> int:
        """Number of heavy atoms."""
        return len(self.order)

    @property
    def num_torsions(self) -> int:
        """Number of rotatable bonds between heavy atoms."""
        return len(self.axis)


def build_torsion_tree(mol: Chem.Mol) -> TorsionTree:
    """Return the torsion tree of a molecule without explicit hydrogens.

    The root is the largest rigid fragment. Rings, double bonds and amides (see `active_bonds`) are
    rigid; other ring and amide forms come from several start conformers. What stands at the two
    ends of an alkyne turns against each other, but is no rotor to Vina.

    Raises:
        LigandError: an element without docking type.
    """
    types = ligand_types(mol)
    active = active_bonds(mol)
    hinges = {bond for bond in active if all(mol.GetAtomWithIdx(i).GetDegree() > 1 for i in bond)}
    neighbours = [[n.GetIdx() for n in atom.GetNeighbors()] for atom in mol.GetAtoms()]
    straight = [_is_straight(atom) for atom in mol.GetAtoms()]
    hinges |= _alkyne_hinges(mol, neighbours, straight)
    fragment = _fragments(neighbours, hinges)
    members: dict[int, list[int]] = {}
    for atom, label in enumerate(fragment):
        members.setdefault(int(label), []).append(atom)

    order: list[int] = []
    axis: list[tuple[int, int]] = []
    span: list[list[int]] = []

    def branches(label: int, origin: int) -> Iterator[tuple[int, int]]:
        for atom in members[label]:
            for other in neighbours[atom]:
                if other != origin and frozenset((atom, other)) in hinges:
                    yield atom, other

    root = max(members, key=lambda label: (len(members[label]), -label))
    order.extend(members[root])
    path = [(branches(root, -1), -1)]  # depth first, with the torsion that led there
    while path:
        ahead, torsion = path[-1]
        if step := next(ahead, None):
            path.append((branches(int(fragment[step[1]]), step[0]), len(axis)))
            axis.append(step)
            span.append([len(order), 0])
            order.extend(members[int(fragment[step[1]])])
        else:
            path.pop()
            if torsion >= 0:
                span[torsion][1] = len(order)
    if len(order) < mol.GetNumAtoms():
        raise LigandError(f"{Chem.MolToSmiles(mol)}: several fragments; expected one molecule")
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    tree_axis = position[np.array(axis, dtype=np.int64).reshape(-1, 2)]
    tree_span = np.array(span, dtype=np.int64).reshape(-1, 2)
    lines = tuple(
        tuple(int(position[atom]) for atom in straight_chain(neighbours, straight, *ends))
        for ends in axis
    )
    distance = Chem.GetDistanceMatrix(mol)[np.ix_(order, order)]
    return TorsionTree(
        order=np.array(order, dtype=np.int64),
        types=types[order],
        contacts=ligand_contacts(mol)[order],
        axis=tree_axis,
        span=tree_span,
        lines=lines,
        pairs=_moving_pairs(distance, lines, tree_span),
        rotors=_count_rotors(mol, active),
    )


def active_bonds(mol: Chem.Mol) -> set[frozenset[int]]:
    """Return the heavy-atom bonds that turn, including those that turn polar hydrogens only.

    The rules are those of Meeko's default preparation: acyclic single bonds, no amides or
    amidines (tertiary amides with different substituents do turn), nothing next to a triple bond,
    and at least one more atom (a polar hydrogen counts) on both sides.
    """
    frozen = {frozenset((m[0], m[1])) for m in mol.GetSubstructMatches(_AMIDE)}
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False))
    for nitrogen, first, second, carbon, _ in mol.GetSubstructMatches(_TERTIARY_AMIDE):
        if ranks[first] != ranks[second]:
            frozen.discard(frozenset((nitrogen, carbon)))
    frozen |= {frozenset((m[0], m[1])) for m in mol.GetSubstructMatches(_TRIPLE)}

    def turns_something(atom: Chem.Atom) -> bool:
        polar = atom.GetSymbol() in ("N", "O", "S", "P") and atom.GetTotalNumHs() > 0
        return atom.GetDegree() > 1 or polar

    active = set()
    for bond in mol.GetBonds():
        ends = frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
        if bond.GetBondType() != Chem.BondType.SINGLE or bond.IsInRing() or ends in frozen:
            continue
        if turns_something(bond.GetBeginAtom()) and turns_something(bond.GetEndAtom()):
            active.add(ends)
    return active


def _count_rotors(mol: Chem.Mol, active: set[frozenset[int]]) -> float:
    """Vina's rotor count: each end whose partner has other heavy neighbours adds one half."""
    ends = [mol.GetAtomWithIdx(index) for bond in active for index in bond]
    return 0.5 * sum(atom.GetDegree() > 1 for atom in ends)


def _alkyne_hinges(
    mol: Chem.Mol, neighbours: list[list[int]], straight: list[bool]
) -> set[frozenset[int]]:
    """Return one bond of every straight chain that has heavy atoms beyond both ends."""
    hinges: dict[frozenset[int], frozenset[int]] = {}
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if straight[ends[0]] == straight[ends[1]] or bond.IsInRing():
            continue
        line = straight_chain(neighbours, straight, *ends)
        if all(len(neighbours[atom]) > 1 for atom in (line[0], line[-1])):
            hinges.setdefault(frozenset(line), frozenset(ends))
    return set(hinges.values())


def _is_straight(atom: Chem.Atom) -> bool:
    """Tell whether the two bonds of an atom lie in a line, as those of an alkyne do."""
    triple = any(bond.GetBondType() == Chem.BondType.TRIPLE for bond in atom.GetBonds())
    return triple and atom.GetDegree() == 2


def _fragments(neighbours: list[list[int]], hinges: set[frozenset[int]]) -> np.ndarray:
    """Return a label per atom; atoms joined by anything but a hinge share one."""
    label = np.full(len(neighbours), -1, dtype=np.int64)
    for start in range(len(neighbours)):
        if label[start] < 0:
            label[reachable(neighbours, start, hinges)] = start
    return label


def _moving_pairs(
    distance: np.ndarray, lines: tuple[tuple[int, ...], ...], span: np.ndarray
) -> np.ndarray:
    """Return the pairs (pairs, 2) at least four bonds apart that some torsion moves."""
    atoms = np.arange(len(distance))
    moves = np.zeros(distance.shape, dtype=bool)
    for line, (begin, end) in zip(lines, span, strict=True):
        inside = (atoms >= begin) & (atoms < end)
        off_axis = ~np.isin(atoms, line)
        moves |= np.outer(inside & off_axis, ~inside & off_axis)
    moves |= moves.T
    first, second = np.nonzero(np.triu(moves & (distance > 3.5), 1))
    return np.stack([first, second], axis=1).astype(np.int64)
