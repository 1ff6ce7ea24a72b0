"""Keeping a folder to one run: two that write into it at once would mix their results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from molgen.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder that exists until the end of the block, or of the process.

    Leaves no file behind. Where the system or the file system knows no locks, nothing is held.

    Raises:
        OutputError: another run holds it.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{folder}: another run is writing there; wait for its end") from None
        except OSError:  # a network file system without locks
            pass
        yield
    finally:
        os.close(handle)
