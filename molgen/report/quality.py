"""One HTML page on the predicted quality of protein models: no server, no network, all escaped."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molgen.io import atomic_write
from molgen.report.page import asset, is_plain, label, script_json, show, template
from molgen.report.quality_profile import COLOURS, Profile, mean_in_bins

MAX_MODELS = 500
"""Models on the page; the best come first."""
MAX_RESIDUES = 400_000
"""Residues of all profiles on the page, about 4 bytes each; the best models come first."""
MAX_FAILED = 200
_SPARK = (180, 30)
_POINTS = 120

HEADINGS = {
    "rank": "Rank",
    "model": "Model",
    "predicted_cad": "Predicted CAD",
    "predicted_lddt": "Predicted lDDT",
    "true_cad": "True CAD",
    "true_lddt": "True lDDT",
    "gdt_ts": "GDT-TS",
    "tm_score": "TM-score",
    "residues": "Residues",
    "scored_residues": "Scored",
}
_TEXT = {"model", "flags", "file"}


def write_quality_report(
    path: Path,
    *,
    title: str,
    run: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    total: int,
    profiles: Mapping[str, Profile],
    failed: Sequence[tuple[str, str]] = (),
    agreement: Mapping[str, Any] | None = None,
    overview: Path | None = None,
) -> None:
    """Write the page of a run, atomically.

    Args:
        title: heading.
        run: facts of the run; plain values in the header, all of it in a folded record.
        rows: rows of scores.csv, best first, at most `MAX_MODELS`.
        total: models with a score, those that are not on the page included.
        profiles: by model name; drawn along the chain.
        failed: (model, reason) of the others.
        agreement: with a reference, as `molgen.api.score_agreement` gives it.
        overview: PNG to embed.

    Raises:
        OutputError: the file cannot be written.
    """
    columns = [key for key in dict.fromkeys(k for row in rows for k in row) if key in HEADINGS]
    facts = {key: value for key, value in run.items() if is_plain(value)}
    page = template("quality.html.j2").render(
        title=title,
        facts={label(key): show(value) for key, value in facts.items()},
        record=json.dumps(dict(run), indent=2, default=str, ensure_ascii=False),
        columns=[(key, HEADINGS[key], key not in _TEXT) for key in columns],
        rows=[_row(row, columns, profiles) for row in rows],
        total=total,
        failed=list(failed[:MAX_FAILED]),
        num_failed=len(failed),
        agreement=_agreement(agreement or {}),
        overview=_data_uri(overview),
        data=script_json(_data(rows, profiles)),
        style=asset("report.css") + asset("quality.css"),
        script=asset("quality.js"),
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace", newline="\n")


def _row(
    row: Mapping[str, Any], columns: Sequence[str], profiles: Mapping[str, Profile]
) -> dict[str, Any]:
    profile = profiles.get(row["model"])
    return {
        "name": row["model"],
        "cells": [(key, _cell(row.get(key)), _sort_key(row.get(key))) for key in columns],
        "bar": round(100 * float(row["predicted_cad"] or 0.0)),
        "colour": _colour(float(row["predicted_cad"] or 0.0)),
        "spark": _sparkline(profile) if profile else "",
        "flags": [flag for flag in str(row.get("flags", "")).split("; ") if flag],
        "file": row.get("file", ""),
    }


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else show(value)


def _sort_key(value: Any) -> str:
    return (
        "" if value is None else repr(round(value, 6)) if isinstance(value, float) else str(value)
    )


def _sparkline(profile: Profile) -> dict[str, Any]:
    """Return the paths of a small picture of the profile; gaps where nothing is scored."""
    width, height = _SPARK
    values = mean_in_bins(profile.predicted, _POINTS)
    lines = [_path(values, width, height)]
    if profile.true is not None:
        lines.append(_path(mean_in_bins(profile.true, _POINTS), width, height))
    return {"width": width, "height": height, "lines": lines}


def _path(values: np.ndarray, width: int, height: int) -> str:
    step = width / max(1, len(values) - 1)
    pieces, drawing = [], False
    for at, value in enumerate(values.tolist()):
        if value != value:
            drawing = False
            continue
        y = 1 + (height - 2) * (1 - min(1.0, max(0.0, value)))
        pieces.append(f"{'L' if drawing else 'M'}{at * step:.1f} {y:.1f}")
        drawing = True
    return "".join(pieces)


def _colour(value: float) -> str:
    """Return the colour of a quality as #rrggbb."""
    place = min(1.0, max(0.0, value)) * (len(COLOURS) - 1)
    low = min(int(place), len(COLOURS) - 2)
    first, second = ([int(COLOURS[at][i : i + 2], 16) for i in (1, 3, 5)] for at in (low, low + 1))
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(first, second, strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _agreement(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page says about the reference, ready to print; {} without one."""
    if not found:
        return {}
    names = ("pearson", "spearman", "kendall", "loss")
    return {
        "models": found["models"],
        "measures": [
            (HEADINGS[key], [_cell(values[name]) for name in names])
            for key, values in found["measures"].items()
        ],
        "error": _cell(found["measures"].get("true_cad", {}).get("error")),
        "residues": found["residues"]["residues"],
        "residue_pearson": _cell(found["residues"]["pearson"]),
        "calibration": [
            (f"{row['low']:.1f}–{row['high']:.1f}", row["models"], _cell(row["predicted"]),
             _cell(row["true"]))
            for row in found["calibration"]
        ],
    }  # fmt: skip


def _data(rows: Sequence[Mapping[str, Any]], profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Return the profiles for the script: quality in thousandths, -1 for none."""
    found = {}
    for row in rows:
        profile = profiles.get(row["model"])
        if profile is None:
            continue
        found[profile.name] = {
            "chains": profile.chain_runs(),
            "labels": _numbers(profile.labels),
            "names": " ".join(profile.names),
            "predicted": _thousandths(profile.predicted),
            "true": None if profile.true is None else _thousandths(profile.true),
        }
    return {"profiles": found, "colours": list(COLOURS)}


def _numbers(labels: Sequence[str]) -> list[Any]:
    """Return residue numbers, runs of consecutive ones as [first, count]."""
    found: list[Any] = []
    for text in labels:
        last = found[-1] if found else None
        if not text.lstrip("-").isdecimal():
            found.append(text)
        elif isinstance(last, list) and last[0] + last[1] == int(text):
            last[1] += 1
        else:
            found.append([int(text), 1])
    return found


def _thousandths(values: np.ndarray) -> list[int]:
    whole: list[int] = np.rint(1000 * np.nan_to_num(values, nan=-0.001)).astype(int).tolist()
    return whole


def _data_uri(path: Path | None) -> str:
    if path is None or not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
