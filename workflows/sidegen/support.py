"""Fit how SIDEGEN's draws count for poses near them: the checkpoint `support-1`.

    python workflows/sidegen/support.py RAW --poses DIR --split DIR --kept DIR --out CHECKPOINT

As in second_search.py, but only ligands that the first search leaves in doubt by the default of
`molgen generate`, searched again with proposals of SIDEGEN. What is known of the poses of both
searches is kept in KEPT, a folder for every --config and --seed and in it a file for every ligand;
running the command again goes on. The fit on the validation part is measured on the test part and
the other way round, their clusters are apart; what is written is fitted on both. Prints a Markdown
table, and with --rows of second_search.csv the difference to a second search without SIDEGEN;
intervals: bootstrap over ligands.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ablation import read_rows
from safetensors.numpy import load_file, save_file
from second_search import Case, Settings, arguments, held_out, near, opened, points, searched

import molgen
from molgen.api.provenance import code_commit
from molgen.api.second_search import found_by_both
from molgen.api.training_folder import write_card
from molgen.config import fingerprint
from molgen.errors import MolgenError
from molgen.io import atomic_write
from molgen.metrics import ligand_rmsd
from molgen.scoring.support import LEAST, SupportModel, draw_density, save_support

CARD = """# Support of poses by draws

Joins the confidence of a pose and the density of SIDEGEN's draws at it, for ligands that were
searched twice: three numbers of a calibration and a weight. How it works: `docs/search.md`.

* Data: {ligands} held-out ligands whose first search left a confidence below {unsure}, {poses}
  poses that two searches found. They are in the validation and test parts of the split;
  `{sidegen}` and `{confidence}` were trained on its training part. None is in CASF-2016, Astex,
  PoseBusters or the PDBBind time split by PDB id. SHA-256 over what was known of their poses:
  `{kept_sha256}`.
* Fitted by: `{command}`, molgen {molgen}, commit {code}.
* Log-odds: those of the confidence + {weight:.3f} ln(density + {least}); times {slope:.3f}, plus
  {share:.3f} of the softmax over the poses of the ligand, plus {offset:.3f}.

Fitted on one part and measured on the other, whose sequence clusters are apart:

{table}

Limits: it holds for {samples} draws in {steps} steps of `{sidegen}`, after a second search with
them; others have not been measured.
"""


class Known(NamedTuple):
    """What is known of the poses of a ligand, those of both searches best first.

    Attributes:
        name: of the complex.
        part: of the split.
        first: RMSD of the first pose of one search, Å.
        confidence: (poses,) of the model of confidence.
        density: (poses,) of SIDEGEN's draws.
        rmsd: (poses,) to the crystal pose, Å.
    """

    name: str
    part: str
    first: float
    confidence: np.ndarray
    density: np.ndarray
    rmsd: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Which poses lie within 2 Å, (poses,) bool."""
        return np.asarray(self.rmsd <= 2.0)


def main() -> None:
    """Search what is missing, print the table and write the checkpoint."""
    parser = arguments(__doc__)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--rows", type=Path, help="of second_search.py, for the comparison")
    options = parser.parse_args()
    cases, settings = held_out(options)
    kept = options.kept / f"{fingerprint(settings.generating)[:12]}-seed{settings.seed}"
    kept.mkdir(parents=True, exist_ok=True)
    known, digest = [], hashlib.sha256()
    for case in cases:
        path = kept / f"{case.entry.id}.safetensors"
        try:
            if not path.is_file():
                with atomic_write(path) as temporary:
                    save_file(found(case, settings), temporary)
        except MolgenError as error:
            print(f"{case.entry.id}: {error}", file=sys.stderr)
            continue
        tensors = load_file(path)
        if len(tensors["rmsd"]):
            first = float(tensors.pop("first")[0])
            known.append(Known(case.entry.id, case.part, first, **tensors))
            digest.update(path.read_bytes())
    if {one.part for one in known} != {"val", "test"}:
        sys.exit("no ligand in doubt in the validation or the test part")
    judged = crossed(known)
    said = table(known, judged)
    print(said)
    if options.rows:
        plain = {row["id"]: row for row in read_rows(options.rows)}
        pairs = [
            (right, near(plain[one.name], "search", "top1_rmsd"))
            for one, (right, _) in zip(known, judged, strict=True)
            if one.name in plain
        ]
        drawn, alone = map(list, zip(*pairs, strict=True))
        print(f"\ndraws counted minus a second search without SIDEGEN: {points(drawn, alone)}")
    write(options.out, fitted(known), known, settings, said, digest.hexdigest())


def found(case: Case, settings: Settings) -> dict[str, np.ndarray]:
    """Return what is kept of a ligand; no poses where the first search leaves no doubt."""
    first, generating = opened(case, settings), settings.generating
    before = first.poses
    assert before.confidence is not None
    nearest = float(ligand_rmsd(first.ligand.mol, before.coords[0]))
    confidence = density = rmsd = np.zeros(0)
    if before.confidence[0] < generating.unsure:
        more = searched(first, "sidegen", settings)
        assert more.raw is not None
        both = found_by_both(before, more, first.scorer, generating.search.distinct)
        assert both.confidence is not None
        confidence = both.confidence
        density = draw_density(first.ligand.mol, both.coords, more.raw.coords)
        rmsd = np.asarray(ligand_rmsd(first.ligand.mol, both.coords))
    return {
        "first": np.array([nearest]), "confidence": confidence, "density": density, "rmsd": rmsd
    }  # fmt: skip


def fitted(known: Sequence[Known]) -> SupportModel:
    """Return a model of these ligands."""
    model = SupportModel()
    model.fit(
        [one.confidence for one in known],
        [one.density for one in known],
        [one.right for one in known],
    )
    return model


def crossed(known: Sequence[Known]) -> list[tuple[bool, float]]:
    """Return whether the first pose is right and its confidence, by a model of the other part."""
    other = {part: fitted([k for k in known if k.part != part]) for part in ("val", "test")}
    chances = [other[one.part].supported(one.confidence, one.density) for one in known]
    return [
        (bool(one.right[chance.argmax()]), float(chance.max()))
        for one, chance in zip(known, chances, strict=True)
    ]


def table(known: Sequence[Known], judged: Sequence[tuple[bool, float]]) -> str:
    """Return the Markdown table.

    Args:
        judged: from `crossed`.
    """
    once = [one.first <= 2.0 for one in known]
    twice = [bool(one.right[0]) for one in known]
    said = [float(one.confidence[0]) for one in known]
    drawn, sure = zip(*judged, strict=True)
    lines = [
        "| searched | first pose ≤ 2 Å, % | points | confidence said, right, % | of 0.5 and more |",
        "|---|---|---|---|---|",
        f"| once | {100 * np.mean(once):.1f} | | | |",
        f"| twice | {100 * np.mean(twice):.1f} | {points(twice, once)} | {agreed(said, twice)} |",
        f"| twice, draws counted | {100 * np.mean(drawn):.1f} | {points(drawn, twice)} to twice, "
        f"{points(drawn, once)} to once | {agreed(sure, drawn)} |",
    ]
    return "\n".join(lines)


def agreed(said: Sequence[float], right: Sequence[bool]) -> str:
    """Return what confidences say and how often they are right, and of those of 0.5 and more."""
    chance, hit = np.array(said), np.array(right, dtype=float)
    high = chance >= 0.5
    cells = [f"{100 * chance.mean():.0f}, {100 * hit.mean():.0f}"]
    cells.append(
        f"{100 * chance[high].mean():.0f}, {100 * hit[high].mean():.0f} ({high.sum()} ligands)"
        if high.any() else "none"
    )  # fmt: skip
    return " | ".join(cells)


def write(
    out: Path,
    model: SupportModel,
    known: Sequence[Known],
    settings: Settings,
    said: str,
    digest: str,
) -> None:
    """Write the checkpoint with its card."""
    generating = settings.generating
    facts: dict[str, Any] = {
        "molgen": molgen.__version__,
        "code": code_commit(),
        "command": " ".join(["python", *sys.argv]),
        "ligands": len(known),
        "poses": sum(len(one.rmsd) for one in known),
        "kept_sha256": digest,
        "sidegen": generating.again.checkpoint,
        "confidence": generating.confidence,
        "samples": generating.again.samples,
        "steps": generating.again.steps,
        "unsure": generating.unsure,
        **{name: float(value) for name, value in model.named_buffers()},
    }
    save_support(out, model)
    write_card(out, facts, CARD.format(**facts, table=said, least=LEAST))


if __name__ == "__main__":
    main()
