"""Poses of one ligand relaxed in the pocket, and which of the relaxed ones are taken.

A relaxed pose takes the place of the raw one only where that is an improvement by a measure that
relaxation does not optimise: PoseBusters validity first, then the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from molgen.api.pose_output import heavy_coords, moved_by, pose_molecule
from molgen.energy.openmm import available_platforms, pick_platform
from molgen.energy.openmm_pocket import PocketAtoms, pocket_atoms
from molgen.energy.openmm_relax import LigandField, RelaxedPose, relax_pose
from molgen.energy.relax_settings import RelaxConfig
from molgen.errors import DeviceError, InputError, LigandError, suggest
from molgen.io.rdkit_log import quiet_rdkit
from molgen.scoring.validity import Validity, check_poses
from molgen.structure import Ligand, Protein


class Measure(NamedTuple):
    """What decides between two poses of the same validity.

    Attributes:
        name: of its properties, ``<name>_before`` and ``<name>_after``.
        of: values (poses,) of a ligand at (poses, heavy atoms, 3) Å.
        rises: higher is better.
    """

    name: str
    of: Callable[[Ligand, np.ndarray], np.ndarray]
    rises: bool = False


FAR = 5.0
"""Å from the nearest receptor atom beyond which a pose does not belong to the receptor."""
_PADDING = 4.0
"""Å of receptor modelled beyond what the poses seen so far need."""

UNITS = {
    "score_before": "kcal/mol",
    "score_after": "kcal/mol",
    "energy_before": "kcal/mol",
    "energy_after": "kcal/mol",
    "interaction_before": "kcal/mol",
    "interaction_after": "kcal/mol",
    "strain_before": "kcal/mol",
    "strain_after": "kcal/mol",
    "displacement": "Å",
    "side_chain_displacement": "Å",
}
"""Units of the properties that a relaxation adds to a pose."""


@dataclass(frozen=True)
class RelaxOutcome:
    """What became of one pose.

    Attributes:
        raw: the pose as given, hydrogens placed by geometry.
        relaxed: the minimum next to it; None when there is none.
        accepted: ``relaxed`` takes the place of ``raw``.
        failed: the pose could not be relaxed at all.
        properties: see docs/relax.md.
    """

    raw: Chem.Mol
    relaxed: Chem.Mol | None
    accepted: bool
    failed: bool
    properties: dict[str, object]

    @property
    def word(self) -> str:
        """The outcome as tables name it."""
        return "accepted" if self.accepted else "not relaxed" if self.failed else "refused"

    @property
    def pose(self) -> Chem.Mol:
        """The pose to use."""
        return self.relaxed if self.accepted and self.relaxed is not None else self.raw


def choose_platform(name: str) -> str:
    """Return the OpenMM platform that ``name`` means.

    Raises:
        DeviceError: it is not there.
    """
    if name.lower() == "auto":
        return pick_platform()
    known = {offered.lower(): offered for offered in available_platforms()}
    if name.lower() not in known:
        raise DeviceError(
            f"OpenMM platform {name!r} is not there{suggest(name, [*known.values(), 'auto'])}"
        )
    return known[name.lower()]


class PoseRelaxer:
    """A receptor in which poses are relaxed; what is modelled of it grows with them."""

    def __init__(
        self,
        receptor: Protein,
        formal_charges: np.ndarray,
        config: RelaxConfig,
        seed: int = 0,
    ) -> None:
        """Keep the receptor and its fixed groups' charges (atoms,) e.

        Raises:
            DeviceError: the platform is not there.
        """
        self.receptor, self.config, self.seed = receptor, config, seed
        self.platform = choose_platform(config.platform)
        self.formal_charges = formal_charges
        self._tree = cKDTree(receptor.coords)

    def gap(self, coords: np.ndarray) -> float:
        """Return the distance from a pose (atoms, 3) to the nearest atom of the receptor, Å."""
        return float(self._tree.query(coords)[0].min())

    def relax(
        self, poses: Sequence[tuple[Ligand, np.ndarray]], true: Ligand, measure: Measure
    ) -> list[RelaxOutcome]:
        """Return the outcome of every pose of one ligand, in order; none stops the others.

        Args:
            poses: graph of heavy atoms and coordinates (atoms, 3) Å in its order.
            true: the graph that the poses must have.
            measure: what decides between two poses of the same validity.

        Raises:
            DeviceError: the platform does not work.
        """
        raws = [pose_molecule(ligand, coords) for ligand, coords in poses]
        pocket = _Pocket(self)  # of these poses alone: what was relaxed before must not matter
        found = [self._try(mol, true.name, pocket) for mol in raws]
        news = [
            _placed(mol, trial.pose.coords) if trial.pose is not None else None
            for mol, trial in zip(raws, found, strict=True)
        ]
        with quiet_rdkit():
            verdicts = check_poses(raws, self.receptor, true)
            there = iter(check_poses([m for m in news if m is not None], self.receptor, true))
        outcomes = []
        for (ligand, coords), raw, new, verdict, trial in zip(
            poses, raws, news, verdicts, found, strict=True
        ):
            later = next(there) if new is not None else None
            states = [coords] if new is None else [coords, heavy_coords(new)]
            values, problem = _values(measure, ligand, np.stack(states))
            outcomes.append(
                self._outcome(raw, new, (verdict, later), measure, values, trial, problem)
            )
        return outcomes

    def _try(self, mol: Chem.Mol, name: str, pocket: _Pocket) -> _Trial:
        """Minimise one pose; that it cannot be done is an outcome."""
        coords = mol.GetConformer().GetPositions()
        pose, reason = None, ""
        gap = self.gap(coords)
        if gap > FAR:
            reason = f"the nearest receptor atom is {gap:.1f} Å away; not a pose in this receptor"
        else:
            try:
                with quiet_rdkit():
                    field = LigandField(mol)
                around = pocket.around(coords)
                pose = relax_pose(field, coords, around, self.config.physics, self.platform, name)
            except InputError as error:
                reason = " ".join(str(error).split())
        return _Trial(pose, reason)

    def _outcome(
        self,
        raw: Chem.Mol,
        new: Chem.Mol | None,
        verdicts: tuple[Validity, Validity | None],
        measure: Measure,
        values: np.ndarray,
        trial: _Trial,
        problem: str,
    ) -> RelaxOutcome:
        """Decide about one pose and describe it."""
        before, after = verdicts
        pose, reason = trial.pose, trial.reason
        properties: dict[str, object] = {
            f"{measure.name}_before": float(values[0]),
            **_named(before, "before"),
        }
        if pose is not None and new is not None and after is not None:
            displacement = moved_by(heavy_coords(raw), heavy_coords(new))
            better = bool(values[1] > values[0] if measure.rises else values[1] < values[0])
            reason = refusal(before, after, measure.name if not better else "", displacement,
                             self.config.max_displacement)  # fmt: skip
            properties |= {
                f"{measure.name}_after": float(values[1]),
                **_named(after, "after"),
                "energy_before": pose.before,
                "energy_after": pose.after,
                "interaction_before": pose.interaction_before,
                "interaction_after": pose.interaction_after,
                "strain_before": pose.strain_before,
                "strain_after": pose.strain_after,
                "displacement": displacement,
                "side_chain_displacement": moved_by(
                    self.receptor.coords[pose.moved], pose.moved_coords
                ),
            }
        accepted = pose is not None and not reason
        properties = {
            "accepted": accepted,
            "reason": "; ".join(filter(None, (reason, problem))),
            **properties,
        }
        return RelaxOutcome(raw, new, accepted, pose is None, properties)


class _Pocket:
    """The modelled receptor round the poses of one ligand so far."""

    def __init__(self, relaxer: PoseRelaxer) -> None:
        self._of = relaxer
        self._atoms: PocketAtoms | None = None
        self._residues = np.zeros(0, dtype=np.int64)
        self._points = np.zeros((0, 3))

    def around(self, coords: np.ndarray) -> PocketAtoms:
        """Return the modelled receptor, modelled anew when it does not reach round the pose."""
        physics = self._of.config.physics
        needed = self._within(coords, physics.reach)
        if self._atoms is None or not np.isin(needed, self._residues).all():
            points = np.concatenate([self._points, coords])
            reach = physics.reach + _PADDING
            self._atoms = pocket_atoms(
                self._of.receptor, points, reach, formal_charges=self._of.formal_charges,
                ph=physics.ph, seed=self._of.seed,
            )  # fmt: skip
            self._points, self._residues = points, self._within(points, reach)
        return self._atoms

    def _within(self, points: np.ndarray, reach: float) -> np.ndarray:
        near = self._of.receptor.near(points, reach)
        return np.unique(self._of.receptor.residue_index()[near])


def refusal(
    before: Validity,
    after: Validity,
    lost: str,
    displacement: float,
    limit: float,
) -> str:
    """Return why a relaxed pose does not take the place of the raw one; "" when it does.

    Args:
        lost: name of the measure where it does not improve, else "".
        limit: Å, of the displacement.
    """
    if displacement > limit:
        return f"moved by {displacement:.2f} Å, more than {limit:g} Å"
    if before.passed and not after.passed:
        return f"validity lost: {', '.join(after.failed)}"
    if after.passed and not before.passed:
        return ""
    if len(after.failed) > len(before.failed):
        return f"more checks fail than before: {', '.join(after.failed)}"
    if len(after.failed) < len(before.failed) or not lost:
        return ""
    return f"neither validity nor {lost} improves"


class _Trial(NamedTuple):
    """One minimisation: the minimum or the reason why there is none."""

    pose: RelaxedPose | None
    reason: str


def vina_score(receptor: Protein) -> Measure:
    """Return the exact Vina energy in ``receptor``, moving pairs of the ligand included."""
    import torch

    from molgen.energy.vina import Vina
    from molgen.energy.vina_terms import CUTOFF
    from molgen.graphs.energy_topology import build_energy_topology

    def score(ligand: Ligand, coords: np.ndarray) -> np.ndarray:
        points = coords.reshape(-1, 3)
        near = receptor.select(receptor.near(points, CUTOFF))
        energy = Vina().bind(build_energy_topology(ligand.mol, near)).to(dtype=torch.float64)
        with torch.no_grad():
            return energy(torch.from_numpy(np.ascontiguousarray(coords))).numpy()

    return Measure("score", score)


def _values(measure: Measure, ligand: Ligand, coords: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the values, or NaN and the reason where the ligand cannot be scored."""
    try:
        return np.asarray(measure.of(ligand, coords), dtype=np.float64), ""
    except LigandError as error:
        return np.full(len(coords), np.nan), f"no {measure.name}: {error}"


def _named(verdict: Validity, when: str) -> dict[str, object]:
    failed = ", ".join(verdict.failed) or verdict.reason
    return {f"posebusters_pass_{when}": verdict.passed, f"posebusters_failed_{when}": failed}


def _placed(mol: Chem.Mol, coords: np.ndarray) -> Chem.Mol:
    """Return the molecule at ``coords`` (atoms, 3) Å."""
    moved = Chem.Mol(mol)
    moved.GetConformer().SetPositions(np.ascontiguousarray(coords, dtype=np.float64))
    return moved
