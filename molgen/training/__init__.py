"""Training of the shipped models; imports no rdkit, biopython, openmm or mdtraj."""
