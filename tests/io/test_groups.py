"""Which groups are metals, cofactors, additives, glycans or the ligand."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from molgen.errors import LigandError
from molgen.io import cocrystal_ligand, find_group, list_groups, read_structure


def codes(groups) -> list[str]:
    return [group.code for group in groups]


def six_ring(line, code: str, place: str, offset: float) -> str:
    """Six carbons on a hexagon of radius 1.4 Å around (offset, 0, 0)."""
    angle = np.arange(6) * np.pi / 3
    return "".join(
        line(f"C{i + 1}", code, place, (offset + 1.4 * np.cos(a), 1.4 * np.sin(a), 0.0))
        for i, a in enumerate(angle)
    )


def test_metal_additive_and_ligand(write, peptide, line, nicotinate):
    text = peptide + nicotinate() + line("ZN", "ZN", "A:302", (30, 30, 30), "ZN")
    text += six_ring(line, "GOL", "A:303", 50.0)
    structure = read_structure(write(text))
    assert codes(structure.groups) == ["NIO", "ZN", "GOL"]
    assert codes(structure.ligands) == ["NIO"]
    assert not any(group.covalent for group in structure.groups)
    assert str(structure.groups[1]) == "ZN A:302"
    kept = structure.receptor(without=structure.ligands)
    assert len(kept) == 34 + 1 + 6
    assert "NIO A:301 removed from the receptor" in kept.notes


def test_groups_of_fewer_than_six_atoms_are_no_ligand(write, peptide, line):
    text = peptide + "".join(line(f"C{i}", "XXX", "A:9", (30 + 1.5 * i, 0, 0)) for i in range(5))
    assert read_structure(write(text)).ligands == ()


def test_a_cofactor_is_reposed_only_when_alone(write, peptide, line, nicotinate):
    cofactor = six_ring(line, "FMN", "A:400", 50.0)
    both = read_structure(write(peptide + cofactor + nicotinate()))
    assert codes(both.ligands) == ["NIO"]
    assert codes(both.reposable) == ["NIO"]
    alone = read_structure(write(peptide + cofactor))
    assert codes(alone.ligands) == [] and codes(alone.reposable) == ["FMN"]
    assert any("cofactor FMN is what can be re-posed" in note for note in alone.atoms.notes)


def test_haem_is_never_the_ligand(write, peptide, line):
    text = peptide + six_ring(line, "HEM", "A:1", 50.0).replace("A   1", "A 501")
    text += line("FE", "HEM", "A:501", (50.0, 0, 0), "FE")
    assert read_structure(write(text)).ligands == ()


def test_largest_copy_first_then_file_order(write, peptide, line, nicotinate):
    text = peptide + six_ring(line, "AAA", "B:1", 50) + nicotinate(place="B:2")
    text += nicotinate(place="A:500").replace("  40.", "  80.").replace("  1.661", " 61.661")
    structure = read_structure(write(text))
    assert [str(g) for g in structure.ligands] == ["NIO B:2", "NIO A:500", "AAA B:1"]
    notes = cocrystal_ligand(structure).notes
    assert notes[0].startswith("co-crystal ligand NIO B:2 taken; other candidates: NIO A:500")


def bonded_to_lysine(line, code: str, place: str = "A:501") -> str:
    """A hexagon whose first atom stands 1.47 Å from NZ of LYS A:2."""
    x, y, z = -15.317, -5.035, 26.995 - 1.47
    text = line("C1", code, place, (x, y, z))
    for i in range(1, 6):
        text += line(f"C{i + 1}", code, place, (x, y, z - 1.5 * i))
    return text


def test_covalent_by_distance(write, peptide, line):
    structure = read_structure(write(peptide + bonded_to_lysine(line, "XYZ")))
    (group,) = structure.groups
    assert group.covalent and group.is_ligand
    with pytest.raises(LigandError, match="covalently bonded to the protein"):
        cocrystal_ligand(structure)


def test_covalent_by_link_record(write, peptide, nicotinate):
    link = "LINK         NZ  LYS A   2                 C4  NIO A 301     1555   1555  2.30  \n"
    structure = read_structure(write(link + peptide + nicotinate()))
    assert structure.groups[0].covalent


def test_link_to_a_metal_is_not_covalent(write, peptide, line):
    link = "LINK         NZ  LYS A   2                ZN    ZN A 301     1555   1555  2.10  \n"
    zinc = line("ZN", "ZN", "A:301", (-15.3, -5.0, 25.2), "ZN")
    structure = read_structure(write(link + peptide + zinc))
    assert not structure.groups[0].covalent


def test_glycan_is_not_the_ligand_but_a_free_sugar_is(write, peptide, line):
    chained = bonded_to_lysine(line, "NAG")
    structure = read_structure(write(peptide + chained))
    assert structure.groups[0].covalent
    assert structure.ligands == ()
    free = read_structure(write(peptide + six_ring(line, "NAG", "A:501", 50.0)))
    assert codes(free.ligands) == ["NAG"]


def test_second_sugar_of_a_glycan_is_not_the_ligand(write, peptide, line):
    chained = bonded_to_lysine(line, "NAG")
    second = "".join(
        line(f"O{i}", "MAN", "A:502", (-15.317, -5.035 - 1.45, 26.995 - 1.47 - 7.5 - 1.45 * i), "C")
        for i in range(1)
    )
    second += "".join(
        line(f"C{i}", "MAN", "A:502", (-15.317, -7.9 - 1.5 * i, 18.0)) for i in range(6)
    )
    structure = read_structure(write(peptide + chained + second))
    assert structure.ligands == ()


def test_find_group(write, peptide, line, nicotinate):
    text = peptide + nicotinate() + nicotinate(place="B:7A").replace("  1.661", " 61.661")
    structure = read_structure(write(text))
    assert str(find_group(structure, "NIO")) == "NIO A:301"
    assert str(find_group(structure, "nio:B:7A")) == "NIO B:7A"
    assert str(find_group(structure, " A:301 ")) == "NIO A:301"
    for missing in ("XXX", "A:302", "ZN:A:301", ""):
        with pytest.raises(LigandError, match="NIO:A:301, NIO:B:7A"):
            find_group(structure, missing)


def test_list_groups_of_bare_protein(write, peptide):
    assert "none" in list_groups(read_structure(write(peptide)))


def test_covalent_by_struct_conn(write, peptide, nicotinate):
    """The same link as LINK, written as mmCIF by gemmi."""
    link = "LINK         NZ  LYS A   2                 C4  NIO A 301     1555   1555  2.30  \n"
    model = gemmi.read_pdb_string(link + peptide + nicotinate())
    model.setup_entities()
    path = write(model.make_mmcif_document().as_string(), "case.cif")
    assert "_struct_conn" in path.read_text()
    assert read_structure(path).groups[0].covalent


def test_covalent_through_two_sulfurs(write, peptide, line):
    """2.05 Å is a disulfide and no bond for carbon; the methionine's sulfur stands in."""
    ring = six_ring(line, "XYZ", "A:501", 50.0)
    x, y, z = -12.226, -10.118, 33.552  # SD of MET A:1
    for element, bonded in (("S", True), ("C", False)):
        tail = line(f"{element}9", "XYZ", "A:501", (x + 2.05, y, z), element)
        (group,) = read_structure(write(peptide + ring + tail)).groups
        assert group.covalent is bonded


def test_a_part_of_a_larger_ligand_is_not_posed_alone(examples):
    structure = read_structure(examples / "7x9k.cif.gz")
    fructose = find_group(structure, "FRU")
    assert [group.code for group in structure.molecule(fructose)] == ["FRU", "GLC"]
    with pytest.raises(LigandError, match=r"FRU B:2 is bonded to GLC B:1: a part of a larger"):
        cocrystal_ligand(structure, fructose)
    (metal,) = structure.molecule(structure.groups[4])
    assert metal is structure.groups[4]
