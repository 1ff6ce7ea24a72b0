"""What the numbers in a store mean: code tables and the layout of a shard.

A code is the position in its table. The tables are part of the format: entries may be appended,
never moved; a change of layout raises `VERSION`.
"""

from __future__ import annotations

from typing import NamedTuple

FORMAT = "molgen-store"
VERSION = 2

COORD_STEP = 0.01
"""Å per unit of int16 coordinates: the receptor's are relative to the entry's origin, those of
conformers to their centres."""

ELEMENTS = tuple(
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy "
    "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf "
    "Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og".split()
)
"""By atomic number; "X" is an element that could not be told."""

AMINO_ACIDS = tuple(
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL".split()
)

RESIDUES = (
    "UNK",
    *AMINO_ACIDS,
    *"A C G U DA DC DG DT".split(),
    *"ZN MG MN CA CO FE FE2 NI CU CU1 NA K CD HG CL".split(),
    *"HEM HEC NAD NAP NAI NDP FAD FMN ATP ADP AMP ANP GTP GDP GNP SAM SAH COA ACO PLP LLP".split(),
    *"KCX CSO CSD SEP TPO PTR SO4 PO4".split(),
)
"""Receptor residue types; code 0 is any other component."""

ATOM_NAMES = (
    "?",
    *"N CA C O OXT CB CG CG1 CG2 CD CD1 CD2 CE CE1 CE2 CE3 CZ CZ2 CZ3 CH2".split(),
    *"ND1 ND2 NE NE1 NE2 NH1 NH2 NZ OD1 OD2 OE1 OE2 OG OG1 OH SD SG SE".split(),
)
"""Atom names of amino acids; code 0 is any other name (the element is still exact)."""

# Hybridisations and bond types: molgen.graphs.ligand_arrays.
CHIRALITIES = ("CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW")
BOND_STEREO = ("STEREONONE", "STEREOANY", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS")


class Column(NamedTuple):
    """One array of a shard: what its rows are, its type, its width (0 for a vector)."""

    rows: str
    dtype: str
    width: int = 0


COUNTS = ("atoms", "residues", "ligand_atoms", "ligand_bonds", "conformer_atoms")
"""Kinds of rows; the shard's ``counts`` (entries, 5) int32 says how many each entry has."""

COLUMNS = {
    "origin": Column("entries", "float32", 3),
    "coords": Column("atoms", "int16", 3),
    "elements": Column("atoms", "uint8"),
    "atom_names": Column("atoms", "uint8"),
    "residue_sizes": Column("residues", "uint16"),
    "residue_types": Column("residues", "uint8"),
    "residue_chains": Column("residues", "uint8"),
    "residue_numbers": Column("residues", "int32"),
    "residue_insertions": Column("residues", "uint8"),
    "residue_hetero": Column("residues", "uint8"),
    "ligand_coords": Column("ligand_atoms", "float32", 3),
    "ligand_elements": Column("ligand_atoms", "uint8"),
    "ligand_isotopes": Column("ligand_atoms", "uint8"),
    "ligand_charges": Column("ligand_atoms", "int8"),
    "ligand_aromatic": Column("ligand_atoms", "uint8"),
    "ligand_hybridizations": Column("ligand_atoms", "uint8"),
    "ligand_chiralities": Column("ligand_atoms", "uint8"),
    "ligand_rings": Column("ligand_atoms", "uint8"),
    "ligand_hydrogens": Column("ligand_atoms", "uint8"),
    "ligand_radicals": Column("ligand_atoms", "uint8"),
    "bond_atoms": Column("ligand_bonds", "uint8", 2),
    "bond_types": Column("ligand_bonds", "uint8"),
    "bond_conjugated": Column("ligand_bonds", "uint8"),
    "bond_rings": Column("ligand_bonds", "uint8"),
    "bond_stereo": Column("ligand_bonds", "uint8"),
    "bond_stereo_atoms": Column("ligand_bonds", "uint8", 2),
    "ligand_conformers": Column("conformer_atoms", "int16", 3),
}

INDEX_FIELDS = (
    "id",
    "status",
    "reason",
    "detail",
    "shard",
    *COUNTS,
    "year",
    "affinity",
    "chains",
    "pocket_chain",
    "sequence",
    "smiles",
    "sha256",
)
"""Columns of ``index.csv``; ``sha256`` is that of the two input files, protein first."""
