"""Stereo that a molecule leaves open."""

from __future__ import annotations

from rdkit import Chem


def open_stereo(mol: Chem.Mol) -> list[Chem.StereoInfo]:
    """Return the stereo centres and bonds of a molecule that have no configuration."""
    found = Chem.FindPotentialStereo(Chem.Mol(mol))
    return [info for info in found if info.specified == Chem.StereoSpecified.Unspecified]
