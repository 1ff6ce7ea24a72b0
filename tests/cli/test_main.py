"""The command `molgen`: help, exit codes, one-line errors, suggestions."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings

import click
import pytest
from click.testing import CliRunner

import molgen
from molgen.cli import options
from molgen.cli.main import COMMANDS, CommandTable, Entry, cli, main
from molgen.errors import InputError, MolgenWarning, OutputError


@click.group(cls=CommandTable, table={})
def table() -> None:
    """A group with commands that end in every possible way."""


@click.command()
@click.argument("ending")
@click.pass_context
def end(ctx: click.Context, ending: str) -> int | None:
    match ending:
        case "input":
            raise InputError("file.pdb: not a structure,\n  expected PDB or mmCIF")
        case "output":
            raise OutputError("out: not empty")
        case "bug":
            raise ZeroDivisionError("a bug")
        case "interrupt":
            raise KeyboardInterrupt
        case "full disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        case "permission":
            raise PermissionError(errno.EACCES, "Permission denied")
        case "partial":
            ctx.exit(3)
        case "returned":
            return 3
        case "warning":
            warnings.warn("two waters\nwere dropped", MolgenWarning, stacklevel=1)
    return None


end_module = sys.modules[__name__]


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setitem(sys.modules, "molgen_test_commands", end_module)
    monkeypatch.setattr(table, "table", {"end": Entry("molgen_test_commands:end", "End somehow.")})
    return lambda *args: CliRunner().invoke(table, list(args))


@pytest.mark.parametrize(
    ("ending", "code"),
    [("well", 0), ("input", 2), ("output", 2), ("interrupt", 130), ("partial", 3), ("returned", 3)],
)
def test_exit_codes(run, ending, code):
    assert run("end", ending).exit_code == code


def test_an_expected_failure_is_one_line_on_stderr(run):
    result = run("end", "input")
    expected = "molgen: error: file.pdb: not a structure, expected PDB or mmCIF\n"
    assert (result.stdout, result.stderr) == ("", expected)


def test_a_full_disk_is_no_bug_of_molgen_but_a_forbidden_file_is(run):
    result = run("end", "full disk")
    assert result.exit_code == 2
    assert result.stderr.startswith("molgen: error: the output: cannot be written")
    assert isinstance(run("end", "permission").exception, PermissionError)


def test_wrong_usage_is_one_line_too(run):
    result = run("end", "--nonsense", "well")
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("molgen: error: No such option") and "--help)" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_terminal_that_lacks_a_character_gets_another():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    say = "import click, molgen.cli.main as m; m.cli = lambda: click.echo('2 ≤ 3 Å'); m.main()"
    result = subprocess.run([sys.executable, "-c", say], env=environment, capture_output=True)
    assert result.returncode == 0 and result.stdout.decode("latin-1") == "2 ? 3 Å\n"


def test_a_warning_of_ours_is_one_line_and_others_pass(run):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = run("end", "warning")
    assert result.stderr == "molgen: warning: two waters were dropped\n"


def test_a_bug_keeps_its_exception(run):
    result = run("end", "bug")
    assert isinstance(result.exception, ZeroDivisionError) and result.exit_code == 1


def test_unknown_commands_suggest_the_nearest():
    result = CliRunner().invoke(cli, ["genrate"])
    assert result.exit_code == 2
    assert "no command 'genrate' (did you mean 'generate'?)" in result.stderr


def test_unknown_options_are_wrong_usage():
    assert CliRunner().invoke(cli, ["--nonsense"]).exit_code == 2


def test_version():
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0 and molgen.__version__ in result.stdout


def test_help_lists_every_command_with_its_line():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert name in result.stdout and entry.summary in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_help_and_documents_its_options(name):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = cli.get_command(click.Context(cli), name)
    assert command.help
    assert not [p.name for p in command.params if isinstance(p, click.Option) and not p.help]


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_no_heavy_library(arguments):
    code = (
        "import sys\n"
        "from molgen.cli.main import cli\n"
        "try:\n"
        f"    cli({arguments!r})\n"
        "finally:\n"
        "    heavy = {'torch', 'rdkit', 'numpy', 'scipy', 'pandas', 'numba', 'gemmi', 'Bio'}\n"
        "    print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr.splitlines()[-1] == "HEAVY []"


def test_given_keeps_what_the_user_said():
    values = options.given(seed=0, device=None, search__rounds=4, force=False)
    assert values == {"seed": 0, "search.rounds": 4, "force": False}


@click.command()
@options.out(required=False)
@options.seed
@options.device
@options.config
@options.run()
def spoken(run, **values):
    options.print_json(options.given(**values) | {"run": run})


def test_shared_options_default_to_nothing():
    def printed(*arguments):
        return json.loads(CliRunner().invoke(spoken, arguments).stdout)

    assert printed() == {"run": str(options.Run())}
    assert printed("--out", "x", "-q") == {"out": "x", "run": str(options.Run(quiet=True))}
    assert CliRunner().invoke(spoken, ["--seed", "-1"]).exit_code == 2


def test_resume_and_force_exclude_each_other():
    result = CliRunner().invoke(spoken, ["--resume", "--force"])
    assert result.exit_code == 2 and "--resume and --force exclude each other" in result.stderr


def test_only_the_first_process_speaks(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    printed = json.loads(CliRunner().invoke(spoken, ["--json", "--resume"]).stdout)
    assert printed == {"run": str(options.Run(quiet=True, resume=True))}


def test_a_command_takes_only_what_it_can_honour():
    @click.command()
    @options.run(resume=False, force=False)
    def command(run):
        options.print_json(run)

    assert json.loads(CliRunner().invoke(command, ["--json"]).stdout)["as_json"] is True
    assert CliRunner().invoke(command, ["--resume"]).exit_code == 2
    assert CliRunner().invoke(command, ["--force"]).exit_code == 2


def test_progress_is_for_terminals_only(monkeypatch):
    monkeypatch.setattr("os.isatty", lambda fd: True)
    assert options.Run().progress
    assert not options.Run(quiet=True).progress
    assert not options.Run(as_json=True).progress
    monkeypatch.setattr("os.isatty", lambda fd: False)
    assert not options.Run().progress


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["1000", None]),
        ({"OMP_NUM_THREADS": "3"}, ["1000", "3"]),
        ({"OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "2"}, ["1000", "2"]),
        ({"OMP_NUM_THREADS": "2,1", "GOMP_SPINCOUNT": "7"}, ["7", None]),
        ({"OMP_WAIT_POLICY": "active"}, [None, None]),
    ],
)
def test_threads_do_not_spin_and_follow_what_the_user_set(given, expected, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(given))
    monkeypatch.setattr(sys, "argv", ["molgen", "--version"])
    with pytest.raises(SystemExit):
        main()
    names = ("GOMP_SPINCOUNT", "NUMBA_NUM_THREADS")
    assert [os.environ.get(name) for name in names] == expected


def test_json_of_a_file_name_that_is_no_text_is_json(capsysbinary):
    from molgen.cli.options import print_json

    print_json({"file": "prot\udcff é.pdb"})
    text = capsysbinary.readouterr().out.decode("utf-8")
    assert json.loads(text) == {"file": "prot\udcff é.pdb"} and "é" in text
