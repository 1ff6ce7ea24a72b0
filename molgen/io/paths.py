"""Opening input files, writing output files atomically, and turning labels into file names."""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from molgen.errors import InputError, OutputError

MAX_NAME = 80
"""Longest file-name label in characters; leaves room for suffixes within 255 bytes."""

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{p}{i}" for p in ("com", "lpt") for i in range(1, 10)}


def read_bytes(path: Path, error: type[InputError] = InputError) -> bytes:
    """Return the content of a file, decompressed when it is gzip (by its first bytes).

    Raises:
        InputError: (or the subclass in ``error``) missing, a folder, unreadable, empty, or a
            damaged gzip stream.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # a pipe can be read once, and results name the checksum of their input
            raise error(f"{path}: is no regular file; save it as one first")
        content = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except IsADirectoryError:
        raise error(f"{path}: is a folder, expected a file") from None
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be read ({problem})") from None
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as problem:
            raise error(f"{path}: gzip file is truncated or damaged ({problem})") from None
    if not content.strip():
        raise error(f"{path}: file is empty")
    return content


def read_text(path: Path, error: type[InputError] = InputError) -> str:
    """Return the text of a file as UTF-8 without byte-order mark; raises as `read_bytes`."""
    return read_bytes(path, error).decode("utf-8-sig", errors="replace")


def read_table(path: Path, error: type[InputError] = InputError) -> tuple[str, str]:
    """Return the text of a table from any spreadsheet, and its encoding where that is not UTF-8.

    UTF-16 is known by its byte-order mark; other bytes that are no UTF-8 are taken as Windows-1252.
    Raises as `read_bytes`.
    """
    content = read_bytes(path, error)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), "UTF-16"
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "Windows-1252"


def is_file(source: str | Path | None) -> bool:
    """Tell whether ``source`` names a file; other text may be too long to be a path."""
    try:
        return source is not None and Path(source).is_file()
    except (OSError, ValueError):
        return False


def file_suffix(path: Path) -> str:
    """Return the lower-case suffix, looking through ``.gz`` ("a.PDB.gz" gives ".pdb")."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def file_stem(path: Path) -> str:
    """Return the file name without its suffix and without ``.gz``."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


@contextmanager
def atomic_write(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; rename it to ``path`` on success.

    A reader sees the old file or the whole new one, never a part. After an exception the old
    file is untouched and the temporary one is gone.

    Args:
        durable: wait until the content is on the disk, which takes milliseconds; without it, a
            machine that loses its power may keep an empty file.

    Raises:
        OutputError: the folder cannot be made or written, or the target is a folder.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:60]}.", dir=target.parent)
        os.close(handle)
    except (OSError, ValueError) as problem:
        raise OutputError(f"{target}: cannot be written ({problem})") from None
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(target)
    except OSError as problem:
        raise OutputError(f"{target}: cannot be written ({problem})") from problem
    finally:
        temporary.unlink(missing_ok=True)


def safe_name(text: str) -> str:
    """Return ``text`` as a label that is safe as one file-name component.

    Letters, digits, ``_ . + = -`` stay; everything else becomes ``_``; no leading dot or dash,
    no trailing dot, at most `MAX_NAME` characters, never empty or a reserved device name.
    Distinct labels may give the same result; `unique_name` tells them apart.
    """
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode()
    clean = re.sub(r"[^A-Za-z0-9_.+=-]+", "_", plain)
    clean = re.sub(r"\.{2,}", "_", clean).strip("_")
    clean = re.sub(r"^[.\-_]+", "", clean)[:MAX_NAME].rstrip("._")
    if not clean:
        return "ligand"
    if clean.split(".")[0].lower() in _RESERVED:
        return f"_{clean}"
    return clean


def unique_name(text: str, taken: set[str]) -> str:
    """Return `safe_name` with ``_2``, ``_3``, ... if needed, and add it to ``taken``.

    ``taken`` holds names in lower case: some file systems do not tell cases apart.
    """
    base = safe_name(text)
    name, number = base, 1
    while name.lower() in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name.lower())
    return name
