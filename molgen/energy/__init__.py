"""Energy terms in kcal/mol: lower is better, batched over poses, differentiable where torch.

The names below are imported when they are first used: a machine that only trains has no RDKit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molgen.lazy import lazy_names

if TYPE_CHECKING:
    from molgen.energy.terms import ENERGIES, BoundEnergy, EnergyTerm, WeightedSum

__getattr__ = lazy_names(
    __name__,
    {
        "ENERGIES": "terms",
        "BoundEnergy": "terms",
        "EnergyTerm": "terms",
        "WeightedSum": "terms",
    },
)

__all__ = ["ENERGIES", "BoundEnergy", "EnergyTerm", "WeightedSum"]
