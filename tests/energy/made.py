"""A made ligand in a made pocket, for the tests of energies."""

from __future__ import annotations

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.graphs.energy_topology import EnergyTopology, build_energy_topology
from molgen.structure import Pocket, Protein

SMILES = r"C/C=C/[C@H](N)C(=O)NCc1ccc(O)cc1Cl"
"""A trans double bond, a stereocentre, an amide, an aromatic ring, all hydrogen-bond roles."""

# element, atom name, residue: every receptor role once
_ATOMS = [
    ("C", "CB", "ALA"), ("C", "CA", "GLY"), ("N", "NZ", "LYS"), ("N", "ND1", "HIS"),
    ("O", "O", "GLY"), ("O", "OG", "SER"), ("S", "SG", "CYS"), ("N", "N", "PRO"),
    ("Zn", "ZN", "ZN"),
]  # fmt: skip


def conformer(smiles: str = SMILES, seed: int = 7) -> tuple[Chem.Mol, torch.Tensor]:
    """Return a molecule without hydrogens and its MMFF-relaxed coordinates (1, atoms, 3)."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if AllChem.EmbedMolecule(mol, randomSeed=seed) != 0:
        raise ValueError(f"{smiles} cannot be embedded")
    AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    heavy = Chem.RemoveHs(mol)
    return heavy, torch.as_tensor(heavy.GetConformer().GetPositions())[None]


def protein(count: int = 90, seed: int = 0) -> Protein:
    """Return isolated atoms of all roles in a shell of 4.5 to 10 Å around the origin."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    coords = direction * rng.uniform(4.5, 10.0, (count, 1))
    kind = [_ATOMS[index % len(_ATOMS)] for index in range(count)]
    return Protein(
        name="made",
        coords=coords.astype(np.float32),
        elements=np.array([element for element, _, _ in kind]),
        atom_names=np.array([name for _, name, _ in kind]),
        residue_names=np.array([residue for _, _, residue in kind]),
        residue_numbers=np.arange(count, dtype=np.int32),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, "A"),
        hetero=np.array([residue == "ZN" for _, _, residue in kind]),
    )


def pocket(edge: float = 18.0) -> Pocket:
    """Return a box around the origin."""
    return Pocket(np.zeros(3), np.full(3, edge), "made")


def case(poses: int = 4) -> tuple[EnergyTopology, torch.Tensor]:
    """Return a topology with receptor, and poses (poses, atoms, 3): moved and slightly bent."""
    mol, coords = conformer()
    generator = torch.Generator().manual_seed(5)
    coords = coords - coords.mean(1, keepdim=True)
    bend = 0.05 * torch.randn(poses, mol.GetNumAtoms(), 3, generator=generator, dtype=torch.float64)
    shift = torch.randn(poses, 1, 3, generator=generator, dtype=torch.float64)
    return build_energy_topology(mol, protein(), pocket()), coords + bend + shift
