"""The sampler ``search``: conformers from the graph, energy search in the pocket, ranked minima."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from molgen.energy.contacts import ContactPotential
from molgen.energy.vina_terms import CUTOFF, VinaWeights
from molgen.errors import LigandError
from molgen.graphs.torsion_tree import TorsionTree
from molgen.search import kernels
from molgen.search.engine import search
from molgen.search.field import (
    DENSITY,
    Potential,
    ReceptorField,
    TypedReceptor,
    build_field,
    contact_tables,
)
from molgen.search.refine import refine
from molgen.search.samplers import SamplerSettings
from molgen.search.templates import LigandTemplate, build_template
from molgen.structure import Ligand, Pocket, Poses, Protein
from molgen.structure.conformers import embed_conformers


class SearchSampler:
    """Rigid-receptor docking on the Vina energy with its learned contact correction."""

    def __init__(
        self, protein: Protein, pocket: Pocket, settings: SamplerSettings, device: str = "cpu"
    ) -> None:
        self.pocket = pocket
        self.settings = settings.search
        self.device = device
        contacts = load_contacts(self.settings.potential)
        self.potential = Potential(VinaWeights(), contacts)
        self._embedded: tuple[Ligand, int, Chem.Mol] | None = None
        self._last: tuple[Ligand, int, LigandTemplate, ReceptorField] | None = None
        margin = 2 * CUTOFF
        self.receptor = TypedReceptor.of(
            protein.select(_inside(protein, pocket.lower - margin, pocket.upper + margin))
        )

    def sample(self, ligand: Ligand, num_poses: int, seed: int) -> Poses:
        """Return at most ``num_poses`` distinct minima, lowest energy first.

        Terms (kcal/mol): ``receptor`` and ``contacts`` (Vina and learned receptor energy),
        ``internal`` (ligand pairs) and ``strain`` (torsion preferences) sum to the score;
        ``affinity`` is Vina's estimate of the binding free energy.

        Raises:
            LigandError: no conformer can be embedded, or an element is not supported.
        """
        if self.device != "cpu":
            (coords,) = search_together([(self, ligand)], seed, self.device)
        else:
            template, field = self.prepare(ligand, seed)
            coords, _ = search(field, template, self.settings, np.random.default_rng(seed))
        return self.finish(ligand, coords, num_poses, seed)

    def finish(self, ligand: Ligand, coords: np.ndarray, num_poses: int, seed: int) -> Poses:
        """Return minima of a search (poses, atoms, 3) Å, tree order, as `sample` does."""
        template, field = self.prepare(ligand, seed)
        return self.rank(ligand, template, field, coords, num_poses)

    def refine(self, ligand: Ligand, coords: np.ndarray, seed: int, num_poses: int) -> Poses:
        """Return the minima next to given poses (poses, atoms, 3) Å, lowest energy first.

        Poses are brought onto the geometry of every start conformer, so the torsions of the
        given ones survive and their bond lengths and angles do not.

        Raises:
            LigandError: as `sample`.
        """
        template, field = self.prepare(ligand, seed)
        minima = [
            refine(coords[:, template.tree.order], field, single, self.settings)[0]
            for single in template.each_conformer()
        ]
        return self.rank(ligand, template, field, np.concatenate(minima), num_poses)

    def prepare(self, ligand: Ligand, seed: int) -> tuple[LigandTemplate, ReceptorField]:
        """Return template and field; those of the last ligand are kept for its refinement."""
        if self._last is not None and self._last[0] is ligand and self._last[1] == seed:
            return self._last[2], self._last[3]
        template = build_template(ligand, self.conformers(ligand, seed))
        field = build_field(
            self.receptor, self.pocket, template.tree, self.potential, self.settings.grid_spacing
        )
        self._last = (ligand, seed, template, field)
        return template, field

    def conformers(self, ligand: Ligand, seed: int) -> Chem.Mol:
        """Return the start conformers, with hydrogens; those of the last ligand are kept."""
        last = self._embedded
        if last is None or last[0] is not ligand or last[1] != seed:
            found = embed_conformers(ligand, self.settings.conformers, seed)
            last = self._embedded = (ligand, seed, found)
        return last[2]

    def rescore(self, ligand: Ligand, coords: np.ndarray, seed: int) -> Poses:
        """Return poses (poses, atoms, 3) Å as given and in their order, with exact energies.

        Raises:
            LigandError: as `sample`, or a pose lies where the receptor is not known.
        """
        self._require_near(ligand, coords)
        template, field = self.prepare(ligand, seed)
        return self._evaluated(ligand, template, field, coords[:, template.tree.order])

    def _require_near(self, ligand: Ligand, coords: np.ndarray) -> None:
        if not np.isfinite(coords).all():
            raise LigandError(f"{ligand.name}: a pose has coordinates that are not numbers")
        gap = np.maximum(self.pocket.lower - coords, coords - self.pocket.upper)
        if len(coords) and gap.max() > CUTOFF:
            raise LigandError(
                f"{ligand.name}: a pose reaches {gap.max():.1f} Å out of the box, where the "
                f"receptor is not read; expected at most {CUTOFF:g} Å"
            )

    def rank(
        self,
        ligand: Ligand,
        template: LigandTemplate,
        field: ReceptorField,
        coords: np.ndarray,
        num_poses: int,
    ) -> Poses:
        """Return poses (tree order) with exact energies instead of those of the grids."""
        poses = self._evaluated(ligand, template, field, coords)
        return poses.take(np.argsort(poses.scores, kind="stable")[:num_poses])

    def _evaluated(
        self, ligand: Ligand, template: LigandTemplate, field: ReceptorField, coords: np.ndarray
    ) -> Poses:
        tree = template.tree
        plain = Potential(self.potential.weights, ContactPotential.zero())
        vina = receptor_energy(self.receptor, coords, tree, plain)
        learned = receptor_energy(self.receptor, coords, tree, self.potential) - vina
        internal = kernels.internal_energies(
            coords, tree.pairs, field.pair_row, field.pair_tables, field.density, field.cutoff
        )
        strain = self.settings.torsion_weight * template.preferences(coords)
        scores = vina + learned + internal + strain
        affinity = vina / (1.0 + self.potential.weights.rotor * tree.rotors)
        terms = {
            "affinity": affinity, "receptor": vina, "contacts": learned, "internal": internal,
            "strain": strain,
        }  # fmt: skip
        return Poses(ligand, coords[:, np.argsort(tree.order)], scores, terms)


def search_together(
    jobs: Sequence[tuple[SearchSampler, Ligand]], seed: int, device: str
) -> list[np.ndarray]:
    """Return the minima (poses, atoms, 3) Å, tree order, of ligands searched at once on a device.

    Args:
        jobs: ligands with the samplers of their receptors; these have the same settings, and boxes
            of the same size.

    Raises:
        LigandError: as `SearchSampler.sample`.
        ConfigError: boxes of different sizes.
    """
    import torch

    from molgen.search.torch_engine import torch_search

    problems = []
    for sampler, ligand in jobs:
        template, field = sampler.prepare(ligand, seed)
        problems.append((field, template))
    generators = [torch.Generator().manual_seed(seed) for _ in jobs]
    found = torch_search(problems, jobs[0][0].settings, generators, device)
    return [coords for coords, _ in found]


def receptor_energy(
    receptor: TypedReceptor, coords: np.ndarray, tree: TorsionTree, potential: Potential
) -> np.ndarray:
    """Return the exact receptor energy (poses,) of poses (poses, atoms, 3) in tree order."""
    if not len(coords):
        return np.zeros(0)
    near = receptor.within(coords.min(axis=(0, 1)), coords.max(axis=(0, 1)))
    tables, row, kind = contact_tables(near, tree, potential)
    return np.asarray(
        kernels.receptor_energies(
            np.ascontiguousarray(coords), near.coords, row, kind, tables, float(DENSITY), CUTOFF
        )
    )


def load_contacts(name: str | None) -> ContactPotential:
    """Return the learned potential of a checkpoint; None is the plain Vina potential."""
    if name is None:
        return ContactPotential.zero()
    from molgen.checkpoints import load_tensors

    config, tensors = load_tensors(name, kind="contact_potential")
    return ContactPotential(tensors["curves"], float(config["options"]["attraction"]))


def _inside(protein: Protein, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    return np.asarray(((protein.coords > lower) & (protein.coords < upper)).all(axis=1))
