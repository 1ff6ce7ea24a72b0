"""Relaxation in a pocket: energies of AMBER, the interaction by hand, what moves and what not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app
from rdkit import Chem

from molgen.energy import openmm as border
from molgen.energy.openmm_completion import complete_protein
from molgen.energy.openmm_pocket import ion_parameters, pocket_atoms
from molgen.energy.openmm_relax import (
    INTERACTION,
    PROTEIN,
    LigandField,
    PoseSystem,
    relax_pose,
)
from molgen.energy.relax_settings import RelaxSettings
from molgen.errors import StructureError
from molgen.io import read_ligand, read_structure
from molgen.structure import Protein

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"


@pytest.fixture(scope="module")
def structure():
    return read_structure(EXAMPLES / "6xg5.cif")


@pytest.fixture(scope="module")
def receptor(structure) -> Protein:
    return structure.receptor(structure.ligands)


@pytest.fixture(scope="module")
def ligand() -> Chem.Mol:
    return Chem.AddHs(read_ligand(EXAMPLES / "6xg5_TOP.sdf").mol, addCoords=True)


@pytest.fixture(scope="module")
def field(ligand) -> LigandField:
    return LigandField(ligand)


@pytest.fixture(scope="module")
def pocket(receptor, ligand):
    return pocket_atoms(receptor, ligand.GetConformer().GetPositions(), 12.0)


def energy(system: openmm.System, coords: np.ndarray, group: int | None = None) -> float:
    context = border.make_context(system, openmm.VerletIntegrator(0.001), "Reference")
    context.setPositions(border.to_nm(coords))
    return border.read_energy(context, "test", groups=None if group is None else {group})


def rmsd(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.sqrt(((one - two) ** 2).sum(1).mean()))


def test_the_protein_part_is_that_of_openmm_itself(ligand, field):
    """Everything may move and charges are screened away: bonded terms and Lennard-Jones remain."""
    whole = read_structure(EXAMPLES / "7x9k.cif.gz").atoms
    peptide = whole.select(~whole.hetero & (whole.residue_index() < 8))
    topology, positions_nm = complete_protein(peptide, 7.0)
    system = app.ForceField("amber14/protein.ff14SB.xml").createSystem(topology)
    nonbonded = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    for i in range(nonbonded.getNumParticles()):
        _, sigma, depth = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, 0.0, sigma, depth)
    for i in range(nonbonded.getNumExceptions()):
        one, two, _, sigma, depth = nonbonded.getExceptionParameters(i)
        nonbonded.setExceptionParameters(i, one, two, 0.0, sigma, depth)
    expected = energy(system, border.to_angstrom(positions_nm))

    found = pocket_atoms(peptide, peptide.coords.astype(float), 1.0)
    everything = replace(found, side_chain=np.ones(len(found), bool), movable=found.source > -9)
    # false ends of the piece lost what only an end has: put it back
    charges, shapes, _, _ = border.read_nonbonded(system)
    everything = replace(everything, lennard_jones=shapes, charges=charges)
    away = ligand.GetConformer().GetPositions() * 0.05 + peptide.coords.mean(axis=0)
    settings = RelaxSettings(flexible=12.0, cutoff=20.0, dielectric=1e9)
    model = PoseSystem(field, away, everything, settings)
    assert model.moves.all() and len(model.moves) == len(charges)
    assert energy(model.system, model.start, PROTEIN) == pytest.approx(expected, rel=1e-5)


def test_the_interaction_by_hand(field, ligand, pocket):
    coords = ligand.GetConformer().GetPositions()
    settings = RelaxSettings(flexible=0.0, cutoff=8.0, dielectric=3.0)
    model = PoseSystem(field, coords, pocket, settings)
    gaps = np.linalg.norm(coords[:, None] - pocket.coords[None], axis=-1)
    best = field.lennard_jones[:, None, 0] + pocket.lennard_jones[None, :, 0]
    depth = np.sqrt(field.lennard_jones[:, None, 1] * pocket.lennard_jones[None, :, 1])
    charge = field.terms.charges[:, None] * pocket.charges[None]
    ratio = (best / gaps) ** 6
    pairs = depth * (ratio**2 - 2 * ratio) + 332.0716 * charge / (3.0 * (gaps + 0.05) ** 2)
    expected = pairs[gaps < 10.0].sum()
    assert energy(model.system, model.start, INTERACTION) == pytest.approx(expected, rel=1e-5)


def test_a_strained_pose_is_relaxed_and_the_rest_stays(field, ligand, pocket, receptor):
    coords = ligand.GetConformer().GetPositions()
    shaken = coords + np.random.default_rng(0).normal(0.0, 0.1, coords.shape)
    done = relax_pose(field, shaken, pocket, RelaxSettings(), "CPU", "test")
    assert done.after < done.before
    assert done.strain_after < done.strain_before - 100
    assert done.interaction_after < done.interaction_before
    assert rmsd(done.coords[field.heavy], coords[field.heavy]) < 0.5
    # what moved is within reach, is no backbone to speak of, and moved a little
    shift = np.linalg.norm(done.moved_coords - receptor.coords[done.moved], axis=1)
    assert len(done.moved) > 50 and 0 < shift.max() < 1.0
    backbone = np.isin(receptor.atom_names[done.moved], ["N", "CA", "C", "O"])
    assert shift[backbone].max() < 0.2
    gaps = np.linalg.norm(receptor.coords[:, None] - shaken[None, field.heavy], axis=-1).min(1)
    side = ~np.isin(receptor.atom_names, ["N", "CA", "C", "O"]) & ~receptor.hetero
    residues = receptor.residue_index()
    assert set(residues[done.moved]) == set(residues[side & (gaps < 6.0)])


def test_the_same_input_gives_the_same_bytes(field, ligand, receptor):
    coords = ligand.GetConformer().GetPositions()
    settings = RelaxSettings(iterations=20)
    runs = [
        relax_pose(field, coords, pocket_atoms(receptor, coords, 8.0), settings, "CPU", "test")
        for _ in range(2)
    ]
    assert runs[0].coords.tobytes() == runs[1].coords.tobytes()
    assert runs[0].moved_coords.tobytes() == runs[1].moved_coords.tobytes()


def test_a_fixed_protein_and_a_held_ligand(field, ligand, pocket):
    coords = ligand.GetConformer().GetPositions()
    free = RelaxSettings(flexible=0.0)
    loose = relax_pose(field, coords, pocket, free, "CPU", "test")
    held = relax_pose(field, coords, pocket, replace(free, ligand=100.0), "CPU", "test")
    assert not len(loose.moved)
    assert rmsd(held.coords[field.heavy], coords[field.heavy]) < 0.5 * rmsd(
        loose.coords[field.heavy], coords[field.heavy]
    )


def test_platforms_agree(field, ligand, pocket):
    coords = ligand.GetConformer().GetPositions()
    settings = RelaxSettings(flexible=0.0)
    one, two = (
        relax_pose(field, coords, pocket, settings, name, "test") for name in ("CPU", "Reference")
    )
    assert one.after == pytest.approx(two.after, abs=0.05)
    assert rmsd(one.coords, two.coords) < 0.02


@pytest.mark.parametrize("shift", [np.nan, 0.0])
def test_a_pose_that_cannot_be_relaxed_is_an_error(field, ligand, pocket, shift):
    coords = np.full_like(ligand.GetConformer().GetPositions(), shift)
    with pytest.raises(StructureError, match="pose 7: "):
        relax_pose(field, coords, pocket, RelaxSettings(), "CPU", "pose 7")


def test_metals_and_cofactors_are_fixed_with_charges():
    structure = read_structure(EXAMPLES / "7x9k.cif.gz")
    receptor = structure.receptor(structure.ligands)
    metals = receptor.coords[receptor.elements == "Mn"]
    found = pocket_atoms(receptor, metals[:1], 8.0, formal_charges=structure.formal_charges(
        structure.ligands))  # fmt: skip
    ion = found.elements == "Mn"
    # Li & Merz 2013 as OpenMM ships it: Rmin/2 1.407 Å, 0.0169 kcal/mol
    assert ion.any() and (found.charges[ion] == 2.0).all()
    assert found.lennard_jones[ion][0] == pytest.approx([1.407, 0.0169], abs=1e-4)
    assert not found.movable[ion].any()
    assert not np.isin(found.bonds.atoms, np.flatnonzero(ion)).any()


def test_ions():
    assert ion_parameters("ZN", "Zn")[0] == 2.0
    assert ion_parameters("FE", "Fe")[0] == 3.0 and ion_parameters("FE2", "Fe")[0] == 2.0
    assert ion_parameters("GA", "Ga") is None


def test_a_histidine_at_a_metal_keeps_its_nitrogen_free(receptor):
    """A zinc is put 2.1 Å from one nitrogen of a histidine; the proton goes to the other."""
    rows = np.flatnonzero((receptor.residue_names == "HIS") & (receptor.atom_names == "NE2"))
    place = int(rows[0])
    for name, other in (("ND1", "HD1"), ("NE2", "HE2")):
        residue = receptor.residue_index() == receptor.residue_index()[place]
        atom = np.flatnonzero(residue & (receptor.atom_names == name))[0]
        away = receptor.coords[atom] - receptor.coords[residue].mean(axis=0)
        spot = receptor.coords[atom] + 2.1 * away / np.linalg.norm(away)
        zinc = replace(
            receptor.select(np.array([atom])),
            coords=spot[None].astype(np.float32),
            elements=np.array(["Zn"]), atom_names=np.array(["ZN"]),
            residue_names=np.array(["ZN"]), residue_numbers=np.array([900], dtype=np.int32),
            hetero=np.array([True]),
        )  # fmt: skip
        joined = replace(receptor, **{
            f: np.concatenate([getattr(receptor, f), getattr(zinc, f)])
            for f in Protein._array_fields()
        })  # fmt: skip
        found = pocket_atoms(joined, spot[None], 5.0)
        mine = found.residue == receptor.residue_index()[place]
        hydrogens = found.coords[mine & (found.elements == "H")]
        bound = np.linalg.norm(hydrogens - receptor.coords[atom], axis=1) < 1.2
        assert not bound.any(), other


def test_what_cannot_be_modelled_is_said_or_refused(receptor, ligand):
    coords = ligand.GetConformer().GetPositions()
    with pytest.raises(StructureError, match=r"no receptor atom within 12 Å"):
        pocket_atoms(receptor, coords + 500.0, 12.0)
    whole = pocket_atoms(receptor, coords, 6.0)
    first = int(receptor.residue_index()[whole.source[whole.side_chain][0]])
    broken = receptor.select((receptor.residue_index() != first) | (receptor.atom_names != "CA"))
    found = pocket_atoms(broken, coords, 6.0)
    assert any("lacks backbone atoms and is held fixed" in note for note in found.notes)
    assert not found.movable[found.residue == first].any()
    cut = receptor.select((receptor.residue_index() != first) | (receptor.atom_names != "CB"))
    assert len(pocket_atoms(cut, coords, 6.0)) == len(whole)


def test_atoms_without_a_charge_have_none_towards_their_fourth_neighbours(pocket):
    """Atoms of cut chains are silent; their 1-4 pairs kept the charges of a real chain end."""
    silent = pocket.charges == 0.0
    touched = silent[pocket.pairs].any(axis=1)
    assert touched.sum() > 100 and (~touched).sum() > 100
    assert not pocket.pair_params[touched, 0].any()
    assert np.count_nonzero(pocket.pair_params[~touched, 0]) > 100
