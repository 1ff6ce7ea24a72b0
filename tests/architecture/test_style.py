"""Rules of the house that a reviewer should not have to look for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from source import ROOT, imports, modules, tree

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
NETWORK = {
    "socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp",
    "ftplib", "smtplib", "huggingface_hub", "webbrowser",
}  # fmt: skip
LONGEST = 500

SOURCES = [(name, path) for name, path in sorted(modules().items())]
each_module = pytest.mark.parametrize(("name", "path"), SOURCES, ids=[n for n, _ in SOURCES])


def tracked() -> list[Path]:
    """Return the files under version control, or all Python files of a source archive."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for _, path in SOURCES]
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def calls(path: Path) -> set[str]:
    """Return the dotted names that the file calls."""
    return {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}


@each_module
def test_no_pickle_and_nothing_that_hides_one(name, path):
    used = {target.split(".")[0] for target in imports(tree(path), name, path, lazy=True)}
    assert not used & PICKLES
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert called not in {"torch.load", "torch.save", "np.save", "numpy.save"}, called
        assert called.split(".")[-1] not in {"read_pickle", "to_pickle"}, called
        assert words.get("allow_pickle", "False") == "False"
        assert words.get("weights_only", "True") == "True"


@each_module
def test_nothing_is_evaluated_from_text(name, path):
    called = calls(path)
    assert not called & {"eval", "exec", "compile", "os.system", "os.popen", "__import__"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert words.get("shell", "False") == "False", "no shell"


@each_module
def test_yaml_is_loaded_safely(name, path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("yaml."):
            called = ast.unparse(node.func)
            assert "unsafe" not in called and "full_load" not in called
            if called in {"yaml.load", "yaml.load_all"}:
                loaders = [ast.unparse(k.value) for k in node.keywords if k.arg == "Loader"]
                assert loaders and loaders[0] in {"ConfigLoader", "yaml.SafeLoader"}
    if name == "molgen.yaml_reader":
        from molgen.yaml_reader import ConfigLoader

        assert [base.__name__ for base in ConfigLoader.__bases__] == ["SafeLoader"]


@each_module
def test_no_network(name, path):
    used = {target.split(".")[0] for target in imports(tree(path), name, path, lazy=True)}
    assert not used & NETWORK


@each_module
def test_every_module_says_what_it_is(name, path):
    text = ast.get_docstring(tree(path))
    assert text, f"{name} has no docstring"
    assert len(text.split()) >= 4, f"{name}: the docstring is a sentence"


@each_module
def test_files_stay_short(name, path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{name} has {lines} lines: one idea a file"


def test_packages_are_all_listed_for_the_wheel():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    there = {
        name for name, path in modules().items() if path.name == "__init__.py"
    } | {"molgen.data", "molgen.weights"}  # fmt: skip
    assert listed == there
    assert all(
        (folder / "__init__.py").exists() for folder in (ROOT / "data", ROOT / "checkpoints")
    )


def test_text_names_no_machine():
    # Paths of one machine mean nothing to a reader. Written in pieces so that this file passes.
    private = re.compile(
        r"(?<![\w.*])/(?:" + "|".join(["work", "scratch", "home", "root", "opt/pypi"]) + r")/"
    )
    own = Path(__file__).resolve()
    text_files = {".py", ".toml", ".md", ".txt", ".yaml", ".yml", ".cfg", ".cff", ".smk", ""}
    wrong = []
    for path in tracked():
        if path.suffix not in text_files or path.resolve() == own or "LICENSE" in path.name:
            continue
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").split("\n"), 1
        ):
            if private.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}")
    assert not wrong


def test_constraints_pin_every_dependency_exactly():
    import tomllib

    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][\w.]*)", line)
            assert match, line
            pins[canonical(match[1])] = match[2]
    assert pins["torch"] == "2.13.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    wanted += [line for extra in project["optional-dependencies"].values() for line in extra]
    names = {canonical(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in wanted}
    assert not names - set(pins)


def canonical(name: str) -> str:
    """Return the normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
