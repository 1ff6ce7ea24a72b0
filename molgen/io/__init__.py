"""Files to structures and back: PDB, mmCIF, SDF, MOL2, SMILES, CSV; Å throughout.

The names below are imported when they are first used: a machine that only trains has no RDKit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molgen.lazy import lazy_names

if TYPE_CHECKING:
    from molgen.io.cocrystal import cocrystal_ligand
    from molgen.io.groups import find_group, list_groups
    from molgen.io.ligand_file import ligand_from_smiles, read_ligand
    from molgen.io.ligand_table import LigandRow, read_ligand_table
    from molgen.io.paths import atomic_write, safe_name, unique_name
    from molgen.io.pdb_writer import write_pdb
    from molgen.io.pockets import resolve_pocket
    from molgen.io.sdf import write_sdf
    from molgen.io.structure_file import read_protein, read_structure

__getattr__ = lazy_names(
    __name__,
    {
        "LigandRow": "ligand_table",
        "atomic_write": "paths",
        "cocrystal_ligand": "cocrystal",
        "find_group": "groups",
        "ligand_from_smiles": "ligand_file",
        "list_groups": "groups",
        "read_ligand": "ligand_file",
        "read_ligand_table": "ligand_table",
        "read_protein": "structure_file",
        "read_structure": "structure_file",
        "resolve_pocket": "pockets",
        "safe_name": "paths",
        "unique_name": "paths",
        "write_pdb": "pdb_writer",
        "write_sdf": "sdf",
    },
)

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
