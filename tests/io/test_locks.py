"""Holding a folder for one run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from molgen.errors import OutputError
from molgen.io.locks import held

HOLD = """
import sys
from pathlib import Path
from molgen.io.locks import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_run_until_it_ends(tmp_path):
    with held(tmp_path), pytest.raises(OutputError, match="another run"), held(tmp_path):
        pass
    with held(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_killed_run_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError), held(tmp_path):
            pass
        other.kill()
        other.wait()
        with held(tmp_path):
            pass
