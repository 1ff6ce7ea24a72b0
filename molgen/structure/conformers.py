"""Start conformers from the graph alone (RDKit ETKDG), never from coordinates of the input."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molgen.errors import LigandError
from molgen.structure.ligand import Ligand

_SEED_OFFSET = 61453
"""RDKit multiplies the seed with the conformer's number: seed 0 would
embed one conformer only, and large ones overflow."""

ATTEMPTS = 200
"""Most attempts at a conformer. A limit of time would make the result depend on how busy the
machine is. Half of the ligands of the benchmarks need at most five for each of 32."""

FEW = 8
"""From random coordinates a ligand gets this part of the conformers: every attempt takes long."""


def embed_conformers(
    ligand: Ligand,
    count: int,
    seed: int,
    *,
    minimize: bool = True,
    attempts: int = ATTEMPTS,
    threads: int = 0,
) -> Chem.Mol:
    """Return the ligand with explicit hydrogens and up to ``count`` conformers.

    ETKDGv3 (Wang et al., J. Chem. Inf. Model. 2020, 60, 2044) with macrocycle and small-ring
    torsions; chirality and double-bond stereo of the graph are enforced. Where no conformer is
    found an eighth as many are tried from random coordinates. ``minimize`` relaxes bond lengths and
    angles with MMFF94 (UFF where MMFF lacks a type).

    Args:
        attempts: at a conformer, at most.
        threads: 0 for all.

    Raises:
        LigandError: no 3D embedding is found even from random coordinates.
    """
    mol = Chem.AddHs(ligand.without_coords().mol)
    params = rdDistGeom.ETKDGv3()
    params.randomSeed = _SEED_OFFSET + seed % 1_000_000
    params.useSmallRingTorsions = True
    params.numThreads = threads
    params.maxIterations = attempts
    _embed(mol, count, params)
    if not mol.GetNumConformers():
        params.useRandomCoords = True
        _embed(mol, max(1, count // FEW), params)
    if not mol.GetNumConformers():
        raise LigandError(
            f"{ligand.name}: no 3D conformer could be embedded; check stereo and ring closures"
        )
    if minimize:
        relax_conformers(mol, threads=threads)
    return mol


def _embed(mol: Chem.Mol, count: int, params: rdDistGeom.EmbedParameters) -> None:
    """Add conformers; none where RDKit's minimiser breaks down over impossible geometry."""
    try:
        rdDistGeom.EmbedMultipleConfs(mol, count, params)
    except RuntimeError:
        mol.RemoveAllConformers()


def relax_conformers(mol: Chem.Mol, max_iterations: int = 200, threads: int = 0) -> None:
    """Minimise all conformers in place, MMFF94 first, UFF where MMFF has no parameters."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, threads, max_iterations)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.UFFOptimizeMoleculeConfs(mol, threads, max_iterations)
