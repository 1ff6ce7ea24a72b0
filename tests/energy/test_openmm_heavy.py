"""The united-heavy-atom field: relaxation of good, bad and hopeless starts, dynamics, errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molgen.energy.openmm_heavy import HeavyAtomConfig, HeavyAtomField, Restraints
from molgen.energy.openmm_tables import MAP_STEP, MAPS
from molgen.energy.openmm_topology import heavy_terms
from molgen.errors import DeviceError, StructureError
from molgen.io import read_protein
from molgen.structure import Protein

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
IDEAL = {"bond": 0.03, "angle": 4.0, "closest": 2.3}


@pytest.fixture(scope="module")
def native() -> Protein:
    """Return 80 complete residues in a row of entry 7X9K (CC0)."""
    whole = read_protein(EXAMPLES / "7x9k.cif.gz")
    whole = whole.select(~whole.hetero & (whole.chains == whole.chains[0]))
    residue = whole.residue_index()
    for first in range(int(residue[-1]) - 80):
        part = whole.select((residue >= first) & (residue < first + 80))
        try:
            if heavy_terms(part).joined.all():
                return part
        except StructureError:
            continue
    raise AssertionError("no stretch of 80 complete residues")


@pytest.fixture(scope="module")
def field(native: Protein) -> HeavyAtomField:
    return HeavyAtomField(native)


def residues(protein: Protein, first: int, count: int) -> Protein:
    index = protein.residue_index()
    return protein.select((index >= first) & (index < first + count))


def phi_psi(protein: Protein, coords: np.ndarray) -> np.ndarray:
    """Return (residues, 2) radians; Biopython's dihedral is the other program."""
    from Bio.PDB.vectors import Vector, calc_dihedral

    terms = heavy_terms(protein)
    n, ca, c = ([Vector(*coords[i]) for i in terms.backbone[:, k]] for k in range(3))
    angles = np.full((len(n), 2), np.nan)
    for i in range(1, len(n)):
        angles[i, 0] = calc_dihedral(c[i - 1], n[i], ca[i], c[i])
        angles[i - 1, 1] = calc_dihedral(n[i - 1], ca[i - 1], c[i - 1], n[i])
    return angles


def assert_ideal(field: HeavyAtomField, coords: np.ndarray) -> None:
    strain = field.strain(coords)
    assert strain.bond_rmsd <= IDEAL["bond"]
    assert strain.angle_rmsd <= IDEAL["angle"]
    assert strain.closest >= IDEAL["closest"]
    assert strain.inverted == 0


def test_a_refined_structure_has_little_strain(native, field):
    # crystals are refined against Engh & Huber's values: about 0.01-0.02 Å and 1-2 degrees
    strain = field.strain(native.coords)
    assert strain.bond_rmsd < 0.03 and strain.angle_rmsd < 3.0
    assert strain.inverted == 0 and strain.closest > 2.4


def test_relaxing_a_native_hardly_moves_it(native, field):
    relaxed = field.relax(native.coords)
    assert np.sqrt(((relaxed.coords - native.coords) ** 2).sum(1).mean()) < 0.6
    assert relaxed.energy < field.energy(native.coords)
    assert_ideal(field, relaxed.coords)
    assert np.array_equal(relaxed.coords, field.relax(native.coords).coords)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_noise_is_removed(native, field, noise):
    rng = np.random.default_rng(1)
    start = native.coords + rng.normal(0.0, noise, native.coords.shape)
    assert field.strain(start).bond_rmsd > 0.1
    assert_ideal(field, field.relax(start).coords)


def test_broken_chain_and_overlaps_are_mended(native, field):
    residue = native.residue_index()
    start = native.coords.astype(float)
    start[(residue > 20) & (residue < 40)] += [9.0, -6.0, 4.0]
    start[residue > 60] = start[residue > 60][::-1] * 0.5
    assert field.strain(start).worst_bond > 8.0
    relaxed = field.relax(start)
    strain = field.strain(relaxed.coords)
    assert strain.bond_rmsd < 0.05 and strain.closest > 2.0 and strain.inverted == 0


def test_mirror_image_becomes_l_amino_acids(native, field):
    image = native.coords * np.array([-1.0, 1.0, 1.0])
    chiral = (native.atom_names == "CB").sum()
    assert field.strain(image).inverted >= chiral
    assert field.strain(field.relax(image).coords).inverted == 0


def test_all_atoms_at_one_point_stay_finite(native):
    short = residues(native, 0, 5)
    field = HeavyAtomField(short)
    assert np.isfinite(field.relax(np.zeros((len(short), 3))).coords).all()


def test_restraint_energy_is_harmonic(native, field):
    # every atom 0.5 Å away: k d^2 = 2 * 0.25 kcal/mol an atom
    shifted = native.coords + np.array([0.3, 0.0, 0.4])
    restraints = Restraints(reference=shifted, strength=2.0)
    extra = field.energy(native.coords, restraints) - field.energy(native.coords)
    assert extra == pytest.approx(0.5 * len(native), rel=1e-3)


def test_distance_restraint_is_flat_then_harmonic_then_linear(native, field):
    residue_pair = np.array([[0, 40]])
    ca = np.flatnonzero(native.atom_names == "CA")
    gap = float(np.linalg.norm(native.coords[ca[0]] - native.coords[ca[40]]))

    def extra(off: float) -> float:
        held = Restraints(
            pairs=residue_pair, distances=gap + off, distance_strength=1.5, tolerance=1.0
        )
        return field.energy(native.coords, held) - field.energy(native.coords)

    assert extra(0.9) == pytest.approx(0.0, abs=0.02)
    assert extra(3.0) == pytest.approx(1.5 * 2.0**2, abs=0.02)
    assert extra(6.0) == pytest.approx(1.5 * (3.0**2 + 2 * 3.0 * 2.0), abs=0.05)


@pytest.mark.parametrize(("phi", "psi"), [(-60.0, -45.0), (-120.0, 135.0), (60.0, 45.0)])
def test_torsion_restraints_and_maps(native, phi, psi):
    index = next(
        i
        for i in range(70)
        if not {"GLY", "PRO"} & set(residues(native, i, 3).residue_names.tolist())
    )
    three = residues(native, index, 3)
    held = Restraints(
        phi=np.radians([np.nan, phi, np.nan]),
        psi=np.radians([np.nan, psi, np.nan]),
        torsion_strength=200.0,
    )
    with_map, without = HeavyAtomField(three), HeavyAtomField(three, HeavyAtomConfig(phi_psi=0.0))
    moved = without.dynamics(
        three.coords, temperature=300, steps=1000, every=1000, seed=0, restraints=held
    )[0]
    held = replace(held, torsion_strength=2000.0)
    coords = without.relax(moved, restraints=held, tolerance=0.1).coords
    angles = np.degrees(phi_psi(three, coords)[1])
    assert angles == pytest.approx([phi, psi], abs=1.5)
    # the map at a grid point, by hand: row and column are (angle + 180) / 15
    digit = int(MAPS["ANY"].split()[int((phi + 180) / 15)][int((psi + 180) / 15)])
    difference = with_map.energy(coords) - without.energy(coords)
    assert difference == pytest.approx(MAP_STEP * digit, abs=0.25)


def test_dynamics_repeats_and_bonds_fluctuate_as_equipartition_says(native, field):
    start = field.relax(native.coords).coords
    frames = field.dynamics(start, temperature=300.0, steps=400, every=100, seed=3)
    assert frames.shape == (4, len(native), 3) and frames.dtype == np.float32
    again = field.dynamics(start, temperature=300.0, steps=400, every=100, seed=3)
    other = field.dynamics(start, temperature=300.0, steps=400, every=100, seed=4)
    assert np.array_equal(frames, again) and not np.array_equal(frames, other)
    # k x^2 holds kT/2: x = sqrt(0.596 / (2 * 300)) = 0.0315 Å; angles share a little of it
    assert field.strain(frames[-1]).bond_rmsd == pytest.approx(0.0315, rel=0.15)


def test_cis_bonds_are_left_free(native):
    trans, free = heavy_terms(native), heavy_terms(native, cis=[10])
    assert len(trans.pairs) == len(free.pairs) + 1
    assert not (trans.periodicity[trans.family == 1] == 2).any()
    assert (free.periodicity[free.family == 1] == 2).sum() == 2


def test_chain_breaks_are_not_joined(native):
    numbers = native.residue_numbers.copy()
    numbers[native.residue_index() >= 30] += 10
    coords = native.coords.copy()
    coords[native.residue_index() >= 30] += 5.0
    broken = replace(native, residue_numbers=numbers, coords=coords)
    assert np.flatnonzero(~heavy_terms(broken).joined).tolist() == [29]


def test_what_cannot_be_used_is_named(native, field):
    names = native.residue_names.copy()
    names[native.residue_index() == 3] = "SEP"
    with pytest.raises(StructureError, match=r"SEP .*not one of the 20"):
        HeavyAtomField(replace(native, residue_names=names))
    with pytest.raises(StructureError, match="lacks CA; expected complete"):
        HeavyAtomField(native.select(np.arange(len(native)) != 1))
    with pytest.raises(StructureError, match="NaN or infinity"):
        field.relax(np.full((len(native), 3), np.nan))
    with pytest.raises(StructureError, match=r"expected \(\d+, 3\)"):
        field.relax(native.coords[:-1])
    with pytest.raises(StructureError, match="residue ordinals below 80"):
        field.energy(native.coords, Restraints(pairs=np.array([[0, 80]])))
    with pytest.raises(ValueError, match="every"):
        field.dynamics(native.coords, temperature=300, steps=10, every=20, seed=0)
    with pytest.raises(DeviceError, match="'TPU' is not there"):
        HeavyAtomField(native, HeavyAtomConfig(platform="TPU")).energy(native.coords)
