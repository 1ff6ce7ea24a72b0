"""Docking and contact types of ligands and residues, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molgen.errors import LigandError
from molgen.graphs.atom_types import (
    ACCEPTOR,
    DONOR,
    HYDROPHOBIC,
    RADII,
    TYPES,
    bonded_neighbours,
    ligand_types,
    receptor_types,
)
from molgen.graphs.contact_types import (
    LIGAND_CONTACTS,
    RECEPTOR_CONTACTS,
    ligand_contacts,
    receptor_contacts,
)
from molgen.structure import Protein


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCO", "C_H C_P O_DA"),
        ("CC(=O)C", "C_H C_P O_A C_H"),
        ("CC(=O)[O-]", "C_H C_P O_A O_A"),
        ("COC", "C_P O_A C_P"),
        ("CC(=O)NC", "C_H C_P O_A N_D C_P"),  # the nitrogen of an amide accepts nothing
        ("CC(=O)N(C)C", "C_H C_P O_A N_P C_P C_P"),
        ("CN", "C_P N_DA"),
        ("CN(C)C", "C_P N_A C_P C_P"),
        ("C[NH3+]", "C_P N_D"),
        ("C[N+](C)(C)C", "C_P N_P C_P C_P C_P"),
        ("c1ccncc1", "C_H C_H C_P N_A C_P C_H"),
        ("c1cc[nH]c1", "C_H C_H C_P N_D C_P"),
        ("Nc1ccccc1", "N_D C_P C_H C_H C_H C_H C_H"),
        ("CC#N", "C_H C_P N_A"),
        ("CS", "C_P S_P"),
        ("OP(O)(O)=O", "O_DA P_P O_DA O_DA O_A"),
        ("FC(Cl)(Br)I", "F_H C_P Cl_H Br_H I_H"),
        ("C[Si](C)(C)C", "C_P Si C_P C_P C_P"),
        ("[Zn+2]", "Met_D"),
        ("CB(O)O", "C_P C_P O_DA O_DA"),
        ("C[Se]C", "C_P S_P C_P"),
    ],
)
def test_ligand_types(smiles, expected):
    types = ligand_types(Chem.MolFromSmiles(smiles))
    assert [TYPES[kind] for kind in types] == expected.split()


def test_an_element_without_type_is_named():
    with pytest.raises(LigandError, match="element Xe of atom 2 has no docking type; expected C"):
        ligand_types(Chem.MolFromSmiles("F[Xe]F"))


def test_roles_and_radii_are_those_of_the_paper():
    # X-Score radii as in Trott & Olson 2010 and AutoDock Vina's atom_constants.h
    radius = dict(zip(TYPES, RADII, strict=True))
    assert (radius["C_H"], radius["N_D"], radius["O_A"], radius["S_P"]) == (1.9, 1.8, 1.7, 2.0)
    assert (radius["F_H"], radius["I_H"], radius["Met_D"]) == (1.5, 2.2, 1.2)
    named = {role: {TYPES[i] for i in np.flatnonzero(mask)} for role, mask in
             (("donor", DONOR), ("acceptor", ACCEPTOR), ("hydrophobic", HYDROPHOBIC))}  # fmt: skip
    assert named["donor"] == {"N_D", "N_DA", "O_D", "O_DA", "Met_D"}
    assert named["acceptor"] == {"N_A", "N_DA", "O_A", "O_DA"}
    assert named["hydrophobic"] == {"C_H", "F_H", "Cl_H", "Br_H", "I_H"}


def residue(name: str, atoms: dict[str, tuple[float, float, float]], hetero: bool) -> Protein:
    """Return one residue; the element is the first letter of the atom name, or the metal."""
    count = len(atoms)
    elements = [atom.capitalize() if name == atom else atom[0] for atom in atoms]
    return Protein(
        name="made",
        coords=np.array(list(atoms.values()), dtype=np.float32),
        elements=np.array(elements),
        atom_names=np.array(list(atoms)),
        residue_names=np.full(count, name),
        residue_numbers=np.ones(count, dtype=np.int32),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, "A"),
        hetero=np.full(count, hetero),
    )


SPREAD = [(9.0 * k, 0.0, 0.0) for k in range(20)]


@pytest.mark.parametrize(
    ("name", "atoms", "types", "contacts"),
    [
        (
            "ALA",
            "N CA C O CB",
            "N_D C_H C_H O_A C_H",
            "amide_n alpha carbonyl carbonyl_o aliphatic",
        ),
        ("PRO", "N CB", "N_P C_H", "amide_n aliphatic"),
        ("HIS", "ND1 NE2 CG", "N_DA N_DA C_H", "ring_n ring_n aromatic"),
        ("LYS", "NZ", "N_D", "cation_n"),
        ("ARG", "NE NH1 NH2", "N_D N_D N_D", "cation_n cation_n cation_n"),
        ("ASP", "OD1 OD2", "O_A O_A", "acid_o acid_o"),
        ("ASN", "OD1 ND2", "O_A N_D", "carbonyl_o amide_n"),
        ("SER", "OG", "O_DA", "hydroxyl_o"),
        ("TYR", "OH CZ", "O_DA C_H", "hydroxyl_o aromatic"),
        ("TRP", "NE1 CH2", "N_D C_H", "ring_n aromatic"),
        ("CYS", "SG", "S_P", "sulfur"),
    ],
)
def test_standard_residues(name, atoms, types, contacts):
    made = residue(name, dict(zip(atoms.split(), SPREAD, strict=False)), hetero=False)
    assert [TYPES[kind] for kind in receptor_types(made)] == types.split()
    assert [RECEPTOR_CONTACTS[kind] for kind in receptor_contacts(made)] == contacts.split()


@pytest.mark.parametrize(("metal", "contact"), [("ZN", "zinc"), ("MG", "metal")])
def test_metals_are_donors(metal, contact):
    made = residue(metal, {metal: (0.0, 0.0, 0.0)}, hetero=True)
    assert TYPES[receptor_types(made)[0]] == "Met_D"
    assert RECEPTOR_CONTACTS[receptor_contacts(made)[0]] == contact


def test_cofactors_are_typed_from_their_bonds():
    # C-O of 1.43 Å is a hydroxyl, 1.22 Å a carbonyl; a carbon beside them is polar
    made = residue(
        "UNK",
        {"C1": (0, 0, 0), "O1": (1.43, 0, 0), "C2": (0, 1.5, 0), "O2": (0, 2.72, 0),
         "C3": (0, 0, 9.0)},
        hetero=True,
    )  # fmt: skip
    names = [TYPES[kind] for kind in receptor_types(made)]
    assert names == ["C_P", "O_DA", "C_P", "O_A", "C_H"]


def test_bonds_of_receptors_come_from_distances():
    made = residue("UNK", {"C1": (0, 0, 0), "C2": (1.5, 0, 0), "O1": (4.0, 0, 0)}, hetero=True)
    assert bonded_neighbours(made) == [[1], [0], []]


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCO", "aliphatic polar_sp3 hydroxyl_o"),
        ("CC(=O)O", "aliphatic polar_sp2 acid_o acid_o"),
        ("CC(=O)NC", "aliphatic polar_sp2 carbonyl_o donor_n polar_sp3"),
        ("CN", "polar_sp3 cation_n"),
        ("COC", "polar_sp3 ether_o polar_sp3"),
        ("c1ccncc1", "aromatic aromatic polar_aromatic acceptor_n polar_aromatic aromatic"),
        ("FC(Cl)Br", "fluorine polar_sp3 chlorine heavy_halogen"),
    ],
)
def test_ligand_contacts(smiles, expected):
    kinds = ligand_contacts(Chem.MolFromSmiles(smiles))
    assert [LIGAND_CONTACTS[kind] for kind in kinds] == expected.split()
