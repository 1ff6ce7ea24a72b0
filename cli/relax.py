"""`molgen relax`: poses minimised in the pocket, each taken only if it got better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molgen.cli import options

if TYPE_CHECKING:
    from molgen.api.output_folder import LigandResult
    from molgen.api.relax import RelaxResult

EXIT_SOME_FAILED = 3
"""The run is complete, but no pose of one or more ligands could be relaxed; status.csv says why."""
_SHOWN_LIGANDS = 20


@click.command()
@click.option("--pdb", type=options.FILE, required=True, help="Protein: PDB or mmCIF, may be .gz.")
@click.option(
    "--poses",
    type=options.FILE,
    required=True,
    metavar="SDF",
    help="Poses in the frame of the protein: SDF or MOL2, of one ligand or many.",
)
@click.option(
    "--ligand",
    metavar="SMILES|FILE",
    help="What all poses must be; gives them bond orders and charges. Default: as in the file.",
)
@click.option(
    "--platform",
    metavar="NAME",
    help="OpenMM platform: auto, CUDA, CPU or Reference. Default auto: the first that works.",
)
@options.seed
@options.out()
@options.config
@options.run()
def command(
    pdb: Path,
    poses: Path,
    ligand: str | None,
    platform: str | None,
    seed: int | None,
    out: Path,
    config: Path | None,
    run: options.Run,
) -> int:
    """Minimise poses and the side chains round them; keep a result only where it is better.

    \b
    OUT/poses.sdf     the poses to use: relaxed where accepted, else as given
    OUT/raw.sdf       all poses as given    OUT/relaxed.sdf  all relaxed ones
    OUT/summary.csv   a row per pose        OUT/status.csv   a row per ligand
    OUT/run.json      what was run

    Exit code 3: the run is complete, but no pose of some ligand could be relaxed.
    """

    from molgen.api.relax import RelaxRunConfig, relax
    from molgen.config import load

    settings = load(RelaxRunConfig, config, options.given(platform=platform, seed=seed))
    result = relax(
        pdb,
        poses,
        out,
        ligand=ligand,
        config=settings,
        command=options.command_line(),
        **run.how,
    )
    if run.as_json:
        options.print_json(_as_json(result))
    elif not run.quiet:
        _print_result(result)
    return EXIT_SOME_FAILED if result.failed else 0


def _as_json(result: RelaxResult) -> dict[str, Any]:
    return {
        "folder": str(result.folder),
        "platform": result.platform,
        "notes": list(result.notes),
        "poses": result.counts,
        "failed": result.failed,
        "resumed": result.resumed,
        "seconds": round(result.seconds, 3),
        "ligands": [ligand.__dict__ for ligand in result.ligands],
    }


def _print_result(result: RelaxResult) -> None:
    for note in result.notes:
        click.echo(f"Receptor: {options.plain(note)}")
    if result.resumed:
        click.echo(f"Kept from the earlier run: {result.resumed} of {len(result.ligands)} ligands")
    for ligand in result.ligands[:_SHOWN_LIGANDS]:
        click.echo(f"{options.plain(ligand.name)}: {options.plain(_outcome(ligand))}")
    more = len(result.ligands) - _SHOWN_LIGANDS
    if more > 0:
        click.echo(f"... {more} more in {result.folder / 'status.csv'}")
    if result.failed and len(result.ligands) > 1:
        click.echo(f"Failed: {result.failed} of {len(result.ligands)} ligands, see status.csv")
    click.echo(f"Results: {result.folder / 'poses.sdf'}")


def _outcome(ligand: LigandResult) -> str:
    if ligand.status != "ok":
        return f"failed: {ligand.reason}"
    words = [str(pose["outcome"]) for pose in ligand.poses]
    parts = [f"{words.count(w)} {w}" for w in ("accepted", "refused", "not relaxed") if w in words]
    before = sum(bool(pose["posebusters_pass_before"]) for pose in ligand.poses)
    after = sum(bool(pose["posebusters_pass"]) for pose in ligand.poses)
    text = (
        f"{len(words)} poses, {', '.join(parts)}; {before} passed PoseBusters before, {after} "
        f"pass now, {ligand.seconds:.1f} s"
    )
    return f"{text} ({ligand.reason})" if ligand.reason else text
