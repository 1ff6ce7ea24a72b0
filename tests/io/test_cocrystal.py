"""Bond orders of co-crystal ligands from the file, the component table or a template."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import LigandError
from molgen.io import cocrystal_ligand, find_group, read_ligand, read_structure
from molgen.io.components import component_smiles

NIACIN = "OC(=O)c1cccnc1"


def canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


def test_bond_orders_from_the_file(examples):
    structure = read_structure(examples / "7n03.cif.gz")
    ligand = cocrystal_ligand(structure)
    # SMILES of component ZRP in the wwPDB dictionary
    assert ligand.smiles == canonical("CCCCCCNc1ccc2ncc(C(=O)NC)c(Nc3ccccc3)c2c1")
    assert ligand.name == "ZRP"
    assert ligand.notes[-1].endswith("bond orders from the file")
    group = structure.ligands[0]
    np.testing.assert_allclose(ligand.coords, structure.atoms.coords[group.atoms], atol=1e-3)
    symbols = [atom.GetSymbol() for atom in ligand.mol.GetAtoms()]
    assert symbols == structure.atoms.elements[group.atoms].tolist()


@pytest.mark.parametrize("entry", ["7n03.cif.gz", "6xg5.cif", "7x9k.cif.gz"])
def test_component_table_agrees_with_the_file(examples, entry):
    structure = read_structure(examples / entry)
    group = structure.ligands[0]
    from_file = cocrystal_ligand(structure, group)
    from_table = cocrystal_ligand(structure, replace(group, bonds=(), charges=()))
    assert from_table.notes[-1].endswith("bond orders from the component table")
    assert from_table.smiles == from_file.smiles


def test_charges_and_stereo_of_a_cofactor(examples):
    """NADPH of 6XG5: ribose stereo from 3D, as in the dictionary's stereo SMILES of NDP."""
    structure = read_structure(examples / "6xg5.cif")
    ligand = cocrystal_ligand(structure, find_group(structure, "NDP"))
    template = Chem.MolFromSmiles(
        "NC(=O)C1=CN(C=CC1)[C@@H]2O[C@H](CO)[C@@H](O)[C@H]2O"  # the nicotinamide riboside half
    )
    assert ligand.mol.HasSubstructMatch(template, useChirality=True)
    centres = Chem.FindMolChiralCenters(
        ligand.mol, includeUnassigned=True, useLegacyImplementation=False
    )
    assert len(centres) >= 8 and all(label != "?" for _, label in centres)


def test_charges_follow_from_valence(write, peptide):
    """A nitro group and a quaternary nitrogen from bonds alone, as wwPDB entry files give them."""
    from molgen.io.atom_table import parse_structure

    text = """data_x
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.B_iso_or_equiv
_atom_site.auth_seq_id
_atom_site.auth_asym_id
HETATM 1 N N . X1 A . 0 0 0 1 0 1 A
#
loop_
_chem_comp_atom.comp_id
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
X1 N N
X1 O1 O
X1 O2 O
X1 C C
X1 H1 H
#
loop_
_chem_comp_bond.comp_id
_chem_comp_bond.atom_id_1
_chem_comp_bond.atom_id_2
_chem_comp_bond.value_order
X1 N O1 doub
X1 N O2 sing
X1 N C sing
X1 C H1 sing
"""
    parsed = parse_structure(write(text, "x.cif"))
    assert dict(parsed.charges["X1"]) == {"N": 1, "O2": -1}
    assert parsed.bonds["X1"] == (("N", "O1", 2), ("N", "O2", 1), ("N", "C", 1))


def test_bonds_to_metals_are_no_valence(write, examples):
    """Sulfide between irons is S2-, not S+; nothing is guessed for it."""
    from molgen.io.atom_table import parse_structure

    document = gemmi.cif.read(str(examples / "6xg5.cif"))
    block = document.sole_block()
    atoms = block.init_loop("_chem_comp_atom.", ["comp_id", "atom_id", "type_symbol"])
    bonds = block.init_loop(
        "_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2", "value_order"]
    )
    for name in ("FE1", "FE2", "FE3", "S1", "N1", "C1", "C2", "H1"):
        atoms.add_row(["TOP", name, name[:-1]])
    for pair in ("S1 FE1", "S1 FE2", "S1 FE3", "N1 FE1", "N1 C1", "N1 C2", "C1 H1"):
        bonds.add_row(["TOP", *pair.split(), "sing"])
    parsed = parse_structure(write(document.as_string(), "x.cif"))
    assert dict(parsed.charges["TOP"]) == {"N1": -1}


def test_component_table_for_a_pdb_file(write, peptide, nicotinate):
    ligand = cocrystal_ligand(read_structure(write(peptide + nicotinate())))
    assert ligand.smiles == canonical(NIACIN)
    assert ligand.num_atoms == 9
    assert ligand.notes[-1].endswith("bond orders from the component table")


def test_unknown_component_needs_a_template(write, peptide, nicotinate):
    structure = read_structure(write(peptide + nicotinate("UNL")))
    assert component_smiles("UNL") is None
    with pytest.raises(LigandError, match="bond orders are unknown; give the ligand as SMILES"):
        cocrystal_ligand(structure)
    ligand = cocrystal_ligand(structure, template=read_ligand(NIACIN))
    assert ligand.smiles == canonical(NIACIN)
    assert ligand.notes[-1].endswith("bond orders from the given ligand")


def test_template_that_does_not_fit(write, peptide, nicotinate):
    structure = read_structure(write(peptide + nicotinate("UNL")))
    with pytest.raises(LigandError, match=r"missing in the crystal: C1"):
        cocrystal_ligand(structure, template=read_ligand("Cc1cccnc1C(=O)O"))
    isomer = read_ligand("OC(=O)C1=CN=CC=C1")
    assert cocrystal_ligand(structure, template=isomer).smiles == canonical(NIACIN)
    with pytest.raises(LigandError, match="does not fit the crystal coordinates"):
        cocrystal_ligand(structure, template=read_ligand("OC(=O)c1ccncc1"))  # para instead of meta


def test_template_serves_where_the_code_means_something_else(write, peptide, nicotinate):
    """Docking programs write LIG for anything; the dictionary's LIG has another formula."""
    assert component_smiles("LIG") is not None
    structure = read_structure(write(peptide + nicotinate("LIG")))
    with pytest.raises(LigandError, match="component table: heavy atoms differ"):
        cocrystal_ligand(structure)
    assert cocrystal_ligand(structure, template=read_ligand(NIACIN)).num_atoms == 9


def test_missing_atom_is_named(examples, write, peptide, nicotinate):
    structure = read_structure(examples / "7n03.cif.gz")
    group = structure.ligands[0]
    cut = replace(group, atoms=group.atoms[1:])
    name = structure.atoms.atom_names[group.atoms[0]]
    with pytest.raises(LigandError, match=rf"missing in the crystal \({name}\)"):
        cocrystal_ligand(structure, cut)
    by_table = read_structure(write(peptide + nicotinate(without="O2")))
    with pytest.raises(LigandError, match="missing in the crystal: O1"):
        cocrystal_ligand(by_table)


def test_no_ligand_in_the_file(write, peptide, line):
    structure = read_structure(write(peptide + line("ZN", "ZN", "A:9", (0, 0, 0), "ZN")))
    with pytest.raises(LigandError, match=r"no co-crystal ligand.*ZN:A:9"):
        cocrystal_ligand(structure)


def test_table_is_found_and_large():
    assert component_smiles("TOP") == component_smiles(" top ")
    assert canonical(component_smiles("TOP")) == canonical("COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC")
    assert component_smiles("no such code") is None


def test_no_charges_are_guessed_from_a_table_of_heavy_atoms(examples, write):
    """Amines and hydroxyl groups whose hydrogens are not listed are no anions."""
    document = gemmi.cif.read(str(examples / "6xg5.cif"))
    block = document.sole_block()
    whole = read_structure(write(document.as_string(), "whole.cif"))
    hydrogens = {
        (row[0], row[1])
        for row in block.find("_chem_comp_atom.", ["comp_id", "atom_id", "type_symbol"])
        if row[2] == "H"
    }
    bonds = block.find("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2"])
    for index in reversed(range(len(bonds))):
        code, first, second = bonds[index]
        if (code, first) in hydrogens or (code, second) in hydrogens:
            bonds.remove_row(index)
    bare = read_structure(write(document.as_string(), "bare.cif"))
    before = {group.code: dict(group.charges) for group in whole.groups}
    after = {group.code: dict(group.charges) for group in bare.groups}
    assert after == before and {"NDP", "GOL"} <= set(after)
    assert cocrystal_ligand(bare).smiles == cocrystal_ligand(whole).smiles
