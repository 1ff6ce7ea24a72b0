"""The report of `molgen generate`: ligands, poses and the receptor around them on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molgen.api.generate_inputs import Target
from molgen.api.output_folder import POSES, REPORT, LigandResult
from molgen.api.pose_output import UNITS
from molgen.errors import LigandError
from molgen.io import LigandRow, cocrystal_ligand, write_pdb
from molgen.io.sdf import sdf_record
from molgen.report.html import MAX_3D, ReportEntry, surest_first, write_report
from molgen.scoring.bands import band

_SHOWN = 8.0
"""Å around the poses of which receptor residues are shown."""


def write_generate_report(
    folder: Path,
    results: Sequence[LigandResult],
    rows: Sequence[LigandRow],
    target: Target,
    record: dict[str, Any],
) -> None:
    """Write report.html; the best ligands come with their poses in 3D."""
    done = [index for index, result in enumerate(results) if result.poses]
    best = sorted(done, key=lambda index: surest_first(results[index].poses))[:MAX_3D]
    texts = {index: _poses_text(folder, results[index]) for index in best}
    entries = [
        ReportEntry(
            name=result.name,
            status=result.status,
            reason=result.reason,
            ligand_mol=row.ligand.mol if row.ligand else None,
            poses_sdf_text=texts.get(index, ""),
            table=[_in_words(row) for row in result.poses],
            notes=result.notes,
        )
        for index, (row, result) in enumerate(zip(rows, results, strict=True))
    ]
    points = [target.box.center[None], *(_first_coords(text) for text in texts.values())]
    near = target.receptor.near(np.concatenate(points), _SHOWN)
    write_report(
        folder / REPORT,
        title=f"{target.structure.name}: ligand poses",
        run=record,
        entries=entries,
        receptor_pdb=write_pdb(None, target.receptor.select(near)) or "",
        reference_sdf=_reference(target, rows),
        units=UNITS,
    )


def _in_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the table with what its confidence means."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        found[name] = value
        if name == "confidence":
            found["reliability"] = band(float(value), bool(row["posebusters_pass"]))
    return found


def _poses_text(folder: Path, result: LigandResult) -> str:
    return (folder / result.folder / POSES).read_text("utf-8")


def _reference(target: Target, rows: Sequence[LigandRow]) -> str:
    """Return the co-crystal ligand of the site as SDF; "" when there is none to show.

    A docked ligand gives the bond orders where neither file nor table knows them.
    """
    group = target.shown
    if group is None:
        return ""
    try:
        template = rows[0].ligand if len(rows) == 1 else None
        return sdf_record(cocrystal_ligand(target.structure, group, template).mol)
    except LigandError:
        return ""


def _first_coords(text: str) -> np.ndarray:
    """Return the coordinates (atoms, 3) Å of the first record."""
    from rdkit import Chem

    mol = Chem.MolFromMolBlock(text, sanitize=False)
    return np.asarray(mol.GetConformer().GetPositions()) if mol is not None else np.zeros((0, 3))
