"""The use case `molgen relax`: poses in a protein to relaxed poses, each taken only if better."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import molgen
from molgen.api.output_folder import (
    RAW,
    RELAXED,
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
from molgen.api.provenance import input_record, run_record
from molgen.api.relax_inputs import PoseGroup, RelaxTarget, read_poses, read_relax_target
from molgen.api.relax_poses import FAR, PoseRelaxer, RelaxOutcome, vina_score
from molgen.config import check, fingerprint, limited, to_dict
from molgen.energy.relax_settings import RelaxConfig
from molgen.errors import InputError, MolgenError
from molgen.io.paths import is_file
from molgen.io.sdf import sdf_record
from molgen.scoring.validity import posebusters_version


@dataclass(frozen=True)
class RelaxRunConfig(RelaxConfig):
    """Settings of `molgen relax`; every key may stand in the YAML file of ``--config``.

    Attributes:
        seed: of the first places of missing atoms and hydrogens of the protein.
    """

    seed: int = limited(0, min=0)


@dataclass(frozen=True)
class RelaxResult:
    """What a run made.

    Attributes:
        folder: the output folder.
        platform: of OpenMM.
        notes: what was changed in, dropped from and kept with the receptor.
        ligands: outcomes by ligand, in order of first appearance.
        resumed: how many of them an earlier run had finished.
        seconds: wall time.
    """

    folder: Path
    platform: str
    notes: tuple[str, ...]
    ligands: tuple[LigandResult, ...]
    resumed: int
    seconds: float

    @property
    def failed(self) -> int:
        """Number of ligands none of whose poses could be relaxed."""
        return sum(result.status != "ok" for result in self.ligands)

    @property
    def counts(self) -> dict[str, int]:
        """Number of poses accepted, refused and not relaxed."""
        rows = [pose for result in self.ligands for pose in result.poses]
        names = ("accepted", "refused", "not relaxed")
        return {name: sum(row["outcome"] == name for row in rows) for name in names}


def relax(
    pdb: str | Path,
    poses: str | Path,
    out: str | Path,
    *,
    ligand: str | Path | None = None,
    config: RelaxRunConfig | None = None,
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
) -> RelaxResult:
    """Relax poses in a structure and write the output folder.

    Nothing is written or removed before structure, poses and platform stand.

    Args:
        pdb: PDB or mmCIF file, plain or .gz.
        poses: SDF or MOL2 in the frame of the structure, of one ligand or many.
        out: folder of the results; must be empty unless ``resume`` or ``force``.
        ligand: SMILES or file that all poses must be; gives bond orders and charges.
        config: settings.
        command: the command line, for run.json.
        resume: keep the ligands that an earlier run with the same inputs finished.
        force: replace the results of an earlier run.
        progress: show a bar on stderr.

    Raises:
        MolgenError: unusable settings, structure, file of poses, device or folder; or no pose
            lies in the structure. A bad pose among others is a row of the tables instead.
    """
    start = time.perf_counter()
    folder = Path(out)
    config = check(config or RelaxRunConfig())
    check_folder(folder, resume=resume, force=force)
    files = {"target": pdb, "poses": poses, "ligand": ligand}
    refuse_own_input(folder, files.values())
    groups = read_poses(poses, ligand)
    target = read_relax_target(pdb, groups)
    relaxer = PoseRelaxer(target.receptor, target.charges, config, config.seed)
    config = replace(config, platform=relaxer.platform)
    _require_one_near(groups, relaxer, poses)
    inputs = {role: input_record(path) for role, path in files.items() if path and is_file(path)}
    with opened(folder, resume=resume, force=force):
        key = _run_key(inputs["target"]["sha256"], target, config)
        loaded = time.perf_counter()

        results, resumed = run_ligands(
            folder,
            groups,
            name=lambda group: group.name,
            key=lambda group: _group_key(group, key),
            make=lambda group, place: _one_ligand(group, relaxer, target, folder, place, key),
            several=len(groups) > 1,
            resume=resume,
            progress=progress,
        )
        result = RelaxResult(
            folder, relaxer.platform, target.receptor.notes, tuple(results), resumed,
            time.perf_counter() - start,
        )  # fmt: skip
        record = run_record(
            command=command,
            config={**to_dict(config), "device": relaxer.platform},
            inputs=inputs,
            timings={"load": loaded - start, "total": result.seconds},
            extra={
                "posebusters": posebusters_version(),
                "ligands": len(results),
                "failed": result.failed,
                "resumed": resumed,
                "poses": result.counts,
                "notes": list(result.notes),
            },
        )
        write_text(folder / RUN, json.dumps(record, indent=2) + "\n")
        return result


def _require_one_near(groups: list[PoseGroup], relaxer: PoseRelaxer, poses: str | Path) -> None:
    gaps = [relaxer.gap(pose.coords) for group in groups for pose in group.poses]
    if gaps and min(gaps) > FAR:
        raise InputError(
            f"{poses}: the nearest pose is {min(gaps):.1f} Å away from {relaxer.receptor.name}; "
            "expected poses in the frame of the structure"
        )
    if not gaps:
        raise InputError(f"{poses}: no usable pose: {groups[0].errors[0][1]}")


def _one_ligand(
    group: PoseGroup,
    relaxer: PoseRelaxer,
    target: RelaxTarget,
    folder: Path,
    place: str,
    key: str,
) -> LigandResult:
    """Relax the poses of one ligand and write them; that it cannot be done is an outcome."""
    start = time.perf_counter()
    begin_ligand(folder, place)
    outcomes: list[RelaxOutcome] = []
    reason, crash = "; ".join(text for _, text in group.errors), ""
    if group.true is not None:
        try:
            pairs = [(pose, pose.coords) for pose in group.poses]
            outcomes = relaxer.relax(pairs, group.true, vina_score(target.receptor))
            if all(outcome.failed for outcome in outcomes):
                reason = str(outcomes[0].properties["reason"])
        except MolgenError:
            raise  # the platform, the output place, a package: no matter of this ligand
        except Exception as error:
            # what an odd ligand brings to light must not end a batch, nor be lost
            reason, crash = f"unexpected {type(error).__name__}: {error}", traceback.format_exc()
    rows = [
        pose_row(number, outcome) for number, outcome in zip(group.numbers, outcomes, strict=False)
    ]
    relaxed = any(not outcome.failed for outcome in outcomes)
    result = LigandResult(
        name=group.name,
        folder=place,
        status="ok" if relaxed else "failed",
        reason="" if relaxed and not group.errors else " ".join(reason.split()),
        seconds=round(time.perf_counter() - start, 3),
        smiles=group.true.smiles if group.true else "",
        notes=group.true.notes if group.true else (),
        poses=tuple(rows),
    )
    both = list(zip(outcomes, rows, strict=True))
    finish_ligand(
        folder / place,
        _group_key(group, key),
        result,
        [(outcome.pose, row) for outcome, row in both],
        crash,
        others={
            RAW: [(outcome.raw, row) for outcome, row in both],
            RELAXED: [(outcome.relaxed, row) for outcome, row in both if outcome.relaxed],
        },
    )
    return result


def pose_row(number: int, outcome: RelaxOutcome) -> dict[str, Any]:
    """Return the row of a pose in summary.csv: its number, what is true of the pose to use, why."""
    found = outcome.properties
    now = "after" if outcome.accepted else "before"
    return {
        "pose": number,
        "outcome": outcome.word,
        "score": found[f"score_{now}"],
        "posebusters_pass": found[f"posebusters_pass_{now}"],
        "posebusters_failed": found[f"posebusters_failed_{now}"],
        **{name: value for name, value in found.items() if name != "accepted"},
    }


def _run_key(sha256: str, target: RelaxTarget, config: RelaxRunConfig) -> str:
    """Return what the outcome of every ligand depends on."""
    removed = ",".join(map(str, target.removed))
    return f"relax:{molgen.__version__}:{sha256}:{removed}:{fingerprint(config)}"


def _group_key(group: PoseGroup, key: str) -> str:
    """Return the key of one ligand: its poses with their atom order, and what they must be."""
    text = hashlib.sha256()
    for number, pose in zip(group.numbers, group.poses, strict=True):
        text.update(f"{number}\n{sdf_record(pose.mol)}".encode())
        text.update(np.ascontiguousarray(pose.coords).tobytes())
    text.update(repr(group.errors).encode())
    return f"{key}:{group.name}:{group.true.smiles if group.true else ''}:{text.hexdigest()}"
