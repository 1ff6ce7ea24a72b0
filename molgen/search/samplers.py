"""Samplers: a receptor and pocket prepared once, then ligands in and ranked poses out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from molgen.registry import Registry
from molgen.search.settings import SearchSettings, SidegenSettings, VinaSettings
from molgen.structure import Ligand, Pocket, Poses, Protein

SAMPLERS = Registry(
    "sampler",
    {
        "search": "molgen.search.search_sampler:SearchSampler",
        "sidegen": "molgen.diffusion.sampler:SidegenSampler",
        "vina": "molgen.search.vina_peer:VinaSampler",
    },
)


@dataclass(frozen=True)
class SamplerSettings:
    """Settings of every sampler, one section each."""

    search: SearchSettings = SearchSettings()
    sidegen: SidegenSettings = SidegenSettings()
    vina: VinaSettings = VinaSettings()


@runtime_checkable
class Sampler(Protocol):
    """A receptor and pocket prepared for many ligands."""

    def sample(self, ligand: Ligand, num_poses: int, seed: int) -> Poses:
        """Return at most ``num_poses`` ranked poses; the same for the same seed."""


def build_sampler(
    name: str, protein: Protein, pocket: Pocket, settings: SamplerSettings, device: str
) -> Sampler:
    """Return the sampler called ``name`` for one receptor and pocket.

    Raises:
        RegistryError: no sampler has that name.
        DependencyError: a package that the sampler needs is not installed.
        DeviceError: the device is not there.
    """
    make: Any = SAMPLERS[name]
    sampler: Sampler = make(protein, pocket, settings, device)
    return sampler
