"""Processes that score files in order, with little in memory; one that dies costs one file."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from molgen.api.score_inputs import InputFile
from molgen.api.score_job import ScoreJob
from molgen.api.score_records import FileResult, ModelRecord
from molgen.datasets.workers import spawn_pool

if TYPE_CHECKING:
    from molgen.api.score_worker import ModelScorer

TOGETHER = 8
"""Files handed to a process at once."""

Chunk = Sequence[InputFile]


def score_files(files: Sequence[InputFile], job: ScoreJob, processes: int) -> Iterator[FileResult]:
    """Yield the outcomes of files in their order.

    Args:
        processes: 1 works in this process.

    Raises:
        MolgenError: the checkpoint, device, reference or folder cannot be used.
    """
    size = max(1, min(TOGETHER, len(files) // (4 * processes)))
    chunks = [files[at : at + size] for at in range(0, len(files), size)]
    if processes <= 1 or len(chunks) <= 1:
        scorer = _scorer(job)
        for chunk in chunks:
            yield from scorer.score(chunk)
        return
    waiting = deque(chunks)
    while waiting:
        yield from _until_one_dies(waiting, job, min(processes, len(waiting)))
        if waiting:  # a process died: what was under way, one file after the other
            yield from _one_by_one(
                [waiting.popleft() for _ in range(min(len(waiting), _ahead(processes)))], job
            )


def _ahead(processes: int) -> int:
    """Return the chunks under way or waiting for a process: bounds the memory."""
    return 2 * processes + 1


def _until_one_dies(waiting: deque[Chunk], job: ScoreJob, processes: int) -> Iterator[FileResult]:
    """Yield outcomes and take their chunks off ``waiting``; stop early when a process dies."""
    pool = _pool(job, processes)
    running: deque[Future[list[FileResult]]] = deque()
    try:
        while waiting:
            for at in range(len(running), min(_ahead(processes), len(waiting))):
                running.append(pool.submit(_score, waiting[at]))
            found = running.popleft().result()
            waiting.popleft()
            yield from found
    except BrokenProcessPool:
        return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_by_one(chunks: Sequence[Chunk], job: ScoreJob) -> Iterator[FileResult]:
    pool = _pool(job, 1)
    try:
        for file in (file for chunk in chunks for file in chunk):
            try:
                yield from pool.submit(_score, [file]).result()
            except BrokenProcessPool:
                yield _died(file)
                pool.shutdown(wait=False)
                pool = _pool(job, 1)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _died(file: InputFile) -> FileResult:
    reason = "the process that scored it died (out of memory, or killed)"
    record = ModelRecord(file.name, str(file.path), status="failed", reason=reason)
    return FileResult(file.name, "", (record,), again=True)


def _pool(job: ScoreJob, processes: int) -> ProcessPoolExecutor:
    return spawn_pool(processes, _start, (job,))


_JOB: list[ScoreJob] = []
_SCORER: list[ModelScorer] = []


def _start(job: ScoreJob) -> None:
    """Prepare a process; what can fail waits for the first files, whose outcome can tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    _JOB[:] = [job]


def _score(files: Chunk) -> list[FileResult]:
    if not _SCORER:
        _SCORER.append(_scorer(_JOB[0]))
    return _SCORER[0].score(files)


def _scorer(job: ScoreJob) -> ModelScorer:
    # here, not above: torch takes seconds to import, and the parent has no use for it
    from molgen.api.score_worker import ModelScorer

    return ModelScorer(job)
