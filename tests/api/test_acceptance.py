"""Raw poses beside refined ones: which of them stand, and what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rdkit import Chem
from rdkit.Geometry import Point3D

from molgen.api.acceptance import accept
from molgen.api.generate import generate
from molgen.api.pose_output import RankedPose
from molgen.search.settings import SidegenSettings


def pose(score, valid, x):
    """Return a pose of ethane with its first atom at ``x`` Å."""
    mol = Chem.MolFromSmiles("CC")
    conformer = Chem.Conformer(2)
    conformer.SetAtomPosition(0, Point3D(x, 0.0, 0.0))
    conformer.SetAtomPosition(1, Point3D(x + 1.5, 0.0, 0.0))
    mol.AddConformer(conformer)
    return RankedPose(mol, {"rank": 0, "score": score, "posebusters_pass": valid})


def told(poses):
    return [(p.properties["origin"], p.properties["score"]) for p in poses]


@pytest.mark.parametrize(
    ("refined", "raw", "stands"),
    [
        ((-8.0, True), (-5.0, True), "refined"),
        ((-5.0, True), (-8.0, True), "raw"),
        ((-8.0, False), (-5.0, True), "raw"),
        ((-5.0, True), (-8.0, False), "refined"),
        ((-8.0, False), (-5.0, False), "refined"),
    ],
)
def test_the_better_of_two_near_poses_stands(refined, raw, stands):
    (found,) = accept([pose(*refined, 0.0)], [pose(*raw, 0.5)], 10, 1.5)
    assert found.properties["origin"] == stands and found.properties["rank"] == 1


def test_a_pose_with_its_like_atoms_named_the_other_way_is_a_repeat():
    turned = pose(-7.0, True, 0.0)
    places = turned.mol.GetConformer().GetPositions()[::-1].copy()
    turned.mol.GetConformer().SetPositions(places)
    assert told(accept([pose(-8.0, True, 0.0)], [turned], 10, 1.4)) == [("refined", -8.0)]


def test_poses_apart_stay_and_are_ranked_together():
    refined = [pose(-8.0, True, 0.0), pose(-7.9, True, 0.4), pose(-9.0, False, 20.0)]
    raw = [pose(-8.5, True, 10.0), pose(-8.4, True, 10.5)]
    found = accept(refined, raw, 10, 1.5)
    # refined poses are distinct by the search's own measure, which knows symmetry
    assert told(found) == [("raw", -8.5), ("refined", -8.0), ("refined", -7.9), ("refined", -9.0)]
    assert [p.properties["rank"] for p in found] == [1, 2, 3, 4]
    assert told(accept(refined, raw, 2, 1.5)) == told(found)[:2]


def test_raw_and_refined_poses_are_both_kept(tmp_path, target, quick):
    sidegen = SidegenSettings(samples=3, steps=4, rounds=0, starts=8)
    config = replace(quick, sampler="sidegen", keep_raw=True, sidegen=sidegen)
    generate(target, tmp_path / "out", config=config)
    raw, final = (
        list(Chem.SDMolSupplier(str(tmp_path / "out" / name)))
        for name in ("raw_poses.sdf", "poses.sdf")
    )
    assert len(raw) == 3 and 1 <= len(final) <= 2
    assert {mol.GetProp("origin") for mol in final} <= {"raw", "refined"}
    places = [
        (mol.GetProp("posebusters_pass") != "true", float(mol.GetProp("score"))) for mol in raw
    ]
    assert places == sorted(places)
    best = (final[0].GetProp("posebusters_pass") != "true", float(final[0].GetProp("score")))
    assert best <= places[0]  # no raw pose is better than what is returned

    generate(target, tmp_path / "out", config=replace(config, keep_raw=False), force=True)
    assert not (tmp_path / "out/raw_poses.sdf").exists()
    (plain, *_) = Chem.SDMolSupplier(str(tmp_path / "out/poses.sdf"))
    assert not plain.HasProp("origin")
