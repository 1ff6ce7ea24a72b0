"""Files as servers and databases write them; the parity model of tests/graphs as the protein."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from molgen.errors import StructureError
from molgen.graphs.model_contacts import model_contacts
from molgen.io.model_file import ModelFile, read_models

SOURCE = Path(__file__).parents[1] / "graphs" / "data" / "sgcn_parity" / "6KYTP_af2.pdb"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [line for line in SOURCE.read_text().splitlines(True) if line.startswith("ATOM")]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(lines) + "END\n")
    return path


def test_one_model_without_model_records(tmp_path, lines):
    ((number, protein),) = read_models(write(tmp_path / "one.pdb", lines))
    assert number == 1 and protein.name == "one" and len(protein) == 544


def test_every_model_is_read_under_its_number(tmp_path, lines):
    several = []
    for number in (1, 3, 7):
        several += [f"MODEL     {number:4d}\n", *lines[: 100 * number], "ENDMDL\n"]
    models = ModelFile(write(tmp_path / "several.pdb", several))
    assert models.numbers == (1, 3, 7) and len(models) == 3
    found = list(read_models(tmp_path / "several.pdb"))
    assert [number for number, _ in found] == [1, 3, 7]
    assert [len(protein) for _, protein in found] == [100, 300, 544]
    assert found[1][1].name == "several model 3"
    with pytest.raises(StructureError, match="no model 2; expected one of 1, 3, 7"):
        models.read(2)


def test_a_bad_model_does_not_hide_the_others(tmp_path, lines):
    water = "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\n"
    text = ["MODEL        1\n", water, "ENDMDL\n", "MODEL        2\n", *lines, "ENDMDL\n"]
    models = ModelFile(write(tmp_path / "bad.pdb", text))
    with pytest.raises(StructureError, match="bad.pdb: model 1: no protein found"):
        models.read(1)
    assert len(models.read(2)) == 544


def test_mmcif_and_gzip(tmp_path):
    import gemmi

    structure = gemmi.read_structure(str(SOURCE))
    structure.add_model(gemmi.Model(2))
    for chain in structure[0]:
        structure[1].add_chain(chain)
    text = structure.make_mmcif_document().as_string()
    path = tmp_path / "two.cif.gz"
    path.write_bytes(gzip.compress(text.encode()))
    found = list(read_models(path))
    assert [(number, len(protein)) for number, protein in found] == [(1, 544), (2, 544)]
    assert found[0][1].coords == pytest.approx(found[1][1].coords)


def test_gzip_that_is_not_gzip(tmp_path, lines):
    path = tmp_path / "model.pdb.gz"
    path.write_bytes(gzip.compress("".join(lines).encode())[:900])
    with pytest.raises(StructureError, match="model.pdb.gz"):
        read_models(path)
    path.write_bytes(b"\x1f\x8bnot gzip at all")
    with pytest.raises(StructureError, match="model.pdb.gz"):
        read_models(path)
    path.write_text("".join(lines))  # the content tells, not the suffix
    assert len(next(read_models(path))[1]) == 544


@pytest.mark.parametrize("text", ["", "HEADER\nREMARK nothing\nEND\n", "<html>not found</html>"])
def test_no_atom_records(tmp_path, text):
    path = tmp_path / "none.pdb"
    path.write_text(text)
    with pytest.raises(StructureError, match="none.pdb"):
        read_models(path)


def test_alpha_carbons_alone(tmp_path, lines):
    path = write(tmp_path / "trace.pdb", [line for line in lines if line[12:16] == " CA "])
    protein = next(read_models(path))[1]
    with pytest.raises(StructureError, match=r"trace: Cα-only model: .* N \(71\), C \(71\)"):
        model_contacts(protein)


def test_duplicate_residues_keep_the_first(tmp_path, lines):
    # residue 5 again at the end, moved; residue 6 again under another name
    again = [line[:30] + "  90.000" + line[38:] for line in lines if int(line[22:26]) == 5]
    other = [
        line[:17] + "GLY" + line[20:]
        for line in lines
        if int(line[22:26]) == 6 and line[12:16].strip() in ("N", "CA", "C", "O")
    ]
    protein = next(read_models(write(tmp_path / "twice.pdb", [*lines, *again, *other])))[1]
    assert len(protein) == 544
    assert protein.coords[:, 0].max() < 80.0
    said = " ".join(protein.notes)
    assert f"{len(again)} repeated chain atoms dropped" in said
    assert "1 residues at a position that another has already dropped: GLY A:6" in said
    assert len(model_contacts(protein)[0]) == 71


def test_insertion_codes_are_residues_of_their_own(tmp_path, lines):
    inserted = [line[:26] + "A" + line[27:] if int(line[22:26]) == 6 else line for line in lines]
    renumbered = [
        line[:22] + "   5" + line[26:] if int(line[22:26]) == 6 else line for line in inserted
    ]
    protein = next(read_models(write(tmp_path / "inserted.pdb", renumbered)))[1]
    contacts, report = model_contacts(protein)
    assert len(contacts) == 71
    assert [str(residue) for residue in report.residues[3:6]] == ["A:4", "A:5", "A:5A"]


def test_blank_chain_and_missing_elements(tmp_path, lines):
    # as CASP servers write: no chain, nothing after the B-factor
    plain = [line[:21] + " " + line[22:66].rstrip() + "\n" for line in lines]
    protein = next(read_models(write(tmp_path / "server.pdb", plain)))[1]
    contacts = model_contacts(protein)[0]
    whole = model_contacts(next(read_models(SOURCE))[1])[0]
    assert contacts.edge_area.tolist() == whole.edge_area.tolist()
