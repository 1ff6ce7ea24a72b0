"""Make the benchmark-style complexes of the smoke test from shipped wwPDB entries (CC0).

Run from the repository root: ``python workflows/test/make_complexes.py``. It writes
``workflows/test/complexes/<ID>_<CCD>/<ID>_<CCD>_{protein.pdb,ligand.sdf,ligand_start_conf.sdf}``,
the layout of the PoseBusters benchmark, and the reference ligand among the examples. Bond orders
come from the component dictionary, stereochemistry from the crystal coordinates; the start
conformer is made by ETKDG and shares nothing with the crystal pose but the graph.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import gemmi
from rdkit import Chem
from rdkit.Chem import AllChem

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = (("6xg5.cif", "TOP"), ("7n03.cif.gz", "ZRP"))


def template(code: str) -> Chem.Mol:
    """Return the molecule of a component code from the shipped dictionary."""
    with gzip.open(ROOT / "data/components/ccd_smiles.tsv.gz", "rt") as table:
        for line in table:
            name, smiles = line.rstrip("\n").split("\t")[:2]
            if name == code:
                return Chem.MolFromSmiles(smiles)
    raise KeyError(code)


def crystal_ligand(structure: gemmi.Structure, code: str) -> Chem.Mol:
    """Return the ligand at its crystal coordinates (Å), heavy atoms, main conformer."""
    residue = next(r for chain in structure[0] for r in chain if r.name == code)
    atoms = [a for a in residue if not a.is_hydrogen() and a.altloc in ("\0", "A")]
    lines = [
        f"HETATM{i:5d} {a.name:<4s} {code:>3s} A   1    "
        f"{a.pos.x:8.3f}{a.pos.y:8.3f}{a.pos.z:8.3f}  1.00  0.00          {a.element.name:>2s}"
        for i, a in enumerate(atoms, 1)
    ]
    raw = Chem.MolFromPDBBlock("\n".join(lines), sanitize=False)
    mol = AllChem.AssignBondOrdersFromTemplate(template(code), raw)
    Chem.AssignStereochemistryFrom3D(mol)
    return mol


def receptor(structure: gemmi.Structure, code: str) -> gemmi.Structure:
    """Return the structure without waters, hydrogens and the ligand, main conformer only."""
    structure = structure.clone()
    structure.remove_waters()
    structure.remove_hydrogens()
    structure.remove_alternative_conformations()
    for chain in structure[0]:
        for residue in chain:
            for atom in residue:
                atom.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
        for index in reversed(range(len(chain))):
            if chain[index].name == code:
                del chain[index]
    structure.remove_empty_chains()
    return structure


def write(mol: Chem.Mol, path: Path, name: str) -> None:
    """Write one SDF record whose bytes depend on the molecule alone."""
    mol = Chem.Mol(mol)
    mol.SetProp("_Name", name)
    path.write_text(Chem.MolToMolBlock(mol) + "$$$$\n", encoding="utf-8")


def main() -> None:
    """Write every complex and reference ligand."""
    for file, code in ENTRIES:
        structure = gemmi.read_structure(str(ROOT / "data/examples" / file))
        structure.setup_entities()
        name = f"{file[:4].upper()}_{code}"
        folder = ROOT / "workflows/test/complexes" / name
        folder.mkdir(parents=True, exist_ok=True)
        ligand = crystal_ligand(structure, code)
        write(ligand, folder / f"{name}_ligand.sdf", name)
        write(ligand, ROOT / "data/examples" / f"{file[:4]}_{code}.sdf", name)
        start = Chem.AddHs(Chem.MolFromSmiles(Chem.MolToSmiles(ligand)))
        AllChem.EmbedMolecule(start, randomSeed=7)
        AllChem.MMFFOptimizeMolecule(start)
        write(Chem.RemoveHs(start), folder / f"{name}_ligand_start_conf.sdf", name)
        options = gemmi.PdbWriteOptions(minimal=True)
        text = receptor(structure, code).make_pdb_string(options)
        (folder / f"{name}_protein.pdb").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
