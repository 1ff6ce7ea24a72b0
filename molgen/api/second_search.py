"""A ligand whose first search leaves doubt is searched once more, with proposals of SIDEGEN.

What SIDEGEN drew then speaks twice: its poses are among the starts, and poses where many of its
draws lie gain confidence (docs/search.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from molgen.api.generate_inputs import Target
from molgen.errors import DeviceError, LigandError
from molgen.scoring.pose_scorers import PoseScorer, best_first
from molgen.search.samplers import Sampler, SamplerSettings, build_sampler
from molgen.search.settings import SidegenSettings
from molgen.structure import Ligand, Poses

if TYPE_CHECKING:
    from molgen.api.generate import GenerateConfig
    from molgen.scoring.support import SupportModel


@dataclass(frozen=True)
class SecondSearch:
    """What ligands in doubt meet.

    Attributes:
        target: receptor and box.
        scorer: that rated the poses of the first search, and rates those of both.
        support: counts draws near a pose, or None.
        config: settings.
    """

    target: Target
    scorer: PoseScorer
    support: SupportModel | None
    config: GenerateConfig

    @classmethod
    def of(cls, config: GenerateConfig, target: Target, scorer: PoseScorer) -> SecondSearch | None:
        """Return what the settings ask for; None where no ligand is searched twice.

        Raises:
            StoreError: no usable checkpoint.
        """
        if config.sampler != "search" or not config.unsure or not scorer.checkpoint:
            return None
        support = None
        if config.support:
            from molgen.scoring.support import load_support  # torch: the scorer has loaded it

            support = load_support(config.support)
        return cls(target, scorer, support, config)

    def improved(self, ligand: Ligand, found: Poses, wanted: int) -> tuple[Poses, list[str]]:
        """Return the poses of both searches, best first, and what is to be said of them.

        Args:
            found: of the first search, rated, best first; returned as they are without doubt.
            wanted: poses that the second search is asked for.
        """
        assert found.confidence is not None
        before = found.confidence[0]
        if before >= self.config.unsure:
            return found, []
        # other conformers and starts than the first search of this seed, or of one near it, had
        seed = int(np.random.SeedSequence([self.config.seed, 1]).generate_state(1)[0])
        try:
            more = self._sampler.sample(ligand, wanted, seed)
        except (LigandError, DeviceError) as error:
            return found, [f"not searched a second time: {error}"]
        both = found_by_both(found, more, self.scorer, self.config.search.distinct)
        if self.support is not None and more.raw is not None:
            from molgen.scoring.support import supported

            both = best_first(supported(both, more.raw.coords, self.support))
        assert both.confidence is not None
        return both, [
            f"searched twice: confidence of the first pose {before:.2f} by search alone, "
            f"{both.confidence[0]:.2f} with proposals of {self.config.again.checkpoint}"
        ]

    @property
    def checkpoints(self) -> list[str]:
        """Names of the learned models in use."""
        support = self.config.support
        return [*proposing(self.config.again), *([support] if support else [])]

    @cached_property
    def _sampler(self) -> Sampler:
        """The second search; made when the first ligand in doubt is met."""
        settings = SamplerSettings(self.config.search, self.config.again)
        target = self.target
        return build_sampler("sidegen", target.receptor, target.box, settings, self.config.device)


def found_by_both(first: Poses, second: Poses, scorer: PoseScorer, nearest: float) -> Poses:
    """Return the poses of two searches best first, but those within ``nearest`` Å of a better one.

    They are rated anew together: poses that both searches find support each other.
    """
    # numba: not before a sampler has loaded it
    from molgen.metrics.symmetry import symmetries
    from molgen.search.selection import distinct
    from molgen.search.templates import MAX_SYMMETRIES

    poses = best_first(scorer.rated(first.joined(second)))
    same = symmetries(poses.ligand.mol, MAX_SYMMETRIES)
    coords, order = np.ascontiguousarray(poses.coords), np.arange(len(poses))
    return poses.take(distinct(coords, order, nearest, len(poses), (same.maps, same.groups)))


def proposing(settings: SidegenSettings) -> list[str]:
    """Return the checkpoints that draw poses: SIDEGEN, and learned energies where they guide."""
    if not settings.guidance.on:
        return [settings.checkpoint]
    from molgen.diffusion.guidance import learns
    from molgen.energy.learned import CHECKPOINT

    return [settings.checkpoint, *([CHECKPOINT] if learns(settings.guidance) else [])]
