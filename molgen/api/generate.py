"""The use case `molgen generate`: a structure file and ligands to ranked, checked poses."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import molgen
from molgen.api.pose_output import UNITS, RankedPose, rank_poses
from molgen.api.provenance import run_record, sha256_of
from molgen.config import fingerprint, limited, to_dict
from molgen.errors import LigandError, MolgenError, OutputError
from molgen.io import (
    atomic_write,
    cocrystal_ligand,
    read_ligand,
    read_ligand_table,
    read_structure,
    resolve_pocket,
    unique_name,
    write_pdb,
    write_sdf,
)
from molgen.io.ligand_table import TABLE_SUFFIXES, LigandRow
from molgen.io.sdf import sdf_record
from molgen.report import ReportEntry, write_report
from molgen.scoring.validity import posebusters_version
from molgen.search.device import resolve_device
from molgen.search.samplers import Sampler, SamplerSettings, build_sampler
from molgen.search.settings import SearchSettings, VinaSettings
from molgen.structure import Pocket, Protein, Structure

RECORD = "record.json"
"""Per-ligand outcome beside its poses, written last; ``--resume`` trusts nothing else."""
OUTPUTS = ("poses.sdf", "summary.csv", "status.csv", "run.json", "report.html", RECORD)
STATUS_COLUMNS = (
    "name", "folder", "status", "reason", "poses", "best_score", "seconds", "smiles", "notes",
)  # fmt: skip


@dataclass(frozen=True)
class GenerateConfig:
    """Settings of a run; every key may stand in the YAML file of ``--config``.

    Attributes:
        num_poses: most poses returned for a ligand.
        sampler: registry name.
        seed: of every random number.
        device: "auto", "cpu" or "cuda[:N]".
        box_edge: Å, edge of the search box where the pocket gives none.
        search: settings of the sampler ``search``.
        vina: settings of the sampler ``vina``.
    """

    num_poses: int = limited(10, min=1, max=1000)
    sampler: str = "search"
    seed: int = limited(0, min=0)
    device: str = "auto"
    box_edge: float = limited(25.0, above=0.0)
    search: SearchSettings = SearchSettings()
    vina: VinaSettings = VinaSettings()


@dataclass(frozen=True)
class LigandResult:
    """The outcome of one ligand, one row of status.csv.

    Attributes:
        folder: where its poses are, relative to the output folder ("" for the folder itself).
        status: "ok" or "failed".
        poses: rows of summary.csv, best first.
    """

    name: str
    folder: str
    status: str
    reason: str
    seconds: float
    smiles: str
    notes: tuple[str, ...]
    poses: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class GenerateResult:
    """What a run made; ``failed`` counts the ligands without poses."""

    folder: Path
    pocket: Pocket
    notes: tuple[str, ...]
    ligands: tuple[LigandResult, ...]
    seconds: float

    @property
    def failed(self) -> int:
        """Number of ligands that failed."""
        return sum(result.status != "ok" for result in self.ligands)


def generate(
    pdb: str | Path,
    out: str | Path,
    *,
    ligand: str | Path | None = None,
    pocket: str | None = None,
    config: GenerateConfig | None = None,
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> GenerateResult:
    """Dock ligands into a structure and write the output folder.

    Args:
        pdb: PDB or mmCIF file, plain or .gz.
        out: folder of the results; must be empty unless ``resume`` or ``force``.
        ligand: SMILES or file; None re-poses the co-crystal ligand from fresh conformers.
        pocket: see `molgen.io.resolve_pocket`; None is the co-crystal ligand, else a cavity.
        config: settings.
        command: the command line, for run.json.
        resume: keep the ligands that an earlier run with the same inputs finished.
        force: replace the results of an earlier run.
        progress: show a bar on stderr.

    Raises:
        MolgenError: unusable structure, pocket, single ligand, device or folder. In a table of
            ligands a bad row becomes a failed row instead.
    """
    from tqdm import tqdm

    config = config or GenerateConfig()
    start = time.perf_counter()
    device = resolve_device(config.device)
    structure = read_structure(pdb)
    box, removed = resolve_pocket(pocket, structure, edge=config.box_edge)
    receptor = structure.receptor(removed)
    rows, several = _ligand_rows(ligand, structure, pocket, removed)
    folder = _open_folder(Path(out), resume=resume, force=force)
    sampler = build_sampler(
        config.sampler, receptor, box, SamplerSettings(config.search, config.vina), device
    )
    key = _run_key(pdb, box, config)
    loaded = time.perf_counter()

    taken: set[str] = set()
    results = []
    for row in tqdm(rows, unit="ligand", disable=not progress, dynamic_ncols=True):
        place = unique_name(row.name, taken) if several else ""
        done = _finished(folder / place, row, key) if resume else None
        results.append(done or _one_ligand(row, sampler, receptor, config, folder, place, key))
    _write_summary(folder / "summary.csv", results)
    _write_status(folder / "status.csv", results)
    seconds = time.perf_counter() - start
    result = GenerateResult(folder, box, receptor.notes, tuple(results), seconds)
    inputs = [pdb] if ligand is None or not Path(str(ligand)).is_file() else [pdb, ligand]
    record = run_record(
        command=command,
        config={**to_dict(config), "device": device},
        inputs=inputs,
        timings={"load": loaded - start, "total": seconds},
        extra={
            "pocket": {
                "source": box.source, "center": box.center.tolist(), "edges": box.edges.tolist(),
            },
            "posebusters": posebusters_version(),
            "ligands": len(results),
            "failed": result.failed,
            "notes": list(receptor.notes),
        },
    )  # fmt: skip
    with atomic_write(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    _write_report(result, rows, structure, receptor, record, pocket)
    return result


def _ligand_rows(
    source: str | Path | None, structure: Structure, pocket: str | None, removed: tuple
) -> tuple[list[LigandRow], bool]:
    """Return the ligands to dock and whether they came as a table."""
    if source is None:
        group = removed[0] if removed and _names_ligand(pocket) else None
        found = cocrystal_ligand(structure, group)
        return [LigandRow(1, found.name, found.smiles, found, None)], False
    path = Path(str(source))
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES and path.is_file():
        rows = read_ligand_table(path)
        if suffix == ".csv" or len(rows) > 1:
            return rows, True
    found = read_ligand(source if isinstance(source, Path) else str(source))
    return [LigandRow(1, found.name, str(source), found, None)], False


def _names_ligand(pocket: str | None) -> bool:
    return pocket is None or pocket.strip().lower().startswith("ligand")


def _one_ligand(
    row: LigandRow,
    sampler: Sampler,
    receptor: Protein,
    config: GenerateConfig,
    folder: Path,
    place: str,
    key: str,
) -> LigandResult:
    """Dock one ligand and write its poses and record; a failure is an outcome, not an error."""
    start = time.perf_counter()
    ranked: list[RankedPose] = []
    reason = row.error or ""
    if row.ligand is not None:
        try:
            poses = sampler.sample(row.ligand, config.num_poses, config.seed)
            ranked = rank_poses(poses, receptor)
            if not ranked:
                reason = "no pose found"
        except OutputError:
            raise
        except MolgenError as error:
            reason = str(error)
        except (RuntimeError, ValueError, ArithmeticError) as error:
            # chemistry toolkits raise their own errors on odd molecules; the batch goes on
            reason = f"{type(error).__name__}: {error}"
    if ranked:
        write_sdf(folder / place / "poses.sdf", [(pose.mol, pose.properties) for pose in ranked])
    result = LigandResult(
        name=row.name,
        folder=place,
        status="ok" if ranked else "failed",
        reason=" ".join(reason.split()),
        seconds=round(time.perf_counter() - start, 3),
        smiles=row.ligand.smiles if row.ligand else "",
        notes=row.ligand.notes if row.ligand else (),
        poses=tuple(pose.properties for pose in ranked),
    )
    record = {"key": _ligand_key(row, key), "result": _as_dict(result)}
    with atomic_write(folder / place / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return result


def _as_dict(result: LigandResult) -> dict[str, Any]:
    return {**result.__dict__, "notes": list(result.notes), "poses": list(result.poses)}


def _finished(place: Path, row: LigandRow, key: str) -> LigandResult | None:
    """Return the recorded outcome when it is that of the same ligand, inputs and settings."""
    try:
        record = json.loads((place / RECORD).read_text("utf-8"))
        found = record["result"]
        if record["key"] != _ligand_key(row, key):
            return None
        if found["status"] == "ok" and not (place / "poses.sdf").is_file():
            return None
        return LigandResult(
            **{**found, "notes": tuple(found["notes"]), "poses": tuple(found["poses"])}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run_key(pdb: str | Path, box: Pocket, config: GenerateConfig) -> str:
    place = np.concatenate([box.center, box.edges]).tobytes().hex()
    return f"{molgen.__version__}:{sha256_of(pdb)}:{place}:{fingerprint(config)}"


def _ligand_key(row: LigandRow, key: str) -> str:
    graph = row.ligand.smiles if row.ligand else row.source_text
    return f"{key}:{row.name}:{graph}"


def _open_folder(folder: Path, *, resume: bool, force: bool) -> Path:
    """Make the output folder, or clear the results of an earlier run in it."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; expected a folder for the results")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        content = list(folder.iterdir())
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used for the results ({error.strerror})") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: cannot be written")
    if content and not (resume or force):
        raise OutputError(
            f"{folder}: is not empty; --resume continues an earlier run, --force replaces it"
        )
    if force:
        for place in [folder, *(path for path in content if (path / RECORD).is_file())]:
            for name in OUTPUTS:
                (place / name).unlink(missing_ok=True)
            if place != folder and not any(place.iterdir()):
                place.rmdir()
    return folder


def _write_summary(path: Path, results: list[LigandResult]) -> None:
    """Write one row per pose of all ligands."""
    rows = [{"name": r.name, "folder": r.folder, **pose} for r in results for pose in r.poses]
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["name", "folder", "rank"]
    with atomic_write(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def _write_status(path: Path, results: list[LigandResult]) -> None:
    """Write one row per ligand."""
    with atomic_write(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, STATUS_COLUMNS)
        writer.writeheader()
        for r in results:
            best = _cell(r.poses[0]["score"]) if r.poses else ""
            writer.writerow({
                "name": r.name, "folder": r.folder, "status": r.status, "reason": r.reason,
                "poses": len(r.poses), "best_score": best, "seconds": r.seconds,
                "smiles": r.smiles, "notes": "; ".join(r.notes),
            })  # fmt: skip


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4f}" if isinstance(value, float) else value


def _write_report(
    result: GenerateResult,
    rows: list[LigandRow],
    structure: Structure,
    receptor: Protein,
    record: dict[str, Any],
    pocket: str | None,
) -> None:
    entries, points = [], [result.pocket.center[None]]
    for row, outcome in zip(rows, result.ligands, strict=True):
        path = result.folder / outcome.folder / "poses.sdf"
        text = path.read_text("utf-8") if outcome.status == "ok" else ""
        entries.append(
            ReportEntry(
                name=outcome.name,
                status=outcome.status,
                reason=outcome.reason,
                ligand_mol=row.ligand.mol if row.ligand else None,
                poses_sdf_text=text,
                table=outcome.poses,
                notes=outcome.notes,
            )
        )
        points.extend(_sdf_coords(text))
    near = receptor.near(np.concatenate(points), 8.0)
    write_report(
        result.folder / "report.html",
        title=f"{structure.name}: ligand poses",
        run=record,
        entries=entries,
        receptor_pdb=write_pdb(None, receptor.select(near)) or "",
        reference_sdf=_reference(structure, pocket),
        units=UNITS,
    )


def _reference(structure: Structure, pocket: str | None) -> str:
    """Return the co-crystal ligand as SDF for the 3D view; "" when there is none to show."""
    if not structure.ligands or not _names_ligand(pocket):
        return ""
    try:
        found = cocrystal_ligand(structure)
    except LigandError:
        return ""
    return sdf_record(found.mol)


def _sdf_coords(text: str) -> Iterator[np.ndarray]:
    from rdkit import Chem

    supplier = Chem.SDMolSupplier()
    supplier.SetData(text)
    for mol in supplier:
        if mol is not None:
            yield mol.GetConformer().GetPositions()
            return
