"""The sampler ``search``: conformers from the graph, energy search in the pocket, ranked minima."""

from __future__ import annotations

import numpy as np

from molgen.energy.contacts import ContactPotential
from molgen.energy.vina_terms import CUTOFF, VinaWeights
from molgen.search import kernels
from molgen.search.conformers import embed_conformers
from molgen.search.engine import search
from molgen.search.field import DENSITY, Potential, TypedReceptor, build_field, contact_tables
from molgen.search.samplers import SamplerSettings
from molgen.search.templates import build_template
from molgen.structure import Ligand, Pocket, Poses, Protein


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
        margin = 2 * CUTOFF
        self.receptor = TypedReceptor.of(
            protein.select(_inside(protein, pocket.lower - margin, pocket.upper + margin))
        )

    def sample(self, ligand: Ligand, num_poses: int, seed: int) -> Poses:
        """Return at most ``num_poses`` distinct minima, lowest energy first.

        Terms (kcal/mol): ``receptor`` and ``contacts`` (Vina and learned receptor energy),
        ``internal`` (ligand pairs), ``affinity`` (Vina's estimate of the binding free energy).

        Raises:
            LigandError: no conformer can be embedded, or an element is not supported.
        """
        embedded = embed_conformers(ligand, self.settings.conformers, seed)
        template = build_template(ligand, embedded)
        tree = template.tree
        field = build_field(
            self.receptor, self.pocket, tree, self.potential, self.settings.grid_spacing
        )
        if self.device == "cpu":
            coords, _ = search(field, template, self.settings, np.random.default_rng(seed))
        else:
            import torch

            from molgen.search.torch_engine import torch_search

            generator = torch.Generator().manual_seed(seed)
            coords, _ = torch_search(field, template, self.settings, generator, self.device)
        plain = Potential(self.potential.weights, ContactPotential.zero())
        vina = self._receptor_energy(coords, tree, plain)
        learned = self._receptor_energy(coords, tree, self.potential) - vina
        internal = kernels.internal_energies(
            coords, tree.pairs, field.pair_row, field.pair_tables, field.density, field.cutoff
        )
        scores = vina + learned + internal
        affinity = vina / (1.0 + self.potential.weights.rotor * tree.rotors)
        place = np.argsort(tree.order)
        terms = {
            "affinity": affinity, "receptor": vina, "contacts": learned, "internal": internal,
        }  # fmt: skip
        poses = Poses(ligand, coords[:, place], scores, terms)
        return poses.take(np.argsort(scores, kind="stable")[:num_poses])

    def _receptor_energy(self, coords: np.ndarray, tree, potential: Potential) -> np.ndarray:  # type: ignore[no-untyped-def]
        """Return the exact receptor energy of poses (poses, atoms, 3), without grids."""
        near = self.receptor.within(coords.min(axis=(0, 1)), coords.max(axis=(0, 1)))
        tables, row, kind = contact_tables(near, tree, potential)
        return np.asarray(
            kernels.receptor_energies(
                coords, near.coords, row, kind, tables, float(DENSITY), CUTOFF
            )
        )


def load_contacts(name: str | None) -> ContactPotential:
    """Return the learned potential of a checkpoint; None is the plain Vina potential."""
    if name is None:
        return ContactPotential.zero()
    from molgen.checkpoints import load_tensors

    config, tensors = load_tensors(name, kind="contact_potential")
    return ContactPotential(tensors["curves"], float(config["options"]["internal"]))


def _inside(protein: Protein, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    return ((protein.coords > lower) & (protein.coords < upper)).all(axis=1)
