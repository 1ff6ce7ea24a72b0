"""The shipped examples are what their README says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molgen.io import cocrystal_ligand, read_ligand_table, read_protein, read_structure

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "data/examples"


@pytest.mark.parametrize(
    ("entry", "reference"),
    [("6xg5.cif", "6xg5_TOP.sdf"), ("7n03.cif.gz", "7n03_ZRP.sdf")],
)
def test_the_reference_is_the_ligand_of_the_entry(entry, reference):
    ligand = cocrystal_ligand(read_structure(EXAMPLES / entry)).mol
    expected = Chem.MolFromMolFile(str(EXAMPLES / reference))
    assert Chem.MolToSmiles(ligand) == Chem.MolToSmiles(expected)
    # PDB files and SDF alike carry three or four decimals; atoms may be ordered differently.
    ours, theirs = (np.sort(m.GetConformer().GetPositions().sum(1)) for m in (ligand, expected))
    np.testing.assert_allclose(ours, theirs, atol=0.005)


def test_the_example_table_reads_without_a_bad_row():
    rows = read_ligand_table(EXAMPLES / "dhfr_ligands.csv")
    assert [row.name for row in rows][:2] == ["trimethoprim", "brodimoprim"]
    assert len(rows) == 5 and not any(row.error for row in rows)


@pytest.mark.parametrize("name", ["6XG5_TOP", "7N03_ZRP"])
def test_the_benchmark_complexes_share_no_pose_with_their_start(name):
    folder = ROOT / "workflows/test/complexes" / name
    crystal, start = (
        Chem.MolFromMolFile(str(folder / f"{name}_{kind}.sdf"))
        for kind in ("ligand", "ligand_start_conf")
    )
    assert Chem.MolToSmiles(crystal) == Chem.MolToSmiles(start)
    atoms = start.GetSubstructMatch(crystal)
    moved = start.GetConformer().GetPositions()[list(atoms)] - crystal.GetConformer().GetPositions()
    assert np.linalg.norm(moved, axis=1).min() > 1.0
    code = name.split("_")[1]
    assert code not in set(read_protein(folder / f"{name}_protein.pdb").residue_names)


def test_every_example_is_described():
    described = (ROOT / "data/README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.name == "README.md":
            continue
        assert f"`{path.name}`" in described
