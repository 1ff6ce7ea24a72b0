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
from molgen.checkpoints import outside_domain
from molgen.errors import ConfigError, MolgenWarning
from molgen.scoring.pose_features import RATED
from molgen.search.samplers import Sampler, SamplerSettings, build_sampler
from molgen.structure import Ligand

if TYPE_CHECKING:
    from molgen.api.generate import GenerateConfig
    from molgen.api.relax_poses import PoseRelaxer
    from molgen.scoring.confidence import ConfidenceScorer


@dataclass(frozen=True)
class Docking:
    """What every ligand of a run meets.

    Attributes:
        sampler: finds poses.
        rater: tells their confidence, or None where energy ranks.
        relaxer: minimises them, or None.
        target: receptor and box.
        config: settings.
    """

    sampler: Sampler
    rater: ConfidenceScorer | None
    relaxer: PoseRelaxer | None
    target: Target
    config: GenerateConfig

    @classmethod
    def of(cls, config: GenerateConfig, target: Target) -> Docking:
        """Return what the settings ask for.

        Raises:
            ConfigError: settings that do not go together.
            StoreError: no usable checkpoint.
            RegistryError: no sampler of that name.
            DependencyError: a package that the sampler needs is not installed.
            DeviceError: a device or platform is not there.
        """
        settings = SamplerSettings(config.search, config.sidegen, config.vina)
        rater, relaxer = _rater(config, target), _relaxer(config, target)
        sampler = build_sampler(
            config.sampler, target.receptor, target.box, settings, config.device
        )
        return cls(sampler, rater, relaxer, target, config)

    def dock(self, ligand: Ligand) -> tuple[list[RankedPose], dict[str, list[Record]]]:
        """Return the ranked poses of a ligand, and further files of poses by name.

        Raises:
            LigandError: no conformer can be embedded, or an element is not supported.
        """
        config, receptor = self.config, self.target.receptor
        wanted = max(config.num_poses, RATED) if self.rater else config.num_poses
        found = self.sampler.sample(ligand, wanted, config.seed)
        rater = self.rater if self.rater and self.rater.knows(found) else None
        found = rater.rate(found) if rater else found
        if self.relaxer is not None and len(found):
            from molgen.api.relax_found import relax_found

            sampler: Any = self.sampler
            made = relax_found(found, config.num_poses, sampler, rater, self.relaxer, config.seed)
            ranked = rank_poses(made.poses, receptor, made.mols, made.properties())
            before, after = made.records()
            return ranked, {UNRELAXED_POSES: before, RELAXED_POSES: after}
        poses = found.take(np.arange(min(len(found), config.num_poses)))
        ranked = rank_poses(poses, receptor)
        if not config.keep_raw or poses.raw is None:
            return ranked, {}
        raw = rank_poses(poses.raw, receptor)
        chosen = accept(ranked, raw, config.num_poses, config.search.distinct)
        return chosen, {RAW_POSES: [(pose.mol, pose.properties) for pose in raw]}

    def unknown(self, ligand: Ligand) -> list[str]:
        """Warn of what the learned models have not seen in training, and return it."""
        used = [self.config.sidegen.checkpoint] if self.config.sampler == "sidegen" else []
        used += [self.config.confidence] if self.rater else []
        elements = [atom.GetAtomicNum() for atom in ligand.mol.GetAtoms()]
        charge = sum(atom.GetFormalCharge() for atom in ligand.mol.GetAtoms())
        found = [said for name in used if (said := outside_domain(name, elements, charge))]
        for said in found:
            warnings.warn(f"{ligand.name}: {said}", MolgenWarning, stacklevel=4)
        return found


def _only_energy(config: GenerateConfig) -> tuple[str, str]:
    """Return the option that leaves only energy to rank by, and why; ("", "") without one."""
    if config.keep_raw:
        return "keep_raw", "raw poses are compared with refined ones by energy"
    if config.sampler == "vina":
        return "sampler vina", "its energies are not those of training"
    return "", ""


def _rater(config: GenerateConfig, target: Target) -> ConfidenceScorer | None:
    """Return what rates poses, or None where energy ranks them.

    Raises:
        ConfigError: confidence is asked for where it cannot be had.
        StoreError: no usable checkpoint.
    """
    option, reason = _only_energy(config)
    if config.rank == "confidence" and option:
        raise ConfigError(f"rank: confidence does not go with {option}: {reason}")
    if config.rank == "energy" or option:
        return None
    from molgen.scoring.confidence import ConfidenceScorer  # torch: not where energy ranks

    return ConfidenceScorer(target.receptor, config.confidence)


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
