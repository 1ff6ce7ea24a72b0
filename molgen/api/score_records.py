"""Outcomes of scored models, and the journal that lets a stopped run go on.

The journal has one line for every finished file. A line that a kill cut short is dropped when the
journal is opened again, so its file is scored once more.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from molgen.errors import OutputError

TRUTHS = ("true_cad", "true_lddt", "gdt_ts", "tm_score")
"""Measures against the reference."""

RESIDUE_COLUMNS = (
    "model", "chain", "number", "insertion_code", "residue", "predicted_cad", "predicted_lddt",
    "true_cad", "true_lddt", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class ModelRecord:
    """The outcome of one model.

    Attributes:
        model: its name, unique in the run.
        file: as given by the user.
        number: of the model in a file with several; None in others.
        status: "ok" or "failed".
        reason: why it failed, one line.
        residues: residues of its chains.
        scored: those with a prediction.
        predicted_cad: CAD-score of the model.
        predicted_lddt: mean over the residues, from checkpoints that tell it.
        flags: what to know before believing the score.
        notes: what the reader changed.
        output: the file with B-factors, relative to the folder.
        truth: `TRUTHS` to values; empty without a reference or where it does not match.
        mismatch: why it could not be compared with the reference.
        moments: n, Σp, Σt, Σp², Σt², Σpt of predicted and true local CAD-scores.
        seconds: wall time.
        residue_rows: rows of residues.csv, packed by `pack_rows`; not kept in memory for long.
    """

    model: str
    file: str
    number: int | None = None
    status: str = "ok"
    reason: str = ""
    residues: int = 0
    scored: int = 0
    predicted_cad: float | None = None
    predicted_lddt: float | None = None
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    output: str = ""
    truth: dict[str, float | None] = field(default_factory=dict)
    mismatch: str = ""
    moments: tuple[float, ...] = ()
    seconds: float = 0.0
    residue_rows: str = ""

    @property
    def ok(self) -> bool:
        """Whether the model has a score."""
        return self.status == "ok"


@dataclass(frozen=True)
class FileResult:
    """All models of one file.

    Attributes:
        name: of the file in the run.
        sha256: of the file; "" when it could not be read.
        records: outcomes in file order.
        again: a crash of molgen, not of the input: ``--resume`` tries it again.
    """

    name: str
    sha256: str
    records: tuple[ModelRecord, ...]
    again: bool = False

    def light(self) -> FileResult:
        """Return it without the rows of residues."""
        return replace(self, records=tuple(replace(r, residue_rows="") for r in self.records))


def pack_rows(text: str) -> str:
    """Return CSV text as ASCII for the journal."""
    return base64.b85encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode("ascii")


def unpack_rows(packed: str) -> str:
    """Return what `pack_rows` packed."""
    return zlib.decompress(base64.b85decode(packed)).decode("utf-8") if packed else ""


class Journal:
    """The finished files of a run on disk.

    Args:
        path: of the journal.
        keep: read what is there; otherwise start over.

    Raises:
        OutputError: it cannot be opened.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        try:
            self._stream: BinaryIO = path.open("r+b" if keep and path.exists() else "w+b")
            self._find_places()
        except OSError as error:
            raise OutputError(f"{path}: cannot be used ({error.strerror})") from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def _find_places(self) -> None:
        place = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                break
            try:
                self._places[json.loads(line)["key"]] = place
            except (ValueError, KeyError, TypeError):
                pass  # not ours, or damaged: as if it were not there
            place += len(line)
        self._stream.seek(place)
        self._stream.truncate()

    def add(self, key: str, result: FileResult) -> None:
        """Append the outcome of a file and hand it to the system.

        Raises:
            OutputError: the disk is full or gone.
        """
        line = json.dumps({"key": key, "result": asdict(result)}, separators=(",", ":"))
        try:
            self._places[key] = self._stream.seek(0, 2)
            self._stream.write(line.encode("ascii") + b"\n")
            self._stream.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from None

    def read(self, key: str) -> FileResult | None:
        """Return the outcome of a file; None where there is none that can be read."""
        if key not in self._places:
            return None
        try:
            self._stream.seek(self._places[key])
            return _result(json.loads(self._stream.readline())["result"])
        except (ValueError, KeyError, TypeError):
            return None

    def read_all(self, keys: Sequence[str]) -> Iterator[FileResult]:
        """Yield the outcomes of these files in their order, whole."""
        for key in keys:
            found = self.read(key)
            if found is None:
                raise OutputError(f"{self._path}: was changed while the run was going on")
            yield found


def _result(said: dict[str, Any]) -> FileResult:
    records = tuple(_record(record) for record in said["records"])
    return FileResult(said["name"], said["sha256"], records, said["again"])


def _record(said: dict[str, Any]) -> ModelRecord:
    lists = {key: tuple(said[key]) for key in ("flags", "notes", "moments")}
    return ModelRecord(**{**said, **lists})
