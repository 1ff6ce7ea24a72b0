"""Lennard-Jones classes: the numbers of OpenMM's copy of AMBER, and which atom takes which."""

from __future__ import annotations

import numpy as np
import pytest
from openmm import app
from openmm.app.forcefield import NonbondedGenerator
from rdkit import Chem

from molgen.energy.lennard_jones import AMBER, group_lennard_jones, ligand_lennard_jones
from molgen.energy.mmff import mmff_terms

MINIMUM = 2 ** (1 / 6) * 10 / 2
"""Half distance of the minimum in Å per nm of sigma."""


@pytest.fixture(scope="module")
def published() -> dict[str, tuple[float, float]]:
    """Return class -> (half distance, depth) of the AMBER files that OpenMM ships."""
    field = app.ForceField("amber14/protein.ff14SB.xml", "amber14/DNA.OL15.xml")
    found = {}
    for generator in field.getGenerators():
        if isinstance(generator, NonbondedGenerator):
            for kind, values in generator.params.paramsForType.items():
                name = field._atomTypes[kind].atomClass
                found[name] = (values["sigma"] * MINIMUM, values["epsilon"] / 4.184)
    return found


@pytest.mark.parametrize("name", AMBER)
def test_numbers_are_those_of_amber(published, name):
    distance, depth = published[name]
    assert AMBER[name][1] == pytest.approx(depth, abs=1e-4)
    if depth:  # a depth of zero makes the distance meaningless
        assert AMBER[name][0] == pytest.approx(distance, abs=1e-4)


@pytest.mark.parametrize(
    ("smiles", "atom", "expected"),
    [
        ("CC", 0, "CT"),
        ("c1ccccc1", 0, "C"),
        ("CC(=O)N", 2, "O"),
        ("CO", 1, "OH"),
        ("COC", 1, "OS"),
        ("CC(=O)N", 3, "N"),
        ("CSC", 1, "S"),
        ("CO", 5, "HO"),
        ("CO", 2, "H1"),
        ("CC", 2, "HC"),
        ("c1ccccc1", 6, "HA"),
        ("CN", 5, "H"),
    ],
)
def test_chemistry_decides_the_class(smiles, atom, expected):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    found = ligand_lennard_jones(mol, mmff_terms(mol).alike)
    assert tuple(found[atom]) == AMBER[expected]


def test_halogens_take_the_minimum_of_mmff():
    mol = Chem.AddHs(Chem.MolFromSmiles("ClC"))
    alike = mmff_terms(mol).alike
    distance, depth = ligand_lennard_jones(mol, alike)[0]
    assert (2 * distance, depth) == pytest.approx(tuple(alike[0]))
    assert 3.5 < 2 * distance < 4.3 and 0.1 < depth < 0.4


def test_groups_by_element_alone():
    table = group_lennard_jones(np.array(["C", "P", "Mo"]))
    assert tuple(table[0]) == AMBER["C"] and tuple(table[1]) == AMBER["P"]
    assert (table > 0).all()
