"""Start conformers from the graph alone (RDKit ETKDG), never from coordinates of the input."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molgen.errors import LigandError
from molgen.structure import Ligand

_SEED_OFFSET = 61453
"""RDKit multiplies the seed with the conformer's number: seed 0 would
embed one conformer only, and large ones overflow."""

TIMEOUT = 60
"""Seconds for all conformers of a ligand; large macrocycles need more."""


def embed_conformers(ligand: Ligand, count: int, seed: int, *, minimize: bool = True) -> Chem.Mol:
    """Return the ligand with explicit hydrogens and up to ``count`` conformers.

    ETKDGv3 (Wang et al., J. Chem. Inf. Model. 2020, 60, 2044) with macrocycle and small-ring
    torsions; chirality and double-bond stereo of the graph are enforced. Where the time is up an
    eighth of the conformers is tried. ``minimize`` relaxes
    bond lengths and angles with MMFF94 (UFF where MMFF lacks a type).

    Raises:
        LigandError: no 3D embedding is found even from random coordinates.
    """
    mol = Chem.AddHs(ligand.without_coords().mol)
    params = rdDistGeom.ETKDGv3()
    params.randomSeed = _SEED_OFFSET + seed % 1_000_000
    params.useSmallRingTorsions = True
    params.numThreads = 0
    params.timeout = TIMEOUT
    timed_out = _embed(mol, count, params)
    if timed_out:  # leaves no conformer at all: slow ligands get fewer of them
        timed_out = _embed(mol, max(1, count // 8), params)
    if not mol.GetNumConformers():
        params.useRandomCoords = True
        timed_out = _embed(mol, 1 if timed_out else count, params)
    if not mol.GetNumConformers():
        why = f" in {TIMEOUT} s" if timed_out else "; check stereo and ring closures"
        raise LigandError(f"{ligand.name}: no 3D conformer could be embedded{why}")
    if minimize:
        relax_conformers(mol)
    return mol


def _embed(mol: Chem.Mol, count: int, params: rdDistGeom.EmbedParameters) -> bool:
    """Embed conformers in place; tell whether the time ran out."""
    found = list(rdDistGeom.EmbedMultipleConfs(mol, count, params))
    return bool(found) and not mol.GetNumConformers()


def relax_conformers(mol: Chem.Mol, max_iterations: int = 200) -> None:
    """Minimise all conformers in place, MMFF94 first, UFF where MMFF has no parameters."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, numThreads=0, maxIters=max_iterations)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.UFFOptimizeMoleculeConfs(mol, numThreads=0, maxIters=max_iterations)
