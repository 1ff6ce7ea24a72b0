"""`molgen score`: the predicted quality of protein models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molgen.cli import options

if TYPE_CHECKING:
    from molgen.api.score import ScoreResult

EXIT_SOME_FAILED = 3
"""The run is complete, but some model has no score or no comparison; status.csv says why."""
_SHOWN = 20


@click.command()
@click.argument("models", metavar="MODELS...", nargs=-1, required=True)
@options.out("Folder for the results. Default: print the table only.", required=False)
@click.option(
    "--reference",
    type=options.FILE,
    metavar="NATIVE",
    help="The native structure: adds true CAD, lDDT, GDT-TS, TM-score and the correlations.",
)
@click.option("--model", metavar="NAME|DIR", help="Checkpoint to score with. Default sgcn-1.")
@options.device
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: the CPUs of the machine.")
@click.option(
    "--plots",
    type=click.Choice(("auto", "all", "none")),
    help="PNG plots: auto draws the overview and the best 20 profiles, all every profile (0.1 s "
    "each). The report has all profiles in any case. Default auto.",
)
@options.config
@options.run()
def command(
    models: tuple[str, ...],
    out: Path | None,
    reference: Path | None,
    model: str | None,
    device: str | None,
    jobs: int | None,
    plots: str | None,
    config: Path | None,
    run: options.Run,
) -> int:
    """Predict how right protein models are, per residue and overall, best first.

    MODELS are PDB or mmCIF files (also .gz), folders of them, quoted patterns, or - for paths on
    stdin, one a line. Nothing is written without --out.

    \b
    OUT/scores.csv    a row per model     OUT/residues.csv  a row per residue
    OUT/models/       predicted quality (0-100) in the B-factor column
    OUT/report.html   all to look at      OUT/overview.png, OUT/plots/
    OUT/status.csv    a row per model     OUT/run.json      what was run

    Exit code 3: the run is complete, but some model has no score (see status.csv).
    """
    from molgen.api.score import ScoreConfig, score
    from molgen.config import load

    if out is None:
        for name, asked in {"--resume": run.resume, "--force": run.force, "--plots": plots}.items():
            if asked:
                raise click.UsageError(f"{name} needs --out")
    settings = load(ScoreConfig, config, options.given(model=model, device=device, plots=plots))
    result = score(
        _with_stdin(models),
        out,
        reference=reference,
        config=settings,
        jobs=jobs,
        command=options.command_line(),
        **run.how,
    )
    if run.as_json:
        options.print_json(_as_json(result))
    elif not (run.quiet and out is not None):  # without a folder the table is the result
        _print_result(result)
    return EXIT_SOME_FAILED if result.incomplete else 0


def _with_stdin(models: tuple[str, ...]) -> list[str]:
    """Return the models with ``-`` replaced by the lines of stdin."""
    given: list[str] = []
    for model in dict.fromkeys(models):
        if model == "-":
            text = sys.stdin.read()
            given += [line.strip() for line in text.splitlines() if line.strip()]
        else:
            given.append(model)
    return given


def _as_json(result: ScoreResult) -> dict[str, Any]:
    from molgen.api.score_files import score_row
    from molgen.api.tables import json_ready

    rows = []
    for rank, record in enumerate(result.ranked, 1):
        row = score_row(rank, record) | {"flags": list(record.flags)}
        rows.append(row | ({"mismatch": record.mismatch} if record.mismatch else {}))
    return json_ready(
        {
            "folder": result.folder and str(result.folder),
            "checkpoint": result.checkpoint,
            "models": rows,
            "failed": [
                {"model": record.model, "file": record.file, "reason": record.reason}
                for record in result.failed
            ],
            "agreement": result.agreement or None,
            "resumed": result.resumed,
            "seconds": round(result.seconds, 3),
        }
    )


def _print_result(result: ScoreResult) -> None:
    shown = len(result.ranked) if result.folder is None else _SHOWN
    compared = any(record.truth for record in result.ranked)
    width = max([len(options.plain(r.model)) for r in result.ranked[:shown]] + [5])
    true = "   true" if compared else ""
    click.echo(f"rank  {'model':{width}s}  predicted CAD{true}  residues  flags")
    for rank, record in enumerate(result.ranked[:shown], 1):
        cad = record.truth.get("true_cad")
        true = "" if not compared else f"  {cad:5.3f}" if cad is not None else "      –"
        scored = f"{record.scored}"
        if record.scored < record.residues:
            scored += f"/{record.residues}"
        flags = options.plain("; ".join(record.flags))
        name = options.plain(record.model)
        line = f"{rank:4d}  {name:{width}s}  {record.predicted_cad:13.3f}{true}"
        click.echo(f"{line}  {scored:>8s}  {flags}".rstrip())
    if len(result.ranked) > shown:
        click.echo(f"... {len(result.ranked) - shown} more in scores.csv")
    _print_agreement(result)
    for record in result.failed[:_SHOWN]:
        click.echo(
            f"failed: {options.plain(record.model)}: {options.plain(record.reason)}", err=True
        )
    if len(result.failed) > _SHOWN:
        click.echo(f"... {len(result.failed) - _SHOWN} more failed", err=True)
    if result.folder is not None:
        if result.resumed:
            click.echo(f"Kept from the earlier run: {result.resumed} files")
        total = len(result.ranked) + len(result.failed)
        click.echo(
            f"{len(result.ranked)} of {total} models scored in {result.seconds:.1f} s: "
            f"{result.folder / 'report.html'}"
        )


def _print_agreement(result: ScoreResult) -> None:
    names = {"true_cad": "CAD", "true_lddt": "lDDT", "gdt_ts": "GDT-TS", "tm_score": "TM-score"}
    for key, found in result.agreement.get("measures", {}).items():
        values = [f"{name} {_decimal(found[name])}" for name in ("pearson", "spearman", "kendall")]
        click.echo(
            f"Against {names[key]:8s}  {'  '.join(values)}  loss of the top-ranked "
            f"{_decimal(found['loss'])}"
        )


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
