"""The command `molgen`: one file per command, nothing heavy at import.

The folder is installed as the package ``molgen.cli``.
"""
