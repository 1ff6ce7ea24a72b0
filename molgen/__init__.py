"""molgen: generate, score and reproduce protein-ligand structures.

Units inside the library: Å, kcal/mol, radians, elementary charges (see ``molgen.units``).
The use cases (generate, evaluate, preprocess) are functions of ``molgen.api``.
"""

__version__ = "0.1.0"
