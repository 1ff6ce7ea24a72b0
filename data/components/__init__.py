"""Chemical component codes and their SMILES (wwPDB dictionary data, public domain)."""
