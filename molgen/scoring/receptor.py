"""The receptor as the validity checks see it: heavy atoms near the poses, with PDB labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from molgen.errors import StructureError
from molgen.structure import Protein


@dataclass
class ReceptorView:
    """Heavy atoms of a receptor, and the subsets that single checks keep.

    Attributes:
        coords: (atoms, 3) Å.
        mol: the same atoms as an RDKit molecule without bonds, as `posebusters` loads it.
    """

    coords: np.ndarray
    mol: Chem.Mol
    _kept: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict, repr=False)
    _trees: dict[tuple[str, ...], cKDTree] = field(default_factory=dict, repr=False)

    def near(self, pose: Chem.Mol, ignore: tuple[str, ...], cutoff: float) -> Chem.Mol | None:
        """Return the atoms that a check with these ``ignore_types`` keeps, within ``cutoff`` Å.

        None when there is no such atom.
        """
        if ignore not in self._kept:
            from posebusters.tools.protein import get_atom_type_mask

            mask = get_atom_type_mask(self.mol, ignore) if len(self.coords) else []
            self._kept[ignore] = np.flatnonzero(mask)
            self._trees[ignore] = cKDTree(self.coords[self._kept[ignore]].reshape(-1, 3))
        kept = self._kept[ignore]
        if not len(kept):
            return None
        hits = self._trees[ignore].query_ball_point(pose.GetConformer().GetPositions(), cutoff)
        close = np.unique(np.concatenate([np.asarray(h, dtype=np.int64) for h in hits]))
        return _subset(self.mol, self.coords, kept[close]) if len(close) else None


def receptor_view(
    protein: Protein | Path | str, poses: Sequence[Chem.Mol], cutoff: float = 12.0
) -> ReceptorView:
    """Return the heavy atoms of ``protein`` within ``cutoff`` Å of any pose.

    A PDB file is read the way `posebusters` reads it, so waters and ions in it count; other
    formats and a `Protein` come through molgen's reader.

    Raises:
        StructureError: the file cannot be read.
    """
    points = np.concatenate([pose.GetConformer().GetPositions() for pose in poses])
    if not isinstance(protein, Protein):
        path = Path(protein)
        if path.suffix.lower() in (".pdb", ".ent"):
            return _from_pdb(path, points, cutoff)
        from molgen.io import read_protein

        return _from_protein(read_protein(path), points, cutoff)
    return _from_protein(protein, points, cutoff)


def _close(coords: np.ndarray, points: np.ndarray, cutoff: float) -> np.ndarray:
    distance, _ = cKDTree(points).query(coords, distance_upper_bound=cutoff)
    return np.isfinite(distance)


def _from_pdb(path: Path, points: np.ndarray, cutoff: float) -> ReceptorView:
    try:
        mol = Chem.MolFromPDBFile(str(path), sanitize=False, removeHs=False, proximityBonding=False)
    except OSError as error:
        raise StructureError(f"{path}: cannot be read: {error}") from error
    if mol is None or mol.GetNumAtoms() == 0:
        raise StructureError(f"{path}: no atoms found; expected a PDB file")
    coords = np.asarray(mol.GetConformer().GetPositions())
    keep = [
        int(at)
        for at in np.flatnonzero(_close(coords, points, cutoff))
        if mol.GetAtomWithIdx(int(at)).GetAtomicNum() != 1
    ]
    cropped = _subset(mol, coords, np.asarray(keep, dtype=np.int64))
    return ReceptorView(coords[keep].reshape(-1, 3), cropped)


def _from_protein(protein: Protein, points: np.ndarray, cutoff: float) -> ReceptorView:
    coords = np.asarray(protein.coords, dtype=np.float64)
    keep = np.flatnonzero(_close(coords, points, cutoff) & (protein.elements != "H"))
    atoms = []
    for at in keep:
        atom = Chem.Atom(str(protein.elements[at]))
        atom.SetNoImplicit(True)
        info = Chem.AtomPDBResidueInfo()
        info.SetName(str(protein.atom_names[at]))
        info.SetResidueName(str(protein.residue_names[at]))
        info.SetResidueNumber(int(protein.residue_numbers[at]))
        info.SetChainId(str(protein.chains[at]))
        info.SetIsHeteroAtom(bool(protein.hetero[at]))
        atom.SetMonomerInfo(info)
        atoms.append(atom)
    return ReceptorView(coords[keep].reshape(-1, 3), _assemble(atoms, coords[keep]))


def _subset(mol: Chem.Mol, coords: np.ndarray, keep: np.ndarray) -> Chem.Mol:
    return _assemble([mol.GetAtomWithIdx(int(at)) for at in keep], coords[keep])


def _assemble(atoms: Sequence[Chem.Atom], coords: np.ndarray) -> Chem.Mol:
    mol = Chem.RWMol()
    for atom in atoms:
        mol.AddAtom(atom)
    conformer = Chem.Conformer(len(atoms))
    conformer.SetPositions(np.ascontiguousarray(coords, dtype=np.float64).reshape(-1, 3))
    mol.AddConformer(conformer, assignId=True)
    return mol.GetMol()
