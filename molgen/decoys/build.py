"""From a draft to a whole model: side chains, dynamics, relaxation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from molgen.decoys import moves
from molgen.decoys.backbone_geometry import internal_coordinates, place_oxygen
from molgen.decoys.recipes import HYDROPATHY, Draft, Effort, Native, Recipe
from molgen.decoys.sidechains import RESIDUES, PackingConfig, atom_layout, build_sidechains
from molgen.energy.openmm_heavy import HeavyAtomField, Restraints
from molgen.energy.openmm_implicit import ImplicitSolvent, ImplicitSolventConfig
from molgen.errors import StructureError
from molgen.geometry.alignment import superposed_rmsd
from molgen.structure.protein import Protein
from molgen.vocabulary import RESIDUE_ATOMS, STANDARD_RESIDUES

RELAXATION_STEPS = {"full": 400, "brief": 60, "none": 0}
_BEFORE_DYNAMICS = 150
MAX_CHI_NOISE = 12.0
"""Degrees; without it the packer gives much the same side chains each time."""
UNFOLDING_TEMPERATURE = 550.0
"""K; unfolds small proteins within tens of picoseconds."""
UNFOLDING_STEPS = 1000
"""Steps of 4 fs between frames."""


@dataclass(frozen=True)
class Source:
    """A native reduced to what decoys are made from.

    Attributes:
        protein: its standard residues with N, CA and C, atoms as they are.
        backbone: (residues, 4, 3) N, CA, C, O in Å.
        names: residue names.
    """

    protein: Protein
    backbone: np.ndarray
    names: tuple[str, ...]


def complete_backbone(protein: Protein) -> Source:
    """Return the usable residues of ``protein``; others are left out, a missing O is placed.

    Raises:
        StructureError: fewer than ten such residues.
    """
    keep = np.zeros(len(protein), dtype=bool)
    rows, names = [], []
    for _, name, atoms in protein.residues():
        if name not in STANDARD_RESIDUES or protein.hetero[atoms].any():
            continue
        at = dict(zip(protein.atom_names[atoms].tolist(), protein.coords[atoms], strict=True))
        if not {"N", "CA", "C"} <= at.keys():
            continue
        keep[atoms] = True
        rows.append([at["N"], at["CA"], at["C"], at.get("O", np.full(3, np.nan))])
        names.append(name)
    if len(rows) < 10:
        raise StructureError(
            f"{protein.name}: {len(rows)} standard residues with N, CA and C; expected 10 or more"
        )
    backbone = place_oxygen(np.array(rows, dtype=np.float32))
    return Source(protein.select(keep), backbone, tuple(names))


class Builder:
    """Makes decoys of one native; the force field of its sequence is set up once."""

    def __init__(self, source: Source, others: Sequence[np.ndarray] = ()) -> None:
        """Prepare; ``others`` are backbones of unrelated proteins for threading.

        Raises:
            StructureError: the force field cannot take the sequence.
        """
        self.source = source
        self._sequence = np.array([RESIDUES.index(name) for name in source.names])
        self._given, self._complete = _native_atoms(source)
        self.native = Native(
            source.backbone,
            moves.secondary_structure(source.backbone),
            np.array([HYDROPATHY[name] for name in source.names]),
            others,
        )
        self._whole = self._pack(source.backbone, "packed", np.random.default_rng(0))
        self._field = HeavyAtomField(self._whole)

    def make(self, recipe: Recipe, rng: np.random.Generator) -> Protein:
        """Return one decoy, all heavy atoms, numbered as the native.

        Raises:
            StructureError: dynamics or relaxation failed.
        """
        draft = recipe(self.native, rng)
        model = self._pack(draft.backbone, draft.packing, rng, draft.native_share)
        coords = model.coords
        if draft.steps:
            coords = self._move(coords, draft, rng)
            if draft.packing != "packed":
                backbone = _backbone_of(replace(model, coords=coords))
                coords = self._pack(backbone, draft.packing, rng).coords
        steps = RELAXATION_STEPS[draft.relaxation]
        if steps:
            coords = self._field.relax(coords, steps=steps).coords
        return replace(model, coords=np.asarray(coords, dtype=np.float32))

    def _pack(
        self,
        backbone: np.ndarray,
        effort: Effort,
        rng: np.random.Generator,
        native_share: float = 0.0,
    ) -> Protein:
        kept = self._complete & (rng.random(len(backbone)) < native_share)
        atoms = build_sidechains(
            self._sequence,
            backbone,
            rng,
            PackingConfig(quality=effort, chi_noise=float(rng.uniform(0.0, MAX_CHI_NOISE))),
            fixed=kept,
            given=self._carried(backbone),
        )
        first = self.source.protein.residue_starts()[atoms.residue]
        native = self.source.protein
        return Protein(
            name=native.name,
            coords=np.asarray(atoms.coords, dtype=np.float32),
            elements=np.array([name[0] for name in atoms.names.tolist()]),
            atom_names=atoms.names,
            residue_names=native.residue_names[first],
            residue_numbers=native.residue_numbers[first],
            insertion_codes=native.insertion_codes[first],
            chains=native.chains[first],
            hetero=np.zeros(len(first), dtype=bool),
        )

    def _carried(self, backbone: np.ndarray) -> np.ndarray:
        """Return the native atoms carried along with the frames of their residues, (atoms, 3)."""
        old, new = _frames(self.source.backbone), _frames(backbone)
        residue, _ = atom_layout(self._sequence)
        ca = self.source.backbone[residue, 1]
        local = np.einsum("aij,aj->ai", old[residue], self._given - ca)
        return np.einsum("aji,aj->ai", new[residue], local) + backbone[residue, 1]

    def _move(self, coords: np.ndarray, draft: Draft, rng: np.random.Generator) -> np.ndarray:
        """Return the last frame of the dynamics that a draft asks for."""
        restraints = None
        if draft.contacts is not None or draft.keep_folds:
            folds = self.native.folds != moves.LOOP
            inner = internal_coordinates(self.native.backbone)
            restraints = Restraints(
                pairs=draft.contacts,
                distances=8.0 if draft.distances is None else draft.distances,
                tolerance=1.0,
                distance_strength=0.5,
                phi=np.where(folds, inner.phi, np.nan) if draft.keep_folds else None,
                psi=np.where(folds, inner.psi, np.nan) if draft.keep_folds else None,
            )
        start = self._field.relax(coords, steps=_BEFORE_DYNAMICS).coords
        frames = self._field.dynamics(
            start,
            temperature=draft.temperature,
            steps=draft.steps,
            every=draft.steps,
            seed=int(rng.integers(1, 2**31 - 1)),
            restraints=restraints,
        )
        return frames[-1]

    def unfold(self, frames: int, seed: int, platform: str) -> list[Protein]:
        """Return frames of thermal unfolding in implicit solvent, each relaxed briefly.

        Args:
            platform: of OpenMM; "auto" takes the best there is.

        Raises:
            StructureError: the force field refuses the protein, or the simulation blew up.
            DeviceError: OpenMM lacks the platform.
        """
        start = self._pack(self.source.backbone, "packed", np.random.default_rng(seed), 1.0)
        solvent = ImplicitSolvent(
            start, ImplicitSolventConfig(platform=None if platform == "auto" else platform)
        )
        moving = solvent.dynamics(
            temperature=UNFOLDING_TEMPERATURE,
            steps=frames * UNFOLDING_STEPS,
            every=UNFOLDING_STEPS,
            seed=seed % 2**31,
        )
        # a hot frame has stretched bonds, which no predicted model has
        cooled = [self._field.relax(c, steps=RELAXATION_STEPS["brief"]).coords for c in moving]
        return [replace(start, coords=np.asarray(c, dtype=np.float32)) for c in cooled]

    def ca_rmsd(self, model: Protein) -> float:
        """Return the RMSD of CA atoms to the native after superposition, Å."""
        own, native = (
            torch.from_numpy(np.ascontiguousarray(x[:, 1], dtype=np.float64))
            for x in (_backbone_of(model), self.source.backbone)
        )
        return round(float(superposed_rmsd(own, native)), 2)


def _backbone_of(protein: Protein) -> np.ndarray:
    """Return N, CA, C, O of a whole protein, (residues, 4, 3)."""
    places = [protein.coords[protein.atom_names == name] for name in ("N", "CA", "C", "O")]
    return np.stack(places, axis=1)


def _frames(backbone: np.ndarray) -> np.ndarray:
    """Return right-handed axes of every residue from N, CA and C, (residues, 3, 3) rows."""
    x = backbone[:, 0] - backbone[:, 1]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    z = np.cross(x, backbone[:, 2] - backbone[:, 1])
    z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-6)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _native_atoms(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Return the native atoms in the packer's order, NaN where missing; and who is complete."""
    rows = []
    for _, name, atoms in source.protein.residues():
        at = dict(
            zip(
                source.protein.atom_names[atoms].tolist(), source.protein.coords[atoms], strict=True
            )
        )
        rows.append(np.array([at.get(atom, np.full(3, np.nan)) for atom in RESIDUE_ATOMS[name]]))
    complete = np.array([bool(np.isfinite(row).all()) for row in rows])
    return np.concatenate(rows), complete
