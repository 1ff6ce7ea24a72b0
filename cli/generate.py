"""`molgen generate`: ranked, checked poses of ligands in a pocket."""

from __future__ import annotations

from pathlib import Path

import click

from molgen.cli import options

EXIT_SOME_FAILED = 3
"""The run is complete, but one or more ligands have no pose; status.csv says why."""


@click.command()
@click.option("--pdb", type=options.FILE, required=True, help="Target: PDB or mmCIF, may be .gz.")
@click.option(
    "--ligand",
    metavar="SMILES|FILE",
    help="SMILES, .sdf, .mol2, .mol, .smi or .csv (name,smiles). Default: the co-crystal ligand "
    "of the target, posed anew from its graph.",
)
@click.option(
    "--pocket",
    metavar="POCKET",
    help="ligand[:CODE[:CHAIN:NUMBER]], auto[:RANK], a ligand file, residues (A:45,A:101) or "
    "x,y,z[:edge]. Default: the co-crystal ligand, else auto.",
)
@click.option("--num-poses", type=click.IntRange(1), help="Poses per ligand. Default 10.")
@click.option("--sampler", metavar="NAME", help="search or vina. Default search.")
@options.seed
@options.device
@options.out()
@options.config
@options.as_json
@options.resume
@options.force
@options.quiet
def command(
    pdb: Path,
    ligand: str | None,
    pocket: str | None,
    num_poses: int | None,
    sampler: str | None,
    seed: int | None,
    device: str | None,
    out: Path,
    config: Path | None,
    as_json: bool,
    resume: bool,
    force: bool,
    quiet: bool,
) -> int:
    """Dock ligands into a target and write ranked, checked poses to a folder.

    \b
    OUT/poses.sdf     poses, best first; for a table of ligands OUT/<name>/poses.sdf
    OUT/summary.csv   a row per pose      OUT/status.csv  a row per ligand
    OUT/report.html   the same to look at OUT/run.json    what was run

    Exit code 3: the run is complete, but some ligand has no pose (see status.csv).
    """
    import sys

    from molgen.api.generate import GenerateConfig, generate
    from molgen.config import load

    if resume and force:
        raise click.UsageError("--resume and --force exclude each other")
    settings = load(
        GenerateConfig,
        config,
        options.given(num_poses=num_poses, sampler=sampler, seed=seed, device=device),
    )
    result = generate(
        pdb,
        out,
        ligand=ligand,
        pocket=pocket,
        config=settings,
        command=" ".join(["molgen", *sys.argv[1:]]),
        resume=resume,
        force=force,
        progress=options.show_progress(quiet, as_json),
    )
    if as_json:
        options.print_json(_as_json(result))
    elif not quiet:
        _print_result(result)
    return EXIT_SOME_FAILED if result.failed else 0


def _as_json(result) -> dict:  # type: ignore[no-untyped-def]
    return {
        "folder": str(result.folder),
        "pocket": {
            "source": result.pocket.source,
            "center": result.pocket.center.tolist(),
            "edges": result.pocket.edges.tolist(),
        },
        "notes": list(result.notes),
        "seconds": round(result.seconds, 3),
        "failed": result.failed,
        "ligands": [ligand.__dict__ for ligand in result.ligands],
    }


def _print_result(result) -> None:  # type: ignore[no-untyped-def]
    center = ", ".join(f"{value:.1f}" for value in result.pocket.center)
    click.echo(f"Pocket: {result.pocket.source} (centre {center} Å)")
    for note in result.notes:
        click.echo(f"Note: {note}")
    for ligand in result.ligands[:20]:
        if ligand.status != "ok":
            click.echo(f"{ligand.name}: failed: {ligand.reason}")
            continue
        valid = sum(bool(pose["posebusters_pass"]) for pose in ligand.poses)
        click.echo(
            f"{ligand.name}: {len(ligand.poses)} poses, {valid} pass PoseBusters, best score "
            f"{ligand.poses[0]['score']:.2f} kcal/mol, {ligand.seconds:.1f} s"
        )
        for note in ligand.notes:
            click.echo(f"  {note}")
    if len(result.ligands) > 20:
        click.echo(f"... {len(result.ligands) - 20} more in {result.folder / 'status.csv'}")
    click.echo(f"Results: {result.folder / 'report.html'}")
