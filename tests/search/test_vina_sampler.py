"""The sampler `vina`: checked where the package is, said where it is not."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch
from rdkit import Chem

from molgen.errors import DependencyError, LigandError
from molgen.search import vina_peer
from molgen.search.samplers import SamplerSettings, build_sampler
from molgen.search.settings import VinaSettings
from molgen.structure import Ligand, Pocket

needs_vina = pytest.mark.skipif(
    not (importlib.util.find_spec("vina") and importlib.util.find_spec("meeko")),
    reason="the optional packages vina and meeko are not installed",
)
LIGAND = Ligand("cresol", Chem.MolFromSmiles("Cc1ccccc1O"))


def sampler(made, **settings):
    pocket = Pocket(np.zeros(3), np.full(3, 10.0), "small")
    options = SamplerSettings(vina=VinaSettings(**{"exhaustiveness": 1, "threads": 1, **settings}))
    return build_sampler("vina", made.protein, pocket, options, "cpu")


@needs_vina
def test_poses_are_those_of_the_ligand_and_reproducible(made):
    docking = sampler(made, conformers=1)
    poses = docking.sample(LIGAND, 3, seed=0)
    assert 1 <= len(poses) <= 3 and (np.diff(poses.scores) >= 0).all()
    np.testing.assert_array_equal(poses.terms["affinity"], poses.scores)
    for bond in LIGAND.mol.GetBonds():
        first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        length = np.linalg.norm(poses.coords[:, first] - poses.coords[:, second], axis=1)
        assert (length > 1.2).all() and (length < 1.6).all()
    np.testing.assert_array_equal(docking.sample(LIGAND, 3, seed=0).coords, poses.coords)


@needs_vina
def test_the_given_conformer_is_asked_for_where_there_is_none(made):
    with pytest.raises(LigandError, match="no 3D coordinates"):
        sampler(made, conformers=0).sample(LIGAND, 1, seed=0)


def test_a_missing_package_is_said(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "vina", None)  # an import of it fails
    with pytest.raises(DependencyError, match="pip install vina meeko"):
        sampler(made, conformers=1).sample(LIGAND, 1, seed=0)


@pytest.mark.parametrize(("asked", "taken"), [(0, 3), (2, 2)])
def test_it_takes_no_more_threads_than_torch(made, monkeypatch, asked, taken):
    seen = []

    def docking(*arguments, seed, cpu):
        seen.append(cpu)
        raise LigandError("enough")

    monkeypatch.setattr(vina_peer, "VinaDocking", docking)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    with pytest.raises(LigandError, match="enough"):
        sampler(made, conformers=1, threads=asked).sample(LIGAND, 1, seed=0)
    assert seen == [taken]


def test_the_sides_of_a_meso_ligand_stay_where_they_are():
    """Meeko numbers the atoms anew; both sides are the same but for their configuration."""
    mol = Chem.MolFromSmiles("C[C@H]1CCC[C@@H](C)N1C(=O)Cc1ccccc1")
    order = [int(k) for k in np.random.default_rng(1).permutation(mol.GetNumAtoms())]
    for turn in range(6):
        other = Chem.RenumberAtoms(mol, order[turn:] + order[:turn])
        found = vina_peer._match_heavy(mol, other)
        same = Chem.RenumberAtoms(other, found)
        tags = [atom.GetPropsAsDict(True, True).get("_CIPCode") for atom in mol.GetAtoms()]
        Chem.AssignStereochemistry(same, cleanIt=True, force=True)
        assert [a.GetPropsAsDict(True, True).get("_CIPCode") for a in same.GetAtoms()] == tags
