"""`molgen decoys`: models with known errors, for training and testing quality assessment."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options


@click.command()
@click.argument("natives", metavar="NATIVE...", nargs=-1, required=True, type=options.FILE)
@options.out("Folder for the decoys: <native>/target.pdb and <native>/models/*.pdb.")
@click.option("--per-native", type=click.IntRange(0), help="Decoys of every native. Default 13.")
@click.option("--kinds", metavar="A,B", help="Only these kinds of error. Default: all in turn.")
@click.option(
    "--thermal",
    type=click.IntRange(0),
    help="Frames of an unfolding run in implicit solvent (OpenMM, slow), per native. Default 0.",
)
@click.option("--platform", metavar="NAME", help="OpenMM platform of that run. Default auto.")
@click.option(
    "--templates",
    type=options.FILE,
    metavar="DIR",
    help="Structures to thread sequences on. Default: the natives.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: one per core.")
@options.seed
@options.config
@options.run()
def command(
    natives: tuple[Path, ...],
    out: Path,
    per_native: int | None,
    kinds: str | None,
    thermal: int | None,
    platform: str | None,
    templates: Path | None,
    jobs: int | None,
    seed: int | None,
    config: Path | None,
    run: options.Run,
) -> None:
    """Make decoys of every NATIVE: structure files, or folders of them.

    The kinds of error run from repacked side chains and normal modes over shifted registers, moved
    segments and rebuilt loops to refolded chains and wrong folds. Each decoy is packed, relaxed
    and gets a row in status.csv.

    \b
    Kinds: relaxed, repacked, near_native, distant_template, moved_segments,
    moved_domains, rebuilt_loops, noisy_torsions, shifted_register,
    threaded_with_gaps, refolded, novel_fold, wrong_fold, plausible_fold, melted,
    low_resolution.
    """
    from molgen.api.decoys import DecoyConfig, make_decoys
    from molgen.config import load

    given = options.given(
        per_native=per_native,
        thermal=thermal,
        platform=platform,
        seed=seed,
        kinds=[kind.strip() for kind in kinds.split(",") if kind.strip()] if kinds else None,
    )
    result = make_decoys(
        natives,
        out,
        config=load(DecoyConfig, config, given),
        templates=templates,
        jobs=jobs,
        command=options.command_line(),
        **run.how,
    )
    if run.as_json:
        options.print_json(result)
    elif not run.quiet:
        click.echo(
            f"{result.made} decoys of {result.natives} natives in {result.folder}, "
            f"{result.seconds:.0f} s"
        )
        for kind, count in result.kinds.items():
            click.echo(f"{count:8d}  {kind}")
        for reason, count in result.reasons.items():
            click.echo(f"{count:8d}  failed: {reason}")
    options.require_some(result.made, result.failed, result.folder / "status.csv")
