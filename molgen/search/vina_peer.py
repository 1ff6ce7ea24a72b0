"""AutoDock Vina as a sampler: the peer that molgen is measured against, on the same inputs.

Needs the optional packages ``vina`` and ``meeko`` (``pip install vina meeko``).
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from rdkit import Chem

from molgen.errors import DependencyError, LigandError
from molgen.graphs.atom_types import DONOR, TYPES, bonded_neighbours, receptor_types
from molgen.search.samplers import SamplerSettings
from molgen.structure import Ligand, Pocket, Poses, Protein
from molgen.structure.conformers import embed_conformers

# AutoDock names of the types; carbons are all "C" because Vina finds their polarity by itself
_AUTODOCK = {"C": "C", "N_P": "N", "N_D": "N", "N_A": "NA", "N_DA": "NA", "S": "S", "P": "P",
             "F": "F", "Cl": "Cl", "Br": "Br", "I": "I", "Si": "Si"}  # fmt: skip
_AUTODOCK_METALS = {"Mg", "Mn", "Zn", "Ca", "Fe", "Cu", "Na", "K", "Hg", "Co", "U", "Cd", "Ni"}


def receptor_pdbqt(protein: Protein) -> str:
    """Return the receptor as PDBQT text with the docking types molgen itself uses.

    Vina reads hydrogens only to tell donors, so every donor gets one polar hydrogen 1 Å away
    from it, pointing away from its neighbours. Charges are zero: Vina does not use them.
    """
    types = receptor_types(protein)
    neighbours = bonded_neighbours(protein)
    lines: list[str] = []

    def add(name: str, index: int, xyz: np.ndarray, autodock: str) -> None:
        serial = len(lines) % 99999 + 1
        residue = str(protein.residue_names[index])[:3]
        number = int(protein.residue_numbers[index]) % 10000
        lines.append(
            f"ATOM  {serial:5d} {name[:4]:<4s} {residue:>3s} A{number:4d}    "
            f"{xyz[0]:8.3f}{xyz[1]:8.3f}{xyz[2]:8.3f}  1.00  0.00     0.000 {autodock:<2s}"
        )

    for index, kind in enumerate(types.tolist()):
        xyz = protein.coords[index].astype(np.float64)
        add(str(protein.atom_names[index]), index, xyz, _autodock_type(protein, index, kind))
        if DONOR[kind] and TYPES[kind] != "Met_D":
            add("H", index, xyz + _away(protein.coords, index, neighbours[index]), "HD")
    return "\n".join(lines) + "\n"


def _autodock_type(protein: Protein, index: int, kind: int) -> str:
    name = TYPES[kind]
    if name == "Met_D":
        element = str(protein.elements[index])
        return element if element in _AUTODOCK_METALS else "Mg"
    if name.startswith("O_"):
        return "OA"
    return _AUTODOCK.get(name) or _AUTODOCK[name.split("_")[0]]


def _away(coords: np.ndarray, index: int, bonded: list[int]) -> np.ndarray:
    """Return a unit vector (3,) from atom ``index`` away from the mean of its neighbours."""
    if not bonded:
        return np.array([0.0, 0.0, 1.0])
    vector = coords[index].astype(np.float64) - coords[bonded].astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-3 else np.array([0.0, 0.0, 1.0])


class VinaDocking:
    """One receptor and box prepared for many ligands.

    Args:
        protein: the receptor.
        pocket: the search box.
        seed: Vina's random seed (> 0; Vina takes 0 for "choose one").
        cpu: threads.

    Raises:
        DependencyError: ``vina`` or ``meeko`` is not installed.
    """

    def __init__(self, protein: Protein, pocket: Pocket, *, seed: int = 1, cpu: int = 0) -> None:
        import tempfile
        from pathlib import Path

        try:
            from vina import Vina
        except ImportError as error:
            raise DependencyError(
                "the vina sampler needs the packages vina and meeko: pip install vina meeko"
            ) from error
        self._vina = Vina(sf_name="vina", cpu=cpu, seed=seed, verbosity=0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "receptor.pdbqt"
            path.write_text(receptor_pdbqt(protein))
            self._vina.set_receptor(str(path))
        self._vina.compute_vina_maps(center=list(pocket.center), box_size=list(pocket.edges))

    def dock(
        self, ligand: Ligand, start: Chem.Mol, *, exhaustiveness: int = 8, num_poses: int = 40
    ) -> Poses:
        """Dock from one start conformer and return Vina's poses, best first.

        Args:
            start: the ligand with explicit hydrogens and one conformer; its heavy atoms come first
                and in the order of ``ligand.mol``.
            exhaustiveness: Vina's number of Monte-Carlo runs.
            num_poses: most poses returned (within 10 kcal/mol of the best, 1 Å apart).

        Raises:
            LigandError: Meeko cannot prepare the ligand or Vina returns nothing.
        """
        from meeko import PDBQTMolecule, RDKitMolCreate

        self._vina.set_ligand_from_string(ligand_pdbqt(ligand.name, start))
        self._vina.dock(exhaustiveness=exhaustiveness, n_poses=num_poses, min_rmsd=1.0)
        text = self._vina.poses(n_poses=num_poses, energy_range=10.0)
        if not text:
            raise LigandError(f"{ligand.name}: vina returned no pose")
        energies = self._vina.energies(n_poses=num_poses, energy_range=10.0)[:, 0]
        found = RDKitMolCreate.from_pdbqt_mol(PDBQTMolecule(text, skip_typing=True))[0]
        positions = np.array([conformer.GetPositions() for conformer in found.GetConformers()])
        order = _match_heavy(ligand.mol, found)
        return Poses(ligand, positions[:, order], energies[: len(positions)])

    def score(self, ligand: Ligand, mol: Chem.Mol) -> np.ndarray:
        """Return Vina's energies of the given conformer without any move, kcal/mol.

        The columns are those of ``vina.Vina.score``: total, ligand-receptor, ..., torsion term.
        """
        self._vina.set_ligand_from_string(ligand_pdbqt(ligand.name, mol))
        return np.asarray(self._vina.score())


class VinaSampler:
    """The sampler ``vina``: one docking run for every start conformer, poses merged by energy."""

    def __init__(
        self, protein: Protein, pocket: Pocket, settings: SamplerSettings, device: str = "cpu"
    ) -> None:
        del device  # Vina runs on the CPU
        self.protein, self.pocket, self.settings = protein, pocket, settings.vina

    def sample(self, ligand: Ligand, num_poses: int, seed: int) -> Poses:
        """Return at most ``num_poses`` of Vina's poses, best first; term ``affinity`` kcal/mol.

        Raises:
            LigandError: Meeko cannot prepare the ligand, or it has no conformer where the
                settings ask for the given one.
        """
        count = self.settings.conformers
        if count:
            starts = embed_conformers(ligand, count, seed)
        else:
            ligand.coords  # raises where there are none  # noqa: B018
            starts = Chem.AddHs(ligand.mol, addCoords=True)
        # left to itself Vina takes every core, also those that OMP_NUM_THREADS denies it
        threads = self.settings.threads or torch.get_num_threads()
        docking = VinaDocking(self.protein, self.pocket, seed=seed % (2**31 - 1) + 1, cpu=threads)
        runs = [
            docking.dock(
                ligand,
                Chem.Mol(starts, confId=conformer.GetId()),
                exhaustiveness=self.settings.exhaustiveness,
                num_poses=num_poses,
            )
            for conformer in starts.GetConformers()
        ]
        scores = np.concatenate([run.scores for run in runs])
        coords = np.concatenate([run.coords for run in runs])
        order = np.argsort(scores, kind="stable")[:num_poses]
        return Poses(ligand, coords[order], scores[order], {"affinity": scores[order]})


def ligand_pdbqt(name: str, mol: Chem.Mol) -> str:
    """Return PDBQT text of a molecule with explicit hydrogens and one conformer (Meeko)."""
    try:
        from meeko import MoleculePreparation, PDBQTWriterLegacy
    except ImportError as error:
        raise DependencyError(
            "the vina sampler needs the packages vina and meeko: pip install vina meeko"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setups = MoleculePreparation().prepare(mol)
    text, ok, message = PDBQTWriterLegacy.write_string(setups[0])
    if not ok:
        raise LigandError(f"{name}: meeko cannot write PDBQT: {message.strip()}")
    return str(text)


def _match_heavy(mol: Chem.Mol, found: Chem.Mol) -> list[int]:
    """Return for every atom of ``mol`` its index in ``found`` (same heavy graph)."""
    # with chirality first: else the two sides of a meso compound may be exchanged
    match = found.GetSubstructMatch(mol, useChirality=True) or found.GetSubstructMatch(mol)
    if len(match) != mol.GetNumAtoms():
        plain = Chem.AdjustQueryParameters.NoAdjustments()
        plain.makeBondsGeneric = True
        match = found.GetSubstructMatch(Chem.AdjustQueryProperties(mol, plain))
    if len(match) != mol.GetNumAtoms():
        raise LigandError("vina's output is another molecule than its input")
    return list(match)
