"""AMBER in implicit solvent on a short peptide: hydrogens, order of atoms, energies, frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app

from molgen.energy import openmm as border
from molgen.energy.openmm_implicit import ImplicitSolvent, ImplicitSolventConfig, use_native_obc2
from molgen.errors import ConfigError, DeviceError, StructureError
from molgen.io import read_protein
from molgen.structure import Protein

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"


@pytest.fixture(scope="module")
def peptide() -> Protein:
    """Return eight residues of entry 7X9K (CC0) with a break after the fourth."""
    whole = read_protein(EXAMPLES / "7x9k.cif.gz")
    whole = whole.select(~whole.hetero)
    residue = whole.residue_index()
    return whole.select((residue < 4) | ((residue >= 10) & (residue < 14)))


@pytest.fixture(scope="module")
def solvent(peptide: Protein) -> ImplicitSolvent:
    return ImplicitSolvent(peptide)


def rmsd(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.sqrt(((one - two) ** 2).sum(1).mean()))


def test_relaxation_lowers_strain_and_keeps_the_order(peptide, solvent):
    assert solvent.atoms > 1.8 * len(peptide)  # hydrogens
    relaxed = solvent.relax(steps=50)
    assert relaxed.coords.shape == peptide.coords.shape
    assert rmsd(relaxed.coords, peptide.coords) < 1.0
    held = solvent.relax(steps=50, hold=50.0)
    assert rmsd(held.coords, peptide.coords) < rmsd(relaxed.coords, peptide.coords)
    # the pieces stay pieces: no bond was drawn across the break
    assert np.linalg.norm(peptide.coords[0] - peptide.coords[-1]) > 5


def test_missing_atoms_are_added_but_not_returned(peptide, solvent):
    lost = np.flatnonzero((peptide.residue_names == "LYS") & (peptide.atom_names == "NZ"))[:1]
    keep = np.setdiff1d(np.arange(len(peptide)), lost)
    part = ImplicitSolvent(peptide.select(keep))
    assert part.atoms == solvent.atoms
    assert part.relax(steps=5).coords.shape == (len(keep), 3)


def test_dynamics_repeats_and_heats(peptide, solvent):
    options = {"steps": 60, "every": 30, "relax_steps": 200}
    cold = solvent.dynamics(temperature=10.0, seed=5, **options)
    assert cold.shape == (2, len(peptide), 3) and cold.dtype == np.float32
    assert np.array_equal(cold, solvent.dynamics(temperature=10.0, seed=5, **options))
    hot = solvent.dynamics(temperature=900.0, seed=5, **options)
    assert rmsd(hot[1], hot[0]) > 2 * rmsd(cold[1], cold[0])


def test_built_in_obc2_equals_the_written_one(peptide):
    """OpenMM's XML writes OBC2 as formulas (the other program) with rounded constants."""
    plain = ImplicitSolvent(peptide, ImplicitSolventConfig(cutoff=None, platform="Reference"))
    topology = plain.topology
    force_field = app.ForceField("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
    energies = []
    for native in (False, True):
        system = force_field.createSystem(topology, constraints=app.HBonds)
        if native:
            use_native_obc2(system, None)
        context = border.make_context(system, openmm.VerletIntegrator(0.001), "Reference")
        context.setPositions(plain.start_nm)
        energies.append(border.read_energy(context, "test"))
    assert energies[0] == pytest.approx(energies[1], abs=0.05)


def test_reaction_field_and_gbn2_run(peptide):
    for name in ("reaction_field", "gbn2"):
        model = ImplicitSolvent(peptide, ImplicitSolventConfig(solvent=name))
        assert np.isfinite(model.relax(steps=5).energy)
    with pytest.raises(ConfigError, match="needs one"):
        ImplicitSolvent(peptide, ImplicitSolventConfig(solvent="reaction_field", cutoff=None))


def test_what_cannot_be_used_is_named(peptide):
    names = peptide.residue_names.copy()
    names[peptide.residue_index() == 2] = "SEP"
    with pytest.raises(StructureError, match=r"SEP .*not one of the 20"):
        ImplicitSolvent(replace(peptide, residue_names=names))
    with pytest.raises(DeviceError, match="'TPU' is not there"):
        ImplicitSolvent(peptide, ImplicitSolventConfig(platform="TPU")).relax(steps=1)
