"""Writing an evaluation: CSV, JSON, a Markdown table and plots."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rdkit

import molgen
from molgen.api.evaluate import Comparison, Evaluation, compare
from molgen.api.evaluate_entry import EntryResult
from molgen.api.tables import json_ready, write_csv
from molgen.errors import OutputError
from molgen.io import atomic_write, unique_name
from molgen.metrics import Proportion
from molgen.report import plots

FILES = ("evaluation.csv", "poses.csv", "summary.csv", "summary.json", "summary.md")
PLOTS = ("rmsd_cumulative.png", "success.png", "success_by_rotatable_bonds.png")

_RUN_FILES = ("poses.sdf", "status.csv", "run.json")

_COLUMNS = {
    "top1_1A": "top-1 ≤ 1 Å, %",
    "top1_2A": "top-1 ≤ 2 Å, %",
    "top1_5A": "top-1 ≤ 5 Å, %",
    "top5_2A": "top-5 ≤ 2 Å, %",
    "oracle_2A": "oracle ≤ 2 Å, %",
    "valid": "PoseBusters-valid, %",
    "joint_2A": "joint, %",
}
_POSE_COLUMNS = (
    "id", "rank", "score", "rmsd", "aligned_rmsd", "centroid_distance", "valid", "failed_checks",
    "check_problem",
)  # fmt: skip
_MEDIANS = {
    "top1_rmsd": "median top-1 RMSD, Å",
    "oracle_rmsd": "median oracle RMSD, Å",
    "top1_aligned_rmsd": "median aligned RMSD, Å",
    "top1_centroid_distance": "median centroid distance, Å",
    "seconds": "median wall time, s",
}


def write_evaluation(out: Path, runs: Sequence[Evaluation], *, force: bool = False) -> None:
    """Write everything about ``runs`` into the folder ``out``.

    Several runs share ``summary.*`` and the plots; the per-entry tables of each go into a
    sub-folder named after its label.

    Raises:
        OutputError: the folder is not empty and ``force`` is not given, or cannot be written.
    """
    _clear(out, check_folder(out, force=force))
    taken: set[str] = set()
    for run in runs:
        folder = out / unique_name(run.label, taken) if len(runs) > 1 else out
        write_csv(folder / "evaluation.csv", _entry_rows(run))
        write_csv(folder / "poses.csv", _pose_rows(run), _POSE_COLUMNS)
    write_csv(out / "summary.csv", [_flat_summary(run) for run in runs])
    with atomic_write(out / "summary.json") as path:
        path.write_text(json.dumps(as_record(runs), indent=2, ensure_ascii=False) + "\n", "utf-8")
    with atomic_write(out / "summary.md") as path:
        path.write_text(to_markdown(runs), "utf-8")
    outcomes = {run.label: run.outcomes for run in runs}
    plots.cumulative_rmsd(out / PLOTS[0], outcomes)
    plots.success_bars(out / PLOTS[1], {run.label: run.summary["rates"] for run in runs})
    plots.rotatable_bars(out / PLOTS[2], outcomes)


def check_folder(out: Path, *, force: bool) -> list[Path]:
    """Make ``out`` where it is not there, and return what an earlier evaluation wrote into it.

    Raises:
        OutputError: it is a file, holds a run or files of our names that no evaluation wrote, is
            not empty without ``force``, or cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        inside = [path for path in out.iterdir() if not path.name.startswith(".")]
        if any(path.name in _RUN_FILES for path in inside):
            raise OutputError(f"{out}: holds a run of molgen generate; choose another --out")
        if inside and not force:
            raise OutputError(f"{out}: folder is not empty; use --force to replace its results")
        ours = [path for path in inside if path.name in FILES + PLOTS]
        of_arms = [path for folder in inside if _is_folder(folder) for path in _tables(folder)]
        if ours and not (of_arms or _tables(out)):
            raise OutputError(
                f"{ours[0]}: is of no earlier evaluation, not replaced; choose another --out"
            )
        return ours + of_arms
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error


def _tables(folder: Path) -> list[Path]:
    """Return the tables of one arm, which are written first; none where they are not both there."""
    tables = [folder / "evaluation.csv", folder / "poses.csv"]
    return tables if all(path.is_file() for path in tables) else []


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _clear(out: Path, ours: Sequence[Path]) -> None:
    for path in ours:
        path.unlink()
    for folder in {path.parent for path in ours} - {out}:
        if not any(folder.iterdir()):
            folder.rmdir()


def to_markdown(runs: Sequence[Evaluation]) -> str:
    """Return the table of runs, the failures by reason and the paired differences."""
    from molgen.scoring.validity import posebusters_version

    table = [["", *(run.label for run in runs)]]
    for name in ("attempted", "produced"):
        table.append([name, *(str(run.summary[name]) for run in runs)])
    for key, title in _COLUMNS.items():
        if any(key in run.summary["rates"] for run in runs):
            table.append([title, *(_percent(run.summary["rates"].get(key)) for run in runs)])
    for key, title in _MEDIANS.items():
        table.append([title, *(_decimal(run.summary["medians"][key]) for run in runs)])
    lines = [*_table(table[0], table[1:]), ""]
    lines += [
        "Rates: of all attempted entries, with 95 % Wilson interval. RMSD: heavy atoms, in place, "
        "symmetry-corrected. Joint: top pose within 2 Å and valid by PoseBusters "
        f"{posebusters_version()}. Aligned RMSD: conformer quality only. Medians: over produced "
        "entries.",
        "",
    ]
    for run in runs:
        failed = run.summary["failed"]
        if failed:
            total = sum(failed.values())
            text = "; ".join(f"{count} × {reason}" for reason, count in failed.items())
            lines += [f"Failed in {run.label} ({total}): {text}", ""]
        if run.extra:
            lines += [f"Without a reference in {run.label} (not counted): {len(run.extra)}", ""]
        for note, count in _notes(run).items():
            lines += [f"Note on {run.label}: {note} ({count} of {len(run.outcomes)} entries)", ""]
    for comparison in compare(runs):
        lines += _difference_lines(comparison)
    return "\n".join(lines).rstrip() + "\n"


def as_record(runs: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the content of summary.json; undefined numbers are null."""
    from molgen.scoring.validity import posebusters_version

    return json_ready(
        {
            "format": "molgen evaluation 1",
            "versions": {
                "molgen": molgen.__version__,
                "rdkit": rdkit.__version__,
                "posebusters": posebusters_version(),
            },
            "rmsd": "heavy atoms, in place, symmetry-corrected, Å",
            "interval": "Wilson, 95 %",
            "runs": [
                {
                    "label": run.label,
                    **{k: v for k, v in run.summary.items() if k != "rates"},
                    "rates": _rates(run.summary["rates"]),
                    "top1_2A_by_rotatable_bonds": _rates(plots.by_rotatable_bonds(run.outcomes)),
                    "without_reference": list(run.extra),
                    "notes": _notes(run),
                }
                for run in runs
            ],
            "comparisons": [asdict(comparison) for comparison in compare(runs)],
        }
    )


def _rates(rates: dict[str, Proportion]) -> dict[str, Any]:
    return {name: rate._asdict() for name, rate in rates.items()}


def _difference_lines(comparison: Comparison) -> list[str]:
    header = ["measure", "difference / points", "95 % interval", "gained", "lost", "McNemar p"]
    rows = [
        [
            _COLUMNS.get(name, name).removesuffix(", %"),
            f"{100 * d.difference:+.1f}",
            f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
            str(d.only_first),
            str(d.only_second),
            f"{d.p_value:.3g}",
        ]
        for name, d in comparison.differences.items()
    ]
    title = f"{comparison.first} minus {comparison.second}, same {comparison.entries} entries:"
    return [title, "", *_table(header, rows), ""]


def _entry_rows(run: Evaluation) -> Iterable[dict[str, Any]]:
    for entry in run.entries:
        top = entry.poses[0] if entry.poses else None
        outcome = entry.outcome()
        yield {
            "id": entry.name,
            "status": "ok" if entry.poses else "failed",
            "reason": entry.reason,
            "poses": len(entry.poses),
            "top1_rmsd": top.rmsd if top else None,
            "top5_rmsd": outcome.best(5),
            "oracle_rmsd": outcome.best(None),
            "oracle_rank": _oracle_rank(entry),
            "top1_aligned_rmsd": top.aligned_rmsd if top else None,
            "top1_centroid_distance": top.centroid_distance if top else None,
            "valid": top.valid if top else None,
            "joint_2A": outcome.joint(2.0) if top and top.valid is not None else None,
            "failed_checks": " ".join(top.failed_checks) if top else "",
            "check_problem": top.check_problem if top else "",
            "heavy_atoms": entry.heavy_atoms or "",
            "rotatable_bonds": entry.rotatable_bonds if entry.rotatable_bonds >= 0 else "",
            "seconds": entry.seconds,
            "notes": "; ".join(entry.notes),
        }


def _pose_rows(run: Evaluation) -> Iterable[dict[str, Any]]:
    for entry in run.entries:
        for pose in entry.poses:
            yield {
                "id": pose.entry,
                "rank": pose.rank,
                "score": pose.score,
                "rmsd": pose.rmsd,
                "aligned_rmsd": pose.aligned_rmsd,
                "centroid_distance": pose.centroid_distance,
                "valid": pose.valid,
                "failed_checks": " ".join(pose.failed_checks),
                "check_problem": pose.check_problem,
            }


def _flat_summary(run: Evaluation) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run.label}
    row |= {key: run.summary[key] for key in ("attempted", "produced")}
    for name, rate in run.summary["rates"].items():
        row |= {name: rate.value, f"{name}_low": rate.low}
        row |= {f"{name}_high": rate.high}
    return row | {f"median_{k}": v for k, v in run.summary["medians"].items()}


def _oracle_rank(entry: EntryResult) -> int | str:
    known = [pose for pose in entry.poses if math.isfinite(pose.rmsd)]
    return min(known, key=lambda pose: pose.rmsd).rank if known else ""


def _notes(run: Evaluation) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in run.entries:
        for note in entry.notes:
            counts[note] = counts.get(note, 0) + 1
    return counts


def _percent(rate: Proportion | None) -> str:
    if rate is None or not rate.total:
        return "–"
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _decimal(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return an aligned Markdown table that also reads well on a terminal."""
    safe = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [header, *safe]) for at in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return [line(header), line(rule), *map(line, safe)]
