"""Distances between a pose and the reference ligand, heavy atoms, Å.

The in-place RMSD tells how right a pose is; the aligned RMSD (after superposition) tells only how
right the conformer is. Both take the smallest value over the symmetry of the ligand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import gcd, prod

import numpy as np
from rdkit import Chem

from molgen.errors import LigandError
from molgen.geometry.kabsch import rotations
from molgen.metrics.symmetry import MAX_MAPPINGS, AtomMaps, atom_maps, heavy_atoms

STARTS = 1024
"""Assignments of atoms that the superposition of a pose starts from."""
_CHUNK = 4_000_000  # numbers gathered at once (32 MB)


@dataclass(frozen=True)
class PoseDistances:
    """Distances of several poses to one reference, each (poses,) float64 Å.

    Attributes:
        rmsd: in place, symmetry-corrected.
        aligned: after optimal superposition, symmetry-corrected (conformer quality).
        centroid: between the heavy-atom centroids.
        matching: how atoms were matched, see `AtomMaps.matching`.
        capped: the ligand is so symmetric that the RMSDs are upper bounds.
    """

    rmsd: np.ndarray
    aligned: np.ndarray
    centroid: np.ndarray
    matching: str
    capped: bool


def ligand_rmsd(
    reference: Chem.Mol, pose: Chem.Mol | Sequence[Chem.Mol] | np.ndarray
) -> float | np.ndarray:
    """Return the symmetry-corrected in-place heavy-atom RMSD in Å.

    ``pose`` is a molecule with a conformer, a sequence of them, or heavy-atom coordinates
    (atoms, 3) or (poses, atoms, 3) in the atom order of ``reference``; one pose gives a float.

    Raises:
        LigandError: no conformer, or not the same molecule.
    """
    result = _per_graph(reference, pose, _in_place)
    return _as_given(result, pose)


def mutual_rmsd(
    mol: Chem.Mol, first: np.ndarray, second: np.ndarray, max_mappings: int = MAX_MAPPINGS
) -> np.ndarray:
    """Return the symmetry-corrected in-place RMSDs between two sets of poses, (first, second) Å.

    Args:
        mol: the molecule, its coordinates do not matter.
        first, second: (poses, atoms, 3) Å, heavy atoms in the order of ``mol``.
        max_mappings: mappings of atoms that are tried; with more the RMSD is an upper bound.
    """
    graph, _ = heavy_atoms(mol)
    maps = atom_maps(graph, graph, max_mappings)
    rows = [_in_place(np.asarray(pose, dtype=np.float64), second, maps) for pose in first]
    return np.array(rows).reshape(len(first), len(second))


def aligned_rmsd(
    reference: Chem.Mol, pose: Chem.Mol | Sequence[Chem.Mol] | np.ndarray
) -> float | np.ndarray:
    """Return the RMSD after optimal superposition (no reflection); see `ligand_rmsd`."""
    result = _per_graph(reference, pose, _aligned)
    return _as_given(result, pose)


def centroid_distance(
    reference: Chem.Mol, pose: Chem.Mol | Sequence[Chem.Mol] | np.ndarray
) -> float | np.ndarray:
    """Return the distance between heavy-atom centroids in Å; arguments as in `ligand_rmsd`."""
    _, target = _heavy(reference, "reference")
    distances = [
        float(np.linalg.norm(coords.mean(axis=0) - target.mean(axis=0)))
        for _, coords in _poses(reference, pose)
    ]
    return _as_given(np.asarray(distances), pose)


def pose_distances(reference: Chem.Mol, poses: Sequence[Chem.Mol]) -> PoseDistances:
    """Return all distances of ``poses`` to ``reference``, the mappings found once.

    Raises:
        LigandError: no conformer, or not the same molecule.
    """
    notes: list[AtomMaps] = []

    def both(target: np.ndarray, coords: np.ndarray, maps: AtomMaps) -> np.ndarray:
        notes.append(maps)
        return np.stack([_in_place(target, coords, maps), _aligned(target, coords, maps)], axis=1)

    values = _per_graph(reference, list(poses), both).reshape(-1, 2)
    plain = any(maps.matching == "connectivity" for maps in notes)
    return PoseDistances(
        rmsd=values[:, 0],
        aligned=values[:, 1],
        centroid=np.asarray(centroid_distance(reference, list(poses))),
        matching="connectivity" if plain else "bond orders",
        capped=any(maps.capped for maps in notes),
    )


def _heavy(mol: Chem.Mol, what: str) -> tuple[Chem.Mol, np.ndarray]:
    if mol.GetNumConformers() == 0:
        raise LigandError(f"{what} has no coordinates; expected a 3D conformer")
    graph, keep = heavy_atoms(mol)
    coords = np.asarray(mol.GetConformer().GetPositions(), dtype=np.float64)[keep]
    if not len(coords) or not np.isfinite(coords).all():
        raise LigandError(f"{what} has no finite heavy-atom coordinates")
    return graph, coords


def _poses(reference: Chem.Mol, pose) -> list[tuple[Chem.Mol, np.ndarray]]:
    if isinstance(pose, Chem.Mol):
        return [_heavy(pose, "pose")]
    if isinstance(pose, np.ndarray):
        graph, _ = heavy_atoms(reference)
        stack = pose[None] if pose.ndim == 2 else pose
        if stack.ndim != 3 or stack.shape[1:] != (graph.GetNumAtoms(), 3):
            raise LigandError(
                f"pose coordinates have shape {pose.shape}, expected "
                f"(poses, {graph.GetNumAtoms()}, 3)"
            )
        return [(graph, np.asarray(coords, dtype=np.float64)) for coords in stack]
    return [_heavy(mol, f"pose {at}") for at, mol in enumerate(pose, 1)]


def _per_graph(reference: Chem.Mol, pose, measure) -> np.ndarray:
    """Group poses by graph, map atoms once a group, and measure each group as one array."""
    graph, target = _heavy(reference, "reference")
    groups: dict[tuple, list[int]] = {}
    poses = _poses(reference, pose)
    keys: dict[int, tuple] = {}
    for at, (mol, _) in enumerate(poses):
        key = keys.setdefault(id(mol), _fingerprint(mol))
        groups.setdefault(key, []).append(at)
    values: list = [None] * len(poses)
    for members in groups.values():
        maps = atom_maps(graph, poses[members[0]][0])
        coords = np.stack([poses[at][1] for at in members])
        for at, value in zip(members, measure(target, coords, maps), strict=True):
            values[at] = value
    return np.asarray(values, dtype=np.float64)


def _fingerprint(mol: Chem.Mol) -> tuple:
    atoms = tuple((a.GetAtomicNum(), a.GetFormalCharge()) for a in mol.GetAtoms())
    bonds = tuple(
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), int(b.GetBondType())) for b in mol.GetBonds()
    )
    return atoms, bonds


def _as_given(values: np.ndarray, pose) -> float | np.ndarray:
    single = isinstance(pose, Chem.Mol) or (isinstance(pose, np.ndarray) and pose.ndim == 2)
    return float(values[0]) if single else values


def _squared(target: np.ndarray, coords: np.ndarray) -> np.ndarray:
    """(poses, reference atoms, pose atoms) squared distances."""
    return np.square(target[None, :, None, :] - coords[:, None, :, :]).sum(axis=-1)


def _core_costs(squared: np.ndarray, maps: AtomMaps) -> np.ndarray:
    """(poses, core, pose atoms) squared distance of a core atom and of the leaves it carries."""
    costs = squared[:, maps.core, :].copy()
    for at, kinds in maps.reference_leaves.items():
        for parent in np.unique(maps.maps[:, at]):
            for mine, theirs in zip(kinds, maps.pose_leaves[int(parent)], strict=True):
                orders = np.asarray(list(permutations(theirs)))
                best = squared[:, list(mine), orders].sum(axis=-1).min(axis=-1)
                costs[:, at, parent] += best
    return costs


def _in_place(target: np.ndarray, coords: np.ndarray, maps: AtomMaps) -> np.ndarray:
    best, _ = _best_core(_squared(target, coords), maps)
    return np.sqrt(best / len(target))


def _best_core(squared: np.ndarray, maps: AtomMaps) -> tuple[np.ndarray, np.ndarray]:
    """Return for every pose the smallest summed squared distance and its mapping's number."""
    costs = _core_costs(squared, maps)
    columns = np.arange(len(maps.core))
    best = np.full(len(costs), np.inf)
    which = np.zeros(len(costs), dtype=np.int64)
    step = max(1, _CHUNK // max(1, len(costs) * len(columns)))
    for start in range(0, len(maps.maps), step):
        sums = costs[:, columns, maps.maps[start : start + step]].sum(axis=-1)
        lowest = sums.argmin(axis=1)
        value = sums[np.arange(len(sums)), lowest]
        which = np.where(value < best, start + lowest, which)
        best = np.minimum(best, value)
    return best, which


def _aligned(target: np.ndarray, coords: np.ndarray, maps: AtomMaps) -> np.ndarray:
    """Smallest RMSD after superposition.

    For every core mapping the pose is superposed and the leaves re-assigned in turn until nothing
    changes, from each combination of leaf orders (of many a part, evenly spread) so that a small
    core cannot trap the assignment.
    """
    # many mappings already start the assignment from many sides
    full = _full_maps(maps, len(target), starts=max(1, STARTS // len(maps.maps)))
    return np.asarray([_aligned_one(target, pose, maps, full) for pose in coords])


def _aligned_one(target: np.ndarray, pose: np.ndarray, maps: AtomMaps, full: np.ndarray) -> float:
    best = np.inf
    step = max(1, _CHUNK // (9 * len(target)))
    for start in range(0, len(full), step):
        chosen = full[start : start + step]
        for _ in range(4):
            moved, rmsd = _superpose(target, pose[chosen])
            best = min(best, float(rmsd.min()))
            if not maps.reference_leaves:
                break
            renewed = _reassign(target, moved, chosen, maps)
            if np.array_equal(renewed, chosen):
                break
            chosen = renewed
    return best


def _full_maps(maps: AtomMaps, atoms: int, starts: int) -> np.ndarray:
    """(mappings, atoms) pose index of every reference atom, up to ``starts`` leaf orders each."""
    rows = []
    for core in maps.maps:
        base = np.full(atoms, -1, dtype=np.int64)
        base[maps.core] = core
        groups = [
            (list(mine), list(permutations(theirs)))
            for at, kinds in maps.reference_leaves.items()
            for mine, theirs in zip(kinds, maps.pose_leaves[int(core[at])], strict=True)
        ]
        total = prod(len(orders) for _, orders in groups)
        step = _golden(total)
        for start in range(min(starts, total)):
            number, full = start * step % total, base.copy()
            for mine, orders in groups:
                number, order = divmod(number, len(orders))
                full[mine] = orders[order]
            rows.append(full)
    return np.unique(np.array(rows), axis=0)


def _golden(total: int) -> int:
    """Return a step that goes through all numbers below ``total``, any few of them well apart."""
    step = max(1, round(0.618 * total))
    while gcd(step, total) > 1:
        step += 1
    return step


def _superpose(target: np.ndarray, mapped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kabsch: return (n, atoms, 3) ``mapped`` laid on ``target`` and the (n,) RMSDs."""
    centred = mapped - mapped.mean(axis=1, keepdims=True)
    middle = target.mean(axis=0)
    goal = target - middle
    turn = rotations(np.einsum("nai,aj->nij", centred, goal))
    moved = centred @ turn.transpose(0, 2, 1)
    rmsd = np.sqrt(np.square(moved - goal).sum(axis=-1).mean(axis=-1))
    return moved + middle, rmsd


def _reassign(target: np.ndarray, moved: np.ndarray, full: np.ndarray, maps: AtomMaps):
    """Choose the leaf order that lies closest after superposition, for every mapping."""
    renewed = full.copy()
    rows = np.arange(len(full))
    for kinds in maps.reference_leaves.values():
        for mine in kinds:
            orders = np.asarray(list(permutations(range(len(mine)))))
            atoms = np.asarray(mine)
            gaps = np.square(target[atoms][None, :, None] - moved[:, None, atoms]).sum(axis=-1)
            sums = gaps[:, np.arange(len(mine)), orders].sum(axis=-1)
            pick = orders[sums.argmin(axis=1)]
            renewed[:, atoms] = full[rows[:, None], atoms[pick]]
    return renewed
