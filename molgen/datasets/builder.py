"""Building a store: every entry of a collection in parallel, resumable after a kill.

Entries go in order of id into shards of fixed size, so the bytes do not depend on the number of
workers or on interruptions. A shard that stands under its final name is whole (`atomic_write`);
the index and then the manifest are written when all shards are there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encode import EncodingRefusedError, chain_names, encode_complex, pocket_chain
from molgen.datasets.encoding import COUNTS, FORMAT, INDEX_FIELDS, VERSION
from molgen.datasets.entry_lists import entry_key, is_listed
from molgen.datasets.manifest import MANIFEST
from molgen.datasets.pdbbind import RawEntry
from molgen.datasets.shard import Row, entry_counts, read_rows, shard_bytes, shard_name
from molgen.datasets.store import INDEX
from molgen.datasets.workers import run_tasks
from molgen.errors import (
    ConfigError,
    LigandError,
    MolgenError,
    OutputError,
    StoreError,
    StructureError,
)
from molgen.io import atomic_write, read_ligand, read_protein

Progress = Callable[[int], None]
"""Called with the number of entries just finished."""

SPLITS = "splits"


@dataclass(frozen=True)
class BuildOptions:
    """What goes into a store.

    Attributes:
        cutoff: Å; receptor residues with an atom this near to the ligand are kept whole.
        shard_size: entries in a shard, also what a kill can cost at most per worker.
        conformers: of every ligand, embedded; training varies the geometry of poses with them.
        exclude: names or PDB codes of entries that are left out.
    """

    cutoff: float = 20.0
    shard_size: int = 64
    conformers: int = 0
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 3.0 <= self.cutoff <= 50.0:
            raise ConfigError(f"cutoff must lie between 3 and 50 Å, got {self.cutoff:g}")
        if self.shard_size < 1:
            raise ConfigError(f"shard_size must be at least 1, got {self.shard_size}")
        object.__setattr__(self, "exclude", frozenset(map(entry_key, self.exclude)))
        if self.conformers < 0:
            raise ConfigError(f"conformers must be at least 0, got {self.conformers}")


def build_store(
    entries: list[RawEntry],
    folder: str | Path,
    options: BuildOptions | None = None,
    *,
    workers: int = 1,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Row]:
    """Write the store of ``entries`` and return its index rows, one for every entry.

    Raises:
        OutputError: the folder holds something and neither ``resume`` nor ``force`` is set, or
            cannot be written.
        StoreError: ``resume`` on a store of other entries or options; a worker died.
    """
    options = options or BuildOptions()
    target = Path(folder)
    size = options.shard_size
    chunks = [entries[k : k + size] for k in range(0, len(entries), size)]
    prints = [_fingerprint(chunk, options) for chunk in chunks]
    done = _prepare(target, prints, resume=resume, force=force)
    notify = progress or (lambda count: None)
    for number in done:
        notify(len(chunks[number]))
    tasks = [k for k in range(len(chunks)) if k not in done]
    arguments = [(target / shard_name(k), chunks[k], options, prints[k]) for k in tasks]
    for count in run_tasks(_build_shard, arguments, workers):
        notify(count)
    return _finish(target, len(chunks), options)


def _fingerprint(chunk: list[RawEntry], options: BuildOptions) -> str:
    """Return a digest of all that decides a shard's content except the files' bytes."""
    numbers = f"{options.cutoff:g} {options.shard_size} {options.conformers}"
    parts = [f"{FORMAT} {VERSION} {numbers}"]
    for entry in chunk:
        files = [path.name if path else "" for path in (entry.protein, entry.ligand)]
        left_out = is_listed(entry.id, options.exclude)
        facts = [entry.id, *files, str(entry.year), str(entry.affinity), str(left_out)]
        parts.append("\t".join(facts))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _prepare(target: Path, prints: list[str], *, resume: bool, force: bool) -> set[int]:
    """Make the folder ready; return the numbers of the shards that stand already."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        present = sorted(target.iterdir())
    except OSError as error:
        raise OutputError(f"{target}: cannot be used as output folder ({error})") from error
    if present and not (resume or force):
        state = "a finished store" if (target / MANIFEST).is_file() else "files"
        raise OutputError(
            f"{target}: holds {state} already; add --resume to continue or --force to start over"
        )
    for path in target.glob(".*"):  # what a killed atomic_write left behind
        if path.name.startswith((".shard-", f".{INDEX}.", f".{MANIFEST}.")) and path.is_file():
            path.unlink()
    shards = sorted(target.glob("shard-*.safetensors"))
    if force:
        for path in [target / MANIFEST, target / INDEX, *shards]:
            path.unlink(missing_ok=True)
        for path in (target / SPLITS).glob("*/*.txt"):
            path.unlink()
        return set()
    done = set()
    names = {shard_name(k): k for k in range(len(prints))}
    for path in shards:
        number = names.get(path.name)
        if number is None or read_rows(path)[0] != prints[number]:
            raise StoreError(
                f"{path}: made from other entries or options; use --force to start over, or "
                "another folder"
            )
        done.add(number)
    return done


def _build_shard(task: tuple[Path, list[RawEntry], BuildOptions, str]) -> int:
    """Write one shard (path, entries, options, fingerprint); return how many entries it covers."""
    path, chunk, options, print_ = task
    entries: list[StoredComplex] = []
    rows: list[Row] = []
    for raw in chunk:
        row, entry = build_entry(raw, options)
        row["shard"] = path.name if entry else ""
        rows.append(row)
        if entry:
            entries.append(entry)
    with atomic_write(path) as temporary:
        temporary.write_bytes(shard_bytes(entries, rows, print_))
    return len(chunk)


def build_entry(raw: RawEntry, options: BuildOptions) -> tuple[Row, StoredComplex | None]:
    """Return the index row of one entry, and its arrays when it is usable; never raises.

    Reasons: no_protein_file, no_ligand_file, protein_unreadable, ligand_unreadable,
    ligand_without_coordinates, ligand_too_large, ligand_not_representable, no_contact,
    bonded_or_clashing, receptor_too_large, excluded, unexpected_error.
    """
    row = dict.fromkeys(INDEX_FIELDS, "")
    row["id"] = raw.id
    row["year"] = "" if raw.year is None else str(raw.year)
    row["affinity"] = "" if raw.affinity is None else f"{raw.affinity:g}"
    try:
        entry = _encode(raw, options, row)
    except Exception as error:  # one entry must never stop the others
        row["status"] = "failed"
        row["reason"], detail = _explain(error)
        for path in (raw.protein, raw.ligand):  # the store does not depend on where RAW lies
            detail = detail.replace(str(path), path.name) if path else detail
        row["detail"] = " ".join(detail.split())[:300]
        return row, None
    row["status"] = "ok"
    return row, entry


def _explain(error: Exception) -> tuple[str, str]:
    """Return the word for counting and the message of a failure."""
    if isinstance(error, EncodingRefusedError):
        return error.reason, str(error)
    if isinstance(error, LigandError):
        return "ligand_unreadable", str(error)
    if isinstance(error, StructureError):
        return "protein_unreadable", str(error)
    if isinstance(error, (MolgenError, OSError)):
        return "unexpected_error", str(error)
    return "unexpected_error", f"{type(error).__name__}: {error}"


def _encode(raw: RawEntry, options: BuildOptions, row: Row) -> StoredComplex:
    if is_listed(raw.id, options.exclude):
        raise EncodingRefusedError("excluded", "on a list of entries to leave out")
    if raw.protein is None:
        raise EncodingRefusedError("no_protein_file", f"expected {raw.id}_protein.pdb")
    if raw.ligand is None:
        raise EncodingRefusedError("no_ligand_file", f"expected {raw.id}_ligand.sdf or .mol2")
    digest = hashlib.sha256(raw.protein.read_bytes() + raw.ligand.read_bytes())
    row["sha256"] = digest.hexdigest()
    ligand = read_ligand(raw.ligand)
    protein = read_protein(raw.protein)
    entry = encode_complex(raw.id, protein, ligand, options.cutoff, options.conformers)
    row.update(zip(COUNTS, map(str, entry_counts(entry)), strict=True))
    row["chains"] = " ".join(chain_names(protein))
    row["pocket_chain"], row["sequence"] = pocket_chain(protein, ligand.coords)
    row["smiles"] = ligand.smiles
    return entry


def _finish(target: Path, count: int, options: BuildOptions) -> list[Row]:
    """Write the index and then the manifest from the shards; return the index rows."""
    rows: list[Row] = []
    sums: dict[str, str] = {}
    for name in map(shard_name, range(count)):
        rows += read_rows(target / name)[1]
        sums[name] = hashlib.sha256((target / name).read_bytes()).hexdigest()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, INDEX_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    index = text.getvalue().encode()
    outcomes = Counter(row["reason"] or row["status"] for row in rows)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "options": {
            "cutoff": options.cutoff,
            "shard_size": options.shard_size,
            "conformers": options.conformers,
        },
        "entries": len(rows),
        "outcomes": dict(sorted(outcomes.items())),
        "index_sha256": hashlib.sha256(index).hexdigest(),
        "shards": sums,
    }
    for name, content in (
        (INDEX, index),
        (MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode()),
    ):
        with atomic_write(target / name) as temporary:
            temporary.write_bytes(content)
    return rows
