"""A model against its reference by all measures of this package at once.

Residues are counted over the polymer of each protein (``protein.select(~protein.hetero)``), from 0,
in file order; contact areas are passed in on that numbering, as this package computes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from molgen.errors import StructureError
from molgen.metrics.cad import CadConfig, ContactAreas, cad_score
from molgen.metrics.correspondence import Correspondence, CorrespondenceConfig, correspond
from molgen.metrics.lddt import LddtConfig, LddtReference, exchange_partners
from molgen.metrics.superposition import SuperpositionConfig, superposition_scores
from molgen.structure.protein import Protein

Part = Literal["cad", "lddt", "lddt_ca", "superposition"]


@dataclass(frozen=True)
class CompareConfig:
    """What is measured and how.

    Attributes:
        parts: measures to take; the others are NaN.
    """

    parts: tuple[Part, ...] = ("cad", "lddt", "lddt_ca", "superposition")
    correspondence: CorrespondenceConfig = CorrespondenceConfig()
    cad: CadConfig = CadConfig()
    lddt: LddtConfig = LddtConfig()
    superposition: SuperpositionConfig = SuperpositionConfig()


@dataclass(frozen=True)
class ModelComparison:
    """How right a model is. All scores run from 0 to 1; NaN says not measured.

    Attributes:
        cad: global CAD-score.
        cad_local: (native residues,) local CAD-score; NaN for residues without contacts. A residue
            that the model lacks has one too: it lost its contacts.
        cad_model: (model residues,) the same per residue of the model; NaN for residues that the
            reference lacks.
        lddt: all heavy atoms but OXT.
        lddt_local: (native residues,) of it; 0 for residues that the model lacks.
        lddt_model: (model residues,) of it; NaN for residues that the reference lacks.
        lddt_ca: Cα only.
        gdt: share of the reference's Cα within 1, 2, 4 and 8 Å.
        gdt_ts: their mean.
        tm_score: on the reference's length.
        matched: residues found in both.
        correspondence: which residue is which.
        notes: what the scores do not say by themselves, one sentence each.
    """

    cad: float
    cad_local: np.ndarray
    cad_model: np.ndarray
    lddt: float
    lddt_local: np.ndarray
    lddt_model: np.ndarray
    lddt_ca: float
    gdt: tuple[float, float, float, float]
    gdt_ts: float
    tm_score: float
    matched: int
    correspondence: Correspondence
    notes: tuple[str, ...] = ()


def compare_models(
    native: Protein,
    model: Protein,
    native_areas: ContactAreas | None = None,
    model_areas: ContactAreas | None = None,
    config: CompareConfig | None = None,
) -> ModelComparison:
    """Return how right ``model`` is; without areas the CAD-scores are NaN.

    Raises:
        StructureError: see `Reference` and `Reference.compare`.
    """
    return Reference(native, native_areas, config).compare(model, model_areas)


class Reference:
    """A reference structure, prepared once and compared with any number of models.

    Args:
        native: the reference.
        areas: contact areas of its polymer residues; without them CAD-scores are NaN.

    Raises:
        StructureError: no polymer residues, or none of them near each other.
    """

    def __init__(
        self,
        native: Protein,
        areas: ContactAreas | None = None,
        config: CompareConfig | None = None,
    ) -> None:
        self.config = config or CompareConfig()
        self.native = native
        self.areas = areas
        polymer = native.select(~native.hetero & (native.atom_names != "OXT"))
        if not len(polymer):
            raise StructureError(f"{native.name}: no polymer residues to compare with")
        self.residues = polymer.residue_index()
        self.chains = polymer.chains[polymer.residue_starts()]
        self.atom_names = polymer.atom_names
        count = int(self.residues[-1]) + 1
        ca = polymer.atom_names == "CA"
        self.ca = polymer.coords[ca].astype(np.float64)
        self.ca_residues = self.residues[ca]
        parts, lddt = self.config.parts, self.config.lddt
        self.all_atoms = self.ca_only = None
        if "lddt" in parts:
            partner = exchange_partners(polymer.atom_names, polymer.residue_names, self.residues)
            self.all_atoms = LddtReference(polymer.coords, self.residues, count, partner, lddt)
        if "lddt_ca" in parts:
            self.ca_only = LddtReference(self.ca, self.ca_residues, count, config=lddt)

    def compare(self, model: Protein, areas: ContactAreas | None = None) -> ModelComparison:
        """Return how right ``model`` is.

        Args:
            model: any numbering and chain names, see `molgen.metrics.correspondence`.
            areas: contact areas of its polymer residues, on the numbering of the model.

        Raises:
            StructureError: the model is not one of this reference, or a numbering does not fit.
        """
        pairing = correspond(self.native, model, self.config.correspondence)
        of_model = pairing.native_of_model()
        coords, ca = self._on_reference(model, pairing)
        known = np.isfinite(ca[:, 0])
        notes = list(pairing.notes)

        cad, cad_local = np.nan, np.full(pairing.native_count, np.nan)
        if "cad" in self.config.parts and self.areas is not None and areas is not None:
            found = cad_score(self.areas, areas.renumbered(of_model), self.chains, self.config.cad)
            cad, cad_local = found.value, found.local
        lddt, lddt_local = np.nan, np.full(pairing.native_count, np.nan)
        if self.all_atoms is not None:
            kept = self.all_atoms.score(coords)
            lddt, lddt_local = kept.value, kept.local
            lacking = int(np.isnan(coords[np.isin(self.residues, pairing.native), 0]).sum())
            if lacking:
                notes.append(f"the model lacks {lacking} atoms of residues that it has")
        lddt_ca = np.nan if self.ca_only is None else self.ca_only.score(ca).value
        gdt, gdt_ts, tm = (np.nan, np.nan, np.nan, np.nan), np.nan, np.nan
        if "superposition" in self.config.parts:
            placed = superposition_scores(
                self.ca[known], ca[known], len(self.ca), self.config.superposition
            )
            gdt, gdt_ts, tm = placed.gdt, placed.gdt_ts, placed.tm_score
        return ModelComparison(
            cad=cad,
            cad_local=cad_local,
            cad_model=_on_model(cad_local, of_model),
            lddt=lddt,
            lddt_local=lddt_local,
            lddt_model=_on_model(lddt_local, of_model),
            lddt_ca=lddt_ca,
            gdt=gdt,
            gdt_ts=gdt_ts,
            tm_score=tm,
            matched=len(pairing.native),
            correspondence=pairing,
            notes=tuple(notes),
        )

    def _on_reference(
        self, model: Protein, pairing: Correspondence
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's coordinates for all reference atoms and for its Cα, NaN if absent."""
        polymer = model.select(~model.hetero)
        names, code = np.unique(
            np.concatenate([self.atom_names, polymer.atom_names]).astype(str), return_inverse=True
        )
        wanted_code, code = code[: len(self.atom_names)], code[len(self.atom_names) :]
        residue = pairing.model_of_native()[self.residues]
        wanted = np.where(residue >= 0, residue * len(names) + wanted_code, -1)
        offered = polymer.residue_index() * len(names) + code
        order = np.argsort(offered, kind="stable")
        at = np.minimum(np.searchsorted(offered[order], wanted), len(offered) - 1)
        found = offered[order][at] == wanted
        coords = np.full((len(wanted), 3), np.nan)
        coords[found] = polymer.coords[order[at[found]]]
        return coords, coords[self.atom_names == "CA"]


def _on_model(values: np.ndarray, of_model: np.ndarray) -> np.ndarray:
    """Return per residue of the model the value of its reference residue, NaN without one."""
    mapped = np.full(len(of_model), np.nan)
    mapped[of_model >= 0] = values[of_model[of_model >= 0]]
    return mapped
