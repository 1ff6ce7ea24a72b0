"""`molgen label`: computed labels for training data."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options


@click.group()
def command() -> None:
    """Compute labels for training data."""


@command.command()
@click.argument("raw", type=options.FILE)
@options.out("Folder of the labels; a second run adds what is missing.")
@click.option("--limit", type=click.IntRange(1), help="Only N entries, chosen at random.")
@options.seed
@options.config
@options.as_json
@options.quiet
def poses(
    raw: Path,
    out: Path,
    limit: int | None,
    seed: int | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search poses of the known complexes in RAW and store them with their RMSDs.

    RAW is in PDBBind layout. Stopped runs continue: run the same command again.
    """
    from molgen.api.label import LabelConfig, label_poses
    from molgen.config import load

    settings = load(LabelConfig, config, options.given(limit=limit, seed=seed))
    counts = label_poses(raw, out, settings, progress=options.show_progress(quiet, as_json))
    if as_json:
        options.print_json({"folder": str(out), **counts})
    elif not quiet:
        click.echo(f"{counts['ok']} complexes labelled, {counts['failed']} failed: {out}")


@command.command()
@click.argument("raw", type=options.FILE)
@click.option(
    "--poses",
    type=options.FILE,
    required=True,
    multiple=True,
    metavar="DIR",
    help="Output of label poses; may be given several times.",
)
@click.option(
    "--out", type=options.FILE, required=True, metavar="FILE", help="File of the contacts."
)
@options.as_json
@options.quiet
def contacts(raw: Path, poses: tuple[Path, ...], out: Path, as_json: bool, quiet: bool) -> None:
    """Count the contacts of crystal and labelled poses in RAW, for `molgen train contacts`."""
    from molgen.api.label_contacts import label_contacts

    progress = options.show_progress(quiet, as_json)
    counts = label_contacts(raw, poses, out, progress=progress)
    if as_json:
        options.print_json({"file": str(out), **counts})
    elif not quiet:
        click.echo(", ".join(f"{count} {name}" for name, count in counts.items()) + f": {out}")
