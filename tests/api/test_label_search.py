"""Opening complexes for the search that labels poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from molgen.api.label_search import LabelConfig, _opened
from molgen.datasets.pdbbind import find_entries
from molgen.search.settings import SearchSettings

COMPLEXES = Path(__file__).resolve().parents[2] / "workflows/test/complexes"
TINY = SearchSettings(conformers=2, num_starts=32, num_chains=2, rounds=1, steps=2,
                      grid_spacing=0.8, potential=None)  # fmt: skip


def test_the_box_is_off_the_centre_of_the_ligand_by_no_more_than_the_jitter():
    entry, shifts = find_entries(COMPLEXES)[0], []
    for seed in (0, 1):
        case = _opened(entry, LabelConfig(seed=seed, jitter=3.0, search=TINY))
        shifts.append(case.sampler.pocket.center - case.ligand.coords.mean(0))
    largest = np.abs(shifts).max(1)
    assert (largest > 0.1).all() and (largest <= 3.0).all()
    assert not np.allclose(*shifts)
