"""The wheel carries the command line, the data and the weights folder, and finds them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "molgen",
    "cli",
    "data",
    "checkpoints",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "NOTICE",
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """Return a folder with the unpacked wheel, built from a copy of the sources."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__", "raw", "processed")
            shutil.copytree(ROOT / name, copy / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(out), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("molgen-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run(unpacked: Path, *arguments: str) -> str:
    # A path in PYTHONPATH goes before an editable install of the same package.
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=unpacked.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_shipped_file_is_in_the_wheel(unpacked):
    pairs = (
        ("data/components", "molgen/data/components"),
        ("data/examples", "molgen/data/examples"),
    )
    for folder, package in pairs:
        for path in (ROOT / folder).glob("*"):
            if path.is_file():
                assert (unpacked / package / path.name).read_bytes() == path.read_bytes()
    for path in (ROOT / "molgen/report/assets").glob("*"):
        assert (unpacked / "molgen/report/assets" / path.name).is_file()
    for path in (ROOT / "checkpoints").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (unpacked / "molgen/weights" / path.relative_to(ROOT / "checkpoints")).is_file()
    for path in (ROOT / "cli").glob("*.py"):
        assert (unpacked / "molgen/cli" / path.name).is_file()


def test_every_module_is_in_the_wheel(unpacked):
    for path in (ROOT / "molgen").rglob("*.py"):
        assert (unpacked / path.relative_to(ROOT)).is_file(), "list its package in pyproject.toml"


def test_nothing_else_is_installed(unpacked):
    top = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"molgen"}


def test_the_command_and_the_resources_work_from_the_wheel(unpacked):
    assert "generate" in run(unpacked, "-m", "molgen.cli.main", "--help")
    where = run(
        unpacked,
        "-c",
        "import molgen; from importlib.resources import files\n"
        "print(molgen.__file__)\n"
        "assert (files('molgen.data') / 'components' / 'ccd_smiles.tsv.gz').is_file()\n"
        "assert (files('molgen.data') / 'examples' / '6xg5.cif').is_file()\n"
        "assert (files('molgen.weights') / 'README.md').is_file()\n",
    )
    assert Path(where.strip()).is_relative_to(unpacked)
