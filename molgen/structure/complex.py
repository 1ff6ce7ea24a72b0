"""A receptor, a ligand and the pocket it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from molgen.structure.ligand import Ligand
from molgen.structure.pocket import Pocket
from molgen.structure.protein import Protein


@dataclass(frozen=True)
class Complex:
    """One docking problem."""

    protein: Protein
    ligand: Ligand
    pocket: Pocket

    @property
    def name(self) -> str:
        """``protein/ligand``, for messages."""
        return f"{self.protein.name}/{self.ligand.name}"
