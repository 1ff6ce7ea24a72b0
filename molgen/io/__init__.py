"""Files to structures and back: PDB, mmCIF, SDF, MOL2, SMILES, CSV; Å throughout."""

from molgen.io.cocrystal import cocrystal_ligand
from molgen.io.groups import find_group, list_groups
from molgen.io.ligand_file import ligand_from_smiles, read_ligand
from molgen.io.ligand_table import LigandRow, read_ligand_table
from molgen.io.paths import atomic_write, safe_name, unique_name
from molgen.io.pdb_writer import write_pdb
from molgen.io.pockets import resolve_pocket
from molgen.io.sdf import write_sdf
from molgen.io.structure_file import read_protein, read_structure

__all__ = [
    "LigandRow",
    "atomic_write",
    "cocrystal_ligand",
    "find_group",
    "ligand_from_smiles",
    "list_groups",
    "read_ligand",
    "read_ligand_table",
    "read_protein",
    "read_structure",
    "resolve_pocket",
    "safe_name",
    "unique_name",
    "write_pdb",
    "write_sdf",
]
