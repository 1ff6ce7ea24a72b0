"""Compare molgen's hydrogen-bond roles of standard residues with Meeko's typing of its templates.

    python workflows/energies/residue_types.py

Every template is capped to a peptide (acyl on N, amine on C), typed by Meeko, and read back.
"""

from __future__ import annotations

import json
from pathlib import Path

import meeko
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.graphs.atom_types import standard_role
from molgen.vocabulary import STANDARD_RESIDUES

PARENTS = {"HID": "HIS", "HIE": "HIS", "HIP": "HIS", "CYX": "CYS", "ASH": "ASP", "GLH": "GLU",
           "LYN": "LYS"}  # fmt: skip


def capped(template: dict) -> Chem.Mol:
    """Return the residue within a peptide, embedded, template atoms first."""
    options = Chem.SmilesParserParams()
    options.removeHs = False
    mol = Chem.RWMol(Chem.MolFromSmiles(template["smiles"], options))
    nitrogen, carbon = (template["atom_name"].index(name) for name in ("N", "C"))
    acyl, oxygen, amine = (mol.AddAtom(Chem.Atom(number)) for number in (6, 8, 7))
    mol.AddBond(nitrogen, acyl, Chem.BondType.SINGLE)
    mol.AddBond(acyl, oxygen, Chem.BondType.DOUBLE)
    mol.AddBond(carbon, amine, Chem.BondType.SINGLE)
    for atom in mol.GetAtoms():
        atom.SetNumRadicalElectrons(0)
        if atom.GetIdx() in (nitrogen, carbon):
            atom.SetNoImplicit(False)
    Chem.SanitizeMol(mol)
    whole = Chem.AddHs(mol)
    rdDistGeom.EmbedMolecule(whole, randomSeed=1)
    return whole


def main() -> None:
    """Print every nitrogen and oxygen whose role differs."""
    path = Path(meeko.__file__).parent / "data" / "residue_chem_templates.json"
    templates = json.loads(path.read_text())["residue_templates"]
    compared = 0
    for name, template in templates.items():
        residue = PARENTS.get(name, name)
        if residue not in STANDARD_RESIDUES:
            continue
        mol = capped(template)
        types = [atom.atom_type for atom in meeko.MoleculePreparation().prepare(mol)[0].atoms]
        for index, atom_name in enumerate(template["atom_name"]):
            atom = mol.GetAtomWithIdx(index)
            if atom.GetSymbol() not in ("N", "O"):
                continue
            donor = any(types[n.GetIdx()] == "HD" for n in atom.GetNeighbors())
            acceptor = types[index] in ("OA", "NA")
            theirs = ("D" if donor else "") + ("A" if acceptor else "") or "P"
            ours = standard_role(atom.GetSymbol(), residue, atom_name)
            compared += 1
            if ours != theirs:
                print(f"{name} {atom_name}: molgen {ours}, meeko {theirs} ({types[index]})")
    print(f"{compared} nitrogens and oxygens compared")


if __name__ == "__main__":
    main()
