"""Energy terms in kcal/mol: lower is better, batched over poses, differentiable where torch."""

from molgen.energy.terms import ENERGIES, BoundEnergy, EnergyTerm, WeightedSum

__all__ = ["ENERGIES", "BoundEnergy", "EnergyTerm", "WeightedSum"]
