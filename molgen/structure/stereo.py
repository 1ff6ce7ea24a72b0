"""Stereo that a molecule leaves open, and what stands for it."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions


def open_stereo(mol: Chem.Mol) -> list[Chem.StereoInfo]:
    """Return the stereo centres and bonds of a molecule that have no configuration."""
    found = Chem.FindPotentialStereo(Chem.Mol(mol))
    return [info for info in found if info.specified == Chem.StereoSpecified.Unspecified]


def one_isomer(mol: Chem.Mol) -> Chem.Mol:
    """Return a molecule with a configuration at everything that had none, drawn at random.

    The same molecule gets the same; what cannot be embedded is passed over while there is another.
    """
    options = StereoEnumerationOptions(tryEmbedding=True, onlyUnassigned=True, maxIsomers=1)
    isomer: Chem.Mol = next(iter(EnumerateStereoisomers(mol, options)), mol)
    Chem.AssignStereochemistry(isomer, cleanIt=True, force=True)
    return isomer
