"""Refinement: any coordinates of the ligand, from any source, brought to the nearest minimum."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from molgen.geometry.dihedral import dihedral_of
from molgen.search import kernels
from molgen.search.engine import pack
from molgen.search.field import ReceptorField
from molgen.search.settings import SearchSettings
from molgen.search.templates import LigandTemplate, order_alike, superpose


def project(
    coords: np.ndarray, template: LigandTemplate
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring poses onto the exact local geometry of the template.

    Every pose takes the torsions it has and the conformer that then fits it best. Leaves that are
    alike (the oxygens of a sulfonyl group) may change their names.

    Args:
        coords: (poses, atoms, 3) Å, tree order.

    Returns:
        states (poses, 7 + torsions), conformers (poses,) and the RMSD of the fit (poses,) Å.
    """
    tree = template.tree
    coords = order_alike(coords, template.conformers[0], template.alike)
    states = np.zeros((len(coords), 7 + tree.num_torsions))
    shapes = np.zeros(len(coords), dtype=np.int64)
    fits = np.zeros(len(coords))
    measured = _torsions(template.conformers, template)
    wanted = _torsions(coords, template)
    ligand = (template.conformers, tree.axis, tree.span)
    for pose, target in enumerate(coords):
        trials = np.zeros((len(template.conformers), states.shape[1]))
        trials[:, 3] = 1.0
        trials[:, 7:] = wanted[pose] - measured
        shaped = kernels.place_all(trials, np.arange(len(trials)), ligand)
        centre = target.mean(axis=0)
        best = np.inf
        for conformer, points in enumerate(shaped):
            middle = points.mean(axis=0)
            turn = superpose(points - middle, target - centre)
            moved = (points - middle) @ turn + centre
            fit = float(np.sqrt(((moved - target) ** 2).sum(axis=1).mean()))
            if fit < best:
                best = fit
                x, y, z, w = Rotation.from_matrix(turn.T).as_quat()
                states[pose, :3] = centre - middle @ turn
                states[pose, 3:7] = w, x, y, z
                states[pose, 7:] = trials[conformer, 7:]
                shapes[pose], fits[pose] = conformer, fit
    return states, shapes, fits


def _torsions(coords: np.ndarray, template: LigandTemplate) -> np.ndarray:
    """Return the torsions of coordinates (poses, atoms, 3), (poses, torsions) radians."""
    columns = [dihedral_of(coords, quad) for quad in template.quads]
    return np.stack(columns, axis=1) if columns else np.zeros((len(coords), 0))


def refine(
    coords: np.ndarray,
    field: ReceptorField,
    template: LigandTemplate,
    settings: SearchSettings,
    iterations: int = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Return poses (poses, atoms, 3) Å in tree order minimised in the field, and their energies."""
    ligand, receptor = pack(field, template, settings)
    states, conformer, _ = project(coords, template)
    energies = kernels.minimize_all(states, conformer, ligand, receptor, iterations, 0.5)
    return kernels.place_all(states, conformer, ligand), energies
