"""A drug-like ligand in a shell of receptor atoms of all roles, small enough for every test."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from rdkit import Chem

from molgen.energy.contacts import ContactPotential
from molgen.energy.vina_terms import VinaWeights
from molgen.search.engine import pack, random_starts
from molgen.search.field import Potential, TypedReceptor, build_field
from molgen.search.settings import SearchSettings
from molgen.search.templates import build_template
from molgen.structure import Ligand, Pocket, Protein
from molgen.structure.conformers import embed_conformers

SETTINGS = SearchSettings(
    conformers=3, num_starts=256, num_chains=16, rounds=2, steps=12, potential=None
)
ATOMS = [
    ("C", "CB", "ALA"), ("C", "CA", "GLY"), ("N", "NZ", "LYS"), ("N", "ND1", "HIS"),
    ("O", "O", "GLY"), ("O", "OG", "SER"), ("S", "SG", "CYS"), ("Zn", "ZN", "ZN"),
]  # fmt: skip


def shell(count: int = 120, seed: int = 3) -> Protein:
    """Return isolated atoms 4.5 to 10 Å around the origin."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    kind = [ATOMS[index % len(ATOMS)] for index in range(count)]
    return Protein(
        name="shell",
        coords=(direction * rng.uniform(4.5, 10.0, (count, 1))).astype(np.float32),
        elements=np.array([element for element, _, _ in kind]),
        atom_names=np.array([name for _, name, _ in kind]),
        residue_names=np.array([residue for _, _, residue in kind]),
        residue_numbers=np.arange(count, dtype=np.int32),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, "A"),
        hetero=np.array([residue == "ZN" for _, _, residue in kind]),
    )


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """Everything a search needs, and states (position, quaternion, torsions) to try it on."""
    ligand = Ligand("made", Chem.MolFromSmiles("OCc1ccc(CC(=O)NCC2CCCCC2)cc1"))
    template = build_template(ligand, embed_conformers(ligand, SETTINGS.conformers, 1))
    protein = shell()
    pocket = Pocket(np.zeros(3), np.full(3, 16.0), "made")
    receptor = TypedReceptor.of(protein)
    potential = Potential(VinaWeights(), ContactPotential.zero())
    field = build_field(receptor, pocket, template.tree, potential, 0.4)
    packed, grids = pack(field, template, SETTINGS)
    states, conformer = random_starts(field, template, 40, np.random.default_rng(0))
    return SimpleNamespace(
        ligand=ligand, template=template, tree=template.tree, protein=protein, pocket=pocket,
        receptor=receptor, potential=potential, field=field, packed=packed, grids=grids,
        states=states, conformer=conformer, settings=SETTINGS,
    )  # fmt: skip
