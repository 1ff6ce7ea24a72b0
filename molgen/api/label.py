"""The use case `molgen label poses`: what the search finds for known complexes, with its RMSDs.

The poses are the raw material for learned scoring. Every entry becomes one safetensors file,
written last, so a stopped run goes on where it was; failures are rows with a reason.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from molgen.api.label_search import Label, LabelConfig, labelled
from molgen.checkpoints import checkpoint_folder
from molgen.config import fingerprint, to_dict
from molgen.datasets.entry_lists import is_listed, read_entry_list
from molgen.datasets.pdbbind import RawEntry, find_entries
from molgen.errors import InputError, OutputError
from molgen.io import atomic_write
from molgen.search.device import resolve_device
from molgen.search.search_sampler import load_contacts


def label_poses(
    raw: str | Path,
    out: str | Path,
    config: LabelConfig,
    *,
    device: str = "auto",
    together: int = 16,
    only: Sequence[str | Path] = (),
    shard: tuple[int, int] = (1, 1),
    progress: bool = False,
) -> dict[str, int]:
    """Label the entries of a collection in PDBBind layout; return counts by outcome.

    A run in a folder that an earlier one started adds what is missing.

    Args:
        device: "auto", "cpu" or "cuda[:N]".
        together: complexes searched at once on a GPU; a CPU takes one after the other.
        only: lists of the entries to label (`molgen.datasets.entry_lists`); without, all are.
        shard: (i, n) labels every n-th entry from the i-th on, i from 1; runs of all shards may
            share the folder.

    Raises:
        InputError: the collection or a list cannot be read, or has none of the listed entries.
        OutputError: the folder holds labels of other settings, or other files.
        StoreError: the checkpoint that the search is to use cannot be read, or a worker process
            died.
        DeviceError: the device is not there.
    """
    from tqdm import tqdm

    folder = Path(out)
    device = resolve_device(device)
    entries = find_entries(raw)
    if only:
        names = read_entry_list(only)
        entries = [entry for entry in entries if is_listed(entry.id, names)]
        if not entries:
            raise InputError(f"{raw}: has none of the {len(names)} entries listed")
    random.Random(config.seed).shuffle(entries)
    entries = entries[: config.limit or len(entries)]
    _check_folder(folder, config)
    mine = entries[shard[0] - 1 :: shard[1]]
    waiting = [entry for entry in mine if _outcome(folder, entry) is None]
    with tqdm(
        total=len(mine), initial=len(mine) - len(waiting), unit="complex",
        disable=not progress, dynamic_ncols=True,
    ) as bar:  # fmt: skip
        for made in labelled(waiting, config, device, together):
            path = _path(folder, made.entry)
            if isinstance(made.label, str):
                with atomic_write(path.with_suffix(".failed")) as temporary:
                    temporary.write_text(made.label + "\n", encoding="utf-8")
            else:
                _save(path, made.label, made.seconds)
            bar.update()
    outcomes = {e.id: outcome for e in entries if (outcome := _outcome(folder, e)) is not None}
    with atomic_write(folder / "status.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "status", "reason"))
        writer.writerows((name, *outcome) for name, outcome in outcomes.items())
    ends = Counter(outcomes[entry.id][0] for entry in mine)
    return {status: ends[status] for status in ("ok", "failed")}


def _path(folder: Path, entry: RawEntry) -> Path:
    return folder / "entries" / f"{entry.id}.safetensors"


def _outcome(folder: Path, entry: RawEntry) -> tuple[str, str] | None:
    """Return status and reason of an entry, None where there is none yet."""
    path = _path(folder, entry)
    failed = path.with_suffix(".failed")
    if failed.is_file():
        return "failed", failed.read_text("utf-8").strip()
    return ("ok", "") if path.is_file() else None


def _check_folder(folder: Path, config: LabelConfig) -> None:
    """Write the settings into a new folder, or compare them with those of an earlier run."""
    path = folder / "labels.json"
    # more entries of the same kind may join, so the limit does not count
    print_ = fingerprint(LabelConfig(**{**config.__dict__, "limit": 0}))
    potential = _potential_sums(config.search.potential)
    if path.is_file():
        try:
            earlier = json.loads(path.read_text("utf-8"))
            same = earlier["fingerprint"] == print_
            same = same and earlier.get("potential", potential) == potential
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{path}: not the settings of labels ({error!r})") from None
        if not same:
            raise OutputError(f"{folder}: holds labels of other settings; take another folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.glob("[!.]*"))):
        raise OutputError(f"{folder}: is not an empty folder and holds no labels")
    with atomic_write(path) as temporary:
        record = {
            "format": "molgen-pose-labels",
            "fingerprint": print_,
            "potential": potential,
            "config": to_dict(config),
        }
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _potential_sums(name: str | None) -> str | None:
    """Return the checksums of the checkpoint, which may have changed under the same name."""
    if name is None:
        return None
    load_contacts(name)  # a bad one must not become the failure of every entry
    return (checkpoint_folder(name) / "SHA256SUMS").read_text("utf-8")


def _save(path: Path, label: Label, seconds: float) -> None:
    from safetensors.numpy import save_file

    facts = {"seconds": f"{seconds:.3f}", "checks": json.dumps(label.checks)}
    with atomic_write(path) as temporary:
        save_file(label.tensors, str(temporary), metadata=facts)
