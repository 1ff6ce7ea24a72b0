"""Names of residues, components, atoms and elements that molgen knows by heart.

Component codes are those of the wwPDB Chemical Component Dictionary; protonation names are the
ones written by AMBER, CHARMM, GROMACS and OpenMM.
"""

from __future__ import annotations

_BACKBONE = ("N", "CA", "C", "O")

_SIDE_CHAINS = {
    "ALA": "CB",
    "ARG": "CB CG CD NE CZ NH1 NH2",
    "ASN": "CB CG OD1 ND2",
    "ASP": "CB CG OD1 OD2",
    "CYS": "CB SG",
    "GLN": "CB CG CD OE1 NE2",
    "GLU": "CB CG CD OE1 OE2",
    "GLY": "",
    "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1",
    "LEU": "CB CG CD1 CD2",
    "LYS": "CB CG CD CE NZ",
    "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "PRO": "CB CG CD",
    "SER": "CB OG",
    "THR": "CB OG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH",
    "VAL": "CB CG1 CG2",
}

RESIDUE_ATOMS: dict[str, tuple[str, ...]] = {
    name: _BACKBONE + tuple(side.split()) for name, side in _SIDE_CHAINS.items()
}
"""Heavy atoms of each standard amino acid inside a chain (no OXT), names in alphabetical order."""

AMINO_ACID_LETTERS: dict[str, str] = {
    "ALA": "A", "ARG": "R", "ASN": "N", "ASP": "D", "CYS": "C", "GLN": "Q", "GLU": "E",
    "GLY": "G", "HIS": "H", "ILE": "I", "LEU": "L", "LYS": "K", "MET": "M", "PHE": "F",
    "PRO": "P", "SER": "S", "THR": "T", "TRP": "W", "TYR": "Y", "VAL": "V",
}  # fmt: skip

STANDARD_RESIDUES: frozenset[str] = frozenset(RESIDUE_ATOMS)

_PROTONATION = {
    "HIS": "HID HIE HIP HSD HSE HSP HISD HISE HISH HISP HISA HISB",
    "CYS": "CYX CYM CYS2 CYSH CYN",
    "ASP": "ASH ASPP ASPH",
    "GLU": "GLH GLUP GLUH",
    "LYS": "LYN LSN LYSN LYSH",
    "ARG": "ARN ARGN",
    "TYR": "TYM",
}

RESIDUE_SYNONYMS: dict[str, str] = {"MSE": "MET"} | {
    other: name for name, others in _PROTONATION.items() for other in others.split()
}
"""Names read as a standard residue: selenomethionine and protonation variants.

Terminal variants of AMBER ("NALA", "CHID") are included.
"""
RESIDUE_SYNONYMS |= {
    end + other: name
    for end in "NC"
    for other, name in [*RESIDUE_SYNONYMS.items(), *((n, n) for n in RESIDUE_ATOMS)]
    if other != "MSE" and len(other) == 3
}

ATOM_SYNONYMS: dict[tuple[str, str], str] = {("ILE", "CD"): "CD1"}
"""(standard residue, name as written) to the wwPDB atom name."""

TERMINAL_SYNONYMS: dict[str, str] = {"OT1": "O", "OT2": "OXT", "OC1": "O", "OC2": "OXT"}
"""C-terminal oxygen names of CHARMM and GROMACS."""

NUCLEOTIDES: frozenset[str] = frozenset(
    "A C G U I T N DA DC DG DT DU DI DN ADE CYT GUA URA THY RA RC RG RU "
    "A3 A5 C3 C5 G3 G5 U3 U5 DA3 DA5 DC3 DC5 DG3 DG5 DT3 DT5".split()
)

CHAIN_CAPS: frozenset[str] = frozenset("ACE NME NMA NH2 FOR".split())
"""Groups that end a peptide chain and belong to it."""

WATERS: frozenset[str] = frozenset(
    "HOH DOD WAT H2O OH2 TIP TIP3 TIP4 TIP5 TP3 TP4 TP5 SOL SPC T3P T4P T3H T4H MTO".split()
)

ADDITIVES: frozenset[str] = frozenset(
    # cryoprotectants, alcohols, glycols and polyethylene glycols
    "GOL EDO PGO PGR MPD MRD IPA EOH MOH POL BU1 BU2 BU3 1BO TBU BUD HEZ DIO DOX PDO 13P "
    "PEG PG4 PGE PG0 PG5 PG6 PE3 PE4 PE5 PE7 PE8 1PE 2PE 7PE 12P 15P P33 P3G P4G P6G PEU "
    "XPE M2M ETE TOE DME SOR "
    # buffers
    "TRS TAM BTB B3P MES EPE NHE CXS CAC PIN MPO BCN TAU IMD ETA 144 T3A "
    # small acids and their salts
    "ACT ACY FMT FLC CIT TAR TLA SRT MLI MLA MLT LMR OXL OXM OXD LAC "
    "NO3 NO2 SO4 SO3 SUL PO4 PO3 PI IPS 2HP POP PPV DPO CO3 BCT VO4 VN3 ALF AF3 "
    "BEF MGF WO4 MOO BO3 BO4 PER O2 O OXY PEO NO CMO CO2 H2S "
    # solvents, reductants, chaotropes, organic ammonium
    "DMS DMF DMN ACN ACM BME DTT DTU DTV TCE URE GAI CCN EGL "
    "NET TMA TEA ETF TFA NEH MEE "
    # detergents and lipids added for crystallisation
    "BOG HTG HTO LDA LMT LMU DDQ C8E CE1 CE9 SDS UND D10 D12 DD9 OCT HEX C14 MYS OLC OLB "
    "UNX ".split()
)
"""Crystallisation and purification additives: never the ligand of interest by themselves."""

COFACTORS: frozenset[str] = frozenset(
    # haems and chlorophylls
    "HEM HEA HEB HEC HEV HAS HDD HDM COH HNI ZNH MNH SRM DHE VER CLA BCL BPH PHO "
    # nicotinamide and flavin
    "NAD NAI NAJ NAP NDP NDE NDC TAP TXP NMN FAD FDA FMN FNR RBF "
    # nucleotides and analogues
    "ATP ADP AMP ANP ACP AGS APC ADX GTP GDP GNP GCP GSP G2P CTP CDP UTP UDP TTP TDP TYD "
    "5GP U5P C5P IMP A3P PAP PPS "
    # one-carbon, acyl and methyl carriers
    "SAM SAH COA ACO CAO MLC SCA BCO CO8 FON THG THF FFO MEF C2F H4B BH4 HBI "
    # vitamins and prosthetic groups
    "PLP PMP PLR PDP PXP TPP TDP TPW THV BTN BTI LPA B12 CNC COB MTE MGD MCN PQQ TPQ "
    "GSH GSF F42 F43 HCA "
    # fatty acids that are often carried along from expression
    "PLM MYR STE OLA "
    # iron-sulphur and other metal clusters
    "SF4 FES F3S FS4 CLF CFN CUA OEX OEC FEO FE2O FCO NFU".split()
)
"""Common cofactors: part of the receptor unless they are the only candidate."""

SUGARS: frozenset[str] = frozenset(
    "NAG NDG BGC GLC MAN BMA BMX GAL GLA FUC FUL FCA FCB XYS XYP SIA SLB NGA A2G GCU BDP "
    "IDR IDS IDU ADA GTR FRU FUD RIB RIP ARA ARB AHR RAM RM4 GCS GLF G6D NBG MAG TOC SGN UAP "
    "KDO KDN LGU MAV BEM PA1 Z9N G2F SHB".split()
)
"""Monosaccharides of glycans and polysaccharides."""

METALS: frozenset[str] = frozenset(
    "Li Be Na Mg Al K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In "
    "Sn Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi "
    "Th U".split()
)

LIGAND_ELEMENTS: frozenset[str] = frozenset("H B C N O F Si P S Cl As Se Br I".split())
"""Elements of drug-like molecules; others are read but noted."""


def standard_residue(code: str) -> str:
    """Return the standard name of a residue ("HID" gives "HIS"), or ``code`` itself."""
    return RESIDUE_SYNONYMS.get(code, code)
