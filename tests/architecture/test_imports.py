"""Who may import whom, and who must stay light."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from source import imports, modules, tree

ROWS = (
    {"errors", "units", "vocabulary", "yaml_reader", "lazy", "data", "weights"},
    {"config", "registry"},
    {"structure", "geometry"},
    {"io", "graphs", "metrics"},
    {"encoders", "checkpoints", "datasets"},
    {"energy"},
    {"search", "decoys"},
    {"diffusion", "scoring"},
    {"training"},
    {"report"},
    {"api"},
    {"cli"},
)
"""A part imports from rows above its own and from itself, never from a sibling."""

ROW = {part: number for number, parts in enumerate(ROWS) for part in parts}

WITHOUT = {
    # A GPU node that trains has torch, torch-geometric, e3nn, lightning, safetensors, numpy,
    # pyyaml and click, and none of these.
    "molgen.datasets.store": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.encoders": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.diffusion": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.training": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.api.train_quality": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.api.train_energies": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.api.train_sidegen": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.api.train_confidence": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    # Reading a structure should not cost the two seconds that torch takes to load.
    "molgen.structure": {"torch", "torch_geometric", "e3nn"},
    "molgen.io": {"torch", "torch_geometric", "e3nn"},
    "molgen.api.generate": {"torch", "torch_geometric", "e3nn"},
    # Mathematics knows no chemistry.
    "molgen.geometry": {"rdkit", "Bio", "gemmi", "openmm", "mdtraj", "posebusters"},
    "molgen.errors": {"numpy", "torch", "rdkit"},
    "molgen.registry": {"numpy", "torch", "rdkit"},
    "molgen.config": {"numpy", "torch", "rdkit"},
    "molgen.cli": {"numpy", "torch", "rdkit", "pandas", "scipy", "numba", "gemmi", "matplotlib"},
}


def part(name: str) -> str:
    """Return the row entry a dotted name belongs to: ``molgen.io.sdf`` is ``io``."""
    return [*name.split("."), ""][1]


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_point_upwards(name):
    own = part(name)
    if not own:  # molgen/__init__.py imports nothing of ours
        used = imports(tree(modules()[name]), name, modules()[name], lazy=True)
        assert not [target for target in used if target.startswith("molgen")]
        return
    assert own in ROW, f"{name}: give {own!r} a row in this test"
    path = modules()[name]
    for target in imports(tree(path), name, path, lazy=True):
        if target.split(".")[0] != "molgen" or part(target) in ("", "__version__", own):
            continue
        known = part(target)
        if known not in ROW:
            assert not target.startswith("molgen.") or target.count(".") > 1, (
                f"{name} imports {target}, which has no row"
            )
            continue
        assert ROW[known] < ROW[own], f"{name} must not import {target}: {known} is not above {own}"


def closure(start: str) -> set[str]:
    """Return every dotted name that importing ``start`` imports, through molgen's own modules."""
    seen: set[str] = set()
    names: set[str] = set()
    queue = [start]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in modules():
            path = modules()[name]
            found = imports(tree(path), name, path, lazy=False)
            names |= found
            # Importing a.b.c runs a and a.b as well.
            for target in found | {name}:
                pieces = target.split(".")
                queue += [".".join(pieces[:n]) for n in range(1, len(pieces) + 1)]
    return {name.split(".")[0] for name in names}


LIGHT = [
    (name, banned)
    for prefix, banned in WITHOUT.items()
    for name in modules()
    if name == prefix or name.startswith(prefix + ".")
]


@pytest.mark.parametrize(("name", "banned"), LIGHT, ids=[name for name, _ in LIGHT])
def test_light_parts_stay_light(name, banned):
    assert not closure(name) & banned


def test_closure_follows_packages_and_skips_functions():
    # structure/__init__ imports rdkit through ligand; errors imports nothing outside the
    # standard library; cli.main imports its commands inside a function.
    assert "rdkit" in closure("molgen.structure.protein")
    assert closure("molgen.errors") <= set(sys.stdlib_module_names)
    assert closure("molgen.cli.main") <= set(sys.stdlib_module_names) | {"click", "molgen"}
