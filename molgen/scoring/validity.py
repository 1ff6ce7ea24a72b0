"""Physical and chemical validity of poses: the checks of the `posebusters` package.

A pose is valid when every check passes. Given the input ligand or the true ligand, formula,
bonds, double-bond geometry and chirality are compared with it as well, by standard InChI: a mobile
hydrogen (tautomer) or another charge makes no other molecule. The RMSD is no part of validity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from molgen.errors import LigandError
from molgen.scoring import busters
from molgen.scoring.receptor import ReceptorView, receptor_view
from molgen.structure import Ligand, Protein
from molgen.structure.stereo import open_stereo

IDENTITY_CHECKS = (
    "molecular_formula",
    "molecular_bonds",
    "double_bond_stereochemistry",
    "tetrahedral_chirality",
)


@dataclass(frozen=True)
class Validity:
    """The verdict on one pose.

    Attributes:
        passed: every check passed.
        failed: names of the checks that did not, as `posebusters` names them.
        checks: check -> passed, in the order of the package's report.
        reason: why a check could not be carried out; "" normally.
    """

    passed: bool
    failed: tuple[str, ...]
    checks: dict[str, bool] = field(default_factory=dict)
    reason: str = ""

    def __str__(self) -> str:
        return "valid" if self.passed else "invalid: " + ", ".join(self.failed)


def posebusters_version() -> str:
    """Return the version of the installed `posebusters` package."""
    return busters.version()


def check_poses(
    mols: Sequence[Chem.Mol],
    protein: Protein | Path | str | None,
    true: Chem.Mol | Ligand | None = None,
    *,
    threads: int = 0,
) -> list[Validity]:
    """Return the verdict on every pose, in order.

    Args:
        mols: poses, one conformer each, with or without explicit hydrogens.
        protein: receptor; None leaves out the checks against it.
        true: the ligand that the poses must be; with coordinates its stereo is read from them,
            without them unspecified stereo centres accept either form. None: not compared.
        threads: threads of the conformer ensemble; 0 uses all cores.

    A pose that cannot be checked gets a failed verdict with a reason. Only a missing package or
    a receptor that cannot be read is an error.

    Raises:
        DependencyError: `posebusters` is not installed.
        StructureError: the receptor cannot be read.
    """
    true = true.mol if isinstance(true, Ligand) else true
    config = "dock" if true is None else "redock"
    modules = [m for m in busters.modules(config) if m["function"] not in ("rmsd", "sucos")]
    problems = [_problem(mol) for mol in mols]
    poses = [mol for mol, problem in zip(mols, problems, strict=True) if not problem]
    with _quiet():
        view = receptor_view(protein, poses) if protein is not None and poses else None
        if view is None:
            modules = [m for m in modules if not _needs_receptor(m)]
        judges: dict[tuple, busters.Busters] = {}
        verdicts = []
        for mol, problem in zip(mols, problems, strict=True):
            if problem:
                verdicts.append(
                    Validity(False, ("mol_pred_loaded",), {"mol_pred_loaded": False}, problem)
                )
                continue
            key = _graph_key(mol)
            if key not in judges:
                judges[key] = busters.Busters(view, true, threads)
            verdicts.append(_judge(mol, judges[key], modules, true, view))
    return verdicts


def check_pose(
    mol: Chem.Mol, protein: Protein | Path | str | None, true: Chem.Mol | Ligand | None = None
) -> Validity:
    """Return the verdict on one pose; see `check_poses`."""
    return check_poses([mol], protein, true)[0]


def _judge(
    mol: Chem.Mol,
    judge: busters.Busters,
    modules: Sequence[dict[str, Any]],
    true: Chem.Mol | None,
    view: ReceptorView | None,
) -> Validity:
    pose = Chem.Mol(mol)  # some of the package's checks sanitise what they are given
    checks: dict[str, bool] = {}
    reasons = []
    for module in modules:
        wanted = module.get("chosen_binary_test_output", [])
        if module["function"] == "loading" and view is None:
            wanted = [output for output in wanted if output != "mol_cond_loaded"]
        # several modules share a function in some versions, so each output is named by module
        names = {output: busters.column(module, output) for output in wanted}
        try:
            if module["function"] == "identity" and true is not None and _open_stereo(true):
                results = _identity_with_open_stereo(pose, true, judge, module)
            else:
                results = judge.run(module, pose)
        except Exception as error:  # a check of a foreign package must not stop a run
            results = {}
            reasons.append(f"{module['name']}: {type(error).__name__}: {error}")
        for output, name in names.items():
            value = results.get(output)
            undecided = value is None or (isinstance(value, float) and math.isnan(value))
            checks[name] = bool(value) and not undecided
            if undecided and not reasons:
                reasons.append(f"{name}: no result")
    failed = tuple(name for name, passed in checks.items() if not passed)
    return Validity(not failed, failed, checks, "; ".join(reasons))


def _identity_with_open_stereo(
    pose: Chem.Mol, true: Chem.Mol, judge: busters.Busters, module: dict[str, Any]
) -> dict[str, Any]:
    """Compare stereo only where the input specifies it; formula and bonds as the package does."""
    results = judge.run(module, pose)
    seen = Chem.RemoveHs(Chem.Mol(pose))
    Chem.RemoveStereochemistry(seen)
    Chem.AssignStereochemistryFrom3D(seen, replaceExistingTags=True)
    wanted = Chem.RemoveHs(Chem.Mol(true))
    tetrahedral, double = Chem.Mol(wanted), Chem.Mol(wanted)
    for bond in tetrahedral.GetBonds():
        bond.SetStereo(Chem.BondStereo.STEREONONE)
    for atom in double.GetAtoms():
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    results["stereo_tetrahedral"] = seen.HasSubstructMatch(tetrahedral, useChirality=True)
    results["stereo_dbond"] = seen.HasSubstructMatch(double, useChirality=True)
    return results


def _open_stereo(mol: Chem.Mol) -> bool:
    """True when a molecule without coordinates leaves a stereo centre or bond unspecified."""
    if mol.GetNumConformers() and mol.GetConformer().Is3D():
        return False
    return bool(open_stereo(mol))


def _problem(mol: Chem.Mol | None) -> str:
    """Return why a pose cannot be checked at all, or ""."""
    if mol is None:
        return "no molecule"
    if not isinstance(mol, Chem.Mol):
        raise LigandError(f"check_poses expects RDKit molecules, got {type(mol).__name__}")
    if mol.GetNumAtoms() == 0:
        return "molecule without atoms"
    if mol.GetNumConformers() == 0:
        return "no coordinates"
    if not np.isfinite(mol.GetConformer().GetPositions()).all():
        return "coordinates hold NaN or infinity"
    return ""


def _needs_receptor(module: dict[str, Any]) -> bool:
    return module["function"] in ("intermolecular_distance", "volume_overlap")


def _graph_key(mol: Chem.Mol) -> tuple:
    atoms = tuple(
        (a.GetAtomicNum(), a.GetFormalCharge(), a.GetNumExplicitHs(), int(a.GetChiralTag()))
        for a in mol.GetAtoms()
    )
    bonds = tuple(
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), int(b.GetBondType()), int(b.GetStereo()))
        for b in mol.GetBonds()
    )
    return atoms, bonds


class _quiet:
    """Silence RDKit and the package while they try things that may fail."""

    def __enter__(self) -> None:
        import logging
        import sys

        import rdkit

        # the package flushes this handler's old stream, which a caller that had replaced stderr
        # (a notebook, a test runner) may have closed
        if getattr(rdkit.log_handler.stream, "closed", False):
            rdkit.log_handler.stream = sys.stderr
        self._block = rdBase.BlockLogs()
        self._loggers = [logging.getLogger(name) for name in ("posebusters", "rdkit")]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
        del self._block
