"""Running tasks in worker processes: one thread each, and they end with their parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from molgen.errors import StoreError

_THREADS = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"))

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Yield ``function(task)`` of every task as it finishes, in no order if ``workers`` > 1.

    ``function`` must be importable and should write its own output: little travels back.

    Raises:
        StoreError: a worker died.
    """
    waiting = list(tasks)
    if workers <= 1 or len(waiting) <= 1:
        yield from map(function, waiting)
        return
    with worker_pool(min(workers, len(waiting))) as pool:
        for future in as_completed([pool.submit(function, task) for task in waiting]):
            yield future.result()


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give the processes of `spawn_pool`; leaving by an error drops the tasks that wait.

    Raises:
        StoreError: a worker died.
    """
    with spawn_pool(workers) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise StoreError(
                "a worker process died (killed, or out of memory); what is finished is kept: "
                "resume the run, with fewer processes if memory is short"
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def spawn_pool(
    workers: int, start: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """Return processes with one thread each, which end with this one.

    Args:
        start: is called with ``arguments`` in every process before its first task.
    """
    return ProcessPoolExecutor(workers, _Context(), _begin, (start, arguments))


def usable_cpus() -> int:
    """Return the CPUs this process may run on, which a scheduler may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Process(multiprocessing.context.SpawnProcess):
    """A process whose libraries have one thread: the processes are the parallelism.

    Libraries read this when they are imported, which the arguments of the process may do at once.
    """

    def start(self) -> None:
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        try:
            super().start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


class _Context(multiprocessing.context.SpawnContext):  # fork is unsafe once libraries have threads
    Process = _Process  # type: ignore[assignment]


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    _end_with_parent()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    """End this worker when the parent is killed; a pool's worker would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
