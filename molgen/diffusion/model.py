"""A SIDEGEN model: network, noise schedule and the pocket it looks at; its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from molgen.checkpoints import FORMAT, load_model, save_model
from molgen.config import build, limited, to_dict
from molgen.diffusion.network import Sidegen, SidegenConfig
from molgen.diffusion.schedule import ScheduleConfig

KIND = "sidegen"


@dataclass(frozen=True)
class PocketConfig:
    """Which part of the receptor the model sees: a ball around the centre of the pocket.

    Its radius depends on nothing but the size of the ligand, so that it tells nothing of the pose.

    Attributes:
        radius: Å for a ligand without atoms.
        per_atom: Å more for every heavy atom.
        largest: Å, at most.
    """

    radius: float = limited(9.0, above=0.0)
    per_atom: float = limited(0.12, min=0.0)
    largest: float = limited(16.0, above=0.0)

    def reach(self, atoms: int) -> float:
        """Return the radius in Å for a ligand with so many heavy atoms."""
        return min(self.largest, self.radius + self.per_atom * atoms)


class SidegenModel(nn.Module):
    """The network with what one needs to use it.

    Args:
        network: options of `Sidegen`.
        encoder: options of its target encoder.
        schedule: of the noise it was trained with.
        pocket: what it sees.
    """

    def __init__(
        self,
        network: SidegenConfig | None = None,
        encoder: Mapping[str, Any] | None = None,
        schedule: ScheduleConfig | None = None,
        pocket: PocketConfig | None = None,
    ) -> None:
        super().__init__()
        self.network = Sidegen(network, encoder)
        self.schedule = schedule or ScheduleConfig()
        self.pocket = pocket or PocketConfig()

    def config(self) -> dict[str, Any]:
        """Return the content of config.json, all options spelled out."""
        encoder = self.network.encoder
        return {
            "format": FORMAT,
            "kind": KIND,
            "name": "sidegen",
            "options": {
                "network": to_dict(self.network.config),
                "encoder": to_dict(encoder.config) if encoder is not None else {},
                "schedule": to_dict(self.schedule),
                "pocket": to_dict(self.pocket),
            },
        }


def save_sidegen(folder: Path, model: SidegenModel) -> None:
    """Write model.safetensors, config.json and SHA256SUMS into ``folder``."""
    save_model(folder, model)


def load_sidegen(name: str) -> SidegenModel:
    """Return the model of a checkpoint (a shipped name or a folder), ready to sample, on the CPU.

    Raises:
        StoreError: no such checkpoint, damaged, of another kind, or it does not fit its config.
    """
    return load_model(name, kind=KIND, rebuild=_rebuilt)


def _rebuilt(config: Mapping[str, Any]) -> SidegenModel:
    options = config["options"]
    faded = {"fade": 0.0}  # checkpoints that do not name it heard neighbours so
    return SidegenModel(
        build(SidegenConfig, {**faded, "chirality": False, **options["network"]}, "network"),
        {**faded, **options["encoder"]},
        build(ScheduleConfig, options["schedule"], "schedule"),
        build(PocketConfig, options["pocket"], "pocket"),
    )
