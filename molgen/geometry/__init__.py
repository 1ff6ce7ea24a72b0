"""Mathematics on coordinates (torch): rotations, torsions, alignment, neighbours; no chemistry."""
