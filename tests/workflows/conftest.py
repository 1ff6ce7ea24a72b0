"""Complexes with labels of a tiny search, for the scripts that go on from labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from molgen.api.generate import GenerateConfig
from molgen.api.label import label_poses
from molgen.api.label_search import LabelConfig
from molgen.search.settings import SearchSettings, SidegenSettings

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
TINY = SearchSettings(conformers=2, num_starts=32, num_chains=2, rounds=1, steps=2,
                      grid_spacing=0.8, potential=None)  # fmt: skip
AGAIN = SidegenSettings(samples=2, steps=2, rounds=1, starts=8)


class Held(NamedTuple):
    """What the scripts are given: arguments that name complexes and labels, and quick settings."""

    places: list[str]
    quick: GenerateConfig


@pytest.fixture(scope="session")
def held(tmp_path_factory):
    out = tmp_path_factory.mktemp("labels") / "held"
    label_poses(COMPLEXES, out, config=LabelConfig(num_poses=4, native_poses=1, search=TINY))
    quick = replace(GenerateConfig(), search=TINY, again=AGAIN, unsure=1.0)
    return Held([str(COMPLEXES), "--poses", str(out)], quick)
