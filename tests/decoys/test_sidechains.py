"""Side chains built and packed on backbones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from molgen.decoys.rotamers import first_well, rotamer_bin, sidechain_table
from molgen.decoys.sidechain_templates import (
    FIRST_MOVING,
    KINDS,
    RESIDUES,
    SLOTS,
    atom_kinds,
    chi_count,
    placements,
    residue_atoms,
)
from molgen.decoys.sidechains import (
    ModelAtoms,
    PackingConfig,
    atom_layout,
    build_sidechains,
    model_protein,
)
from molgen.errors import ConfigError, StructureError
from molgen.geometry.dihedral import dihedral
from molgen.vocabulary import RESIDUE_ATOMS

sys.path.insert(0, str(Path(__file__).parent))
from natives import native

RADII = {"C": 1.7, "N": 1.55, "O": 1.52, "S": 1.8}  # Bondi, J. Phys. Chem. 1964, 68, 441


def build(entry: str, quality: str = "packed", seed: int = 0, **options) -> ModelAtoms:
    own = residue_atoms(native(entry))
    config = PackingConfig(quality=quality, **options)
    rng = np.random.default_rng(seed)
    return build_sidechains(own.sequence, own.coords[:, :4], rng, config)


def clashes(atoms: ModelAtoms) -> int:
    """Return side-chain atoms nearer than 0.8 of the sum of radii to another residue's atom."""
    radius = np.array([RADII[name[0]] for name in atoms.names])
    pairs = cKDTree(atoms.coords).query_pairs(0.8 * 3.6, output_type="ndarray")
    i, j = pairs.T
    distance = np.linalg.norm(atoms.coords[i] - atoms.coords[j], axis=1)
    apart = np.abs(atoms.residue[i] - atoms.residue[j]) > 1
    backbone = np.isin(atoms.names, ("N", "CA", "C", "O"))
    bridge = (atoms.names[i] == "SG") & (atoms.names[j] == "SG")
    close = distance < 0.8 * (radius[i] + radius[j])
    return int((close & apart & ~bridge & ~(backbone[i] & backbone[j])).sum())


def test_templates_name_every_atom_once_and_after_its_parents():
    kinds = atom_kinds()
    for kind, name in enumerate(RESIDUES):
        rows = placements(name)
        assert {row.slot for row in rows} == set(range(4, len(RESIDUE_ATOMS[name])))
        known = {0, 1, 2}
        for row in rows:
            assert {row.first, row.second, row.third} <= known
            known.add(row.slot)
        size = len(RESIDUE_ATOMS[name])
        assert (kinds[kind, :size] >= 0).all() and (kinds[kind, size:] == -1).all()
    assert kinds.max() == len(KINDS) - 1


def test_chi_counts_are_those_of_iupac():
    four = {"ARG", "LYS"}
    three = {"GLN", "GLU", "MET"}
    none = {"ALA", "GLY"}
    one = {"CYS", "SER", "THR", "VAL"}
    for name in RESIDUES:
        expected = 4 * (name in four) + 3 * (name in three) + 1 * (name in one)
        expected = expected or (0 if name in none else 2)
        assert chi_count(name) == expected


def test_wells_and_bins():
    degrees = np.radians([60.0, 180.0, -60.0, -179.0])
    assert first_well("LEU", degrees).tolist() == [0, 1, 2, 1]
    assert first_well("PRO", np.radians([25.0, -25.0])).tolist() == [0, 1]
    # half a turn of a phenyl ring is the same rotamer, of an imidazole another
    turns = np.radians([[-60.0, 90.0], [-60.0, -90.0]])
    same = rotamer_bin("PHE", turns)
    assert same[0] == same[1]
    other = rotamer_bin("HIS", turns)
    assert other[0] != other[1]


def test_the_library_holds_what_is_known_of_rotamers():
    table = sidechain_table()
    # Val prefers trans, Leu (-65, 175) and (180, 65): Lovell et al., Proteins 2000, 40, 389
    val = RESIDUES.index("VAL")
    assert np.exp(table.log_well[val, :, -1, 0]).argmax() == 1
    leu = RESIDUES.index("LEU")
    rows = slice(table.first[leu], table.first[leu + 1])
    mean = np.degrees(table.mean[rows, :2])[table.log_share[rows] == 0.0]
    expected = np.array([[-65.0, 175.0], [180.0, 65.0]])
    off = (mean[:, None] - expected[None] + 180.0) % 360.0 - 180.0
    assert (np.abs(off).max(axis=2).min(axis=0) < 12.0).all()
    # in a helix gauche+ is all but forbidden except for Ser and Thr
    cell = 6, 7  # phi -60, psi -40
    for name in ("LEU", "PHE", "LYS", "MET"):
        assert np.exp(table.log_well[RESIDUES.index(name), 0, *cell]) < 0.06


@pytest.mark.parametrize("quality", ["packed", "scrambled"])
def test_models_are_complete_with_ideal_geometry(quality):
    own = residue_atoms(native("6xg5.cif"))
    atoms = build("6xg5.cif", quality)
    assert len(atoms.coords) == sum(len(RESIDUE_ATOMS[RESIDUES[t]]) for t in own.sequence)
    assert np.isfinite(atoms.coords).all() and atoms.coords.dtype == np.float32
    residue, slot = atom_layout(own.sequence)
    np.testing.assert_allclose(
        atoms.coords[slot < 4], own.coords[residue[slot < 4], slot[slot < 4]], atol=1e-4
    )
    # bonds inside side chains: 1.2 to 1.9 Å, as all covalent bonds of C, N, O and S here
    coords = np.full((len(own.sequence), SLOTS, 3), np.nan)
    coords[residue, slot] = atoms.coords
    for number, kind in enumerate(own.sequence):
        for row in placements(RESIDUES[kind]):
            bond = np.linalg.norm(coords[number, row.slot] - coords[number, row.third])
            assert 1.2 < bond < 1.9
    # L-amino acids: N, C and CB clockwise seen from H, improper N-C-CA-CB near +120
    beta = np.isfinite(coords[:, 4, 0])
    turn = dihedral(*(coords[beta, column] for column in (0, 2, 1, 4)))
    assert (np.abs(np.degrees(turn) - 121.0) < 10.0).all()
    # the ring of Pro closes onto N
    pro = own.sequence == RESIDUES.index("PRO")
    closing = np.linalg.norm(coords[pro, 6] - coords[pro, 0], axis=1)
    assert np.all((closing > 1.2) & (closing < 1.8))


def test_chis_are_those_of_the_coordinates():
    own = residue_atoms(native("6xg5.cif"))
    atoms = build("6xg5.cif")
    coords = np.zeros((len(own.sequence), SLOTS, 3))
    coords[atom_layout(own.sequence)] = atoms.coords
    lys = own.sequence == RESIDUES.index("LYS")
    chi4 = dihedral(*(coords[lys, slot] for slot in (5, 6, 7, 8)))
    assert np.abs(np.angle(np.exp(1j * (chi4 - atoms.chi[lys, 3])))).max() < 1e-3
    ala = own.sequence == RESIDUES.index("ALA")
    assert np.isnan(atoms.chi[ala]).all()


def test_packing_finds_native_rotamers_and_avoids_clashes():
    own = residue_atoms(native("6xg5.cif"))
    alone = {}
    for quality in ("packed", "poor", "scrambled"):
        atoms = build("6xg5.cif", quality)
        moved = np.isfinite(atoms.chi[:, 0]) & (own.sequence != RESIDUES.index("PRO"))
        ends = {row.slot for name in RESIDUES for row in placements(name) if row.chi == 1}
        assert ends == {FIRST_MOVING, FIRST_MOVING + 1}
        chi = dihedral(*(own.coords[moved, slot] for slot in (0, 1, 4, 5)))
        off = np.abs(np.angle(np.exp(1j * (chi - atoms.chi[moved, 0]))))
        alone[quality] = float((off < np.radians(40)).mean()), clashes(atoms)
    hits, overlaps = zip(*alone.values(), strict=True)
    # simple packers place 70 to 80 % of chi1 within 40 degrees; random ones about a half
    assert min(hits[0], hits[1]) > 0.70 > hits[2]
    assert overlaps[0] < overlaps[1] < overlaps[2]
    assert overlaps[0] < 0.04 * len(own.sequence)


def test_a_seed_means_the_same_and_another_something_else():
    first, again = build("7n03.cif.gz", seed=3), build("7n03.cif.gz", seed=3)
    np.testing.assert_array_equal(first.coords, again.coords)
    assert not np.array_equal(first.coords, build("7n03.cif.gz", "scrambled", seed=4).coords)


def test_a_turned_backbone_gives_turned_side_chains():
    own = residue_atoms(native("7n03.cif.gz"))
    rotation = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    moved = own.coords[:, :4] @ rotation.T + [10.0, -4.0, 2.0]
    # drawn, not packed: the same draws, so the same side chains
    models = [
        build_sidechains(
            own.sequence, backbone, np.random.default_rng(1), PackingConfig(quality="scrambled")
        )
        for backbone in (own.coords[:, :4], moved)
    ]
    expected = models[0].coords @ rotation.T + [10.0, -4.0, 2.0]
    assert np.abs(models[1].coords - expected).max() < 1e-3


def test_noise_spreads_chis_around_the_library():
    plain = build("7n03.cif.gz", "scrambled")
    noisy = build("7n03.cif.gz", "scrambled", chi_noise=20.0)
    off = np.angle(np.exp(1j * (noisy.chi - plain.chi)))[:, 0]
    off = off[np.isfinite(off)]
    assert 12.0 < np.degrees(off.std()) < 28.0


def test_fixed_side_chains_stay():
    own = residue_atoms(native("6xg5.cif"))
    layout = atom_layout(own.sequence)
    given = own.coords[layout].copy()
    fixed = np.zeros(len(own.sequence), dtype=bool)
    fixed[10:60] = True
    given[~fixed[layout[0]]] = np.nan
    atoms = build_sidechains(
        own.sequence, own.coords[:, :4], np.random.default_rng(0), fixed=fixed, given=given
    )
    kept = fixed[layout[0]]
    np.testing.assert_allclose(atoms.coords[kept], given[kept], atol=1e-4)
    assert np.isnan(atoms.chi[fixed]).all()
    assert np.isfinite(atoms.coords).all()


def test_another_sequence_a_chain_break_and_missing_oxygen():
    own = residue_atoms(native("6xg5.cif"))
    backbone = np.delete(own.coords[:, :3], slice(40, 48), axis=0)
    rng = np.random.default_rng(5)
    sequence = rng.integers(0, len(RESIDUES), size=len(backbone))
    atoms = build_sidechains(sequence, backbone, rng)
    protein = model_protein(sequence, atoms, numbers=np.arange(len(sequence)) + 5, chain="B")
    assert protein.residue_numbers[0] == 5 and set(protein.chains) == {"B"}
    for (_, name, where), kind in zip(protein.residues(), sequence, strict=True):
        assert name == RESIDUES[kind]
        assert tuple(protein.atom_names[where]) == RESIDUE_ATOMS[name]
    assert set(protein.elements) <= {"C", "N", "O", "S"}


def test_one_residue_and_residues_without_side_chain():
    backbone = residue_atoms(native("6xg5.cif")).coords[:3, :4]
    for name, count in (("GLY", 4), ("ALA", 5), ("TRP", 14)):
        sequence = np.array([RESIDUES.index(name)])
        atoms = build_sidechains(sequence, backbone[:1], np.random.default_rng(0))
        assert len(atoms.coords) == count


def test_what_does_not_fit_is_refused():
    backbone = residue_atoms(native("6xg5.cif")).coords[:3, :4]
    rng = np.random.default_rng(0)
    with pytest.raises(StructureError, match="3 residues of backbone"):
        build_sidechains(np.zeros(2, dtype=int), backbone, rng)
    with pytest.raises(StructureError, match="0 to 19"):
        build_sidechains(np.full(3, 20), backbone, rng)
    with pytest.raises(StructureError, match="given"):
        build_sidechains(np.zeros(3, dtype=int), backbone, rng, fixed=np.ones(3, dtype=bool))
    with pytest.raises(ConfigError, match="sweeps"):
        build_sidechains(np.zeros(3, dtype=int), backbone, rng, PackingConfig(sweeps=0))
