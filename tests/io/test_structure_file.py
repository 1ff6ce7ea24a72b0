"""What the structure readers keep, change, drop and say."""

from __future__ import annotations

import gzip

import gemmi
import numpy as np
import pytest

from molgen.errors import MolgenWarning
from molgen.io import read_protein, read_structure, write_pdb
from molgen.structure import ResidueId


def notes_of(structure) -> str:
    return "\n".join(structure.atoms.notes)


def test_reads_plain_pdb(write, peptide):
    structure = read_structure(write(peptide))
    assert structure.name == "case"
    assert len(structure.atoms) == 34
    assert structure.atoms.notes == ()
    assert structure.groups == ()
    assert structure.atoms.coords.dtype == np.float32
    np.testing.assert_allclose(structure.atoms.coords[0], [-15.760, -12.602, 31.919], atol=1e-5)
    names = [name for _, name, _ in structure.atoms.residues()]
    assert names == ["MET", "LYS", "LYS", "LEU"]


def test_gzip_and_mmcif_give_the_same_atoms(write, peptide):
    plain = read_structure(write(peptide)).atoms
    packed = read_structure(write(gzip.compress(peptide.encode()), "case.pdb.gz")).atoms
    model = gemmi.read_pdb_string(peptide)
    model.setup_entities()
    cif = read_structure(write(model.make_mmcif_document().as_string(), "case.cif")).atoms
    for other in (packed, cif):
        assert other.name == "case"
        for field in ("coords", "elements", "atom_names", "residue_names", "chains", "hetero"):
            np.testing.assert_array_equal(getattr(plain, field), getattr(other, field))


def test_format_is_told_by_content_not_suffix(write, peptide):
    assert len(read_structure(write(peptide, "case.txt")).atoms) == 34


def test_example_entry(examples):
    """7X9K: 125 waters, Mn and a disaccharide kept, one of two overlapping nucleotides."""
    structure = read_structure(examples / "7x9k.cif.gz")
    text = notes_of(structure)
    assert "125 waters dropped" in text
    assert "8OG A:202, NA A:207" in text
    assert [group.code for group in structure.groups] == [
        "GLC", "FRU", "8DG", "SO4", "MN", "MN", "MN",
    ]  # fmt: skip
    assert [str(group) for group in structure.ligands] == ["8DG A:201"]
    metals = structure.atoms.elements[structure.groups[4].atoms]
    assert metals.tolist() == ["Mn"]
    assert len(read_protein(examples / "7x9k.cif.gz")) == len(structure.atoms)


def test_waters_and_hydrogens_dropped_and_counted(write, peptide, line):
    extra = (
        line("O", "HOH", "A:401", (5, 5, 5))
        + line("O", "DOD", "A:402", (8, 5, 5))
        + line("O", "WAT", "B:1", (9, 9, 5))
        + line("H", "LEU", "A:4", (-9.5, -9.9, 25.0), record="ATOM")
        + line("D", "LEU", "A:4", (-9.5, -9.8, 25.0), "D", record="ATOM")
        + line("HG", "LEU", "A:4", (-11.9, -7.1, 24.9), "", record="ATOM")
    )
    structure = read_structure(write(peptide + extra))
    assert len(structure.atoms) == 34
    assert "3 waters dropped" in notes_of(structure)
    assert "3 hydrogens dropped" in notes_of(structure)


def test_altloc_takes_one_conformer_of_highest_occupancy(write, peptide, line):
    """CB and OG must come from the same label even though CB alone is a tie."""
    base = peptide.replace("LEU A   4", "XXX A   4").splitlines(keepends=True)
    serine = [ln.replace("XXX", "SER") for ln in base if "XXX" in ln][:4]
    cb = {"A": (-10.0, -6.8, 24.5), "B": (-10.1, -6.9, 24.6)}
    og = {"A": (-11.4, -6.5, 24.7), "B": (-9.2, -6.1, 25.4)}
    text = "".join(base[:26] + serine)
    for name, where, use in (
        ("CB", cb, {"A": 0.5, "B": 0.5}),
        ("OG", og, {"A": 0.3, "B": 0.7}),
    ):
        for label in "AB":
            text += line(
                name, "SER", "A:4", where[label], record="ATOM", altloc=label, occupancy=use[label]
            )
    structure = read_structure(write(text))
    protein = structure.atoms
    last = protein.residue_numbers == 4
    assert protein.atom_names[last].tolist() == ["N", "CA", "C", "O", "CB", "OG"]
    np.testing.assert_allclose(protein.coords[last][4], cb["B"], atol=1e-5)
    np.testing.assert_allclose(protein.coords[last][5], og["B"], atol=1e-5)
    assert "alternate locations at 1 residues" in notes_of(structure)


def test_altloc_goes_by_the_mean_occupancy_not_by_the_number_of_atoms(write, peptide, line):
    text = peptide
    for name, label, x, use in (("CB", "A", 1, 0.4), ("OG", "A", 2, 0.4), ("CB", "B", 1.5, 0.6)):
        text += line(name, "SER", "A:20", (x, 40, 0), record="ATOM", altloc=label, occupancy=use)
    protein = read_structure(write(text)).atoms
    cb = (protein.residue_numbers == 20) & (protein.atom_names == "CB")
    np.testing.assert_allclose(protein.coords[cb], [[1.5, 40, 0]])


def test_altloc_tie_takes_the_first_label(write, peptide, line):
    text = peptide + "".join(
        line("ZN", "ZN", "A:9", (x, 0, 0), "ZN", altloc=label, occupancy=0.5)
        for label, x in (("A", 1.0), ("B", 2.0))
    )
    structure = read_structure(write(text))
    (zinc,) = structure.groups
    np.testing.assert_allclose(structure.atoms.coords[zinc.atoms], [[1.0, 0, 0]])


def test_two_residue_names_at_one_position(write, peptide, line):
    """Microheterogeneity: SER 0.6 beats THR 0.4, and no atom of THR stays."""
    atoms = {"N": (0, 0, 0), "CA": (1.46, 0, 0), "C": (2.0, 1.4, 0), "O": (1.2, 2.3, 0)}
    text = peptide
    for residue, label, use in (("THR", "A", 0.4), ("SER", "B", 0.6)):
        for name, xyz in atoms.items():
            text += line(name, residue, "A:20", xyz, record="ATOM", altloc=label, occupancy=use)
    protein = read_structure(write(text)).atoms
    assert protein.residue_names[protein.residue_numbers == 20].tolist() == ["SER"] * 4
    assert "less occupied alternatives dropped: THR beside SER A:20" in protein.notes


def test_atoms_only_the_other_label_has_are_kept(write, peptide, line):
    text = "".join(
        ln
        for ln in peptide.splitlines(keepends=True)
        if "CD1 LEU" not in ln and "CD2 LEU" not in ln
    )
    text += line("CD1", "LEU", "A:4", (-11.5, -5.0, 25.2), record="ATOM", altloc="A")
    text += line("CD2", "LEU", "A:4", (-12.2, -6.6, 23.4), record="ATOM", altloc="B", occupancy=0.1)
    protein = read_structure(write(text)).atoms
    assert sorted(protein.atom_names[-2:].tolist()) == ["CD1", "CD2"]


def test_insertion_codes_are_separate_residues(write, peptide):
    text = peptide.replace("LYS A   3 ", "LYS A   2A")
    residues = [residue for residue, _, _ in read_structure(write(text)).atoms.residues()]
    assert residues == [
        ResidueId("A", 1), ResidueId("A", 2), ResidueId("A", 2, "A"), ResidueId("A", 4),
    ]  # fmt: skip
    assert str(residues[2]) == "A:2A"


def test_first_model_by_default_or_the_asked_one(write, peptide):
    moved = peptide.replace("-15.760", "-15.000")
    text = f"MODEL        1\n{peptide}ENDMDL\nMODEL        2\n{moved}ENDMDL\nEND\n"
    path = write(text)
    first = read_structure(path)
    assert first.atoms.coords[0, 0] == pytest.approx(-15.76)
    assert "2 models in the file; model 1 read" in notes_of(first)
    assert len(first.atoms) == 34
    assert read_structure(path, model=2).atoms.coords[0, 0] == pytest.approx(-15.0)


def test_selenomethionine_becomes_methionine(write, peptide):
    text = peptide.replace(" SD  MET", "SE   MSE").replace("MET", "MSE")
    text = text.replace("33.552  1.00  0.00           S", "33.552  1.00  0.00          SE")
    text = text.replace("ATOM      7", "HETATM    7")
    structure = read_structure(write(text))
    protein = structure.atoms
    assert protein.residue_names[0] == "MET"
    assert protein.atom_names[6] == "SD"
    assert protein.elements[6] == "S"
    assert not protein.hetero.any()
    assert "MSE read as MET (1)" in notes_of(structure)


@pytest.mark.parametrize(
    ("written", "standard"), [("LYN", "LYS"), ("HIE", "HIS"), ("CYX", "CYS"), ("HSD", "HIS")]
)
def test_protonation_names(write, peptide, written, standard):
    structure = read_structure(write(peptide.replace("LYS A   2", f"{written} A   2")))
    assert structure.atoms.residue_names[10] == standard
    assert f"{written} read as {standard}" in notes_of(structure)


def test_charmm_atom_names(write, peptide):
    text = peptide.replace("LEU", "ILE").replace(" CD1 ILE", " CD  ILE")
    text = text.replace(" O   ILE", " OT1 ILE")
    names = read_structure(write(text)).atoms.atom_names
    assert "CD1" in names and "CD" not in names[-8:]
    assert "OT1" not in names


@pytest.mark.parametrize("record", ["ATOM  ", "HETATM"])
def test_modified_residue_stays_in_the_chain(write, peptide, record):
    """A residue of unknown name that is peptide-bonded is polymer whatever its record says."""
    text = "".join(
        f"{record}{ln[6:]}".replace("LYS", "KCX") if "LYS A   2" in ln else ln
        for ln in peptide.splitlines(keepends=True)
    )
    structure = read_structure(write(text))
    assert not structure.atoms.hetero.any()
    assert "modified residues kept in the chain: KCX A:2" in notes_of(structure)


def test_a_cap_of_one_atom_belongs_to_its_chain(write, peptide, line):
    """NH2 at the end of a peptide is one nitrogen; one by itself is a group as any other."""
    bonded = line("N", "NH2", "A:5", (-7.9, -8.3, 22.7))
    structure = read_structure(write(peptide + bonded))
    assert not structure.groups and not structure.atoms.hetero.any()
    alone = read_structure(write(peptide + line("N", "NH2", "A:5", (50, 50, 50))))
    assert [group.code for group in alone.groups] == ["NH2"]


@pytest.mark.parametrize("record", ["ATOM  ", "HETATM"])
def test_free_amino_acid_like_group_is_not_chain(write, peptide, record):
    """Same atoms, 50 Å away: SAH has N, CA and C too and is no chain residue."""
    lines = [ln for ln in peptide.splitlines(keepends=True) if "LYS A   2" in ln]
    far = "".join(
        f"{record}{ln[6:17]}SAH A 900    {float(ln[30:38]) + 50:8.3f}{ln[38:]}" for ln in lines
    )
    structure = read_structure(write(peptide + far))
    assert [group.code for group in structure.groups] == ["SAH"]


def test_missing_atoms_and_chain_breaks_are_noted(write, peptide):
    lines = peptide.splitlines(keepends=True)
    cut = "".join(ln for ln in lines if " NZ  LYS A   2" not in ln and "LYS A   3" not in ln)
    structure = read_structure(write(cut))
    assert "1 residue lacks heavy atoms: LYS A:2 (NZ)" in notes_of(structure)
    assert "1 chain breaks: A:2 to A:4" in notes_of(structure)


def test_terminal_oxygen_does_not_hide_a_missing_atom(write, peptide, line):
    text = "".join(ln for ln in peptide.splitlines(keepends=True) if "CD2 LEU" not in ln)
    text += line("OXT", "LEU", "A:4", (-7.9, -8.3, 22.7), record="ATOM")
    assert "LEU A:4 (CD2)" in notes_of(read_structure(write(text)))


def test_several_chains(write, peptide):
    other = peptide.replace(" A   ", " B   ")
    protein = read_structure(write(peptide + "TER\n" + other)).atoms
    assert sorted(set(protein.chains.tolist())) == ["A", "B"]
    assert len(list(protein.residues())) == 8


def test_nucleic_acid_is_polymer(write, peptide, line):
    text = peptide + line("P", "DA", "X:1", (40, 40, 40), record="ATOM")
    structure = read_structure(write(text))
    assert not structure.atoms.hetero.any()
    assert structure.groups == ()


@pytest.mark.parametrize(
    ("column", "element"),
    [("ZN", "Zn"), ("Zn2+", "Zn"), ("", "Zn"), (" Z", "Zn"), ("zn", "Zn")],
)
def test_odd_element_columns(write, peptide, line, column, element):
    atom = line("ZN", "ZN", "A:99", (3, 3, 3), "ZN").rstrip("\n")[:76]
    structure = read_structure(write(peptide + f"{atom}{column}\n"))
    assert structure.atoms.elements[-1] == element


def test_no_element_column_and_names_out_of_place(write, peptide):
    """ "CA" and "CD" written one column left would read as calcium and cadmium."""
    text = "".join(f"{ln[:12]}{ln[12:16].strip():<4s}{ln[16:66]}\n" for ln in peptide.splitlines())
    protein = read_structure(write(text)).atoms
    assert set(protein.elements.tolist()) == {"C", "N", "O", "S"}


def test_charge_in_element_columns(write, peptide):
    text = peptide.replace("26.995  1.00  0.00           N", "26.995  1.00  0.00           N1+")
    assert read_structure(write(text)).atoms.elements[16] == "N"


def test_zero_occupancy_is_kept_and_said(write, peptide):
    text = peptide.replace("26.995  1.00", "26.995  0.00")
    structure = read_structure(write(text))
    assert len(structure.atoms) == 34
    assert "1 atoms of zero occupancy kept" in notes_of(structure)


def test_unknown_element_is_dropped_and_said(write, peptide, line):
    structure = read_structure(write(peptide + line("Q1", "UNX", "A:50", (1, 1, 1), "X")))
    assert len(structure.atoms) == 34
    assert "1 atoms of unknown element dropped (in UNX)" in notes_of(structure)


def test_repeated_chain_atoms_dropped(write, peptide):
    twice = next(ln for ln in peptide.splitlines(keepends=True) if " NZ  LYS A   2" in ln)
    structure = read_structure(write(peptide.replace(twice, twice + twice)))
    assert len(structure.atoms) == 34
    assert "1 repeated chain atoms dropped" in notes_of(structure)


def test_windows_line_ends(write, peptide):
    assert len(read_structure(write(peptide.replace("\n", "\r\n"))).atoms) == 34


def test_written_pdb_reads_back(write, examples):
    protein = read_protein(examples / "7x9k.cif.gz")
    again = read_protein(write(write_pdb(None, protein), "again.pdb"))
    for field in ("elements", "atom_names", "residue_names", "residue_numbers", "chains"):
        np.testing.assert_array_equal(getattr(protein, field), getattr(again, field))
    np.testing.assert_allclose(protein.coords, again.coords, atol=5.1e-4)
    np.testing.assert_array_equal(protein.hetero, again.hetero)


def test_file_of_hetatm_records_only(write, peptide, nicotinate):
    text = peptide.replace("ATOM  ", "HETATM") + nicotinate()
    structure = read_structure(write(text))
    assert [group.code for group in structure.groups] == ["NIO"]
    assert int((~structure.atoms.hetero).sum()) == 34


def test_bytes_outside_ascii_do_not_shift_columns(write, peptide):
    text = ("REMARK Müller\n" + peptide.replace("LEU A   4", "LEÜ A   4")).encode("latin-1")
    protein = read_structure(write(text)).atoms
    assert len(protein) == 34
    assert protein.residue_names[-1] == "LE?"


def test_residues_of_the_sequence_without_atoms_are_counted(write, peptide, examples):
    sequence = "SEQRES   1 A    5  MET LYS LYS LEU SER\nSEQRES   1 B    2  ALA GLY\n"
    assert "3 of 7 residues in the file's sequence have no atoms: is it" in notes_of(
        read_structure(write(sequence + peptide))
    )
    renamed = peptide.replace("LYS A   2", "LYN A   2")
    assert renamed != peptide
    whole = "SEQRES   1 A    4  MET LYS LYS LEU\n"
    assert "sequence" not in notes_of(read_structure(write(whole + renamed)))
    assert "sequence" not in notes_of(read_structure(write(whole + peptide)))
    lines = (examples / "6xg5.cif").read_text().splitlines(keepends=True)
    end = next(k for k, line in enumerate(lines) if line.startswith("ATOM   601 "))
    assert "6 of 165 residues" in notes_of(read_structure(write("".join(lines), "whole.cif")))
    text = notes_of(read_structure(write("".join(lines[:end]), "cut.cif")))
    assert "94 of 165 residues in the file's sequence have no atoms: is it cut short?" in text
    last = next(k for k, line in enumerate(lines) if line.startswith("ATOM   1001 "))
    text = notes_of(read_structure(write("".join(lines[:last]), "cut.cif")))
    assert "groups that the file lists have no atoms: " in text and "TOP" in text
    assert "residues in the file's sequence have no atoms: is it cut short?" in text


def test_listed_groups_and_a_last_residue_without_all_atoms_are_noted(write, peptide):
    assert "is it cut short" not in notes_of(read_structure(write(peptide)))
    listed = "HET    LIG  A 301      12\nHET    HOH  A 401       1\n"
    assert "lists have no atoms: LIG" in notes_of(read_structure(write(listed + peptide)))
    atoms = [line for line in peptide.splitlines(keepends=True) if line.startswith("ATOM")]
    whole, cut = "".join(atoms), "".join(atoms[:-2])
    assert "cut short" not in notes_of(read_structure(write(whole)))
    assert "is of an unfinished LEU: is it cut short?" in notes_of(read_structure(write(cut)))
    assert "cut short" not in notes_of(read_structure(write(cut + "TER\n")))


def test_sequence_counts_stand_beside_ter_records(write, peptide):
    text = "SEQRES   1 A    5  MET LYS LYS LEU SER\n" + peptide + "TER      35      LEU A   4\n"
    assert "1 of 5 residues in the file's sequence have no atoms" in notes_of(
        read_structure(write(text))
    )


@pytest.mark.parametrize("name", ["A", " "])
@pytest.mark.parametrize("ter", ["TER\n", ""])
def test_subunits_under_one_name_are_told_apart(write, peptide, name, ter):
    """As simulation programs write them: each numbered from 1, the chain blank or the same."""
    first = peptide.replace(" A ", f" {name} ")
    second = "".join(
        f"{line[:21]}{name}{line[22:30]}{float(line[30:38]) + 40:8.3f}{line[38:]}\n"
        for line in peptide.splitlines()
    )
    if not ter:  # gemmi tells residues of one number apart by their segment
        second = second.replace("           ", "      B    ")
    structure = read_structure(write(first + ter + second))
    assert len(structure.atoms) == 2 * 34
    chains = structure.atoms.chains.tolist()
    assert chains[:34] == [name.strip()] * 34 and set(chains[34:]) == {"A" if name == " " else "B"}
    assert "starts again at MET 1: read as chain" in notes_of(structure)


def test_a_subunit_keeps_what_stands_before_its_first_repeated_number(write, peptide):
    second = ""
    for line in peptide.splitlines():
        number, x = int(line[22:26]) - 1, float(line[30:38]) + 40
        second += f"{line[:22]}{number:4d}{line[26:30]}{x:8.3f}{line[38:]}\n"
    structure = read_structure(write(peptide + "TER\n" + second + "TER\n"))
    protein = structure.atoms
    assert protein.residue_numbers[protein.chains == "B"].min() == 0
    assert len(protein) == 2 * 34


def test_residues_given_twice_in_one_place_are_no_subunit(write, peptide):
    structure = read_structure(write(peptide + "TER\n" + peptide + "TER\n"))
    assert len(structure.atoms) == 34
    assert "34 repeated chain atoms dropped" in notes_of(structure)


def test_a_byte_order_mark_costs_no_atom(write, peptide):
    assert len(read_structure(write(b"\xef\xbb\xbf" + peptide.encode())).atoms) == 34


@pytest.mark.parametrize(
    ("columns", "element"),
    [
        ("CAA ", "C"),
        ("CD1 ", "C"),
        ("NA1 ", "N"),
        (" CL1", "Cl"),
        ("CLAA", "Cl"),
        ("BRA ", "Br"),
        ("FE  ", "Fe"),
        ("PT1 ", "Pt"),
        ("RU  ", "Ru"),
        ("AS  ", "As"),
        (" C1 ", "C"),
    ],
)
def test_elements_of_a_ligand_whose_column_is_blank(write, peptide, line, columns, element):
    atoms = [line(f"C{k}", "LIG", "A:9", (30 + 1.5 * k, 0, 0)) for k in range(2, 8)]
    first = line("C1", "LIG", "A:9", (30, 0, 0))
    text = "".join([first[:12] + columns + first[16:], *atoms])
    text = "".join(one[:66] + "\n" for one in text.splitlines())
    structure = read_structure(write(peptide + text))
    (group,) = structure.groups
    assert structure.atoms.elements[group.atoms].tolist() == [element, *["C"] * 6]


def test_an_ion_whose_element_column_is_blank(write, peptide, line):
    text = line("CA", "CA", "A:9", (30, 0, 0), "CA")[:66] + "\n"
    one = peptide + text
    for content in (one, f"MODEL 1\n{one}ENDMDL\nMODEL 2\n{one}ENDMDL\n"):
        structure = read_structure(write(content))
        assert structure.atoms.elements[structure.groups[0].atoms].tolist() == ["Ca"]


def test_residues_without_a_number_are_counted(write, examples):
    """mmCIF need not have the author's numbers."""
    document = gemmi.cif.read(str(examples / "6xg5.cif"))
    block = document.sole_block()
    sites = block.find("_atom_site.", ["auth_seq_id"])
    sites.loop.remove_column("_atom_site.auth_seq_id")
    structure = read_structure(write(document.as_string(), "x.cif"))
    assert "135 waters dropped" in notes_of(structure)
    numbers = [group.residue.number for group in structure.groups]
    assert len(set(numbers)) == len(numbers) == 4 and 0 < min(numbers) and max(numbers) < 400


def test_a_trace_of_a_protein_is_warned_of(tmp_path, examples):
    lines = gzip.decompress((examples / "7n03.cif.gz").read_bytes()).decode().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")]
    trace = [line for line in lines if not line.startswith("ATOM") or " CA " in line]
    path = tmp_path / "trace.cif"
    path.write_text("\n".join(trace) + "\n")
    with pytest.warns(MolgenWarning, match=r"of \d+ residues lack heavy atoms: a trace"):
        found = read_structure(path)
    assert 100 < len(found.atoms) < len(atoms) / 5


def test_atoms_behind_an_end_record_are_read(write, peptide, nicotinate):
    whole = read_structure(write(peptide + "TER\n" + nicotinate() + "END\n"))
    joined = read_structure(
        write(peptide + "END\n" + "REMARK ligand\n" + nicotinate() + "END   \n")
    )
    np.testing.assert_array_equal(joined.atoms.coords, whole.atoms.coords)
    assert [group.code for group in joined.groups] == ["NIO"]
    assert "9 atom records behind an END record read too" in notes_of(joined)
    assert "END" not in notes_of(whole)


def test_frames_between_end_records_are_not_one_structure(write, peptide, nicotinate):
    frame = peptide + nicotinate() + "END\n"
    structure = read_structure(write(3 * frame))
    assert len(structure.atoms) == 43
    assert "2 frames behind END records left out" in notes_of(structure)


def test_anisotropic_records_that_lost_their_atom_do_no_harm(write, peptide):
    first = peptide.splitlines()[0]
    lost = first.replace("ATOM  ", "ANISOU")[:28] + "   1500   1500   1500      0      0      0"
    structure = read_structure(write(lost + "\n" + peptide + lost + "\n"))
    assert len(structure.atoms) == 34 and structure.atoms.notes == ()


def test_lines_that_end_in_carriage_returns_alone(write, peptide):
    assert len(read_structure(write(peptide.replace("\n", "\r"))).atoms) == 34


def test_a_peptide_beside_a_protein_is_named(write, peptide):
    lines = peptide.splitlines()
    text = "".join(
        f"{line[:22]}{int(line[22:26]) + 4 * copy:4d}{line[26:30]}"
        f"{float(line[30:38]) + 20.0 * copy:8.3f}{line[38:]}\n"
        for copy in range(8)
        for line in lines
    )
    short = "".join(f"{line[:21]}P{line[22:30]} 500.000{line[38:]}\n" for line in lines)
    structure = read_structure(write(text + "TER\n" + short))
    assert "short chains kept with the receptor: P" in notes_of(structure)
    (chain,) = structure.peptides()
    assert structure.atoms.chains[chain.atoms].tolist() == ["P"] * 34
    assert structure.standing_at(structure.atoms.coords[chain.atoms])[0].residue == chain.residue
    assert structure.standing_at(structure.atoms.coords[:34]) == ()
    kept = structure.receptor((chain,))
    assert set(kept.chains.tolist()) == {"A"}
    assert "short chains" not in notes_of(read_structure(write(text)))


def test_models_and_end_records_do_not_mix(write, peptide, nicotinate):
    """Docked models behind a protein: only the protein is read, and that is said."""
    text = peptide + "END\nMODEL        1\n" + nicotinate() + "ENDMDL\nEND\n"
    structure = read_structure(write(text))
    assert len(structure.atoms) == 34
    assert "9 atom records behind an END record left out" in notes_of(structure)
