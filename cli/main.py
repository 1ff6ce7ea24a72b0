"""The entry point `molgen`: a table of commands, and what a failure looks like to the user."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, TextIO

import click

import molgen
from molgen.errors import MolgenError, MolgenWarning, suggest

EXIT_EXPECTED = 2
"""A `MolgenError` or wrong usage."""
EXIT_INTERRUPTED = 130
"""Ctrl-C, as shells count it (128 + SIGINT)."""

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # full or broken, no bug of molgen


class Entry(NamedTuple):
    """Where a command lives, and its line in `molgen --help`."""

    target: str
    summary: str


COMMANDS = {
    "generate": Entry(
        "molgen.cli.generate:command", "Dock ligands into a protein: ranked, checked poses."
    ),
    "relax": Entry(
        "molgen.cli.relax:command", "Minimise poses in the pocket; keep what gets better."
    ),
    "evaluate": Entry(
        "molgen.cli.evaluate:command",
        "Compare poses with reference ligands: RMSD, validity, joint.",
    ),
    "score": Entry("molgen.cli.score:command", "Predict the quality of protein models."),
    "preprocess": Entry(
        "molgen.cli.preprocess:command", "Turn a folder of complexes into a training store."
    ),
    "decoys": Entry(
        "molgen.cli.decoys:command", "Make models with known errors from native structures."
    ),
    "label": Entry(
        "molgen.cli.label:command", "Compute labels to train on: poses, energies, quality."
    ),
    "train": Entry(
        "molgen.cli.train:command", "Train a model: poses, confidence, energies, quality."
    ),
}


class CommandTable(click.Group):
    """A group that imports a command only when it is called.

    The help line of each command stands in the table: click would otherwise import every
    command, and with it every library, to print `molgen --help`.
    """

    def __init__(self, *args: Any, table: dict[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name].target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.table:
            raise click.UsageError(f"no command {args[0]!r}{suggest(args[0], self.table)}", ctx=ctx)
        name, command, rest = super().resolve_command(ctx, args)
        return args[0] if name else name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.table.items()])

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and leave with 0, a command's own code, 2 (expected failure) or 130 (Ctrl-C).

        Any other exception is a bug in molgen: it passes through with its traceback (code 1).
        """
        extra["complete_var"] = complete_var
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        show, warnings.showwarning = warnings.showwarning, _show_warning(warnings.showwarning)
        try:
            code = super().main(args, prog_name or "molgen", standalone_mode=False, **extra)
        except MolgenError as error:
            _fail(error)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "molgen"
            _fail(f"{error.format_message()} ({path} --help)")
        except click.ClickException as error:
            _fail(error.format_message())
        except (click.Abort, KeyboardInterrupt):
            click.echo("molgen: interrupted", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:
            if error.errno not in _DISK:
                raise
            _fail(f"{error.filename or 'the output'}: cannot be written ({error})")
        finally:
            warnings.showwarning = show
        sys.exit(code if isinstance(code, int) else 0)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _fail(error: object) -> NoReturn:
    click.echo(f"molgen: error: {_one_line(error)}", err=True)
    sys.exit(EXIT_EXPECTED)


def _show_warning(fallback: Any) -> Any:
    """Return a `warnings.showwarning` that prints molgen's own warnings as one line."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, MolgenWarning):
            click.echo(f"molgen: warning: {_one_line(message)}", err=True)
        else:
            fallback(message, category, filename, lineno, file, line)

    return show


@click.group(
    cls=CommandTable,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`molgen COMMAND --help` shows the options of a command.",
)
@click.version_option(molgen.__version__, prog_name="molgen")
def cli() -> None:
    """From a protein structure to ranked, validated ligand poses."""


def main() -> None:
    """Run the command line; the console script `molgen` starts here."""
    _share_cores()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal may not know ≤ and Å
            stream.reconfigure(errors="replace")
    cli()


def _share_cores() -> None:
    """Set what the libraries read about threads when they are loaded, where the user has not.

    Threads of GNU OpenMP spin while they wait for each other. On a machine that is busy with other
    work the one waited for does not run, and everything takes up to ten times as long.
    """
    environment = os.environ
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "1000")
    threads = environment.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > 0:
        # else numba takes all cores, and makes torch do the same
        environment.setdefault("NUMBA_NUM_THREADS", threads)


if __name__ == "__main__":
    main()
