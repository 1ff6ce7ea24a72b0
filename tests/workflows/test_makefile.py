"""`make` explains what is missing before it starts anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not there")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": "", **environment},
        capture_output=True,
        text=True,
    )


def test_an_old_or_missing_python_is_named(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.1 && exit 0\nexit 1\n')
    old.chmod(0o755)
    venv = f"VENV={tmp_path / 'venv'}"
    result = make("demo", f"PYTHON={old}", venv)
    assert result.returncode != 0 and not (tmp_path / "venv").exists()
    assert f"molgen needs Python 3.11 or newer; {old} is Python 3.8.1." in result.stderr
    result = make("demo", "PYTHON=/nonexistent/python", venv)
    assert result.returncode != 0
    assert "/nonexistent/python is not there." in result.stderr


def test_targets_are_explained():
    shown = make("help").stdout
    assert all(f"make {target}" in shown for target in ("demo", "test", "smoke", "lint", "clean"))


def test_the_demo_says_where_the_report_lies():
    assert "runs/demo/report.html" in make("-n", "demo").stdout
