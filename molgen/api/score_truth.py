"""A reference structure that tells how right the scored models are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molgen.datasets.quality_labels import residue_areas
from molgen.errors import InputError
from molgen.graphs.model_contacts import ResidueReport, model_contacts
from molgen.graphs.residue_graph import ModelContacts
from molgen.io.model_file import ModelFile
from molgen.metrics.compare import CompareConfig, Reference
from molgen.metrics.correspondence import correspond
from molgen.structure.protein import Protein


@dataclass(frozen=True)
class Truth:
    """How right one model is.

    Attributes:
        values: by the names `molgen.api.score_records.TRUTHS`; None where undefined.
        cad: (residues,) local CAD-score per chain residue of the model, NaN where the reference
            does not tell.
        lddt: (residues,) of it.
        matched: residues that the model shares with the reference.
        expected: residues of the reference.
    """

    values: dict[str, float | None]
    cad: np.ndarray
    lddt: np.ndarray
    matched: int
    expected: int


class ReferenceStructure:
    """A native structure, prepared once and compared with any number of models.

    As in training, a model is cut to the residues of the reference before its contacts are
    compared: a tag that the reference does not show must not cover what it shows.

    Raises:
        StructureError: the file cannot be read, or has too few residues or contacts.
    """

    def __init__(self, path: str | Path) -> None:
        source = ModelFile(path)
        protein = source.read(source.numbers[0])
        self.native = protein.select(~protein.hetero)
        contacts, report = model_contacts(self.native)
        parts = CompareConfig(parts=("cad", "lddt", "superposition"))
        self._reference = Reference(self.native, residue_areas(contacts, report), parts)

    def compare(self, model: Protein, contacts: ModelContacts, report: ResidueReport) -> Truth:
        """Return how right ``model`` is; ``contacts`` and ``report`` are of the same model.

        Raises:
            InputError: it is no model of this reference.
        """
        polymer = model.select(~model.hetero)
        shared = correspond(self.native, polymer).native_of_model() >= 0
        if not shared.all():
            polymer = polymer.select(shared[polymer.residue_index()])
            contacts, report = model_contacts(polymer)
        found = self._reference.compare(polymer, residue_areas(contacts, report))
        values = {
            "true_cad": found.cad,
            "true_lddt": found.lddt,
            "gdt_ts": found.gdt_ts,
            "tm_score": found.tm_score,
        }
        return Truth(
            values={k: round(float(v), 6) if np.isfinite(v) else None for k, v in values.items()},
            cad=_spread(found.cad_model, shared),
            lddt=_spread(found.lddt_model, shared),
            matched=found.matched,
            expected=found.correspondence.native_count,
        )


def _spread(values: np.ndarray, shared: np.ndarray) -> np.ndarray:
    whole = np.full(len(shared), np.nan)
    whole[shared] = values
    return whole


def check_reference(path: str | Path) -> None:
    """Refuse a reference that cannot serve, before the work.

    Raises:
        InputError: see `ReferenceStructure`.
    """
    try:
        ReferenceStructure(path)
    except InputError as error:
        raise InputError(f"reference: {error}") from None
