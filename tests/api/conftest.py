"""A search too short to find anything, for tests of what surrounds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from molgen.api.generate import GenerateConfig
from molgen.search.settings import SearchSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"


@pytest.fixture(scope="session")
def target() -> Path:
    """Entry 6XG5: one co-crystal ligand, TOP A:303, beside the cofactor NDP."""
    return EXAMPLES / "6xg5.cif"


@pytest.fixture(scope="session")
def quick() -> GenerateConfig:
    search = SearchSettings(
        conformers=2, num_starts=32, num_chains=2, rounds=1, steps=2, grid_spacing=0.8,
        potential=None,
    )  # fmt: skip
    return GenerateConfig(num_poses=2, box_edge=16.0, device="cpu", unsure=0.0, search=search)
