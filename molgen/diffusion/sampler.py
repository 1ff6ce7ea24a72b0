"""The sampler ``sidegen``: learned proposals, brought onto exact geometry, searched and ranked.

Poses are drawn in a frame that turns with the pocket, from a receptor in whole steps of `STEP`
along its axes. A seed gives the same poses however the target lies in its file, also in float32,
unless an atom lies on the edge of a step. Refinement, ranking and checks take it as it is given.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from molgen.diffusion.guidance import build_guide
from molgen.diffusion.inference import Found, PoseEnergy, run_search
from molgen.diffusion.ltmp import EncodedTarget
from molgen.diffusion.model import load_sidegen
from molgen.diffusion.sampling import Denoiser, SamplingConfig
from molgen.errors import DeviceError
from molgen.geometry.frames import principal_axes
from molgen.graphs.pose_graph import Target, ligand_of, stack_ligands, stack_targets, target_of

if TYPE_CHECKING:
    from molgen.search.samplers import SamplerSettings
    from molgen.structure import Ligand, Pocket, Poses, Protein


STEP = 0.1
"""Å, to which the receptor's coordinates are rounded for drawing; training adds noise of 0.1 Å."""


class SidegenSampler:
    """A pocket seen by SIDEGEN, with the search that refines what SIDEGEN proposes."""

    def __init__(
        self, protein: Protein, pocket: Pocket, settings: SamplerSettings, device: str = "cpu"
    ) -> None:
        from molgen.search.search_sampler import SearchSampler

        self.settings = settings.sidegen
        search = replace(
            settings.search, rounds=max(1, self.settings.rounds), num_starts=self.settings.starts
        )
        self.search = SearchSampler(protein, pocket, replace(settings, search=search), "cpu")
        self.model = load_sidegen(self.settings.checkpoint).to(device)
        self.device, self.center = device, np.asarray(pocket.center)
        near = protein.near(self.center[None], self.model.pocket.largest)
        centred = protein.coords.astype(np.float64) - self.center
        self.axes = principal_axes(torch.from_numpy(centred[near])).numpy()
        steps = np.rint(centred @ self.axes.T / STEP)
        self.turned = replace(protein, coords=(STEP * steps).astype(np.float32))
        self.near = self.turned.select(near)
        self.pocket = replace(pocket, center=np.zeros(3), edges=np.full(3, pocket.edges.max()))
        self._target: Target | None = None
        self._encoded: dict[float, EncodedTarget | None] = {}

    def sample(self, ligand: Ligand, num_poses: int, seed: int) -> Poses:
        """Return at most ``num_poses`` distinct minima, lowest energy first.

        Terms are those of the sampler ``search``; ``raw`` holds what SIDEGEN drew, ranked alike.

        Raises:
            LigandError: no conformer can be embedded, or an element is not supported.
        """
        from molgen.search.engine import search
        from molgen.search.refine import project, refine
        from molgen.search.selection import distinct

        template, field = self.search.prepare(ligand, seed)
        proposals = self.propose(ligand, seed)[:, template.tree.order]
        settings = self.search.settings
        if self.settings.rounds:
            states, shapes, _ = project(proposals, template)
            coords, _ = search(
                field, template, settings, np.random.default_rng(seed), (states, shapes)
            )
        else:
            coords, energies = refine(proposals, field, template, settings)
            order = np.argsort(energies, kind="stable")
            kept = distinct(coords, order, settings.distinct, len(coords), template.symmetries)
            coords = coords[kept]
        found = self.search.rank(ligand, template, field, coords, num_poses)
        raw = self.search.rank(ligand, template, field, proposals, len(proposals))
        return replace(found, raw=raw)

    def rescore(self, ligand: Ligand, coords: np.ndarray, seed: int) -> Poses:
        """Return poses (poses, atoms, 3) Å in their order, with the energies of the search.

        Raises:
            LigandError: as `sample`.
        """
        return self.search.rescore(ligand, coords, seed)

    def propose(self, ligand: Ligand, seed: int) -> np.ndarray:
        """Return the poses that SIDEGEN draws, (samples, atoms, 3) Å, nothing refined."""
        return self.placed(self.draw(ligand, seed))

    def placed(self, found: Found) -> np.ndarray:
        """Return poses that were drawn as they lie in the target, (samples, atoms, 3) Å."""
        coords: np.ndarray = found.coords[0].double().cpu().numpy()
        return coords @ self.axes + self.center

    def draw(self, ligand: Ligand, seed: int) -> Found:
        """Return the poses that SIDEGEN draws, in the frame of the pocket."""
        settings = self.settings
        embedded = self.search.conformers(ligand, seed)
        atoms = ligand.num_atoms
        shapes = np.array([c.GetPositions()[:atoms] for c in embedded.GetConformers()])
        topology, target = self._arrays(ligand, shapes[0])
        start = torch.from_numpy(shapes[np.arange(settings.samples) % len(shapes)]).float()
        graph = stack_ligands([topology], [shapes[0]]).to(self.device)
        encoded = self._encode(target, self.model.pocket.reach(atoms))
        guide, verify = self._energies(ligand)
        # a noise stands for one pose only where steps add none
        eta = 0.0 if settings.inference.kind == "noise" else settings.eta
        config = SamplingConfig(settings.space, settings.steps, eta, settings.temperature)
        return run_search(
            Denoiser(self.model, graph, encoded, config, guide),
            start[None].to(self.device),
            verify,
            settings.inference,
            torch.Generator().manual_seed(seed),
        )

    def _encode(self, target: Target, reach: float) -> EncodedTarget | None:
        """Return the target within ``reach`` Å as the network sees it, encoded once.

        Raises:
            DeviceError: it does not fit into the memory of the GPU.
        """
        if reach not in self._encoded:
            nodes = stack_targets([target.within(np.zeros(3), reach)]).to(self.device)
            try:
                with torch.no_grad():
                    self._encoded[reach] = self.model.network.encode(nodes)
            except torch.OutOfMemoryError:
                raise DeviceError(
                    "the pocket does not fit into the memory of the GPU; use the CPU"
                ) from None
        return self._encoded[reach]

    def _energies(self, ligand: Ligand) -> tuple:
        """Return guide and verifier; None for what the settings do not ask for."""
        settings = self.settings
        if not settings.guidance.on and settings.inference.kind == "none":
            return None, None
        from molgen.graphs.energy_topology import build_energy_topology

        topology = build_energy_topology(ligand.mol, self.turned, self.pocket)
        guide = build_guide(settings.guidance, topology, np.zeros(3), settings.space)
        searches = settings.inference.kind != "none"
        return guide, PoseEnergy(topology, np.zeros(3)) if searches else None

    def _arrays(self, ligand: Ligand, coords: np.ndarray) -> tuple:
        """Return topology of the ligand and target around the pocket's centre."""
        from molgen.datasets.encode import describe_pose

        entry = describe_pose(self.near, ligand, coords, np.zeros(3))
        if self._target is None:
            # what is stored is rounded, in a frame that turns with the file
            self._target = target_of(replace(entry, coords=self.near.coords))
        return ligand_of(entry), self._target
