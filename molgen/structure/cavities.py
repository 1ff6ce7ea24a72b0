"""Where a ligand could bind, from the receptor's geometry alone: alpha spheres and their clusters.

An alpha sphere touches four atoms and holds none (Liang, Edelsbrunner & Woodward 1998; used for
pockets by fpocket, Le Guilloux et al. 2009): the Voronoi vertices of the atoms are their centres.
Spheres neither too small (packing defects) nor too large (open solvent) fill pockets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from molgen.structure.protein import Protein, ResidueId

MIN_RADIUS = 3.0
MAX_RADIUS = 6.4
APOLAR_ELEMENTS = ("C", "S", "Se")
MIN_SPHERES = 12
BACKBONE = ("N", "CA", "C", "O")
ALIPHATIC = ("LEU", "ILE", "VAL", "MET", "ALA", "PRO", "CYS")
CATIONIC = ("LYS", "ARG")
POLAR = ("SER", "THR", "ASN", "GLN", "GLY")
# Logistic regression "a ligand atom within 2.5 Å of the sphere" against "none within 3.5 to 6 Å",
# fitted by workflows/pockets/fit.py to 500 complexes of the training set (docs/pockets.md).
FEATURES = {
    "spheres within 4": 0.07365,
    "spheres within 6": 0.01043,
    "mean radius within 6": 0.7379,
    "mean apolar contacts within 6": 0.1977,
    "atoms within 6": -0.02489,
    "atoms within 10": 0.01974,
    "openness within 10": 3.689,
    "aliphatic side-chain atoms within 6": 0.0607,
    "cationic side-chain atoms within 6": -0.03263,
    "polar side-chain atoms within 6": -0.02452,
}
INTERCEPT = -9.379
DENSITY_WIDTH = 3.5
SEPARATION = 7.0
ATOM_RADIUS = 1.7
VOLUME_SPACING = 1.0


@dataclass(frozen=True)
class Cavity:
    """One candidate pocket.

    Attributes:
        center: (3,) float64 Å, the weighted mean of the alpha spheres' centres.
        volume: Å³ inside the alpha spheres and outside the atoms.
        score: how pocket-like it is; larger is better; comparable within one structure only.
        alpha_centers: (spheres, 3) float64 Å.
        residues: residues that touch an alpha sphere, in file order.
    """

    center: np.ndarray
    volume: float
    score: float
    alpha_centers: np.ndarray
    residues: tuple[ResidueId, ...]


@dataclass(frozen=True)
class AlphaSpheres:
    """Alpha spheres of a receptor: centres (n, 3), radii (n,), touched atoms (n, 4)."""

    centers: np.ndarray
    radii: np.ndarray
    atoms: np.ndarray


def alpha_spheres(
    coords: np.ndarray, smallest: float = MIN_RADIUS, largest: float = MAX_RADIUS
) -> AlphaSpheres:
    """Return the alpha spheres of ``coords`` (atoms, 3) with radii in [smallest, largest] Å."""
    coords = np.asarray(coords, dtype=np.float64)
    try:
        corners = Delaunay(coords).simplices
    except (QhullError, ValueError):  # fewer than five atoms, or all in one plane
        corners = np.zeros((0, 4), dtype=np.int64)
    origin = coords[corners[:, 0]]
    sides = coords[corners[:, 1:]] - origin[:, None]
    # Circumcentre c: 2 side_k · c = |side_k|²; slivers have no stable one and are left out.
    flat = np.abs(np.linalg.det(sides)) < 1e-3
    sides, origin, corners = sides[~flat], origin[~flat], corners[~flat]
    offset = np.linalg.solve(2.0 * sides, (sides**2).sum(-1)[..., None])[..., 0]
    radii = np.linalg.norm(offset, axis=1)
    keep = (radii >= smallest) & (radii <= largest)
    return AlphaSpheres(origin[keep] + offset[keep], radii[keep], corners[keep])


def find_cavities(protein: Protein, limit: int = 20) -> list[Cavity]:
    """Return at most ``limit`` cavities of ``protein``, best first; deterministic.

    Every atom counts, so a ligand that should not close its own pocket must be removed before.
    """
    spheres = alpha_spheres(protein.coords)
    if len(spheres.radii) < MIN_SPHERES:
        return []
    weights = _sphere_weights(protein, spheres)
    labels, scores = _peaks(spheres.centers, weights)
    residue = protein.residue_index()
    identifiers = [identifier for identifier, _, _ in protein.residues()]
    atom_tree = cKDTree(protein.coords)
    cavities = []
    for label in np.argsort(-scores, kind="stable"):
        member = labels == label
        if member.sum() < MIN_SPHERES:
            continue
        centers, weight = spheres.centers[member], weights[member]
        touched = np.unique(residue[spheres.atoms[member]])
        cavities.append(
            Cavity(
                center=np.average(centers, axis=0, weights=weight),
                volume=_volume(centers, spheres.radii[member], atom_tree),
                score=float(scores[label]),
                alpha_centers=centers,
                residues=tuple(identifiers[k] for k in touched),
            )
        )
        if len(cavities) == limit:
            break
    return cavities


def sphere_features(protein: Protein, spheres: AlphaSpheres) -> np.ndarray:
    """Return (spheres, features) what surrounds each sphere, columns as in `FEATURES`."""
    count = len(spheres.centers)
    coords = protein.coords.astype(np.float64)
    tree = cKDTree(spheres.centers)

    pairs = tree.sparse_distance_matrix(cKDTree(coords), 10.0, output_type="coo_matrix")
    sphere, atom, distance = pairs.row, pairs.col, pairs.data
    atoms_10 = np.bincount(sphere, minlength=count)
    # The mean unit vector towards the atoms is short where they stand on all sides.
    total = np.zeros((count, 3))
    for axis in range(3):
        offset = (coords[atom, axis] - spheres.centers[sphere, axis]) / distance
        total[:, axis] = np.bincount(sphere, offset, minlength=count)
    close = distance < 6.0
    sphere, atom = sphere[close], atom[close]
    side_chain = ~np.isin(protein.atom_names, BACKBONE)

    def near(names: tuple[str, ...]) -> np.ndarray:
        wanted = side_chain & np.isin(protein.residue_names, names)
        return np.bincount(sphere[wanted[atom]], minlength=count)

    apolar = np.isin(protein.elements, APOLAR_ELEMENTS)[spheres.atoms].sum(1)
    mates = tree.sparse_distance_matrix(tree, 6.0, output_type="coo_matrix")
    spheres_6 = np.bincount(mates.row, minlength=count)  # at least the sphere itself
    columns = (
        np.bincount(mates.row[mates.data < 4.0], minlength=count),
        spheres_6,
        np.bincount(mates.row, spheres.radii[mates.col], minlength=count) / spheres_6,
        np.bincount(mates.row, apolar[mates.col], minlength=count) / spheres_6,
        np.bincount(sphere, minlength=count),
        atoms_10,
        np.linalg.norm(total, axis=1) / np.maximum(atoms_10, 1),
        near(ALIPHATIC),
        near(CATIONIC),
        near(POLAR),
    )
    return np.stack(columns, axis=1).astype(np.float64)


def _sphere_weights(protein: Protein, spheres: AlphaSpheres) -> np.ndarray:
    """Return (spheres,) the squared probability that a ligand atom is where the sphere is.

    Squaring favours a few likely spheres over many doubtful ones when they are summed.
    """
    logit = sphere_features(protein, spheres) @ np.array(list(FEATURES.values())) + INTERCEPT
    return 1.0 / (1.0 + np.exp(-logit)) ** 2


def _peaks(centers: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each sphere's peak (−1 for none) and the peaks' scores.

    The weights are smeared with a Gaussian; peaks are taken highest first and shut out spheres
    nearer than `SEPARATION`, so one long groove gives several ligand-sized pockets.
    """
    tree = cKDTree(centers)
    pairs = tree.sparse_distance_matrix(tree, 3.0 * DENSITY_WIDTH, output_type="coo_matrix")
    kernel = np.exp(-0.5 * (pairs.data / DENSITY_WIDTH) ** 2) * weights[pairs.col]
    density = np.bincount(pairs.row, kernel, minlength=len(centers))
    free = np.ones(len(centers), dtype=bool)
    peaks: list[int] = []
    for index in np.argsort(-density, kind="stable"):
        if free[index]:
            peaks.append(int(index))
            free[tree.query_ball_point(centers[index], SEPARATION)] = False
    distance, labels = cKDTree(centers[peaks]).query(centers, distance_upper_bound=SEPARATION)
    labels = np.where(np.isfinite(distance), labels, -1)
    return labels, density[peaks]


def _volume(centers: np.ndarray, radii: np.ndarray, atoms: cKDTree) -> float:
    """Return the volume in Å³ inside the spheres and outside the atoms, on a fixed grid."""
    lower = np.floor((centers - radii[:, None]).min(0) / VOLUME_SPACING).astype(int)
    upper = np.ceil((centers + radii[:, None]).max(0) / VOLUME_SPACING).astype(int)
    axes = [np.arange(lo, hi + 1) * VOLUME_SPACING for lo, hi in zip(lower, upper, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    distance, _ = atoms.query(grid, distance_upper_bound=ATOM_RADIUS)
    grid = grid[~np.isfinite(distance)]
    inside = np.zeros(len(grid), dtype=bool)
    hits = cKDTree(grid).query_ball_point(centers, radii)
    for hit in hits:
        inside[hit] = True
    return float(inside.sum() * VOLUME_SPACING**3)
