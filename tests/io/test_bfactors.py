"""B-factors replaced, everything else kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import gemmi
import numpy as np
import pytest

from molgen.errors import StructureError
from molgen.io import read_structure, write_pdb
from molgen.io.bfactors import split_models, with_bfactors
from molgen.io.model_file import ModelFile
from molgen.structure.protein import ResidueId

EXAMPLES = Path(__file__).resolve().parents[2] / "data/examples"
ATOM = b"ATOM      2  CA  GLY A  12B     11.104   6.134  -6.504  1.00 99.99           C  \n"


def relabelled(content, values, **options):
    suffix, text = with_bfactors(content, values, Path("x.pdb"), **options)
    assert suffix == ".pdb"
    return text


def test_only_the_column_changes():
    content = b"PFRMAT TS\r\nREMARK \xe9\r\n" + ATOM.replace(b"\n", b"\r\n") + b"TER\r\nEND"
    text = relabelled(content, {ResidueId("A", 12, "B"): 71.258})
    assert text == content.replace(b" 99.99", b" 71.26")
    assert relabelled(content, {ResidueId("A", 12, ""): 71.258}) == content.replace(
        b" 99.99", b"  0.00"
    )


def test_short_lines_are_filled_up():
    line = ATOM[:54] + b"\n"
    text = relabelled(line, {ResidueId("A", 12, "B"): 100.0})
    assert text == ATOM[:54] + b" " * 6 + b"100.00\n"
    assert relabelled(ATOM[:60] + b"\n", {}) == ATOM[:60] + b"  0.00\n"


def test_blank_chains_negative_numbers_and_hetatm():
    line = b"HETATM" + ATOM[6:21] + b"   -3 " + ATOM[27:]
    text = relabelled(line, {ResidueId("", -3, ""): 5.0})
    assert text[60:66] == b"  5.00" and text[:60] == line[:60]


def test_models_are_parted_with_their_header():
    one, two = ATOM, ATOM.replace(b"GLY", b"ALA")
    content = b"HEADER\nMODEL        1\n" + one + b"ENDMDL\nMODEL        7\n" + two
    content += b"ENDMDL\nCONECT    1    2\nEND\n"
    assert split_models(content) == {
        1: b"HEADER\n" + one + b"END\n",
        7: b"HEADER\n" + two + b"END\n",
    }
    assert split_models(one) == split_models(b"MODEL        1\n" + one) == {}


@pytest.mark.parametrize("name", ["6xg5.cif", "7n03.cif.gz"])
def test_mmcif_becomes_pdb_where_it_fits(name, tmp_path):
    raw = (EXAMPLES / name).read_bytes()
    content = gzip.decompress(raw) if name.endswith(".gz") else raw
    before = read_structure(EXAMPLES / name).atoms
    residues = sorted({r for r, _, _ in before.residues()})
    values = {residue: float(at % 101) for at, residue in enumerate(residues)}
    path = tmp_path / "out.pdb"
    path.write_bytes(relabelled(content, values))
    after = read_structure(path).atoms
    np.testing.assert_allclose(
        np.sort(after.coords, axis=0), np.sort(before.coords, axis=0), atol=1e-3
    )
    for chain in gemmi.read_structure(str(path))[0]:
        for residue in chain:
            identifier = ResidueId(chain.name, residue.seqid.num, residue.seqid.icode.strip())
            assert {atom.b_iso for atom in residue} == {values.get(identifier, 0.0)}


def test_mmcif_stays_mmcif_where_pdb_has_no_room(tmp_path):
    structure = gemmi.read_structure(str(EXAMPLES / "6xg5.cif"))
    structure[0][0].name = "LONG"
    content = structure.make_mmcif_document().as_string().encode()
    suffix, text = with_bfactors(content, {ResidueId("LONG", 5): 42.0}, Path("x.cif"))
    assert suffix == ".cif"
    (tmp_path / "x.cif").write_bytes(text)
    found = gemmi.read_structure(str(tmp_path / "x.cif"))[0]
    assert {a.b_iso for a in found["LONG"]["5"][0]} == {42.0}
    assert {a.b_iso for a in found["LONG"]["6"][0]} == {0.0}


def test_one_model_of_several_in_mmcif(tmp_path):
    structure = gemmi.read_structure(str(EXAMPLES / "6xg5.cif"))
    other = structure[0].clone()
    other.num = 5
    other[0].name = "Q"
    structure.add_model(other)
    content = structure.make_mmcif_document().as_string().encode()
    text = relabelled(content, {}, model=5)
    (tmp_path / "x.pdb").write_bytes(text)
    found = gemmi.read_structure(str(tmp_path / "x.pdb"))
    assert len(found) == 1 and "Q" in [chain.name for chain in found[0]]
    assert relabelled(content, {}) != text  # the first by default


def test_more_than_9999_residues_in_a_chain():
    """Hybrid-36: A000 is 10000, ZZZZ the last of 26 * 36**3 after it, as gemmi reads them."""
    numbers = {"9999": 9999, "A000": 10_000, "A001": 10_001, "ZZZZ": 9_999 + 26 * 36**3}
    content = b"".join(ATOM[:22] + text.encode() + b" " + ATOM[27:] for text in numbers)
    structure = gemmi.read_pdb_string(content.decode())
    assert [residue.seqid.num for residue in structure[0][0]] == list(numbers.values())
    values = {ResidueId("A", number): float(at) for at, number in enumerate(numbers.values(), 1)}
    text = relabelled(content, values)
    assert [float(line[60:66]) for line in text.splitlines()] == [1.0, 2.0, 3.0, 4.0]


def test_damaged_mmcif_is_an_error():
    with pytest.raises(StructureError, match="x.cif: cannot be written with B-factors"):
        with_bfactors(b"data_x\n_atom_site.id 1\n", {}, Path("x.cif"))


def test_the_reader_finds_what_was_written(tmp_path):
    protein = read_structure(EXAMPLES / "6xg5.cif").atoms
    content = write_pdb(None, protein).encode()
    path = tmp_path / "a.pdb"
    path.write_bytes(relabelled(content, {r: 50.0 for r, _, _ in protein.residues()}))
    assert b"  0.00" not in b"".join(
        line[60:66] for line in path.read_bytes().splitlines() if line.startswith(b"ATOM")
    )
    assert len(ModelFile(path).read(1)) == len(protein)


@pytest.mark.parametrize("name", [b"A", b" "])
def test_subunits_under_one_chain_name_have_their_own_numbers(name):
    first = ATOM.replace(b"12B", b"12 ").replace(b" A ", b" " + name + b" ")
    one = first + first.replace(b" 12 ", b" 13 ").replace(b" 11.104", b" 14.904")
    two = one.replace(b" 11.104", b" 61.104").replace(b" 14.904", b" 64.904")
    new = "B" if name == b"A" else "A"
    chain = name.decode().strip()
    values = {ResidueId(c, n): v for c, v in ((chain, 30.0), (new, 60.0)) for n in (12, 13)}
    text = relabelled(one + b"TER\n" + two, values)
    assert text == one.replace(b"99.99", b"30.00") + b"TER\n" + two.replace(b"99.99", b"60.00")
