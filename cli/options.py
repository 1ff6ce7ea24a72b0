"""Options that several commands share, so that they mean and read the same everywhere.

No option carries a default value: an option that was not given is ``None`` and the config
dataclass decides (`given` drops those before `molgen.config.load` merges the rest).
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

FILE = click.Path(path_type=Path)
"""A path that may or may not exist: the readers explain a missing file better than click."""


def out(help: str = "Folder for the results.", *, required: bool = True) -> Decorator:
    """Add ``--out DIR`` (argument ``out``: Path)."""
    return click.option("--out", type=FILE, metavar="DIR", required=required, help=help)


def seed(function: Function) -> Function:
    """Add ``--seed`` (argument ``seed``: int or None)."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        help="Seed of every random number: same seed, same machine, same result. Default 0.",
    )(function)


def device(function: Function) -> Function:
    """Add ``--device`` (argument ``device``: str or None; whether it is there is checked later)."""
    return click.option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        help="Where to compute. Default auto: a GPU when there is one.",
    )(function)


def as_json(function: Function) -> Function:
    """Add ``--json`` (argument ``as_json``: bool)."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout."
    )(function)


def resume(function: Function) -> Function:
    """Add ``--resume`` (argument ``resume``: bool)."""
    return click.option(
        "--resume", is_flag=True, help="Continue in a folder of an earlier run; skip what is done."
    )(function)


def force(function: Function) -> Function:
    """Add ``--force`` (argument ``force``: bool)."""
    return click.option(
        "--force", is_flag=True, help="Replace the results of an earlier run in the folder."
    )(function)


def exclusive(resume: bool, force: bool) -> None:
    """Refuse ``--resume`` together with ``--force``.

    Raises:
        click.UsageError: both were given.
    """
    if resume and force:
        raise click.UsageError("--resume and --force exclude each other")


def config(function: Function) -> Function:
    """Add ``--config FILE`` (argument ``config``: Path or None)."""
    return click.option(
        "--config",
        type=FILE,
        metavar="FILE",
        help="YAML file with settings; options on the command line go before it.",
    )(function)


def quiet(function: Function) -> Function:
    """Add ``--quiet`` (argument ``quiet``: bool)."""
    return click.option("--quiet", "-q", is_flag=True, help="No progress, only errors.")(function)


def given(**values: Any) -> dict[str, Any]:
    """Return the options that the user gave: those that are not None.

    A double underscore stands for the dot of a nested key: ``given(search__rounds=4)`` is
    ``{"search.rounds": 4}``.
    """
    return {key.replace("__", "."): value for key, value in values.items() if value is not None}


def command_line() -> str:
    """Return the command as the user gave it, for run records and model cards."""
    return shlex.join(["molgen", *sys.argv[1:]])


def show_progress(quiet: bool, as_json: bool = False) -> bool:
    """Tell whether a progress bar is welcome: on a terminal, unless quiet or JSON is asked for."""
    try:
        terminal = os.isatty(2)
    except OSError:
        return False
    return terminal and not quiet and not as_json


def print_json(result: Any) -> None:
    """Print ``result`` as one JSON object on stdout."""
    click.echo(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def plain(text: str) -> str:
    """Return text from a file without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)
