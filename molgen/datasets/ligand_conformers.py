"""Conformers of one ligand to label: as in the crystal, embedded, shaken and twisted.

Heavy atoms are where the kind says; the hydrogens of every conformer are relaxed with MMFF94s
while the heavy atoms stay fixed, because a crystal structure does not have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolTransforms

from molgen.datasets.energy_labels import KINDS

_VARIANT = "MMFF94s"
_ROTATABLE = Chem.MolFromSmarts("[!$(*#*)&!D1]-&!@[!$(*#*)&!D1]")
_SHAKE = (0.02, 0.10)
"""Å, standard deviation of the noise of a shaken conformer, from and to."""
_TWIST = 30.0
"""Degrees, standard deviation of the turn about every rotatable bond."""
_STEPS = 500
"""Iterations of a minimisation at most."""


class ConformerRefusedError(Exception):
    """A ligand that gets no conformers: ``reason`` is a word for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Conformer:
    """One conformer.

    Attributes:
        kind: one of `KINDS`.
        coords: (atoms, 3) float64 Å, heavy atoms first, then hydrogens.
        noise: Å that each coordinate was shaken by, standard deviation; 0 for other kinds.
        mmff: MMFF94s energy, kcal/mol.
    """

    kind: str
    coords: np.ndarray
    noise: float
    mmff: float


def make_conformers(mol: Chem.Mol, count: int, seed: int) -> tuple[Chem.Mol, list[Conformer]]:
    """Return the molecule with its hydrogens, and conformers of it.

    Shaken and twisted conformers start from the embedded one before them (ETKDGv3, minimised),
    or from the crystal's where none can be embedded.

    Args:
        mol: heavy atoms with the crystal's coordinates.
        count: of conformers: the crystal's, then embedded, shaken and twisted ones in turn.
        seed: of all that is drawn.

    Raises:
        ConformerRefusedError: unpaired electrons, or MMFF lacks a type.
    """
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        raise ConformerRefusedError("radical", "unpaired electrons")
    full = Chem.AddHs(mol, addCoords=True)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(full, mmffVariant=_VARIANT)
    if properties is None:
        raise ConformerRefusedError("no_mmff_type", "MMFF94s has no type for an atom")
    heavy, rng = mol.GetNumAtoms(), np.random.default_rng(seed)
    crystal = full.GetConformer().GetPositions()
    made = [_settled("crystal", full, crystal, properties, heavy)]
    base = made[0].coords
    turns = [(m[0], m[1]) for m in full.GetSubstructMatches(_ROTATABLE)]
    for k in range(count - 1):
        kind = KINDS[1 + k % (len(KINDS) - 1)]
        noise = 0.0
        if kind == "embedded":
            found = _embedded(full, properties, int(rng.integers(2**31 - 1)))
            if found is None:
                continue
            coords = base = found
        elif kind == "shaken":
            noise = float(rng.uniform(*_SHAKE))
            coords = base + noise * rng.standard_normal(base.shape)
        else:
            if not turns:
                continue
            coords = _twisted(full, base, turns, _TWIST, rng)
        made.append(_settled(kind, full, coords, properties, heavy, noise))
    return full, made


def united_charges(mol: Chem.Mol, full: Chem.Mol) -> np.ndarray:
    """Return Marsili-Gasteiger charges of the heavy atoms, those of their hydrogens added; e.

    They depend on the graph only and add up to the formal charge.

    Raises:
        ConformerRefusedError: no parameters for an atom.
    """
    from rdkit.Chem import rdPartialCharges

    copy = Chem.Mol(full)
    rdPartialCharges.ComputeGasteigerCharges(copy)
    charges = np.array([atom.GetDoubleProp("_GasteigerCharge") for atom in copy.GetAtoms()])
    if not np.isfinite(charges).all():
        raise ConformerRefusedError("no_gasteiger_type", "no Gasteiger parameters for an atom")
    united = charges[: mol.GetNumAtoms()].copy()
    for atom in list(copy.GetAtoms())[mol.GetNumAtoms() :]:
        united[atom.GetNeighbors()[0].GetIdx()] += charges[atom.GetIdx()]
    return united


def _settled(
    kind: str, mol: Chem.Mol, coords: np.ndarray, properties: Any, heavy: int, noise: float = 0.0
) -> Conformer:
    """Return the conformer with its hydrogens relaxed."""
    copy = _with_coords(mol, coords)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(copy, properties)
    for atom in range(heavy):
        field.AddFixedPoint(atom)
    field.Minimize(maxIts=_STEPS)
    return Conformer(kind, copy.GetConformer().GetPositions(), noise, float(field.CalcEnergy()))


def _embedded(mol: Chem.Mol, properties: Any, seed: int) -> np.ndarray | None:
    copy = Chem.Mol(mol)
    params = rdDistGeom.ETKDGv3()
    params.randomSeed, params.timeout, params.useSmallRingTorsions = seed, 20, True
    if rdDistGeom.EmbedMolecule(copy, params) != 0:
        return None
    rdForceFieldHelpers.MMFFGetMoleculeForceField(copy, properties).Minimize(maxIts=_STEPS)
    return np.asarray(copy.GetConformer().GetPositions())


def _twisted(
    mol: Chem.Mol,
    coords: np.ndarray,
    turns: list[tuple[int, int]],
    degrees: float,
    rng: np.random.Generator,
) -> np.ndarray:
    copy = _with_coords(mol, coords)
    place = copy.GetConformer()
    for a, b in turns:
        before = next(n.GetIdx() for n in copy.GetAtomWithIdx(a).GetNeighbors() if n.GetIdx() != b)
        after = next(n.GetIdx() for n in copy.GetAtomWithIdx(b).GetNeighbors() if n.GetIdx() != a)
        angle = rdMolTransforms.GetDihedralDeg(place, before, a, b, after)
        turned = angle + degrees * float(rng.standard_normal())
        rdMolTransforms.SetDihedralDeg(place, before, a, b, after, turned)
    return np.asarray(place.GetPositions())


def _with_coords(mol: Chem.Mol, coords: np.ndarray) -> Chem.Mol:
    copy = Chem.Mol(mol)
    copy.GetConformer().SetPositions(np.ascontiguousarray(coords, dtype=np.float64))
    return copy
