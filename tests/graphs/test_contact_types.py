"""Contact types of cases whose chemistry is plain."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molgen.graphs.contact_types import (
    LIGAND_CONTACTS,
    RECEPTOR_CONTACTS,
    ligand_contacts,
    receptor_contacts,
)
from molgen.structure import Protein

RECEPTOR = [
    ("O", "OD1", "ASP", "acid_o"), ("O", "OE2", "GLU", "acid_o"), ("N", "NZ", "LYS", "cation_n"),
    ("N", "NH2", "ARG", "cation_n"), ("N", "ND1", "HIS", "ring_n"), ("N", "NE2", "HIS", "ring_n"),
    ("N", "NE2", "GLN", "amide_n"), ("O", "OD1", "ASN", "carbonyl_o"), ("N", "N", "GLY", "amide_n"),
    ("O", "O", "GLY", "carbonyl_o"), ("C", "C", "GLY", "carbonyl"), ("C", "CA", "GLY", "alpha"),
    ("C", "CB", "ALA", "aliphatic"), ("C", "CG", "PHE", "aromatic"),
    ("C", "CE1", "HIS", "aromatic"), ("C", "CZ3", "TRP", "aromatic"),
    ("O", "OG", "SER", "hydroxyl_o"), ("O", "OH", "TYR", "hydroxyl_o"),
    ("S", "SG", "CYS", "sulfur"), ("Se", "SE", "MSE", "sulfur"), ("Zn", "ZN", "ZN", "zinc"),
    ("Mg", "MG", "MG", "metal"), ("P", "P", "PO4", "phosphorus"), ("Cl", "CL", "CL", "halogen"),
]  # fmt: skip

LIGANDS = {
    "CCN": "aliphatic polar_sp3 cation_n",  # amine
    "C[N+](C)(C)C": "polar_sp3 cation_n polar_sp3 polar_sp3 polar_sp3",
    "CC(=O)NC": "aliphatic polar_sp2 carbonyl_o donor_n polar_sp3",  # amide
    "CC(=O)N(C)C": "aliphatic polar_sp2 carbonyl_o other_n polar_sp3 polar_sp3",
    "Nc1ccccc1": "donor_n polar_aromatic" + 5 * " aromatic",  # aniline
    "CS(=O)(=O)NC": "polar_sp3 sulfur carbonyl_o carbonyl_o donor_n polar_sp3",
    "c1ccncc1": "aromatic aromatic polar_aromatic acceptor_n polar_aromatic aromatic",  # pyridine
    "c1cc[nH]c1": "aromatic aromatic polar_aromatic donor_n polar_aromatic",
    "CC#N": "aliphatic polar_sp2 acceptor_n",
    "CC(=N)N": "aliphatic polar_sp2 cation_n cation_n",  # amidine, also when drawn neutral
    "CC(=O)[O-]": "aliphatic polar_sp2 acid_o acid_o",
    "CC(=O)O": "aliphatic polar_sp2 acid_o acid_o",
    "CC(=O)OC": "aliphatic polar_sp2 carbonyl_o ether_o polar_sp3",  # ester
    "COP(=O)([O-])[O-]": "polar_sp3 acid_o phosphorus acid_o acid_o acid_o",
    "Oc1ccccc1": "hydroxyl_o polar_aromatic" + 5 * " aromatic",  # phenol
    "COC": "polar_sp3 ether_o polar_sp3",
    "CSC": "polar_sp3 sulfur polar_sp3",
    "FC(Cl)(Br)I": "fluorine polar_sp3 chlorine heavy_halogen heavy_halogen",
}


def protein(atoms: list[tuple[str, str, str, str]]) -> Protein:
    """Return atoms far from each other, so that none seems bonded."""
    count = len(atoms)
    return Protein(
        name="made",
        coords=(np.arange(count)[:, None] * [20.0, 0.0, 0.0]).astype(np.float32),
        elements=np.array([atom[0] for atom in atoms]),
        atom_names=np.array([atom[1] for atom in atoms]),
        residue_names=np.array([atom[2] for atom in atoms]),
        residue_numbers=np.arange(count, dtype=np.int32),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, "A"),
        hetero=np.array([atom[2] in ("ZN", "MG", "PO4", "CL") for atom in atoms]),
    )


def test_receptor_atoms_by_hand():
    found = [RECEPTOR_CONTACTS[kind] for kind in receptor_contacts(protein(RECEPTOR))]
    expected = [atom[3] for atom in RECEPTOR]
    assert dict(zip([a[1:3] for a in RECEPTOR], found, strict=True)) == dict(
        zip([a[1:3] for a in RECEPTOR], expected, strict=True)
    )


@pytest.mark.parametrize("smiles", LIGANDS)
def test_ligand_atoms_by_hand(smiles):
    mol = Chem.MolFromSmiles(smiles)
    found = [LIGAND_CONTACTS[kind] for kind in ligand_contacts(mol)]
    assert found == LIGANDS[smiles].split()
