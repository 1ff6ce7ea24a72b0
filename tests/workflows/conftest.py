"""Complexes with labels of a tiny search, for the scripts that go on from labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from molgen.api.generate import GenerateConfig
from molgen.api.label import label_poses
from molgen.api.label_search import LabelConfig
from molgen.config import to_dict
from molgen.search.settings import SearchSettings, SidegenSettings

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
TINY = SearchSettings(conformers=2, num_starts=32, num_chains=2, rounds=1, steps=2,
                      grid_spacing=0.8, potential=None)  # fmt: skip
AGAIN = SidegenSettings(samples=2, steps=2, rounds=1, starts=8)


@pytest.fixture(scope="session")
def held(tmp_path_factory):
    """Return arguments that name complexes, labels and quick settings."""
    out = tmp_path_factory.mktemp("labels") / "held"
    label_poses(COMPLEXES, out, config=LabelConfig(num_poses=4, native_poses=1, search=TINY))
    quick = out.with_name("quick.yaml")
    quick.write_text(yaml.safe_dump(to_dict(GenerateConfig(search=TINY, again=AGAIN, unsure=1.0))))
    return [str(COMPLEXES), "--poses", str(out), "--config", str(quick)]
