"""Labelling protein models: what a quality model sees of each, and how right it is.

Models are cut to the residues of the native before their contacts are computed: what the native
does not show can be neither right nor wrong, and should not cover what it shows.
"""

from __future__ import annotations

import numpy as np

from molgen.datasets.quality_entry import NATIVE, LabelledModel
from molgen.errors import StructureError
from molgen.graphs.model_contacts import ResidueReport, model_contacts
from molgen.graphs.residue_graph import ModelContacts
from molgen.metrics.cad import ContactAreas
from molgen.metrics.compare import CompareConfig, Reference
from molgen.metrics.correspondence import correspond
from molgen.structure.protein import Protein
from molgen.vocabulary import AMINO_ACID_LETTERS

PARTS = CompareConfig(parts=("cad", "lddt", "superposition"))


class LabelledTarget:
    """A native, prepared once, that labels its models.

    Args:
        name: of the target.
        native: its structure.

    Raises:
        StructureError: too few residues or contacts to compare with.
    """

    def __init__(self, name: str, native: Protein) -> None:
        self.name = name
        self.native = native.select(~native.hetero)
        contacts, report = model_contacts(self.native)
        self._contacts = contacts
        self._reference = Reference(self.native, residue_areas(contacts, report), PARTS)
        self.sequence = sequence_of(self.native)

    def label_native(self, weight: float = 1.0) -> LabelledModel:
        """Return the native as a model of itself, right everywhere."""
        ones = np.ones(len(self._contacts), dtype=np.float32)
        return LabelledModel(
            target=self.name,
            name=NATIVE,
            kind=NATIVE,
            weight=weight,
            contacts=self._contacts,
            cad_local=ones,
            lddt_local=ones,
            cad=1.0,
            lddt=1.0,
            gdt_ts=1.0,
            tm=1.0,
        )

    def label(self, name: str, model: Protein, kind: str, weight: float = 1.0) -> LabelledModel:
        """Return a model cut to the residues of the native, with its labels.

        Raises:
            StructureError: not a model of this native, or too few residues or contacts left.
        """
        polymer = model.select(~model.hetero)
        if not len(polymer):
            raise StructureError(f"{model.name}: no protein chain (ATOM records) found")
        shared = correspond(self.native, polymer).native_of_model() >= 0
        if not shared.all():
            polymer = polymer.select(shared[polymer.residue_index()])
        contacts, report = model_contacts(polymer)
        found = self._reference.compare(polymer, residue_areas(contacts, report))
        nodes = np.flatnonzero(report.node >= 0)
        return LabelledModel(
            target=self.name,
            name=name,
            kind=kind,
            weight=weight,
            contacts=contacts,
            cad_local=found.cad_model[nodes].astype(np.float32),
            lddt_local=found.lddt_model[nodes].astype(np.float32),
            cad=float(found.cad),
            lddt=float(found.lddt),
            gdt_ts=float(found.gdt_ts),
            tm=float(found.tm_score),
        )


def residue_areas(contacts: ModelContacts, report: ResidueReport) -> ContactAreas:
    """Return the contact areas of a model on the numbering of its chain residues."""
    residues = np.flatnonzero(report.node >= 0)
    return ContactAreas(residues[contacts.edge_nodes], contacts.edge_area)


def sequence_of(protein: Protein) -> str:
    """Return one letter a chain residue, X for others, ``-`` between chains and over gaps."""
    letters: list[str] = []
    before = None
    for residue, name, atoms in protein.residues():
        if protein.hetero[atoms.start]:
            continue
        if before is not None and (
            residue.chain != before.chain or residue.number - before.number > 1
        ):
            letters.append("-")
        letters.append(AMINO_ACID_LETTERS.get(name, "X"))
        before = residue
    return "".join(letters)
