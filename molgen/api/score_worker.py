"""What a process of `molgen score` does: files in, outcomes and files with B-factors out."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molgen.api.score_inputs import InputFile
from molgen.api.score_job import MODELS, ScoreJob
from molgen.api.score_records import FileResult, ModelRecord, pack_rows
from molgen.api.tables import cell
from molgen.errors import InputError, MolgenError
from molgen.graphs.model_contacts import ResidueReport, model_contacts
from molgen.graphs.residue_graph import ModelContacts
from molgen.io import atomic_write
from molgen.io.bfactors import split_models, with_bfactors
from molgen.io.model_file import ModelFile
from molgen.io.paths import read_bytes
from molgen.structure import Protein

if TYPE_CHECKING:
    from molgen.api.score_truth import ReferenceStructure, Truth
    from molgen.scoring.quality import QualityScore, QualityScorer

TOGETHER = 16
"""Models held at once, to be predicted in one batch on a GPU."""

_MISSING = re.compile(r"(\d+) residues? lacks? heavy atoms")
"""The note of `molgen.io` on incomplete residues."""
_DUPLICATES = ("repeated chain atoms", "at a position that another has")
"""Notes of the reader that earn a flag."""


@dataclass
class _Draft:
    """A model on its way to a record."""

    file: InputFile
    sha256: str
    number: int | None
    content: bytes = b""
    protein: Protein | None = None
    contacts: ModelContacts | None = None
    report: ResidueReport | None = None
    problem: str = ""
    crash: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return self.file.name if self.number is None else f"{self.file.name}#{self.number}"


class ModelScorer:
    """Scores files.

    Raises:
        MolgenError: the checkpoint, the device or the reference cannot be used.
    """

    def __init__(self, job: ScoreJob) -> None:
        from molgen.scoring.quality import QualityScorer

        self.job = job
        self.scorer: QualityScorer = QualityScorer(job.checkpoint, job.device)
        self.reference: ReferenceStructure | None = None
        if job.reference is not None:
            from molgen.api.score_truth import ReferenceStructure

            self.reference = ReferenceStructure(job.reference)

    def score(self, files: Sequence[InputFile]) -> list[FileResult]:
        """Return the outcomes of files, in their order; a bad file is a failed outcome."""
        records: dict[str, list[ModelRecord]] = {file.name: [] for file in files}
        sums = dict.fromkeys(records, "")
        crashed = set()
        together = 1 if self.job.device == "cpu" else TOGETHER
        for drafts in _batched((d for file in files for d in _drafts(file)), together):
            for draft, record in zip(drafts, self._finish(drafts), strict=True):
                records[draft.file.name].append(record)
                sums[draft.file.name] = draft.sha256
                if draft.crash:
                    crashed.add(draft.file.name)
        return [
            FileResult(name, sums[name], tuple(found), name in crashed)
            for name, found in records.items()
        ]

    def _finish(self, drafts: list[_Draft]) -> list[ModelRecord]:
        start = time.perf_counter()
        good = [draft for draft in drafts if draft.contacts is not None]
        scores = dict(zip(map(id, good), self._predict(good), strict=True))
        share = (time.perf_counter() - start) / max(1, len(good))
        return [self._record(draft, scores.get(id(draft)), share) for draft in drafts]

    def _predict(self, drafts: list[_Draft]) -> list[QualityScore | None]:
        """Return the scores; a model that breaks the network gets a problem instead."""
        try:
            return list(self.scorer.score([draft.contacts for draft in drafts if draft.contacts]))
        except Exception as error:  # out of memory, mostly; alone the others may pass
            if len(drafts) > 1:
                return [score for draft in drafts for score in self._predict([draft])]
            drafts[0].problem, drafts[0].crash = _unexpected(error), traceback.format_exc()
            return [None]

    def _record(
        self, draft: _Draft, score: QualityScore | None, predicted_in: float
    ) -> ModelRecord:
        start = time.perf_counter()
        if score is not None and not np.isfinite(score.local).all():
            draft.problem, score = "the prediction is not a number", None
        if score is not None and draft.report is not None:
            try:
                made = self._scored(draft, score, draft.report)
                spent = draft.seconds + predicted_in + time.perf_counter() - start
                return ModelRecord(**{**made, "seconds": round(spent, 4)})
            except InputError as error:
                draft.problem = _one_line(error)
            except MolgenError:
                raise  # the output place: no matter of this model
            except Exception as error:  # must not end a run, nor be lost
                draft.problem, draft.crash = _unexpected(error), traceback.format_exc()
        return ModelRecord(
            model=draft.name,
            file=str(draft.file.path),
            number=draft.number,
            status="failed",
            reason=draft.problem,
            notes=(draft.crash,) if draft.crash else (),
            seconds=round(draft.seconds, 4),
        )

    def _scored(self, draft: _Draft, score: QualityScore, report: ResidueReport) -> dict[str, Any]:
        assert draft.protein is not None and draft.contacts is not None
        truth, mismatch = self._truth(draft.protein, draft.contacts, report)
        local = _on_residues(score.local, report)
        lddt = None if score.lddt is None else _on_residues(score.lddt, report)
        output = ""
        if self.job.folder is not None:
            output = self._write_model(draft, local, report)
        return {
            "model": draft.name,
            "file": str(draft.file.path),
            "number": draft.number,
            "residues": len(report),
            "scored": len(score.local),
            "predicted_cad": round(score.value, 6),
            "predicted_lddt": None if lddt is None else round(float(np.nanmean(lddt)), 6),
            "flags": tuple(self._flags(draft.protein, draft.contacts, report, truth, mismatch)),
            "notes": tuple(draft.protein.notes),
            "output": output,
            "truth": truth.values if truth else {},
            "mismatch": mismatch,
            "moments": _moments(local, truth.cad) if truth else (),
            "residue_rows": pack_rows(_residue_rows(draft.name, report, local, lddt, truth)),
        }

    def _truth(
        self, protein: Protein, contacts: ModelContacts, report: ResidueReport
    ) -> tuple[Truth | None, str]:
        if self.reference is None:
            return None, ""
        try:
            return self.reference.compare(protein, contacts, report), ""
        except InputError as error:
            return None, _one_line(error)

    def _flags(
        self,
        protein: Protein,
        contacts: ModelContacts,
        report: ResidueReport,
        truth: Truth | None,
        mismatch: str,
    ) -> Iterator[str]:
        for start, title in (("incomplete", "incomplete backbone"), ("non-st", "non-standard")):
            count = sum(reason.startswith(start) for reason in report.reasons)
            if count:
                yield f"{title}: {count} residue{'s' if count > 1 else ''}"
        for note in protein.notes:
            if found := _MISSING.match(note):
                yield f"missing heavy atoms: {found[1]} residue{'s' if found[1] != '1' else ''}"
        if any(text in note for note in protein.notes for text in _DUPLICATES):
            yield "duplicate residues or atoms: first kept"
        outside = self.scorer.outside(contacts)
        if outside:
            yield f"outside training domain: {outside}"
        if mismatch:
            yield "reference does not match"
        if truth is not None and truth.matched < truth.expected:
            yield f"covers {truth.matched} of {truth.expected} reference residues"

    def _write_model(self, draft: _Draft, local: np.ndarray, report: ResidueReport) -> str:
        assert self.job.folder is not None
        values = {
            residue: 100.0 * value
            for residue, value in zip(report.residues, local.tolist(), strict=True)
            if value == value
        }
        suffix, content = with_bfactors(draft.content, values, draft.file.path, model=draft.number)
        place = f"{MODELS}/{draft.name}{suffix}"
        with atomic_write(self.job.folder / place, durable=False) as temporary:
            temporary.write_bytes(content)
        return place


def _drafts(file: InputFile) -> Iterator[_Draft]:
    """Yield the models of a file with their contacts, or with what is wrong with them."""
    if file.problem:
        yield _Draft(file, "", None, problem=file.problem)
        return
    sha256 = hint = ""
    try:
        raw = file.path.read_bytes()
        sha256 = hashlib.sha256(raw).hexdigest()
        if file.path.name.lower().endswith(".gz") and raw[:2] != b"\x1f\x8b":
            hint = "; it is no gzip file, in spite of its name"
        source = ModelFile(file.path)
        content = read_bytes(file.path)
        parts = split_models(content)
    except (InputError, OSError) as error:
        yield _Draft(file, sha256, None, problem=_one_line(error) + hint)
        return
    for number in source.numbers:
        draft = _Draft(file, sha256, number if len(source) > 1 else None)
        draft.content = parts.get(number, content)
        yield _featurised(draft, source, number)


def _featurised(draft: _Draft, source: ModelFile, number: int) -> _Draft:
    start = time.perf_counter()
    try:
        draft.protein = source.read(number)
        draft.contacts, draft.report = model_contacts(draft.protein)
    except InputError as error:
        draft.problem = _one_line(error)
    except Exception as error:  # what an odd model brings to light must not end the others
        draft.problem, draft.crash = _unexpected(error), traceback.format_exc()
    draft.seconds = time.perf_counter() - start
    return draft


def _on_residues(values: np.ndarray, report: ResidueReport) -> np.ndarray:
    """Return the values of the nodes on all residues, NaN for those that are none."""
    whole = np.full(len(report), np.nan)
    whole[report.node >= 0] = values
    return whole


def _residue_rows(
    name: str,
    report: ResidueReport,
    local: np.ndarray,
    lddt: np.ndarray | None,
    truth: Truth | None,
) -> str:
    empty = [""] * len(report)

    def column(values: np.ndarray | None) -> list[Any]:
        return empty if values is None else [cell(value) for value in values.tolist()]

    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(
        (name, residue.chain, residue.number, residue.insertion_code, *row)
        for residue, *row in zip(
            report.residues,
            report.names,
            column(local),
            column(lddt),
            column(truth.cad if truth else None),
            column(truth.lddt if truth else None),
            report.reasons,
            strict=True,
        )
    )
    return stream.getvalue()


def _moments(predicted: np.ndarray, true: np.ndarray) -> tuple[float, ...]:
    known = np.isfinite(predicted) & np.isfinite(true)
    p, t = predicted[known], true[known]
    sums = (known.sum(), p.sum(), t.sum(), (p * p).sum(), (t * t).sum(), (p * t).sum())
    return tuple(float(value) for value in sums)


def _batched(items: Iterable[_Draft], size: int) -> Iterator[list[_Draft]]:
    batch: list[_Draft] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _unexpected(error: Exception) -> str:
    return f"unexpected {type(error).__name__}: {_one_line(error)}"
