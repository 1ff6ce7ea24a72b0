"""Tables of names to ``"module:attribute"`` strings, imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from molgen.errors import RegistryError, suggest


class Registry(Mapping[str, Any]):
    """A read-only table of parts; looking a name up imports the module that holds it.

    Nothing is registered by being imported: the table is written out where it is defined.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Any:
        """Return the object called ``name``; raise `RegistryError` with the nearest name."""
        if name not in self._entries:
            raise RegistryError(f"unknown {self.kind} {name!r}{suggest(name, self._entries)}")
        module, _, attribute = self._entries[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
