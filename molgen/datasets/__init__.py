"""Collections of complexes: PDBBind folders, the preprocessed store, splits.

`molgen.datasets.store` needs numpy and safetensors only, so it travels to a training node; the
modules that build a store (`builder`, `encode`) also need RDKit and gemmi. Nothing is imported
here, to keep the two apart.
"""
