"""`molgen train`: from labelled data to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options


@click.group()
def command() -> None:
    """Train a model from prepared data."""


@command.command()
@click.argument("contacts_file", metavar="CONTACTS", type=options.FILE)
@options.out("Folder of the checkpoint.")
@click.option(
    "--split",
    type=options.FILE,
    metavar="DIR",
    help="Folder with val.txt and test.txt to hold out. Default: a random 15 %.",
)
@options.seed
@options.config
@options.as_json
@options.force
@options.quiet
def contacts(
    contacts_file: Path,
    out: Path,
    split: Path | None,
    seed: int | None,
    config: Path | None,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Fit the contact potential on CONTACTS, the file of `molgen label contacts`."""
    from dataclasses import asdict

    from molgen.api.train import train_contacts
    from molgen.config import load
    from molgen.training.contacts import ContactTraining

    result = train_contacts(
        contacts_file,
        out,
        settings=load(ContactTraining, config, options.given(seed=seed)),
        split=split,
        command=options.command_line(),
        force=force,
        progress=options.show_progress(quiet, as_json),
    )
    if as_json:
        options.print_json(asdict(result))
    elif not quiet:
        click.echo(
            f"{result.folder}: trained on {result.trained_on}, measured on {result.held_out} "
            f"complexes, {result.seconds:.0f} s"
        )
        for name, found in result.metrics.items():
            click.echo(f"{100 * found['value']:6.1f} %  {name}")
