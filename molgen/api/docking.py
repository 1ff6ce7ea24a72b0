"""One ligand after the other: found by a sampler, rated, relaxed where asked for, ranked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molgen.api.acceptance import accept
from molgen.api.generate_inputs import Target
from molgen.api.output_folder import RAW_POSES, RELAXED_POSES, UNRELAXED_POSES, Record
from molgen.api.pose_output import RankedPose, rank_poses
from molgen.api.second_search import SecondSearch, proposing
from molgen.checkpoints import outside_domain
from molgen.errors import ConfigError, MolgenWarning
from molgen.scoring.pose_scorers import PoseScorer, best_first, build_pose_scorer
from molgen.search.samplers import Sampler, SamplerSettings, build_sampler
from molgen.structure import Ligand, Poses

if TYPE_CHECKING:
    from molgen.api.generate import GenerateConfig
    from molgen.api.relax_poses import PoseRelaxer


@dataclass(frozen=True)
class Docked:
    """What was found of one ligand.

    Attributes:
        poses: to return, best first.
        others: further files of poses by name.
        notes: for the user.
    """

    poses: list[RankedPose]
    others: dict[str, list[Record]]
    notes: list[str]


@dataclass(frozen=True)
class Docking:
    """What every ligand of a run meets.

    Attributes:
        sampler: finds poses.
        scorer: ranks them.
        second: searches ligands in doubt once more, or None.
        relaxer: minimises them, or None.
        target: receptor and box.
        config: settings.
    """

    sampler: Sampler
    scorer: PoseScorer
    second: SecondSearch | None
    relaxer: PoseRelaxer | None
    target: Target
    config: GenerateConfig

    @classmethod
    def of(cls, config: GenerateConfig, target: Target) -> Docking:
        """Return what the settings ask for.

        Raises:
            ConfigError: settings that do not go together.
            StoreError: no usable checkpoint.
            RegistryError: no sampler or scorer of that name.
            DependencyError: a package that the sampler needs is not installed.
            DeviceError: a device or platform is not there.
        """
        settings = SamplerSettings(config.search, config.sidegen, config.vina)
        scorer, relaxer = _scorer(config, target), _relaxer(config, target)
        sampler = build_sampler(
            config.sampler, target.receptor, target.box, settings, config.device
        )
        second = SecondSearch.of(config, target, scorer)
        return cls(sampler, scorer, second, relaxer, target, config)

    def dock(self, ligand: Ligand) -> Docked:
        """Return what is found of a ligand.

        Raises:
            LigandError: no conformer can be embedded, or an element is not supported.
        """
        config, receptor = self.config, self.target.receptor
        found, notes = self._found(ligand)
        if self.relaxer is not None and len(found):
            from molgen.api.relax_found import relax_found

            sampler: Any = self.sampler
            made = relax_found(
                found, config.num_poses, sampler, self.scorer, self.relaxer, config.seed
            )
            ranked = rank_poses(made.poses, receptor, made.mols, made.properties())
            before, after = made.records()
            return Docked(ranked, {UNRELAXED_POSES: before, RELAXED_POSES: after}, notes)
        poses = found.take(np.arange(min(len(found), config.num_poses)))
        ranked = rank_poses(poses, receptor)
        if not config.keep_raw or poses.raw is None:
            return Docked(ranked, {}, notes)
        raw = rank_poses(poses.raw, receptor)
        chosen = accept(ranked, raw, config.num_poses, config.search.distinct)
        others = {RAW_POSES: [(pose.mol, pose.properties) for pose in raw]}
        return Docked(chosen, others, notes)

    def _found(self, ligand: Ligand) -> tuple[Poses, list[str]]:
        """Return the poses of a ligand, best first, and what is to be said of them."""
        config = self.config
        wanted = max(config.num_poses, self.scorer.together)
        found = self.sampler.sample(ligand, wanted, config.seed)
        if refusal := self.scorer.refuses(found):
            return found, [f"ranked by energy, without a confidence: {refusal}"]
        found = best_first(self.scorer.rated(found))
        if self.second is None or found.confidence is None or not len(found):
            return found, []
        return self.second.improved(ligand, found, wanted)

    @property
    def checkpoints(self) -> list[str]:
        """Names of the learned models in use."""
        return [*self._first_used, *(self.second.checkpoints if self.second else [])]

    @property
    def _first_used(self) -> list[str]:
        """Names of those that every ligand meets."""
        config = self.config
        used = proposing(config.sidegen) if config.sampler == "sidegen" else []
        used += [self.scorer.checkpoint] if self.scorer.checkpoint else []
        if config.sampler != "vina" and config.search.potential:
            used.append(config.search.potential)
        return used

    def unknown(self, ligand: Ligand) -> list[str]:
        """Warn of what the learned models have not seen in training, and return it."""
        elements = [atom.GetAtomicNum() for atom in ligand.mol.GetAtoms()]
        charge = sum(atom.GetFormalCharge() for atom in ligand.mol.GetAtoms())
        found = [
            said for name in self._first_used if (said := outside_domain(name, elements, charge))
        ]
        for said in found:
            warnings.warn(f"{ligand.name}: {said}", MolgenWarning, stacklevel=4)
        return found


def _only_energy(config: GenerateConfig) -> tuple[str, str]:
    """Return the option that leaves only energy to rank by, and why; ("", "") without one."""
    if config.keep_raw:
        return "keep_raw", "it was trained on searched poses, not on what a model draws"
    if config.sampler == "vina":
        return "sampler vina", "its energies are not those of training"
    return "", ""


def _scorer(config: GenerateConfig, target: Target) -> PoseScorer:
    """Return what ranks poses.

    Raises:
        ConfigError: a scorer is asked for where only energy can rank.
        RegistryError: no scorer of that name.
        StoreError: no usable checkpoint.
    """
    option, reason = _only_energy(config)
    name = config.rank
    if name == "auto":
        name = "energy" if option else "confidence"
    if name != "energy" and option:
        raise ConfigError(f"rank: {name} does not go with {option}: {reason}")
    return build_pose_scorer(name, target.receptor, config.confidence)


def _relaxer(config: GenerateConfig, target: Target) -> PoseRelaxer | None:
    """Return what relaxes poses, or None where it is not asked for.

    Raises:
        ConfigError: asked for where the energies of a relaxed pose cannot be had.
        DeviceError: the OpenMM platform is not there.
    """
    if not config.relax:
        return None
    if option := _only_energy(config)[0]:
        raise ConfigError(f"relax does not go with {option}; `molgen relax` takes any poses")
    from molgen.api.relax_poses import PoseRelaxer  # OpenMM: only where it is asked for

    charges = target.structure.formal_charges(target.removed)
    return PoseRelaxer(target.receptor, charges, config.relaxation, config.seed)
