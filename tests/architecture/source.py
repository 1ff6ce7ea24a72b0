"""Reading molgen's sources without importing them; shared by the architecture tests."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FOLDERS = {"molgen": "molgen", "molgen.cli": "cli"}
"""Package name to the folder it is installed from."""


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the library and the command line: dotted name to file."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join((package, *parts))] = path
    return found


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return the parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(node: ast.AST, module: str, path: Path, *, lazy: bool) -> set[str]:
    """Return the dotted names that ``node`` imports; with ``lazy`` also inside functions.

    ``from a import b`` yields ``a`` and ``a.b``: which of both is a module is not known here.
    """
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found.update(alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, module, path)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in child.names)
        elif lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if not lazy and _for_type_checkers(child):
                continue
            found |= imports(child, module, path, lazy=lazy)
    return found


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
