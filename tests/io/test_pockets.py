"""Every form of --pocket, and every way it can fail, on a made structure of two chains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import InputError, PocketError
from molgen.io import read_structure, write_pdb, write_sdf
from molgen.io.pockets import default_spec, list_pockets, resolve_pocket
from molgen.structure import HeteroGroup, Protein, ResidueId, Structure

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"

# (chain, number, insertion code, name, atom, x, y, z, hetero)
ATOMS = [
    ("A", 45, "", "SER", "CA", 0.0, 0.0, 0.0, False),
    ("A", 45, "", "SER", "OG", 2.0, 0.0, 0.0, False),
    ("A", 45, "B", "SER", "CA", 0.0, 6.0, 0.0, False),
    ("A", 45, "B", "SER", "OG", 0.0, 8.0, 0.0, False),
    ("A", 46, "", "GLY", "CA", 4.0, 4.0, 4.0, False),
    ("B", -3, "", "SER", "CA", 30.0, 0.0, 0.0, False),
    ("B", -3, "", "SER", "OG", 30.0, 2.0, 0.0, False),
    ("A", 301, "", "LIG", "C1", 4.0, 0.0, 0.0, True),
    ("A", 301, "", "LIG", "C2", 6.0, 0.0, 0.0, True),
    ("B", 302, "", "LIG", "C1", 30.0, 5.0, 0.0, True),
    ("A", 303, "", "NAP", "C1", 5.0, 3.0, 0.0, True),
]


@pytest.fixture()
def structure() -> Structure:
    chain, number, code, name, atom, x, y, z, hetero = zip(*ATOMS, strict=True)
    atoms = Protein(
        name="made",
        coords=np.array([x, y, z], dtype=np.float32).T.copy(),
        elements=np.full(len(ATOMS), "C"),
        atom_names=np.array(atom),
        residue_names=np.array(name),
        residue_numbers=np.array(number, dtype=np.int32),
        insertion_codes=np.array(code),
        chains=np.array(chain),
        hetero=np.array(hetero),
    )
    return Structure(
        atoms,
        (
            HeteroGroup(ResidueId("A", 301), "LIG", np.array([7, 8]), is_ligand=True),
            HeteroGroup(ResidueId("B", 302), "LIG", np.array([9]), is_ligand=True),
            HeteroGroup(ResidueId("A", 303), "NAP", np.array([10])),
        ),
    )


@pytest.mark.parametrize(
    ("spec", "center", "removed"),
    [
        (None, (5, 0, 0), ["LIG A:301"]),  # largest ligand
        ("ligand", (5, 0, 0), ["LIG A:301"]),
        ("ligand:lig:B", (30, 5, 0), ["LIG B:302"]),
        ("ligand:LIG:B:302", (30, 5, 0), ["LIG B:302"]),
        ("ligand:NAP", (5, 3, 0), ["NAP A:303"]),  # a cofactor, but only by name
        ("A:45", (2, 0, 0), ["LIG A:301"]),  # side chain only
        ("A:45, A:45B", (1, 4, 0), ["LIG A:301"]),
        ("A:45b", (0, 8, 0), []),
        ("A:46", (4, 4, 4), ["LIG A:301"]),  # glycine: its CA
        ("B:-3", (30, 2, 0), ["LIG B:302"]),
        ("5,0,0", (5, 0, 0), ["LIG A:301"]),
        ("-1.5, .5,1e0:20", (-1.5, 0.5, 1), []),
    ],
)
def test_center_and_what_is_removed(
    structure: Structure, spec: str | None, center: tuple[float, ...], removed: list[str]
) -> None:
    pocket, groups = resolve_pocket(spec, structure)
    assert pocket.center == pytest.approx(center)
    assert [str(group) for group in groups] == removed
    assert pocket.edges == pytest.approx(20 if spec and ":20" in spec else 25)


def test_edges_are_taken_grow_with_residues_and_follow_the_argument(structure: Structure) -> None:
    assert resolve_pocket("0,0,0:10,12,14", structure)[0].edges.tolist() == [10, 12, 14]
    assert resolve_pocket("ligand", structure, edge=18)[0].edges.tolist() == [18, 18, 18]
    wide = resolve_pocket("A:45,B:-3", structure)[0]
    # Side chains at x = 2 and 30: centre 16; CA at 0 is 16 Å away, and 4 Å of margin.
    assert wide.edges == pytest.approx([40, 25, 25])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("C:45", ["no chain 'C'", "A, B"]),
        ("A:47", ["no residue 'A:47'", "45 to 46", "A:46 GLY"]),
        ("A:46C", ["no residue 'A:46C'", "A:46 GLY"]),
        ("ligand:XYZ", ["ligand:XYZ", "LIG A:301", "NAP A:303"]),
        ("ligand:LIG:A:999", ["ligand:LIG:A:999", "LIG A:301"]),
        ("ligand:LIG:A:301:9", ["ligand:LIG:A:301:9"]),
        ("900,0,0", ["857.5 Å outside the box"]),
        ("0,0,0:5", ["between 6 and 120", "5"]),
        ("0,0,0:10,10,2", ["between 6 and 120"]),
        ("0,0,0:-9", ["between 6 and 120"]),
        ("0,0,0:500", ["between 6 and 120"]),
        ("0,0", ["three coordinates"]),
        ("0,0,0:1,2", ["one or three edges"]),
        ("auto:0", ["rank"]),
        ("auto:x", ["rank"]),
        ("auto:3", ["pocket 3 asked for"]),
        ("missing.sdf", ["missing.sdf", "no such file"]),
        ("missing.sdf.gz", ["no such file"]),
        ("somewhere", ["not understood", "auto"]),
        ("nan,0,0", ["not understood"]),
        ("", ["not understood"]),
        ("A:45,", ["not understood"]),
    ],
)
def test_what_cannot_be_honoured_is_an_error(
    structure: Structure, spec: str, words: list[str]
) -> None:
    with pytest.raises(PocketError) as caught:
        resolve_pocket(spec, structure)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_no_ligand_in_the_file(structure: Structure) -> None:
    bare = Structure(structure.atoms, structure.groups[2:])
    with pytest.raises(PocketError, match="no co-crystal ligand"):
        resolve_pocket("ligand", bare)


def test_a_cofactor_alone_stays_unless_it_is_meant(structure: Structure, tmp_path: Path) -> None:
    cofactor = replace(structure.groups[2], stand_in=True)
    bare = Structure(structure.atoms, (cofactor,))
    for spec in ("5,3,0", "A:45"):
        assert resolve_pocket(spec, bare)[1] == ()
        assert resolve_pocket(spec, bare, repose=True)[1] == (cofactor,)
    assert default_spec(bare) == "auto" and default_spec(bare, repose=True) == "ligand"
    for spec in ("ligand", "ligand:NAP"):
        assert resolve_pocket(spec, bare)[1] == (cofactor,)
    reference = tmp_path / "there.sdf"
    mol = Chem.MolFromSmiles("C")
    mol.AddConformer(Chem.Conformer(1))
    mol.GetConformer().SetAtomPosition(0, (5.0, 3.0, 0.5))
    reference.write_text(Chem.MolToMolBlock(mol))
    assert resolve_pocket(str(reference), bare)[1] == (cofactor,)


def test_chains_without_a_name(structure: Structure) -> None:
    blank = Structure(replace(structure.atoms, chains=np.full(len(structure.atoms), "")))
    assert resolve_pocket(":45", blank)[0].center == pytest.approx((2, 0, 0))
    with pytest.raises(PocketError, match=r"no chain 'A'.*chains in the file: \(blank: ':45'\)"):
        resolve_pocket("A:45", blank)
    with pytest.raises(PocketError, match=r"chain \(blank\) has residues"):
        resolve_pocket(":99", blank)


def test_reference_file_must_be_readable_and_3d(structure: Structure, tmp_path: Path) -> None:
    flat = tmp_path / "flat.smi"
    flat.write_text("CCO\n")
    with pytest.raises(PocketError, match="3D coordinates"):
        resolve_pocket(str(flat), structure)
    broken = tmp_path / "broken.sdf"
    broken.write_text("not a molecule\n")
    with pytest.raises(InputError):
        resolve_pocket(str(broken), structure)


def test_forms_agree_on_a_crystal_structure() -> None:
    structure = read_structure(EXAMPLES / "6xg5.cif")
    by_group, removed = resolve_pocket("ligand:TOP", structure)
    by_file, also_removed = resolve_pocket(str(EXAMPLES / "6xg5_TOP.sdf"), structure)
    assert by_file.center == pytest.approx(by_group.center, abs=0.01)
    assert removed[0].code == "TOP"
    assert [str(g) for g in also_removed] == [str(g) for g in removed]
    cavities = list_pockets(structure)
    by_rank, _ = resolve_pocket("auto:2", structure)
    assert np.array_equal(by_rank.center, cavities[1].center)


def test_one_residue_of_a_chain_named_by_a_digit(structure: Structure) -> None:
    chains = np.where(structure.atoms.chains == "A", "1", structure.atoms.chains)
    numbered = Structure(replace(structure.atoms, chains=chains))
    assert resolve_pocket("1:45", numbered)[0].center == pytest.approx((2, 0, 0))
    with pytest.raises(PocketError, match="no residue '1:99'"):
        resolve_pocket("1:99", numbered)


def test_many_residues_make_a_long_request(structure: Structure) -> None:
    pocket, _ = resolve_pocket(",".join(["A:45", "A:46"] * 60), structure)
    assert pocket.source.startswith("residues A:45,A:46")


def test_a_reference_whose_name_has_a_comma(structure: Structure, tmp_path: Path) -> None:
    path = tmp_path / "my, ref.sdf"
    path.write_bytes((EXAMPLES / "6xg5_TOP.sdf").read_bytes())
    with pytest.raises(PocketError, match="nearest protein atom"):
        resolve_pocket(str(path), structure)
    with pytest.raises(PocketError, match="the rank must be a whole number"):
        resolve_pocket("auto:²", structure)


def test_a_cofactor_in_the_place_of_the_reference_goes_and_one_beside_it_stays(
    tmp_path: Path,
) -> None:
    structure = read_structure(EXAMPLES / "6xg5.cif")
    (cofactor,) = (group for group in structure.groups if group.code == "NDP")
    atoms = structure.atoms.coords[cofactor.atoms].astype(float)
    path = tmp_path / "adenine.sdf"
    mol = Chem.MolFromSmiles("C" * 10)
    mol.AddConformer(Chem.Conformer(10))
    mol.GetConformer().SetPositions(np.ascontiguousarray(atoms[:10]))
    Chem.SDWriter(str(path)).write(mol)
    _, removed = resolve_pocket(str(path), structure)
    assert cofactor in removed
    _, removed = resolve_pocket(str(EXAMPLES / "6xg5_TOP.sdf"), structure)
    assert [group.code for group in removed] == ["TOP"]


def test_a_part_of_a_sugar_takes_the_whole_with_it() -> None:
    structure = read_structure(EXAMPLES / "7x9k.cif.gz")
    _, removed = resolve_pocket("ligand:FRU", structure)
    assert [group.code for group in removed[:2]] == ["FRU", "GLC"]


def test_a_peptide_in_the_place_of_the_reference_goes(tmp_path: Path) -> None:
    """The last three residues as a chain of their own, and the same as a reference ligand."""
    structure = read_structure(EXAMPLES / "6xg5.cif")
    atoms = structure.atoms
    last = sorted(set(atoms.residue_numbers[~atoms.hetero].tolist()))[-3:]
    tail = np.isin(atoms.residue_numbers, last) & ~atoms.hetero
    chains = np.where(tail, "P", atoms.chains).astype(atoms.chains.dtype)
    structure = replace(structure, atoms=replace(atoms, chains=chains))
    mol = Chem.MolFromPDBBlock(write_pdb(None, atoms.select(tail)))
    write_sdf(tmp_path / "peptide.sdf", [(mol, {})])
    _, removed = resolve_pocket(str(tmp_path / "peptide.sdf"), structure)
    assert [str(group) for group in removed] == [f"chain P:{last[0]}"]
    assert "P" not in structure.receptor(removed).chains.tolist()
