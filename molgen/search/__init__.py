"""Docking search: start conformers, pose optimisation, clustering, and the samplers built on them."""
