"""Docking search: conformers, pose optimisation, distinct minima, and the samplers."""
