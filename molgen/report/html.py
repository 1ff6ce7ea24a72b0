"""One HTML file that shows a docking run: no server, no network, every text escaped."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from rdkit import Chem

from molgen.io import atomic_write
from molgen.io.ligand_file import split_records
from molgen.report.depiction import depict
from molgen.report.page import asset, is_plain, label, script_json, show, template

MAX_3D = 25
"""Ligands whose poses are embedded for the 3D view; the best-scored come first."""
MAX_DRAWN = 400
"""Ligands that get a 2D drawing."""

_HIDDEN = {"posebusters_failed", "failed_checks", "name", "ligand"}
_VERDICT = ("posebusters_pass", "valid", "passed")
_HEADERS = {
    "rank": "Rank",
    "score": "Score",
    "posebusters_pass": "PoseBusters",
    "valid": "PoseBusters",
    "passed": "PoseBusters",
    "rmsd": "RMSD",
}


@dataclass(frozen=True)
class ReportEntry:
    """One ligand of a run.

    Attributes:
        name: label as the user gave it; escaped here.
        status: "ok" or "failed".
        reason: why it failed.
        ligand_mol: graph for the 2D drawing, None when it could not be read.
        poses_sdf_text: the ranked poses, "" without any.
        table: one dict per pose in rank order, e.g. ``rank``, ``score``, energy terms (kcal/mol),
            ``posebusters_pass`` (bool) and ``posebusters_failed`` (names of failed checks).
        notes: sentences of the readers and of the run.
    """

    name: str
    status: str = "ok"
    reason: str = ""
    ligand_mol: Chem.Mol | None = None
    poses_sdf_text: str = ""
    table: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def write_report(
    path: str | Path,
    *,
    title: str,
    run: Mapping[str, Any],
    entries: Sequence[ReportEntry],
    receptor_pdb: str = "",
    reference_sdf: str = "",
    units: Mapping[str, str] | None = None,
    max_3d: int = MAX_3D,
) -> None:
    """Write the report of a run to ``path``, atomically.

    Args:
        title: heading of the page.
        run: facts of the run; plain values are shown in the header in this order, nested ones
            in a folded record.
        entries: the ligands in input order; an overview table comes first if there are several.
        receptor_pdb: the receptor or its pocket region, shown in 3D.
        reference_sdf: a known pose (the co-crystal ligand) that can be shown beside the poses.
        units: table column -> unit, shown in its header.
        max_3d: bound on the ligands with 3D data, to bound the size of the file.

    Raises:
        OutputError: the file cannot be written.
    """
    views = [_view(number, entry) for number, entry in enumerate(entries)]
    ranked = sorted(views, key=lambda view: surest_first(entries[view["number"]].table))
    shown = [view["number"] for view in ranked if entries[view["number"]].poses_sdf_text][:max_3d]
    drawn = {view["number"] for view in ranked[:MAX_DRAWN]}
    poses = {}
    for number in shown:
        records = split_records(entries[number].poses_sdf_text, mol2=False)
        poses[str(number)] = [_mol_block(r) for r in records if r.strip()]
    for view in views:
        mol = entries[view["number"]].ligand_mol
        view["svg"] = depict(mol) if mol is not None and view["number"] in drawn else ""
        view["has_3d"] = view["number"] in shown
    data = {
        "receptor": receptor_pdb if shown else "",
        "reference": _mol_block(reference_sdf.split("$$$$")[0]) if reference_sdf.strip() else "",
        "poses": poses,
        "first": shown[0] if shown else None,
    }
    facts = {key: value for key, value in run.items() if is_plain(value)}
    page = template("report.html.j2").render(
        title=title,
        facts={label(key): show(value) for key, value in facts.items()},
        record=json.dumps(dict(run), indent=2, default=str, ensure_ascii=False),
        has_record=len(facts) < len(run),
        views=views,
        ranked=ranked,
        counts=_counts(views),
        rated=any(view["confidence"] for view in views),
        units=dict(units or {}),
        shown_3d=len(shown),
        has_receptor=bool(data["receptor"]),
        has_reference=bool(data["reference"]),
        data=script_json(data),
        style=asset("report.css"),
        viewer=asset("report.js"),
        library=_library() if shown else "",
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace", newline="\n")


def surest_first(table: Sequence[Mapping[str, Any]]) -> tuple[bool, float, float]:
    """Return the key that sorts ligands by the confidence of their top pose, without it by score.

    Args:
        table: of a `ReportEntry`; ligands without poses come last.
    """
    confidence = _number(table[0].get("confidence")) if table else None
    scores = [score for row in table if (score := _number(row.get("score"))) is not None]
    return not table, -(confidence or 0.0), min(scores, default=0.0)


def _view(number: int, entry: ReportEntry) -> dict[str, Any]:
    """Return what the template shows of one ligand, ready to print."""
    columns: list[str] = []
    for row in entry.table:
        columns += [key for key in row if key not in columns and key not in _HIDDEN]
    verdict = next((key for key in _VERDICT if key in columns), None)
    columns.sort(key=lambda key: _place(key, verdict))
    scores = [_number(row.get("score")) for row in entry.table]
    known = [score for score in scores if score is not None]
    rows = []
    for row, score in zip(entry.table, scores, strict=True):
        failed = row.get("posebusters_failed", row.get("failed_checks")) or ()
        failed = failed.replace(";", ",").split(",") if isinstance(failed, str) else failed
        rows.append(
            {
                "cells": [(key, show(row.get(key, ""))) for key in columns],
                "bar": _bar(score, known),
                "valid": None if verdict is None else _truth(row.get(verdict)),
                "failed": [str(f).strip().replace("_", " ") for f in failed if str(f).strip()],
            }
        )
    checked = [row["valid"] for row in rows if row["valid"] is not None]
    return {
        "number": number,
        "name": entry.name,
        "ok": entry.status == "ok",
        "status": entry.status,
        "reason": entry.reason,
        "notes": list(entry.notes),
        "smiles": _smiles(entry.ligand_mol),
        "columns": [(key, _HEADERS.get(key, label(key))) for key in columns],
        "verdict": verdict,
        "rows": rows,
        "score": show(min(known)) if known else "",
        "confidence": show(entry.table[0].get("confidence", "")) if entry.table else "",
        "num_poses": len(rows),
        "num_valid": sum(checked) if checked else None,
        "top_valid": rows[0]["valid"] if rows else None,
    }


def _place(key: str, verdict: str | None) -> int:
    order = ["rank", "score", verdict, "rmsd"]
    return order.index(key) if key in order else len(order)


def _counts(views: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        "ligands": len(views),
        "ok": sum(view["ok"] for view in views),
        "failed": sum(not view["ok"] for view in views),
        "poses": sum(view["num_poses"] for view in views),
        "top_valid": sum(view["top_valid"] is True for view in views),
    }


def _bar(score: float | None, known: Sequence[float]) -> int:
    """Length of the score bar in per cent: the best score is full, zero and worse is empty."""
    best = min(known, default=0.0)
    if score is None or best >= 0:
        return 0
    return max(0, min(100, round(100 * score / best)))


def _mol_block(record: str) -> str:
    """Return the connection table of an SDF record without its properties."""
    head, end, _ = record.partition("M  END")
    return (head + end + "\n") if end else record


def _smiles(mol: Chem.Mol | None) -> str:
    try:
        return str(Chem.MolToSmiles(Chem.RemoveHs(mol))) if mol is not None else ""
    except Exception:  # an odd valence must not stop a report
        return ""


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _truth(value: Any) -> bool | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value.strip().lower() in ("true", "1", "yes", "pass", "valid")
    return bool(value)


@cache
def _library() -> str:
    packed = resources.files("molgen.report").joinpath("assets/3Dmol-min.js.gz").read_bytes()
    return gzip.decompress(packed).decode("utf-8")
