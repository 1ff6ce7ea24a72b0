"""The tables of names agree with themselves and with gemmi's copy of the wwPDB dictionary."""

from __future__ import annotations

import gemmi
import pytest

from molgen import vocabulary as words


def test_twenty_residues_with_their_heavy_atoms():
    assert len(words.STANDARD_RESIDUES) == 20
    # Heavy atoms of the twenty residues in a chain, summed: 167 (biochemistry textbook formulas).
    assert sum(len(atoms) for atoms in words.RESIDUE_ATOMS.values()) == 167
    for name in words.STANDARD_RESIDUES:
        assert gemmi.find_tabulated_residue(name).is_amino_acid()


@pytest.mark.parametrize(
    ("code", "standard"),
    [("MSE", "MET"), ("HIP", "HIS"), ("CYX", "CYS"), ("ASH", "ASP"), ("GLH", "GLU"),
     ("LYN", "LYS"), ("ARN", "ARG"), ("NALA", "ALA"), ("CHID", "HIS"), ("SEP", "SEP"),
     ("SEC", "SEC"), ("ALA", "ALA")],
)  # fmt: skip
def test_normalisation(code, standard):
    assert words.standard_residue(code) == standard


def test_roles_do_not_overlap():
    roles = [words.ADDITIVES, words.COFACTORS, words.SUGARS, words.WATERS, words.STANDARD_RESIDUES]
    for i, first in enumerate(roles):
        for second in roles[i + 1 :]:
            assert not first & second


def test_synonyms_lead_to_standard_residues():
    assert set(words.RESIDUE_SYNONYMS.values()) <= words.STANDARD_RESIDUES
    assert not set(words.RESIDUE_SYNONYMS) & words.STANDARD_RESIDUES


def test_elements_exist():
    for symbol in words.METALS | words.LIGAND_ELEMENTS:
        assert gemmi.Element(symbol).name == symbol
