"""Ligands whose conformers are hard to find."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.errors import LigandError
from molgen.structure import Ligand
from molgen.structure.conformers import embed_conformers

LIGAND = Ligand("hard", Chem.MolFromSmiles("CCOc1ccccc1"))


def failing(monkeypatch, calls):
    """Let the first ``calls`` of RDKit find nothing; return what was asked."""
    real, asked = rdDistGeom.EmbedMultipleConfs, []

    def embed(mol, count, params):
        asked.append((count, params.useRandomCoords, params.maxIterations, params.timeout))
        return real(mol, count, params) if len(asked) > calls else []

    monkeypatch.setattr("molgen.structure.conformers.rdDistGeom.EmbedMultipleConfs", embed)
    return asked


def test_they_get_fewer_from_random_coordinates(monkeypatch):
    asked = failing(monkeypatch, 1)
    assert embed_conformers(LIGAND, 32, 0).GetNumConformers() == 4
    # attempts are counted and time is not: a busy machine finds the same
    assert asked == [(32, False, 200, 0), (4, True, 200, 0)]


def test_or_an_error_that_says_so(monkeypatch):
    failing(monkeypatch, 2)
    with pytest.raises(LigandError, match="hard: no 3D conformer could be embedded; check stereo"):
        embed_conformers(LIGAND, 32, 0)
