"""Worker processes: one thread each, prepared before their first task; a dead one is an error.

A process cannot import this file: what it calls comes from the standard library.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from molgen.datasets.workers import run_tasks, spawn_pool
from molgen.errors import StoreError


@pytest.mark.parametrize("library", ["torch", "numba"])
def test_a_process_has_one_thread_and_is_prepared(library, tmp_path):
    with spawn_pool(1, os.chdir, (tmp_path,)) as pool:
        threads = pool.submit(eval, f"__import__('{library}').get_num_threads()")
        folder = pool.submit(os.getcwd)
        assert (threads.result(), folder.result()) == (1, str(tmp_path))


def test_libraries_that_the_tasks_bring_have_one_thread_too(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    # numpy is imported in the process before anything of ours runs there
    with spawn_pool(1, np.zeros, (1,)) as pool:
        told = pool.submit(eval, "__import__('os').environ['OPENBLAS_NUM_THREADS']")
        blas = "__import__('numpy')._core._multiarray_umath.__file__"
        assert told.result() == "1" and pool.submit(eval, blas).result()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_a_process_that_dies_is_an_error_that_says_so():
    with pytest.raises(StoreError, match="a worker process died"):
        list(run_tasks(os._exit, [7, 7, 7], 2))
