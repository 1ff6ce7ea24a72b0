"""GFN2-xTB through tblite: its own reference value, laws, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from molgen.energy.xtb import single_point
from molgen.errors import DependencyError, LigandError
from molgen.geometry.rotations import matrix_from_rotation_vector
from molgen.units import ANGSTROM_PER_BOHR, KCAL_PER_EV, KCAL_PER_HARTREE

WATER = np.array([8, 1, 1])
PLACES = np.array([[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]])


@pytest.fixture
def tblite():
    return pytest.importorskip("tblite", reason="tblite is not installed")


def test_units():
    # CODATA 2018: a Hartree is 27.211386245988 eV and 4.3597447222071e-18 J; N_A 6.02214076e23
    assert pytest.approx(27.211386245988, rel=1e-9) == KCAL_PER_HARTREE / KCAL_PER_EV
    assert pytest.approx(4.3597447222071e-18 * 6.02214076e23 / 4184, rel=1e-9) == KCAL_PER_HARTREE


def test_energy_is_the_one_tblite_is_tested_with(tblite):
    # test_interface.py of tblite 0.8.0, test_gfn2_mindless; Bohr and Hartree
    numbers = np.array([1, 1, 6, 5, 1, 15, 8, 17, 13, 15, 5, 1, 9, 15, 1, 15])
    bohr = np.array(
        [
            [+2.79274810283778, +3.82998228828316, -2.79287054959216],
            [-1.43447454186833, +0.43418729987882, +5.53854345129809],
            [-3.26268343665218, -2.50644032426151, -1.56631149351046],
            [+2.14548759959147, -0.88798018953965, -2.24592534506187],
            [-4.30233097423181, -3.93631518670031, -0.48930754109119],
            [+0.06107643564880, -3.82467931731366, -2.22333344469482],
            [+0.41168550401858, +0.58105573172764, +5.56854609916143],
            [+4.41363836635653, +3.92515871809283, +2.57961724984000],
            [+1.33707758998700, +1.40194471661647, +1.97530004949523],
            [+3.08342709834868, +1.72520024666801, -4.42666116106828],
            [-3.02346932078505, +0.04438199934191, -0.27636197425010],
            [+1.11508390868455, -0.97617412809198, +6.25462847718180],
            [+0.61938955433011, +2.17903547389232, -6.21279842416963],
            [-2.67491681346835, +3.00175899761859, +1.05038813614845],
            [-4.13181080289514, -2.34226739863660, -3.44356159392859],
            [+2.85007173009739, -2.64884892757600, +0.71010806424206],
        ]
    )
    found = single_point(numbers, bohr * ANGSTROM_PER_BOHR)
    assert found.energy / KCAL_PER_HARTREE == pytest.approx(-31.716158891203904, abs=1e-6)


def test_energy_ignores_rigid_motion_and_adds_up_over_distance(tblite):
    import torch

    one = single_point(WATER, PLACES)
    turn = matrix_from_rotation_vector(torch.tensor([0.4, -1.1, 0.3], dtype=torch.float64)).numpy()
    moved = single_point(WATER, PLACES @ turn.T + [3.0, -1.0, 2.0])
    assert moved.energy == pytest.approx(one.energy, abs=1e-4)
    assert moved.gap == pytest.approx(one.gap, abs=1e-3)
    far = np.concatenate([PLACES, PLACES + np.array([500.0, 0.0, 0.0])])
    two = single_point(np.tile(WATER, 2), far)
    assert two.energy == pytest.approx(2 * one.energy, abs=1e-2)
    assert two.gap == pytest.approx(one.gap, abs=1e-1)
    assert 5 < one.gap / KCAL_PER_EV < 20


def test_a_stretched_bond_costs_energy_and_closes_the_gap(tblite):
    stretched = PLACES * [1.0, 1.3, 1.3]
    assert single_point(WATER, stretched).energy > single_point(WATER, PLACES).energy + 20
    assert single_point(WATER, stretched).gap < single_point(WATER, PLACES).gap


def test_radicals_and_what_does_not_converge_are_refused(tblite):
    with pytest.raises(LigandError, match="odd number of electrons at charge \\+1"):
        single_point(WATER, PLACES, charge=1)
    with pytest.raises(LigandError, match="GFN2-xTB"):
        single_point(WATER, np.zeros((3, 3)))


def test_without_tblite_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tblite.interface", None)
    with pytest.raises(DependencyError, match="pip install tblite"):
        single_point(WATER, PLACES)
