"""What a molecule is: frozen containers of numpy arrays and RDKit graphs, coordinates in Å."""

from molgen.structure.assembly import HeteroGroup, Structure
from molgen.structure.complex import Complex
from molgen.structure.ligand import Ligand
from molgen.structure.pocket import Pocket
from molgen.structure.poses import Poses
from molgen.structure.protein import Protein, ResidueId

__all__ = [
    "Complex",
    "HeteroGroup",
    "Ligand",
    "Pocket",
    "Poses",
    "Protein",
    "ResidueId",
    "Structure",
]
