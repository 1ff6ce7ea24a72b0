"""`molgen label`: computed labels for training data."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options


@click.group()
def command() -> None:
    """Compute labels for training data."""


@command.command(short_help="Search poses of known complexes.")
@click.argument("raw", type=options.FILE)
@options.out("Folder of the labels; a second run adds what is missing.")
@options.only("Label only these")
@click.option("--limit", type=click.IntRange(1), help="Only N entries, chosen at random.")
@click.option(
    "--shard",
    metavar="I/N",
    help="Only every N-th entry from the I-th on: for several machines, which may share DIR.",
)
@click.option(
    "--together", type=click.IntRange(1), help="Complexes searched at once on a GPU. Default 16."
)
@options.device
@options.seed
@options.config
@options.run(resume=False, force=False)
def poses(
    raw: Path,
    out: Path,
    only: tuple[str, ...],
    limit: int | None,
    shard: str | None,
    together: int | None,
    device: str | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Search poses of the known complexes in RAW and store them with what is known of them.

    Of every pose: RMSD to the crystal pose, energies by term, PoseBusters' verdicts. RAW is in
    PDBBind layout. Stopped runs continue: run the same command again. Settings for --config:
    fields of molgen.api.label_search.LabelConfig.
    """
    from molgen.api.label import label_poses
    from molgen.api.label_search import LabelConfig
    from molgen.config import load

    settings = load(LabelConfig, config, options.given(limit=limit, seed=seed))
    counts = label_poses(
        raw,
        out,
        settings,
        only=only,
        progress=run.progress,
        **options.given(device=device, together=together, shard=_shard(shard)),
    )
    if run.as_json:
        options.print_json({"folder": str(out), **counts})
    elif not run.quiet:
        click.echo(f"{counts['ok']} complexes labelled, {counts['failed']} failed: {out}")
    options.require_some(counts["ok"], counts["failed"], out / "status.csv")


def _shard(text: str | None) -> tuple[int, int] | None:
    """Return (i, n) of the text "i/n".

    Raises:
        click.UsageError: it is none, or i is not from 1 to n.
    """
    if text is None:
        return None
    part, _, count = text.partition("/")
    if not (part.isdecimal() and count.isdecimal() and 1 <= int(part) <= int(count)):
        raise click.UsageError(f"--shard: {text!r} is no share; expected I/N with I from 1 to N")
    return int(part), int(count)


@command.command(short_help="Count the contacts of poses, for the contact potential.")
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
@options.run(resume=False)
def contacts(raw: Path, poses: tuple[Path, ...], out: Path, run: options.Run) -> None:
    """Count the contacts of crystal and labelled poses in RAW, for `molgen train contacts`."""
    from molgen.api.label_contacts import label_contacts

    counts = label_contacts(raw, poses, out, force=run.force, progress=run.progress)
    if run.as_json:
        options.print_json({"file": str(out), **counts})
    elif not run.quiet:
        click.echo(", ".join(f"{count} {name}" for name, count in counts.items()) + f": {out}")


@command.command(short_help="Score decoys against their natives.")
@click.argument("roots", metavar="ROOT...", type=options.FILE, nargs=-1, required=True)
@options.out("Folder of the store.")
@click.option(
    "--split",
    is_flag=True,
    help="Write lists of train, val and test targets too, by clusters of sequences.",
)
@click.option(
    "--exclude",
    type=options.FILE,
    multiple=True,
    metavar="PATH",
    help="Leave out targets similar to these: FASTA, structure or folder; may be repeated.",
)
@click.option(
    "--weights",
    type=options.FILE,
    metavar="FILE",
    help="CSV file with columns target and weight, for training; 0 leaves a target out.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: the CPUs there are.")
@options.seed
@options.run()
def quality(
    roots: tuple[Path, ...],
    out: Path,
    split: bool,
    exclude: tuple[Path, ...],
    weights: Path | None,
    jobs: int | None,
    seed: int | None,
    run: options.Run,
) -> None:
    """Label protein models with CAD-score, lDDT, GDT-TS and TM-score, for `molgen train quality`.

    ROOT holds a folder for every target with target.pdb and models/*.pdb, as `molgen decoys` makes
    them. The native joins as a model of itself. Every model gets an outcome in index.csv; a run
    that was stopped goes on with --resume, which also takes in new targets and models.
    """
    from molgen.api.label_quality import label_quality

    result = label_quality(
        roots,
        out,
        split=split,
        exclude=exclude,
        weights=weights,
        jobs=jobs,
        **run.how,
        **options.given(seed=seed),
    )
    if run.as_json:
        options.print_json(result)
    elif not run.quiet:
        click.echo(
            f"{result.usable} of {result.models} models of {result.targets} targets in "
            f"{result.folder}, {result.size_mb:.1f} MB, {result.seconds:.0f} s"
        )
        if result.excluded:
            click.echo(f"{result.excluded:8d}  targets excluded by sequence")
        for reason, count in result.outcomes.items():
            click.echo(f"{count:8d}  {reason}")
        for part, count in result.splits.items():
            click.echo(f"{count:8d}  targets in {part}")
    options.require_some(result.usable, result.models, result.folder / "index.csv")


@command.command(short_help="Compute GFN2-xTB energies of ligands.")
@click.argument("store", type=options.FILE)
@options.out("Folder of the labels.")
@click.option("--limit", type=click.IntRange(1), help="Only N ligands, chosen at random.")
@click.option(
    "--conformers",
    type=click.IntRange(2),
    help="Conformers of a ligand: crystal, embedded, shaken, twisted, embedded, … Default 4.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: the CPUs there are.")
@options.seed
@options.config
@options.run()
def energies(
    store: Path,
    out: Path,
    limit: int | None,
    conformers: int | None,
    jobs: int | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Label ligands of STORE with GFN2-xTB energies, HOMO-LUMO gaps and Gasteiger charges.

    STORE is made by `molgen preprocess`. Needs tblite (pip install tblite). Every ligand
    gets an outcome in index.csv; a run that was stopped goes on with --resume. Settings for
    --config: fields of molgen.api.label_energies.EnergyLabelling.
    """
    from molgen.api.label_energies import EnergyLabelling, label_energies
    from molgen.config import load

    settings = load(
        EnergyLabelling, config, options.given(limit=limit, conformers=conformers, seed=seed)
    )
    result = label_energies(
        store,
        out,
        settings,
        jobs=jobs,
        **run.how,
    )
    if run.as_json:
        options.print_json(result)
    elif not run.quiet:
        click.echo(
            f"{result.conformers} conformers of {result.usable} of {result.ligands} ligands in "
            f"{result.folder}, {result.size_mb:.1f} MB, {result.seconds:.0f} s"
        )
        for reason, count in result.outcomes.items():
            click.echo(f"{count:8d}  {reason}")
    options.require_some(result.usable, result.ligands, result.folder / "index.csv")
