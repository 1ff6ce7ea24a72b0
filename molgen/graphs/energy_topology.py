"""What energy terms need of a ligand and its receptor, as plain arrays: the only featuriser."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.graphs.atom_types import ligand_types, receptor_types
from molgen.graphs.ligand_arrays import LigandArrays, ligand_arrays
from molgen.graphs.torsion_tree import build_torsion_tree
from molgen.structure import Pocket, Protein
from molgen.vocabulary import METALS

METAL_RADIUS = 1.0
"""Å; van der Waals radii of metals would call every coordination bond a clash."""

_REACH = 10.0
"""Å around the pocket box within which receptor atoms are kept."""


@dataclass(frozen=True)
class DistanceBounds:
    """Allowed distances between atom pairs.

    Attributes:
        pairs: (pairs, 2) atoms.
        lower: (pairs,) Å.
        upper: (pairs,) Å.
    """

    pairs: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True)
class ReceptorAtoms:
    """Rigid surroundings of the ligand.

    Attributes:
        coords: (atoms, 3) float64, Å.
        types: (atoms,) docking types.
        radii: (atoms,) van der Waals radii, Å; metals are small.
    """

    coords: np.ndarray
    types: np.ndarray
    radii: np.ndarray


@dataclass(frozen=True)
class EnergyTopology:
    """One ligand, atoms in the order of its molecule, and optionally a receptor.

    Attributes:
        types: (atoms,) docking types.
        radii: (atoms,) van der Waals radii, Å.
        rotors: number of rotors of the Vina rotor term.
        moving_pairs: (pairs, 2) pairs of Vina's intramolecular part.
        distant_pairs: (pairs, 2) all pairs more than three bonds apart.
        bonds: 1-2 distances.
        angles: 1-3 distances.
        rigid: 1-4 distances across aromatic and double bonds.
        planar: (quads, 4) atoms that must lie in one plane.
        stereocentres: (centres, 4) a tetrahedral centre and three of its neighbours.
        handedness: (centres,) sign of the triple product of the bonds to these neighbours.
        double_bonds: (bonds, 4) substituent, the two ends, substituent.
        same_side: (bonds,) 1 where the substituents are cis, -1 where trans.
        torsions: (torsions, 4) atoms of the ETKDG torsion preferences.
        torsion_heights: (torsions, 6) Fourier coefficients V_k of ETKDG.
        torsion_signs: (torsions, 6) signs s_k.
        ligand: atoms and bonds, for learned terms.
        receptor: atoms around the pocket; none for the ligand alone.
        pocket: the box of the receptor grids.
    """

    types: np.ndarray
    radii: np.ndarray
    rotors: float
    moving_pairs: np.ndarray
    distant_pairs: np.ndarray
    bonds: DistanceBounds
    angles: DistanceBounds
    rigid: DistanceBounds
    planar: np.ndarray
    stereocentres: np.ndarray
    handedness: np.ndarray
    double_bonds: np.ndarray
    same_side: np.ndarray
    torsions: np.ndarray
    torsion_heights: np.ndarray
    torsion_signs: np.ndarray
    ligand: LigandArrays
    receptor: ReceptorAtoms
    pocket: Pocket | None = None

    @property
    def num_atoms(self) -> int:
        """Number of heavy atoms of the ligand."""
        return len(self.types)


def build_energy_topology(
    mol: Chem.Mol, protein: Protein | None = None, pocket: Pocket | None = None
) -> EnergyTopology:
    """Return the topology of a molecule without explicit hydrogens; its conformer is not read.

    With a pocket only receptor atoms within 10 Å of the box are kept.

    Raises:
        LigandError: an element without docking type.
    """
    tree = build_torsion_tree(mol)
    bond_count = Chem.GetDistanceMatrix(mol)
    with_h = Chem.AddHs(mol)
    # No triangle smoothing: it is slow and changes nothing up to 1-4 distances.
    matrix = rdDistGeom.GetMoleculeBoundsMatrix(
        with_h, set15bounds=False, doTriangleSmoothing=False, forceTransAmides=False
    )
    centres, handedness = _stereocentres(mol)
    double_bonds, same_side = _stereo_bonds(mol)
    torsions, heights, signs = torsion_preferences(with_h, mol.GetNumAtoms())
    return EnergyTopology(
        types=ligand_types(mol),
        radii=_radii([atom.GetSymbol() for atom in mol.GetAtoms()]),
        rotors=tree.rotors,
        moving_pairs=np.sort(tree.order[tree.pairs].reshape(-1, 2), axis=1),
        distant_pairs=_pairs(bond_count > 3.5),
        bonds=_bounds(matrix, _pairs(bond_count == 1)),
        angles=_bounds(matrix, _pairs(bond_count == 2)),
        rigid=_bounds(matrix, _rigid_pairs(mol, bond_count)),
        planar=_planar_quads(mol),
        stereocentres=centres,
        handedness=handedness,
        double_bonds=double_bonds,
        same_side=same_side,
        torsions=torsions,
        torsion_heights=heights,
        torsion_signs=signs,
        ligand=ligand_arrays(mol),
        receptor=_receptor_atoms(protein, pocket),
        pocket=pocket,
    )


def _receptor_atoms(protein: Protein | None, pocket: Pocket | None) -> ReceptorAtoms:
    if protein is None:
        return ReceptorAtoms(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), np.zeros(0))
    coords = protein.coords.astype(np.float64)
    near = np.ones(len(coords), dtype=bool)
    if pocket is not None:
        inside = (coords > pocket.lower - _REACH) & (coords < pocket.upper + _REACH)
        near = np.asarray(inside.all(axis=1))
    types = receptor_types(protein).astype(np.int64)
    radii = _radii([str(symbol) for symbol in protein.elements[near]])
    return ReceptorAtoms(coords[near], types[near], radii)


def _radii(symbols: list[str]) -> np.ndarray:
    table = Chem.GetPeriodicTable()
    return np.array(
        [METAL_RADIUS if symbol in METALS else table.GetRvdw(symbol) for symbol in symbols],
        dtype=np.float64,
    )


def _pairs(mask: np.ndarray) -> np.ndarray:
    return np.stack(np.nonzero(np.triu(mask, 1)), axis=1).astype(np.int64)


def _bounds(matrix: np.ndarray, pairs: np.ndarray) -> DistanceBounds:
    low, high = pairs[:, 0], pairs[:, 1]
    return DistanceBounds(pairs, matrix[high, low].copy(), matrix[low, high].copy())


def _is_rigid(bond: Chem.Bond) -> bool:
    return bool(bond.GetIsAromatic() or bond.GetBondType() == Chem.BondType.DOUBLE)


def _rigid_pairs(mol: Chem.Mol, bond_count: np.ndarray) -> np.ndarray:
    """Return the 1-4 pairs whose middle bond is aromatic or double, (pairs, 2)."""
    found = {tuple(sorted((quad[0], quad[3]))) for quad in _rigid_quads(mol)}
    kept = [pair for pair in sorted(found) if bond_count[pair] == 3]
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _rigid_quads(mol: Chem.Mol) -> list[tuple[int, int, int, int]]:
    """Return the paths i-a-b-l over every aromatic or double bond a-b."""
    quads = []
    for bond in mol.GetBonds():
        if not _is_rigid(bond):
            continue
        begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
        if Chem.HybridizationType.SP in (begin.GetHybridization(), end.GetHybridization()):
            continue
        a, b = begin.GetIdx(), end.GetIdx()
        quads += [
            (i, a, b, m)
            for i in sorted(n.GetIdx() for n in begin.GetNeighbors())
            for m in sorted(n.GetIdx() for n in end.GetNeighbors())
            if i != b and m != a and i != m
        ]
    return quads


def _planar_quads(mol: Chem.Mol) -> np.ndarray:
    """Return coplanar atoms (quads, 4): trigonal atoms, aromatic rings, double bonds.

    The first atom is the one whose height over the other three is measured.
    """
    quads = [
        (i, a, b, m)
        for i, a, b, m in _rigid_quads(mol)
        if _trigonal(mol.GetAtomWithIdx(a)) and _trigonal(mol.GetAtomWithIdx(b))
    ]
    for atom in mol.GetAtoms():
        neighbours = sorted(n.GetIdx() for n in atom.GetNeighbors())
        if len(neighbours) == 3 and _trigonal(atom):
            quads.append((atom.GetIdx(), *neighbours))
    return np.array(quads, dtype=np.int64).reshape(-1, 4)


def _trigonal(atom: Chem.Atom) -> bool:
    """True for aromatic atoms and sp2 carbon and nitrogen with a double bond."""
    return bool(
        atom.GetIsAromatic()
        or (
            atom.GetSymbol() in ("C", "N")
            and atom.GetHybridization() == Chem.HybridizationType.SP2
            and any(bond.GetBondType() == Chem.BondType.DOUBLE for bond in atom.GetBonds())
        )
    )


def _stereocentres(mol: Chem.Mol) -> tuple[np.ndarray, np.ndarray]:
    """Return (centres, 4) centre and three neighbours, and the sign of their triple product.

    Seen from the first neighbour a counter-clockwise centre has the others counter-clockwise, an
    implicit hydrogen or lone pair counting as the last; the first three then span a positive
    volume from the centre.
    """
    centres, handedness = [], []
    for atom in mol.GetAtoms():
        neighbours = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
        tag = atom.GetChiralTag()
        if len(neighbours) not in (3, 4) or tag not in (
            Chem.ChiralType.CHI_TETRAHEDRAL_CCW, Chem.ChiralType.CHI_TETRAHEDRAL_CW,
        ):  # fmt: skip
            continue
        centres.append((atom.GetIdx(), *neighbours[:3]))
        handedness.append(1.0 if tag == Chem.ChiralType.CHI_TETRAHEDRAL_CCW else -1.0)
    return np.array(centres, dtype=np.int64).reshape(-1, 4), np.array(handedness, dtype=np.float64)


def _stereo_bonds(mol: Chem.Mol) -> tuple[np.ndarray, np.ndarray]:
    """Return (bonds, 4) substituents and ends of the stereo double bonds, and 1 cis / -1 trans."""
    cis = (Chem.BondStereo.STEREOZ, Chem.BondStereo.STEREOCIS)
    trans = (Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOTRANS)
    quads, sides = [], []
    for bond in mol.GetBonds():
        substituents = list(bond.GetStereoAtoms())
        if bond.GetStereo() not in cis + trans or len(substituents) != 2:
            continue
        quads.append(
            (substituents[0], bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), substituents[1])
        )
        sides.append(1.0 if bond.GetStereo() in cis else -1.0)
    return np.array(quads, dtype=np.int64).reshape(-1, 4), np.array(sides, dtype=np.float64)


def torsion_preferences(with_h: Chem.Mol, heavy: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ETKDG torsions between heavy atoms with their coefficients and signs.

    (torsions, 4) atoms, (torsions, 6) V_k and s_k of V(phi) = sum_k V_k (1 + s_k cos k phi);
    Riniker & Landrum, J. Chem. Inf. Model. 2015, 55, 2562; preferences that name a hydrogen are
    left out.
    """
    quads, heights, signs = [], [], []
    for entry in rdDistGeom.GetExperimentalTorsions(with_h, rdDistGeom.ETKDGv3()):
        quad = [int(atom) for atom in entry["atomIndices"]]
        if max(quad) < heavy:
            quads.append(quad)
            heights.append(list(entry["V"]))
            signs.append(list(entry["signs"]))
    return (
        np.array(quads, dtype=np.int64).reshape(-1, 4),
        np.array(heights, dtype=np.float64).reshape(-1, 6),
        np.array(signs, dtype=np.float64).reshape(-1, 6),
    )
