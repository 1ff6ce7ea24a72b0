"""Trajectories through mdtraj: what is written comes back in Å, and errors are clear."""

from __future__ import annotations

import mdtraj
import numpy as np
import pytest

from molgen.errors import InputError, StructureError
from molgen.io import read_protein
from molgen.io.trajectory import read_trajectory, write_trajectory


@pytest.fixture
def case(peptide, write):
    """Return a peptide of four residues and three frames of it."""
    protein = read_protein(write(peptide))
    rng = np.random.default_rng(0)
    frames = protein.coords + rng.normal(0.0, 2.0, (3, len(protein), 3))
    return protein, frames.astype(np.float32)


@pytest.mark.parametrize(("suffix", "precision"), [(".xtc", 0.006), (".dcd", 1e-4), (".pdb", 6e-4)])
def test_frames_come_back(case, tmp_path, suffix, precision):
    protein, frames = case
    path = tmp_path / f"run{suffix}"
    write_trajectory(path, protein, frames)
    assert read_trajectory(path, protein) == pytest.approx(frames, abs=precision)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(("run", "."))] == [path.name]


def test_other_programs_read_nanometres_and_names(case, tmp_path):
    protein, frames = case
    write_trajectory(tmp_path / "run.pdb", protein, frames)
    loaded = mdtraj.load(str(tmp_path / "run.pdb"))
    assert loaded.xyz[0, 0] == pytest.approx(frames[0, 0] / 10, abs=1e-4)
    assert [r.name for r in loaded.topology.residues] == ["MET", "LYS", "LYS", "LEU"]
    assert [r.resSeq for r in loaded.topology.residues] == [1, 2, 3, 4]


def test_errors(case, tmp_path):
    protein, frames = case
    with pytest.raises(InputError, match=r"end in \.xtc, \.dcd, \.pdb"):
        write_trajectory(tmp_path / "run.trr", protein, frames)
    with pytest.raises(StructureError, match=r"expected \(frames, \d+, 3\)"):
        write_trajectory(tmp_path / "run.xtc", protein, frames[:, 1:])
    with pytest.raises(StructureError, match="NaN"):
        write_trajectory(tmp_path / "run.xtc", protein, frames * np.nan)
    assert not (tmp_path / "run.xtc").exists()
    with pytest.raises(InputError, match="no such file"):
        read_trajectory(tmp_path / "run.xtc", protein)
    (tmp_path / "bad.xtc").write_bytes(b"not a trajectory")
    with pytest.raises(StructureError, match="cannot be read"):
        read_trajectory(tmp_path / "bad.xtc", protein)
    for suffix in (".xtc", ".dcd", ".pdb"):
        write_trajectory(tmp_path / f"run{suffix}", protein, frames)
        with pytest.raises(StructureError, match="atoms"):
            read_trajectory(tmp_path / f"run{suffix}", protein.select(np.arange(10)))
