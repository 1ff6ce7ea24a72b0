"""The use case `molgen generate`: a structure file and ligands to ranked, checked poses."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import molgen
from molgen.api.docking import Docking, Record
from molgen.api.generate_inputs import Target, read_ligands, read_target
from molgen.api.generate_report import write_generate_report
from molgen.api.output_folder import (
    RUN,
    LigandResult,
    begin_ligand,
    check_folder,
    finish_ligand,
    opened,
    refuse_own_input,
    run_ligands,
    write_text,
)
from molgen.api.pose_output import RankedPose
from molgen.api.provenance import input_record, run_record
from molgen.checkpoints import checkpoint_sum
from molgen.config import check, fingerprint, limited, to_dict
from molgen.energy.relax_settings import RelaxConfig
from molgen.errors import InputError, MolgenError, MolgenWarning
from molgen.io import LigandRow
from molgen.io.ligand_file import MAX_TESTED_ATOMS
from molgen.io.paths import is_file
from molgen.io.rdkit_log import quiet_rdkit
from molgen.io.sdf import sdf_record
from molgen.scoring.validity import posebusters_version
from molgen.search.device import resolve_device
from molgen.search.settings import SECOND_SEARCH, SearchSettings, SidegenSettings, VinaSettings
from molgen.structure import Pocket
from molgen.structure.stereo import one_isomer

_TOOLKIT_ERRORS = (RuntimeError, ValueError, ArithmeticError)
"""What chemistry libraries raise on odd molecules."""


@dataclass(frozen=True)
class GenerateConfig:
    """Settings of a run; every key may stand in the YAML file of ``--config``.

    Attributes:
        num_poses: most poses returned for a ligand.
        sampler: registry name.
        seed: of every random number.
        device: "auto", "cpu" or "cuda[:N]".
        box_edge: Å, edge of the search box where the pocket gives none.
        keep_raw: write what a learned sampler drew to raw_poses.sdf, and return a refined pose only
            where it is valid or scores better (see `molgen.api.acceptance`).
        rank: registry name of what ranks valid poses, confidence or energy; "auto" is confidence,
            except with ``keep_raw`` and with the sampler ``vina``, whose energies are others.
        confidence: checkpoint that rates poses.
        unsure: a ligand whose first pose the sampler ``search`` finds with a lower confidence is
            searched once more, with proposals of SIDEGEN, and the poses of both are rated together;
            0 searches none twice.
        again: how, as the settings of the sampler ``sidegen``.
        support: checkpoint by which the draws of SIDEGEN then count for the poses near them; null
            leaves the confidence as it is.
        relax: minimise the poses to return in the pocket, and return the minimum where it is
            better (see `molgen.api.relax_found`).
        relaxation: how.
        search: settings of the sampler ``search``.
        sidegen: settings of the sampler ``sidegen``.
        vina: settings of the sampler ``vina``.
    """

    num_poses: int = limited(10, min=1, max=1000)
    sampler: str = "search"
    seed: int = limited(0, min=0)
    device: str = "auto"
    box_edge: float = limited(25.0, above=0.0)
    keep_raw: bool = False
    rank: str = "auto"
    confidence: str = "confidence-2"
    unsure: float = limited(0.5, min=0.0, max=1.0)
    again: SidegenSettings = SECOND_SEARCH
    support: str | None = "support-1"
    relax: bool = False
    relaxation: RelaxConfig = RelaxConfig()
    search: SearchSettings = SearchSettings()
    sidegen: SidegenSettings = SidegenSettings()
    vina: VinaSettings = VinaSettings()


@dataclass(frozen=True)
class GenerateResult:
    """What a run made.

    Attributes:
        folder: the output folder.
        pocket: the searched box.
        pockets: the ranked geometric pockets when the box is one of them, as in run.json.
        notes: what was changed in, dropped from and kept with the receptor.
        ligands: outcomes in input order.
        resumed: how many of them an earlier run had finished.
        seconds: wall time.
    """

    folder: Path
    pocket: Pocket
    pockets: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    ligands: tuple[LigandResult, ...]
    resumed: int
    seconds: float

    @property
    def failed(self) -> int:
        """Number of ligands without poses."""
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

    Nothing is written or removed before structure, pocket, ligands and sampler stand.

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
        MolgenError: unusable settings, structure, pocket, single ligand, device or folder. In a
            table of ligands a bad row becomes a failed row instead.
    """
    start = time.perf_counter()
    folder = Path(out)
    config = check(config or GenerateConfig())
    config = replace(config, device=resolve_device(config.device))
    check_folder(folder, resume=resume, force=force)
    files = {"target": pdb, "ligand": ligand, "pocket": pocket}
    refuse_own_input(folder, files.values())
    target = read_target(pdb, pocket, edge=config.box_edge, repose=ligand is None)
    rows, several = read_ligands(ligand, target)
    _warn_of_large(rows)
    inputs = {role: input_record(path) for role, path in files.items() if path and is_file(path)}
    docking = Docking.of(config, target)
    with opened(folder, resume=resume, force=force):
        checkpoints = {name: checkpoint_sum(name) for name in docking.checkpoints}
        key = _run_key(inputs["target"]["sha256"], target, config, checkpoints)
        loaded = time.perf_counter()

        results, resumed = run_ligands(
            folder,
            rows,
            name=lambda row: row.name,
            key=lambda row: _ligand_key(row, key),
            make=lambda row, place: _one_ligand(row, docking, folder, place, key),
            several=several,
            resume=resume,
            progress=progress,
        )
        result = GenerateResult(
            folder, target.box, target.pockets, target.receptor.notes, tuple(results), resumed,
            time.perf_counter() - start,
        )  # fmt: skip
        record = run_record(
            command=command,
            config=to_dict(config),
            inputs=inputs,
            timings={"load": loaded - start, "total": result.seconds},
            extra={
                "pocket": {
                    "source": target.box.source,
                    "center": target.box.center.tolist(),
                    "edges": target.box.edges.tolist(),
                },
                **({"pockets": list(target.pockets)} if target.pockets else {}),
                "checkpoints": checkpoints,
                "posebusters": posebusters_version(),
                "ligands": len(results),
                "failed": result.failed,
                "resumed": resumed,
                "notes": list(result.notes),
            },
        )
        write_generate_report(folder, results, rows, target, record)
        write_text(folder / RUN, json.dumps(record, indent=2) + "\n")
        return result


def _warn_of_large(rows: list[LigandRow]) -> None:
    for row in rows:
        if row.ligand is not None and row.ligand.num_atoms > MAX_TESTED_ATOMS:
            text = f"{row.name}: {row.ligand.num_atoms} heavy atoms, slow and untested"
            warnings.warn(f"{text} above {MAX_TESTED_ATOMS}", MolgenWarning, stacklevel=3)


def _one_ligand(
    row: LigandRow, docking: Docking, folder: Path, place: str, key: str
) -> LigandResult:
    """Dock one ligand, write its poses and outcome; that it cannot be docked is an outcome."""
    start = time.perf_counter()
    begin_ligand(folder, place)
    ranked: list[RankedPose] = []
    reason, crash = row.error or "", ""
    notes: tuple[str, ...] = ()
    others: dict[str, list[Record]] = {}
    smiles = row.ligand.smiles if row.ligand else ""
    if row.ligand is not None:
        notes = (*row.ligand.notes, *docking.unknown(row.ligand))
        try:
            with quiet_rdkit():
                ligand = one_isomer(row.ligand)
                smiles = ligand.smiles
                found = docking.dock(ligand)
            ranked, others, notes = found.poses, found.others, (*notes, *found.notes)
            reason = "" if ranked else "no pose found"
        except InputError as error:
            reason = str(error).removeprefix(f"{row.name}: ")
        except MolgenError:
            raise  # the output place, a package, the device: no matter of this ligand
        except Exception as error:
            if not place and not isinstance(error, _TOOLKIT_ERRORS):
                raise
            # what an odd ligand brings to light must not end a batch, nor be lost
            reason, crash = f"unexpected {type(error).__name__}: {error}", traceback.format_exc()
    result = LigandResult(
        name=row.name,
        folder=place,
        status="ok" if ranked else "failed",
        reason=" ".join(reason.split()),
        seconds=round(time.perf_counter() - start, 3),
        smiles=smiles,
        notes=notes,
        poses=tuple(pose.properties for pose in ranked),
    )
    finish_ligand(
        folder / place,
        _ligand_key(row, key),
        result,
        [(pose.mol, pose.properties) for pose in ranked],
        crash,
        others,
    )
    return result


def _run_key(
    sha256: str, target: Target, config: GenerateConfig, checkpoints: dict[str, str]
) -> str:
    """Return what the outcome of every ligand depends on."""
    place = np.concatenate([target.box.center, target.box.edges]).tobytes().hex()
    removed = ",".join(map(str, target.removed))
    learned = ",".join(checkpoints.values())
    return f"{molgen.__version__}:{sha256}:{place}:{removed}:{fingerprint(config)}:{learned}"


def _ligand_key(row: LigandRow, key: str) -> str:
    """Return the key of one ligand: its atom order counts, because poses.sdf shows it."""
    if row.ligand is None:
        return f"{key}:{row.name}:{row.source_text}"
    block = sdf_record(row.ligand.mol)
    graph = hashlib.sha256(f"{row.ligand.smiles}\n{block}".encode()).hexdigest()
    return f"{key}:{row.name}:{graph}"
