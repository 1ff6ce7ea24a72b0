"""Which atoms of a pose may stand for which atoms of the reference.

A symmetric ligand has several equally right atom mappings. Atoms that hang on a common neighbour
and are otherwise alike (the fluorines of CF3, the oxygens of a phosphate) would multiply their
number; they are taken out of the graph and their permutations are handled one group at a time,
so the mappings that remain are few and every mapping is still considered.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from molgen.errors import LigandError

MAX_MAPPINGS = 10_000
"""Core mappings considered; beyond it the RMSD is an upper bound and `AtomMaps.capped` is set."""

_TERMINAL = Chem.MolFromSmarts("[O,N;D1;$([O,N;D1]-[*]=[O,N;D1]),$([O,N;D1]=[*]-[O,N;D1])]~[*]")
_MAX_LEAF_GROUP = 5  # 5! = 120 permutations at one centre; larger groups stay in the core


@dataclass(frozen=True)
class AtomMaps:
    """Atom mappings between the heavy atoms of a reference and of a pose.

    Attributes:
        core: (core,) reference indices of the atoms outside leaf groups.
        maps: (mappings, core) pose index for every core atom of the reference.
        reference_leaves: core position -> one tuple of reference atoms per kind of leaf.
        pose_leaves: pose atom -> tuples of pose atoms, kinds in the same order.
        matching: "bond orders", or "connectivity" when bond orders or charges differ.
        capped: True when more than `MAX_MAPPINGS` core mappings exist.
    """

    core: np.ndarray
    maps: np.ndarray
    reference_leaves: dict[int, tuple[tuple[int, ...], ...]]
    pose_leaves: dict[int, tuple[tuple[int, ...], ...]]
    matching: str
    capped: bool


def atom_maps(reference: Chem.Mol, pose: Chem.Mol, max_mappings: int = MAX_MAPPINGS) -> AtomMaps:
    """Return the mappings between two molecules of heavy atoms only.

    Bond orders are respected first, with conjugated terminal groups (carboxylate, phosphate,
    amidine, nitro) made symmetric as RDKit's ``CalcRMS`` does; if that fails, elements and
    connectivity alone decide, so that another protonation or tautomer still matches.

    Raises:
        LigandError: the two are different molecules even by connectivity.
    """
    for matching, labels in (("bond orders", _chemical_labels), ("connectivity", _plain_labels)):
        found = _match(labels(reference), labels(pose), max_mappings)
        if found is not None:
            core, maps, ref_leaves, pose_leaves = found
            capped = len(maps) >= max_mappings
            return AtomMaps(core, maps, ref_leaves, pose_leaves, matching, capped)
    raise LigandError(
        f"pose and reference are different molecules: {_formula(pose)} against "
        f"{_formula(reference)}; expected the same elements and connectivity"
    )


@dataclass(frozen=True)
class Symmetries:
    """The ways in which a molecule is itself.

    Attributes:
        maps: (maps, atoms) atom that stands for each atom, the identity first.
        groups: (groups, 5) leaves on one atom that change places at will beside that, filled up
            with -1.
    """

    maps: np.ndarray
    groups: np.ndarray


def symmetries(mol: Chem.Mol, limit: int) -> Symmetries:
    """Return the symmetries of a molecule of heavy atoms only, at most ``limit`` maps.

    Conjugated terminal groups count as symmetric, as in `atom_maps`.
    """
    found = atom_maps(mol, mol, limit)
    identity = np.arange(mol.GetNumAtoms())
    groups = [group for kinds in found.reference_leaves.values() for group in kinds]
    maps = [identity]
    for core in found.maps:
        full = identity.copy()
        full[found.core] = core
        for place, kinds in found.reference_leaves.items():
            for here, there in zip(kinds, found.pose_leaves[int(core[place])], strict=True):
                full[list(here)] = there
        if (full != identity).any():
            maps.append(full)
    filled = [[*group, *[-1] * (_MAX_LEAF_GROUP - len(group))] for group in groups]
    return Symmetries(
        np.array(maps[:limit], dtype=np.int64),
        np.array(filled, dtype=np.int64).reshape(-1, _MAX_LEAF_GROUP),
    )


def heavy_atoms(mol: Chem.Mol) -> tuple[Chem.Mol, np.ndarray]:
    """Return the molecule without any hydrogen, and the kept atom indices.

    Unlike ``RemoveHs`` no hydrogen survives and atoms keep their order. Aromaticity is perceived
    while the hydrogens are still there; a molecule that does not sanitise is taken as it is.
    """
    mol = Chem.Mol(mol)
    Chem.SanitizeMol(mol, catchErrors=True)
    keep = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()], dtype=bool)
    if keep.all():
        return mol, np.arange(mol.GetNumAtoms())
    editable = Chem.RWMol(mol)
    editable.BeginBatchEdit()
    for index in np.flatnonzero(~keep):
        editable.RemoveAtom(int(index))
    editable.CommitBatchEdit()
    return editable.GetMol(), np.flatnonzero(keep)


@dataclass(frozen=True)
class _Labels:
    """A coloured graph: a colour per atom, (i, j) -> colour per bond."""

    atoms: list[tuple]
    bonds: dict[tuple[int, int], int]


def _plain_labels(mol: Chem.Mol) -> _Labels:
    atoms = [(atom.GetAtomicNum(),) for atom in mol.GetAtoms()]
    return _Labels(atoms, {(b.GetBeginAtomIdx(), b.GetEndAtomIdx()): 1 for b in mol.GetBonds()})


def _chemical_labels(mol: Chem.Mol) -> _Labels:
    charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    colours = {
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx()): 5 if b.GetIsAromatic() else int(b.GetBondType())
        for b in mol.GetBonds()
    }
    for end, centre in mol.GetSubstructMatches(_TERMINAL, maxMatches=100_000):
        charges[end] = 0
        colours[(end, centre) if (end, centre) in colours else (centre, end)] = 6
    atoms = [(a.GetAtomicNum(), q) for a, q in zip(mol.GetAtoms(), charges, strict=True)]
    return _Labels(atoms, colours)


def _match(reference: _Labels, pose: _Labels, limit: int):
    if len(reference.atoms) != len(pose.atoms) or len(reference.bonds) != len(pose.bonds):
        return None
    sides = [_collapse(reference), _collapse(pose)]
    colours = _refine(sides)
    if sorted(colours[0]) != sorted(colours[1]):
        return None
    graphs = [_graph(side, colour) for side, colour in zip(sides, colours, strict=True)]
    found = graphs[1].GetSubstructMatches(graphs[0], uniquify=False, maxMatches=limit)
    if not found:
        return None
    (ref_core, _, _, ref_leaves), (pose_core, _, _, pose_leaves) = sides
    maps = np.asarray(pose_core)[np.asarray(found, dtype=np.int64)]
    by_pose_atom = {pose_core[at]: groups for at, groups in pose_leaves.items()}
    return np.asarray(ref_core), maps, ref_leaves, by_pose_atom


def _collapse(labels: _Labels):
    """Return core atoms, their colours, core bonds and the leaf groups by core position."""
    neighbours: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (i, j), colour in labels.bonds.items():
        neighbours[i].append((j, colour))
        neighbours[j].append((i, colour))
    groups: dict[int, dict[tuple, list[int]]] = defaultdict(lambda: defaultdict(list))
    for atom, around in neighbours.items():
        if len(around) == 1 and len(neighbours[around[0][0]]) > 1:
            parent, colour = around[0]
            groups[parent][(labels.atoms[atom], colour)].append(atom)
    leaves: dict[int, list[tuple[tuple, tuple[int, ...]]]] = {}
    for parent, kinds in groups.items():
        alike = [
            (kind, tuple(sorted(atoms)))
            for kind, atoms in sorted(kinds.items())
            if 2 <= len(atoms) <= _MAX_LEAF_GROUP
        ]
        if alike:
            leaves[parent] = alike
    hidden = {a for alike in leaves.values() for _, atoms in alike for a in atoms}
    core = [a for a in range(len(labels.atoms)) if a not in hidden]
    position = {atom: at for at, atom in enumerate(core)}
    colours = [
        (labels.atoms[a], tuple((kind, len(atoms)) for kind, atoms in leaves.get(a, ())))
        for a in core
    ]
    bonds = {
        (position[i], position[j]): colour
        for (i, j), colour in labels.bonds.items()
        if i in position and j in position
    }
    groups_at = {position[a]: tuple(atoms for _, atoms in alike) for a, alike in leaves.items()}
    return core, colours, bonds, groups_at


def _refine(sides) -> list[list[int]]:
    """Colour both graphs by Weisfeiler-Lehman refinement with a shared palette.

    The search that follows then hardly ever has to backtrack, whatever the symmetry.
    """
    palette: dict[object, int] = {}
    colours = [[palette.setdefault(c, len(palette) + 1) for c in side[1]] for side in sides]
    while True:
        distinct = len(palette)
        palette = {}
        renewed = []
        for (_, _, bonds, _), old in zip(sides, colours, strict=True):
            around: list[list[tuple[int, int]]] = [[] for _ in old]
            for (i, j), bond in bonds.items():
                around[i].append((bond, old[j]))
                around[j].append((bond, old[i]))
            keys = [(c, tuple(sorted(n))) for c, n in zip(old, around, strict=True)]
            renewed.append([palette.setdefault(key, len(palette) + 1) for key in keys])
        if len(palette) == distinct:
            return colours
        colours = renewed


_BOND_COLOURS = (
    Chem.BondType.SINGLE,
    Chem.BondType.DOUBLE,
    Chem.BondType.TRIPLE,
    Chem.BondType.QUADRUPLE,
    Chem.BondType.QUINTUPLE,
    Chem.BondType.HEXTUPLE,
)


def _graph(side, colours: list[int]) -> Chem.Mol:
    """Return an RDKit graph whose isotopes are the atom colours."""
    graph = Chem.RWMol()
    for colour in colours:
        atom = Chem.Atom(6)
        atom.SetIsotope(colour)
        atom.SetNoImplicit(True)
        graph.AddAtom(atom)
    palette = {1: 0, 2: 1, 3: 2, 5: 3, 6: 4}
    for (i, j), colour in side[2].items():
        graph.AddBond(i, j, _BOND_COLOURS[palette.get(colour, 5)])
    return graph.GetMol()


def _formula(mol: Chem.Mol) -> str:
    counts: dict[str, int] = defaultdict(int)
    for atom in mol.GetAtoms():
        counts[atom.GetSymbol()] += 1
    return "".join(f"{s}{n if n > 1 else ''}" for s, n in sorted(counts.items()))
