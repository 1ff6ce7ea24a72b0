"""`molgen train`: from labelled data to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molgen.cli import options

if TYPE_CHECKING:
    from molgen.api.training_run import TrainResult


_split = click.option(
    "--split",
    type=options.FILE,
    metavar="DIR",
    help="Folder with val.txt and test.txt to hold out. Default: a split by sequence clusters.",
)
_exclude = options.exclude("Train on none of these")
_init = click.option(
    "--init",
    metavar="NAME|DIR",
    help="Checkpoint of the same network to start from. Default: random weights.",
)


def _resumable(function: options.Function) -> options.Function:
    """Add the options that end every resumable training: how long, where, how it is reported."""
    for add in (
        options.run(),
        options.config,
        options.seed,
        options.device,
        click.option("--smoke", is_flag=True, help="Two short epochs, to see that all works."),
        click.option("--minutes", type=click.FloatRange(0), help="Stop after so long."),
        click.option("--epochs", type=click.IntRange(1), help="At most so many."),
    ):
        function = add(function)
    return function


def _report(
    result: TrainResult, run: options.Run, examples: str, rows: Iterable[tuple[float | None, str]]
) -> None:
    """Print what a run made, and what it measured on what was held out: value and name."""
    if run.as_json:
        options.print_json(result)
    elif not run.quiet:
        click.echo(
            f"{result.folder}: {result.parameters:,} parameters, trained on {result.trained_on} "
            f"{examples}, {result.epochs} epochs, {result.steps} steps, {result.seconds:.0f} s; "
            f"measured on {result.held_out}:"
        )
        for value, name in rows:
            click.echo(f"{'–':>10}  {name}" if value is None else f"{value:10.4f}  {name}")


@click.group()
def command() -> None:
    """Train a model from prepared data."""


@command.command(short_help="The contact potential.")
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
@options.run(resume=False)
def contacts(
    contacts_file: Path,
    out: Path,
    split: Path | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Fit the contact potential on CONTACTS, the file of `molgen label contacts`."""
    from molgen.api.train_contacts import train_contacts
    from molgen.config import load
    from molgen.training.contacts import ContactTraining

    result = train_contacts(
        contacts_file,
        out,
        settings=load(ContactTraining, config, options.given(seed=seed)),
        split=split,
        command=options.command_line(),
        force=run.force,
        progress=run.progress,
    )
    if run.as_json:
        options.print_json(result)
    elif not run.quiet:
        click.echo(
            f"{result.folder}: trained on {result.trained_on}, measured on {result.held_out} "
            f"complexes, {result.seconds:.0f} s"
        )
        for name, found in result.metrics.items():
            click.echo(f"{100 * found['value']:6.1f} %  {name}")


@command.command(short_help="The quality of protein models.")
@click.argument("stores", metavar="STORE...", type=options.FILE, nargs=-1, required=True)
@options.out("Folder of the checkpoint; holds the state of the run until it is finished.")
@click.option(
    "--model", metavar="NAME", help="What to train, for instance sgcn_5. Default: of the config."
)
@_split
@_init
@_resumable
def quality(
    stores: tuple[Path, ...],
    out: Path,
    model: str | None,
    split: Path | None,
    init: str | None,
    epochs: int | None,
    minutes: float | None,
    smoke: bool,
    device: str | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Train a model of protein quality on STORE, made by `molgen label quality`.

    A run that was stopped at any moment goes on with --resume. Settings for --config: fields of
    molgen.training.quality.QualityTraining, and encoder and head with options of these.
    """
    from molgen.api import train_quality as use_case

    given = options.given(model=model, seed=seed, loop__epochs=epochs, loop__max_minutes=minutes)
    training = use_case.read_run(config, given)
    result = use_case.train_quality(
        stores,
        out,
        run=use_case.smoke(training) if smoke else training,
        split=split,
        init=init,
        device=device or "auto",
        command=options.command_line(),
        **run.how,
    )
    _report(
        result, run, "models", ((found["value"], name) for name, found in result.metrics.items())
    )


@command.command(short_help="SIDEGEN, the diffusion model of poses.")
@click.argument("stores", metavar="STORE...", type=options.FILE, nargs=-1, required=True)
@options.out("Folder of the checkpoint; holds the state of the run until it is finished.")
@_split
@_exclude
@_init
@_resumable
def sidegen(
    stores: tuple[Path, ...],
    out: Path,
    split: Path | None,
    exclude: tuple[str, ...],
    init: str | None,
    epochs: int | None,
    minutes: float | None,
    smoke: bool,
    device: str | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Train the pose model SIDEGEN on STORE, made by `molgen preprocess`.

    A run that was stopped at any moment goes on with --resume. Settings for --config: fields of
    molgen.training.poses.PoseTraining, and encoder with options of the target encoder.
    """
    from molgen.api import train_sidegen as use_case

    given = options.given(seed=seed, loop__epochs=epochs, loop__max_minutes=minutes)
    training = use_case.read_run(config, given)
    result = use_case.train_sidegen(
        stores,
        out,
        run=use_case.smoke(training) if smoke else training,
        split=split,
        exclude=exclude,
        init=init,
        device=device or "auto",
        command=options.command_line(),
        **run.how,
    )
    _report(result, run, "complexes", ((value, name) for name, value in result.metrics.items()))


@command.command(short_help="SCF energy, gap and charges of ligands.")
@click.argument("labels", type=options.FILE)
@options.out("Folder of the checkpoint; holds the state of the run until it is finished.")
@click.option(
    "--store", type=options.FILE, required=True, metavar="DIR", help="The store that was labelled."
)
@_split
@_resumable
def energies(
    labels: Path,
    out: Path,
    store: Path,
    split: Path | None,
    epochs: int | None,
    minutes: float | None,
    smoke: bool,
    device: str | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Train a model of ligand properties on LABELS, made by `molgen label energies`.

    It predicts SCF energy, HOMO-LUMO gap and partial charges and is what the learned energy terms
    use. A run that was stopped goes on with --resume. Settings for --config: fields of
    molgen.training.energies.EnergyTraining.
    """
    from molgen.api import train_energies as use_case
    from molgen.config import load
    from molgen.training.energies import EnergyTraining

    given = options.given(seed=seed, loop__epochs=epochs, loop__max_minutes=minutes)
    settings = load(EnergyTraining, config, given)
    result = use_case.train_energies(
        labels,
        store,
        out,
        settings=use_case.smoke(settings) if smoke else settings,
        split=split,
        device=device or "auto",
        command=options.command_line(),
        **run.how,
    )
    _report(
        result,
        run,
        "ligands",
        [
            (value["value"], f"{name} ({arm})")
            for arm, found in result.metrics.items()
            for name, value in found.items()
        ],
    )


@command.command(short_help="The confidence of poses.")
@click.argument("store", type=options.FILE)
@click.option(
    "--poses",
    type=options.FILE,
    required=True,
    multiple=True,
    metavar="DIR",
    help="Output of label poses; may be given several times.",
)
@options.out("Folder of the checkpoint.")
@_split
@_exclude
@_resumable
def confidence(
    store: Path,
    poses: tuple[Path, ...],
    out: Path,
    split: Path | None,
    exclude: tuple[str, ...],
    epochs: int | None,
    minutes: float | None,
    smoke: bool,
    device: str | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Train the confidence of poses on the complexes of STORE and their labelled poses.

    It rates the poses of `molgen generate`. A run that was stopped goes on with --resume. Settings
    for --config: fields of molgen.training.confidence.ConfidenceTraining.
    """
    from molgen.api import train_confidence as use_case
    from molgen.config import load
    from molgen.training.confidence import ConfidenceTraining

    given = options.given(seed=seed, loop__epochs=epochs, loop__max_minutes=minutes)
    settings = load(ConfidenceTraining, config, given)
    result = use_case.train_confidence(
        store,
        poses,
        out,
        settings=use_case.smoke(settings) if smoke else settings,
        split=split,
        exclude=exclude,
        device=device or "auto",
        command=options.command_line(),
        **run.how,
    )
    _report(
        result, run, "complexes", ((found["value"], name) for name, found in result.metrics.items())
    )
