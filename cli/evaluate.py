"""`molgen evaluate`: poses against reference ligands."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options


@click.command()
@click.option(
    "--poses",
    type=options.FILE,
    metavar="DIR",
    multiple=True,
    required=True,
    help="Output of `molgen generate`, or a folder of such outputs, one per entry. Give it "
    "several times to compare runs; differences are taken to the first.",
)
@click.option(
    "--reference",
    type=options.FILE,
    metavar="FILE|DIR",
    required=True,
    help="Ligand with the known pose, or a folder with <id>/<id>_ligand.sdf and "
    "<id>/<id>_protein.pdb.",
)
@click.option(
    "--protein",
    type=options.FILE,
    metavar="FILE",
    help="Receptor for the PoseBusters checks. Default: <id>_protein.pdb beside the reference.",
)
@click.option("--label", multiple=True, help="Name of a run in the tables, one for each --poses.")
@click.option("--check-all", is_flag=True, help="Check every pose, not only the top one.")
@click.option(
    "--attempted-only",
    is_flag=True,
    help="Leave out references that the run has no folder for, instead of counting a failure.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: the CPUs of the machine.")
@options.out("Folder for tables and plots. Default: print the table only.", required=False)
@options.run(resume=False)
def command(
    poses: tuple[Path, ...],
    reference: Path,
    protein: Path | None,
    label: tuple[str, ...],
    check_all: bool,
    attempted_only: bool,
    jobs: int | None,
    out: Path | None,
    run: options.Run,
) -> None:
    """Compare poses with the known ones: RMSD, PoseBusters validity, success rates.

    RMSD is symmetry-corrected and in place; *joint* is RMSD within 2 Å and valid. Every attempted
    entry counts, also those without poses. With --out: evaluation.csv (entries), poses.csv,
    summary.csv, summary.json, summary.md and plots.
    """
    if label and len(label) != len(poses):
        raise click.UsageError(f"{len(label)} --label for {len(poses)} --poses: expected one each")

    from molgen.api.evaluate import evaluate, unique_labels
    from molgen.api.evaluation_files import (
        as_record,
        check_folder,
        to_markdown,
        write_evaluation,
    )

    if out is not None:
        check_folder(out, force=run.force)  # before the work, not after it
    runs = []
    for folder, name in zip(poses, unique_labels(poses, label), strict=True):
        with _Bar(name, run.progress) as bar:
            runs.append(
                evaluate(
                    folder,
                    reference,
                    protein=protein,
                    label=name,
                    check_all=check_all,
                    attempted_only=attempted_only,
                    jobs=jobs,
                    progress=bar.update,
                )
            )
    if out is not None:
        write_evaluation(out, runs, force=run.force)
    if run.as_json:
        options.print_json(as_record(runs))
    elif not run.quiet:
        click.echo(to_markdown(runs), nl=False)
        if out is not None:
            click.echo(f"\nWritten to {out}")


class _Bar:
    """A progress bar on the terminal, or nothing."""

    def __init__(self, label: str, shown: bool) -> None:
        self._label, self._shown, self._bar = label, shown, None

    def __enter__(self) -> _Bar:
        if self._shown:
            from tqdm import tqdm

            self._bar = tqdm(desc=self._label, unit="entry", leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int, total: int) -> None:
        """Show ``done`` of ``total``."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
