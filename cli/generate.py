"""`molgen generate`: ranked, checked poses of ligands in a pocket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molgen.cli import options

if TYPE_CHECKING:
    from molgen.api.generate import GenerateResult
    from molgen.api.output_folder import LigandResult

EXIT_SOME_FAILED = 3
"""The run is complete, but one or more ligands have no pose; status.csv says why."""
_SHOWN_LIGANDS = 20
_SHOWN_POCKETS = 5


@click.command()
@click.option("--pdb", type=options.FILE, required=True, help="Target: PDB or mmCIF, may be .gz.")
@click.option(
    "--ligand",
    metavar="SMILES|FILE",
    help="SMILES, .sdf, .mol2, .mol, .smi, .csv or .tsv (name,smiles), also .gz. Default: the "
    "co-crystal ligand of the target, posed anew from its graph.",
)
@click.option(
    "--pocket",
    metavar="POCKET",
    help="ligand[:CODE[:CHAIN:NUMBER]], auto[:RANK], a ligand file, residues (A:45,A:101) or "
    "x,y,z[:edge]. Default: the co-crystal ligand, else auto.",
)
@click.option(
    "--box-edge",
    type=float,
    metavar="Å",
    help="Edge of the search box where --pocket gives none. Default 25.",
)
@click.option("--num-poses", type=click.IntRange(1), help="Poses per ligand. Default 10.")
@click.option("--sampler", metavar="NAME", help="search, sidegen or vina. Default search.")
@click.option(
    "--guide",
    metavar="on|none|TERM=WEIGHT,...",
    help="Energies that guide the sampler sidegen, for example clash=0.5,vina=0; terms that are "
    "not named keep their weight, 0 switches one off. Default none.",
)
@click.option(
    "--sidegen-space",
    metavar="SPACE",
    help="What sidegen moves: rigid-torsion (place, orientation, torsions) or cartesian (every "
    "atom). Default rigid-torsion.",
)
@click.option(
    "--sidegen-search",
    metavar="KIND",
    help="Search while sidegen samples: none, best-of-n, particles, noise or tree. Default none.",
)
@click.option(
    "--keep-raw",
    is_flag=True,
    default=None,
    help="Write what sidegen drew to raw_poses.sdf; a refined pose then stands only where it is "
    "valid or scores better.",
)
@click.option(
    "--rank",
    metavar="NAME",
    help="What ranks the valid poses: confidence (learned), energy or auto. Default auto: "
    "confidence where it applies.",
)
@click.option(
    "--unsure",
    type=click.FloatRange(0, 1),
    metavar="CONFIDENCE",
    help="A ligand whose first pose has a lower confidence is searched once more, with proposals "
    "of sidegen. Default 0.5; 0: none is.",
)
@click.option(
    "--relax",
    is_flag=True,
    default=None,
    help="Minimise the poses and the side chains round them with OpenMM; a relaxed pose is "
    "returned only where it is better, and both are kept.",
)
@options.seed
@options.device
@options.out()
@options.config
@options.run()
def command(
    pdb: Path,
    ligand: str | None,
    pocket: str | None,
    box_edge: float | None,
    num_poses: int | None,
    sampler: str | None,
    guide: str | None,
    sidegen_space: str | None,
    sidegen_search: str | None,
    keep_raw: bool | None,
    rank: str | None,
    unsure: float | None,
    relax: bool | None,
    seed: int | None,
    device: str | None,
    out: Path,
    config: Path | None,
    run: options.Run,
) -> int:
    """Dock ligands into a target and write ranked, checked poses to a folder.

    \b
    OUT/poses.sdf     poses, best first; for a table of ligands OUT/<name>/poses.sdf
    OUT/summary.csv   a row per pose      OUT/status.csv  a row per ligand
    OUT/report.html   the same to look at OUT/run.json    what was run

    Exit code 3: the run is complete, but some ligand has no pose (see status.csv).
    """

    from molgen.api.generate import GenerateConfig, generate
    from molgen.config import load

    settings = load(
        GenerateConfig,
        config,
        {
            **options.given(num_poses=num_poses, sampler=sampler, seed=seed, device=device),
            **options.given(sidegen__space=sidegen_space, sidegen__inference__kind=sidegen_search),
            **options.given(keep_raw=keep_raw, rank=rank, unsure=unsure, relax=relax),
            **options.given(box_edge=box_edge),
            **_guidance(guide),
        },
    )
    asked = {
        "--guide": guide,
        "--sidegen-space": sidegen_space,
        "--sidegen-search": sidegen_search,
        "--keep-raw": keep_raw,
    }
    for name, value in asked.items():
        if value is not None and settings.sampler != "sidegen":
            raise click.UsageError(f"{name} needs --sampler sidegen, not {settings.sampler}")
    if unsure and (settings.sampler, settings.rank) not in (
        ("search", "auto"),
        ("search", "confidence"),
    ):
        raise click.UsageError("--unsure needs --sampler search and a confidence")
    result = generate(
        pdb,
        out,
        ligand=ligand,
        pocket=pocket,
        config=settings,
        command=options.command_line(),
        **run.how,
    )
    if run.as_json:
        options.print_json(_as_json(result))
    elif not run.quiet:
        _print_result(result)
    return EXIT_SOME_FAILED if result.failed else 0


def _guidance(text: str | None) -> dict[str, Any]:
    """Return the settings that ``--guide`` stands for."""
    if text is None:
        return {}
    if text in ("on", "none"):
        return {"sidegen.guidance.on": text == "on"}
    found: dict[str, Any] = {"sidegen.guidance.on": True}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            found[f"sidegen.guidance.{name.strip()}"] = float(weight)
        except ValueError:
            expected = "expected on, none or weights such as clash=0.5,vina=0"
            raise click.UsageError(f"--guide {text!r}: {part!r} is no weight; {expected}") from None
    return found


def _as_json(result: GenerateResult) -> dict[str, Any]:
    return {
        "folder": str(result.folder),
        "pocket": {
            "source": result.pocket.source,
            "center": result.pocket.center.tolist(),
            "edges": result.pocket.edges.tolist(),
        },
        "pockets": list(result.pockets),
        "notes": list(result.notes),
        "seconds": round(result.seconds, 3),
        "failed": result.failed,
        "resumed": result.resumed,
        "ligands": [ligand.__dict__ for ligand in result.ligands],
    }


def _print_result(result: GenerateResult) -> None:
    if result.pockets:
        _print_pockets(result.pockets)
    center = ", ".join(f"{value:.1f}" for value in result.pocket.center)
    click.echo(f"Pocket: {options.plain(result.pocket.source)} (centre {center} Å)")
    for note in result.notes:
        click.echo(f"Receptor: {options.plain(note)}")
    if result.resumed:
        click.echo(f"Kept from the earlier run: {result.resumed} of {len(result.ligands)} ligands")
    for ligand in result.ligands[:_SHOWN_LIGANDS]:
        click.echo(f"{options.plain(ligand.name)}: {options.plain(_outcome(ligand))}")
        for note in ligand.notes:
            click.echo(f"  {options.plain(note)}")
    more = len(result.ligands) - _SHOWN_LIGANDS
    if more > 0:
        click.echo(f"... {more} more in {result.folder / 'status.csv'}")
    if result.failed and len(result.ligands) > 1:
        click.echo(f"Failed: {result.failed} of {len(result.ligands)} ligands, see status.csv")
    click.echo(f"Results: {result.folder / 'report.html'}")


def _print_pockets(pockets: tuple[dict[str, Any], ...]) -> None:
    """List the geometric pockets; the one that was searched is marked."""
    click.echo("  rank  score  volume/Å³  centre/Å                residues")
    shown = [p for p in pockets if p["rank"] <= _SHOWN_POCKETS or p["chosen"]]
    for pocket in shown:
        center = ",".join(f"{value:.1f}" for value in pocket["center"])
        residues = pocket["residues"]
        more = f" and {len(residues) - 4} more" if len(residues) > 4 else ""
        click.echo(
            f"{'>' if pocket['chosen'] else ' '} {pocket['rank']:4d}  {pocket['score']:5.1f}  "
            f"{pocket['volume']:9.0f}  {center:22s}  {' '.join(residues[:4])}{more}"
        )
    if len(pockets) > len(shown):
        click.echo(f"  ... {len(pockets) - len(shown)} more in run.json")
    click.echo("  --pocket auto:RANK searches another one")


def _outcome(ligand: LigandResult) -> str:
    if ligand.status != "ok":
        return f"failed: {ligand.reason}"
    from molgen.scoring.bands import band

    valid = sum(bool(pose["posebusters_pass"]) for pose in ligand.poses)
    top = ligand.poses[0]
    said = f"score {top['score']:.2f} kcal/mol"
    if "confidence" in top:
        word = band(top["confidence"], bool(top["posebusters_pass"]))
        said = f"confidence {top['confidence']:.2f} ({word}), {said}"
    return (
        f"{len(ligand.poses)} poses, {valid} pass PoseBusters; the first has {said}; "
        f"{ligand.seconds:.1f} s"
    )
