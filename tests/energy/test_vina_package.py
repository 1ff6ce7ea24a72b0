"""The vina package as the other program: one made complex scored by both."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import made
from rdkit import Chem

pytest.importorskip("vina", reason="vina is not installed")
pytest.importorskip("meeko", reason="meeko is not installed")

from molgen.energy.vina import Vina
from molgen.search.vina_peer import VinaDocking
from molgen.structure import Ligand


def test_energies_of_a_pose_agree():
    mol, coords = made.conformer()
    coords = coords - coords.mean(1, keepdim=True)
    mol.GetConformer().SetPositions(coords[0].numpy())
    protein, pocket = made.protein(), made.pocket(24.0)
    ours = Vina().bind(made.build_energy_topology(mol, protein)).terms(coords)
    docking = VinaDocking(protein, pocket, cpu=1)
    vina = docking.score(Ligand("made", mol), Chem.AddHs(mol, addCoords=True))
    # PDBQT rounds coordinates to 0.001 Å and vina reads its potential from tables
    assert ours["affinity"].item() == pytest.approx(vina[0], rel=5e-3)
    assert ours["inter"].item() == pytest.approx(vina[1], rel=5e-3)
    assert ours["intra"].item() == pytest.approx(vina[5], abs=0.01)
    assert torch.isfinite(ours["total"]).all()
