"""Data shipped with molgen (component table, examples); installed as ``molgen.data``."""
