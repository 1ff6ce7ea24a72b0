"""From sampled poses to what users read: molecules with hydrogens, verdicts, rows and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from molgen.scoring.validity import Validity, check_poses
from molgen.structure import Ligand, Poses, Protein

UNITS = {
    "score": "kcal/mol",
    "affinity": "kcal/mol",
    "receptor": "kcal/mol",
    "contacts": "kcal/mol",
    "internal": "kcal/mol",
    "strain": "kcal/mol",
    "confidence": "",
    "expected_rmsd": "Å",
    "displacement": "Å",
}
"""Units of the columns of summary.csv and of the properties in poses.sdf."""


@dataclass(frozen=True)
class RankedPose:
    """One returned pose: a molecule with explicit hydrogens and its properties in file order."""

    mol: Chem.Mol
    properties: dict[str, object]


def rank_poses(
    poses: Poses,
    protein: Protein,
    mols: Sequence[Chem.Mol] | None = None,
    further: Sequence[Mapping[str, object]] | None = None,
) -> list[RankedPose]:
    """Check every pose and rank: valid poses first, then by confidence, or by score without it.

    Properties: ``rank`` (1 is best), ``confidence`` and ``expected_rmsd`` where poses were rated,
    ``score`` (what the sampler ranked by, kcal/mol, lower is
    better), the sampler's energy terms, ``posebusters_pass`` and ``posebusters_failed`` (names of
    the failed checks).

    Args:
        mols: the poses with hydrogens; by default hydrogens are placed by geometry.
        further: properties of each pose that come after these.
    """
    mols = mols or [pose_molecule(poses.ligand, coords) for coords in poses.coords]
    verdicts = check_poses(mols, protein, poses.ligand.without_coords())
    wish = poses.scores if poses.confidence is None else -poses.confidence
    order = sorted(range(len(mols)), key=lambda i: (not verdicts[i].passed, wish[i], i))
    ranked = []
    for rank, index in enumerate(order, start=1):
        terms = {name: float(values[index]) for name, values in poses.terms.items()}
        properties: dict[str, object] = {"rank": rank}
        if poses.confidence is not None and poses.expected_rmsd is not None:
            properties["confidence"] = round(float(poses.confidence[index]), 4)
            properties["expected_rmsd"] = round(float(poses.expected_rmsd[index]), 3)
        properties |= {"score": float(poses.scores[index]), **terms}
        properties.update(_verdict_properties(verdicts[index]))
        properties.update(further[index] if further else {})
        ranked.append(RankedPose(mols[index], properties))
    return ranked


def pose_molecule(ligand: Ligand, coords: np.ndarray) -> Chem.Mol:
    """Return the ligand with ``coords`` (atoms, 3) Å and hydrogens placed by geometry."""
    mol = Chem.AddHs(ligand.placed(coords), addCoords=True)
    mol.SetProp("_Name", ligand.name)
    return mol


def heavy_coords(mol: Chem.Mol) -> np.ndarray:
    """Return the coordinates of the heavy atoms, (atoms, 3) Å, in the order of the molecule."""
    heavy = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1]
    return np.asarray(mol.GetConformer().GetPositions())[heavy]


def moved_by(one: np.ndarray, other: np.ndarray) -> float:
    """Return the RMSD of two sets of points (n, 3) Å in place, point by point; 0 for none."""
    return float(np.sqrt(((one - other) ** 2).sum(axis=1).mean())) if len(one) else 0.0


def _verdict_properties(verdict: Validity) -> dict[str, object]:
    failed = ", ".join(verdict.failed)
    if verdict.reason:
        failed = f"{failed} ({verdict.reason})" if failed else verdict.reason
    return {"posebusters_pass": verdict.passed, "posebusters_failed": failed}
