"""`molgen preprocess`: a folder of complexes in PDBBind layout to a training store."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options


@click.command()
@click.argument("raw", type=options.FILE)
@options.out("Folder of the store.")
@click.option(
    "--cutoff",
    type=float,
    metavar="Å",
    help="Keep receptor residues with an atom this near to the ligand. Default 20.",
)
@click.option(
    "--conformers",
    type=click.IntRange(0),
    metavar="N",
    help="Embed N conformers of every ligand; training varies the geometry of poses with them. "
    "Default 0.",
)
@options.exclude("Leave these out")
@click.option(
    "--workers", type=click.IntRange(1), help="Processes. Default: the CPUs of this machine."
)
@click.option(
    "--split",
    type=click.Choice(("random", "time", "sequence")),
    help="Write id lists too: random, by release year, or by clusters of the pocket chain.",
)
@options.seed
@click.option("--limit", type=click.IntRange(1), help="Only the first N entries by id.")
@options.run()
def command(
    raw: Path,
    out: Path,
    cutoff: float | None,
    conformers: int | None,
    exclude: tuple[str, ...],
    workers: int | None,
    split: str | None,
    seed: int | None,
    limit: int | None,
    run: options.Run,
) -> None:
    """Turn RAW, a folder of complexes in PDBBind layout, into a training store.

    RAW/<id>/<id>_protein.pdb and <id>_ligand.sdf or .mol2. Every entry gets an outcome in
    index.csv. A run that was stopped at any moment goes on with --resume.
    """
    from molgen.api.preprocess import preprocess
    from molgen.datasets.builder import BuildOptions
    from molgen.datasets.entry_lists import read_entry_list
    from molgen.datasets.splits import SplitOptions

    if seed is not None and not split:
        raise click.UsageError("--seed is for --split; the store itself has nothing random")
    result = preprocess(
        raw,
        out,
        options=BuildOptions(
            exclude=read_entry_list(exclude),
            **options.given(cutoff=cutoff, conformers=conformers),
        ),
        split=SplitOptions(**options.given(kind=split, seed=seed)) if split else None,
        workers=workers,
        limit=limit,
        **run.how,
    )
    if run.as_json:
        options.print_json(result)
    elif not run.quiet:
        click.echo(
            f"{result.usable} of {result.entries} complexes in {result.folder}, "
            f"{result.size_mb:.1f} MB, {result.seconds:.0f} s"
        )
        for reason, count in result.outcomes.items():
            click.echo(f"{count:8d}  {reason}")
        for part, count in result.splits.items():
            click.echo(f"{count:8d}  {part} ({result.split_folder})")
    options.require_some(result.usable, result.entries, result.folder / "index.csv")
