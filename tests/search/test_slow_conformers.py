"""Ligands whose conformers take longer than there is time."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.errors import LigandError
from molgen.search.conformers import embed_conformers
from molgen.structure import Ligand

LIGAND = Ligand("slow", Chem.MolFromSmiles("CCOc1ccccc1"))


def slow(monkeypatch, most):
    """Let RDKit run out of time with more than ``most`` conformers; return what was asked."""
    real, asked = rdDistGeom.EmbedMultipleConfs, []

    def embed(mol, count, params):
        asked.append((count, params.useRandomCoords))
        if count > most:
            mol.RemoveAllConformers()
            return [-1]  # what RDKit gives after a timeout
        return real(mol, count, params)

    monkeypatch.setattr("molgen.search.conformers.rdDistGeom.EmbedMultipleConfs", embed)
    return asked


def test_they_get_fewer_conformers(monkeypatch):
    asked = slow(monkeypatch, 4)
    assert embed_conformers(LIGAND, 32, 0).GetNumConformers() == 4
    assert asked == [(32, False), (4, False)]


def test_and_at_last_one_from_random_coordinates(monkeypatch):
    asked = slow(monkeypatch, 1)
    assert embed_conformers(LIGAND, 32, 0).GetNumConformers() == 1
    assert asked == [(32, False), (4, False), (1, True)]


def test_or_an_error_that_says_so(monkeypatch):
    slow(monkeypatch, 0)
    with pytest.raises(LigandError, match="slow: no 3D conformer could be embedded in 60 s"):
        embed_conformers(LIGAND, 32, 0)
