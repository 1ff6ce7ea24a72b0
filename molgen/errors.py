"""Every error and warning molgen raises on purpose.

Each class also inherits the built-in that a Python user would expect, so ``except ValueError``
keeps working. A message says what is wrong, where, and what was expected, in one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class MolgenError(Exception):
    """Base of all expected failures; the command line prints it as one line and exits 2."""


class ConfigError(MolgenError, ValueError):
    """A configuration key, value or type that is not accepted."""


class RegistryError(MolgenError, KeyError):
    """A name that no registry entry carries."""

    def __str__(self) -> str:  # KeyError would show the message quoted
        return str(self.args[0]) if self.args else ""


class InputError(MolgenError, ValueError):
    """A file or text given by the user that cannot be used as asked."""


class StructureError(InputError):
    """A protein structure that cannot be read or holds no usable protein."""


class LigandError(InputError):
    """A ligand that cannot be read, typed or embedded in 3D."""


class PocketError(InputError):
    """A pocket request that the structure cannot honour."""


class OutputError(MolgenError, OSError):
    """An output place that cannot be written or must not be overwritten."""


class DeviceError(MolgenError, RuntimeError):
    """A compute device that is not there."""


class DependencyError(MolgenError, ImportError):
    """An optional package that the request needs and that is not installed."""


class StoreError(MolgenError, ValueError):
    """A preprocessed store that is damaged or of another format."""


class TrainingError(MolgenError, ArithmeticError):
    """A training run that cannot go on: a loss that is no number, a batch too large for memory."""


class MolgenWarning(UserWarning):
    """Something was changed or left out and the user should know."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known name, else the list of known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(names)})"


def first_few(names: Sequence[str]) -> str:
    """Return the first three names of a list for a message, with dots for more."""
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
