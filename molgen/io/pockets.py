"""From the words of ``--pocket`` to a box in the frame of the structure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from molgen.errors import PocketError
from molgen.io.ligand_file import LIGAND_SUFFIXES, RECORD_SUFFIXES, read_ligand
from molgen.io.paths import file_suffix, is_file
from molgen.structure.assembly import HeteroGroup, Structure
from molgen.structure.cavities import Cavity, find_cavities
from molgen.structure.pocket import DEFAULT_EDGE, Pocket
from molgen.structure.protein import Protein

SPEC_HELP = (
    "a ligand file, residues 'A:45,A:101', a centre 'x,y,z[:edge]' or 'x,y,z:ex,ey,ez', "
    "'ligand[:CODE[:CHAIN:NUMBER]]' or 'auto[:RANK]'"
)
MIN_EDGE = 6.0
MAX_EDGE = 120.0
MARGIN = 4.0
"""Å kept between the atoms of named residues and the walls of the box."""
REACH = 4.0
"""Å; a box with no protein atom within this distance holds nothing to dock to."""
OVERLAP = 2.5
"""Å; a hetero atom nearer than this to a point of the site occupies it."""
SAME_PLACE = 1.6
"""Å; atoms nearer than this cannot both be there."""
BACKBONE = ("N", "CA", "C", "O", "OXT")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CENTER = re.compile(rf"({_NUMBER}(?:,{_NUMBER})*)(?::({_NUMBER}(?:,{_NUMBER})*))?")
_RESIDUE = re.compile(r"([^:,\s]*):(-?\d+)([A-Za-z]?)")


def resolve_pocket(
    spec: str | None, structure: Structure, *, edge: float = DEFAULT_EDGE, repose: bool = False
) -> tuple[Pocket, tuple[HeteroGroup, ...]]:
    """Return the box that ``spec`` asks for and the hetero groups to remove from the receptor.

    Args:
        spec: one of the forms of `SPEC_HELP`; ``None`` means ``ligand`` when the structure has a
            co-crystal ligand, else ``auto``.
        structure: the receptor's file as read.
        edge: Å, edge of the cubic box where ``spec`` gives none; grows to cover named residues.
        repose: whether the co-crystal ligand is posed anew: then a cofactor counts as one in a
            file without any other.

    Only ligands are removed, never metals and cofactors, unless one is named by its code. With
    ``ligand`` the first group returned is the ligand that defines the pocket.

    Raises:
        PocketError: the request cannot be honoured by this structure.
        InputError: the reference ligand's file cannot be read.
    """
    ligands = _ligands(structure, repose)
    if spec is None:
        spec = default_spec(structure, repose=repose)
    given, spec = spec.strip(), re.sub(r"\s*([,:])\s*", r"\1", spec.strip())
    _check_edges("box edge", np.array([edge]))
    word, _, rest = spec.partition(":")
    if word.lower() == "ligand":
        found = _from_ligand(rest, structure, edge, ligands)
    elif word.lower() == "auto":
        found = _from_cavity(rest, structure, edge, ligands)
    elif is_file(given):
        found = _from_file(Path(given), structure, edge)
    elif file_suffix(Path(given)) in LIGAND_SUFFIXES:
        raise PocketError(f"--pocket {given}: no such file")
    elif spec and all(_RESIDUE.fullmatch(token) for token in spec.split(",")):
        found = _from_residues(spec, structure, edge, ligands)
    elif match := _CENTER.fullmatch(spec):
        found = _from_center(spec, match, structure, edge, ligands)
    else:
        raise PocketError(f"--pocket {spec!r} is not understood; expected {SPEC_HELP}")
    _check_reach(spec, found[0], structure)
    return found


def default_spec(structure: Structure, *, repose: bool = False) -> str:
    """Return what no request means; ``repose`` as of `resolve_pocket`."""
    return "ligand" if _ligands(structure, repose) else "auto"


def list_pockets(structure: Structure, *, repose: bool = False) -> list[Cavity]:
    """Return the cavities of the receptor without its ligands, as ``auto`` ranks them.

    Args:
        repose: as of `resolve_pocket`.
    """
    return find_cavities(structure.receptor(_ligands(structure, repose)))


def _ligands(structure: Structure, repose: bool) -> tuple[HeteroGroup, ...]:
    return structure.reposable if repose else structure.ligands


def _from_ligand(
    rest: str, structure: Structure, edge: float, ligands: tuple[HeteroGroup, ...]
) -> tuple[Pocket, tuple[HeteroGroup, ...]]:
    groups = _matching_groups(rest, structure)
    group = sorted(groups, key=lambda g: (g.covalent, -len(g.atoms)))[0]
    atoms = structure.atoms.coords[group.atoms].astype(np.float64)
    pocket = Pocket(atoms.mean(0), np.full(3, edge), f"co-crystal ligand {group}")
    occupants = _occupants(structure, ligands, atoms, OVERLAP)
    whole = structure.molecule(group)
    places = {part.residue for part in whole}
    return pocket, (*whole, *(g for g in occupants if g.residue not in places))


def _matching_groups(rest: str, structure: Structure) -> tuple[HeteroGroup, ...]:
    """Return the groups that ``CODE[:CHAIN[:NUMBER]]`` names; all ligands when it is empty."""
    if not rest:
        if not structure.reposable:
            raise PocketError(
                f"{structure.name}: no co-crystal ligand in the file; "
                f"hetero groups: {_listing(structure.groups)}; use another form of --pocket"
            )
        return structure.reposable
    code, *place = rest.split(":")
    groups = tuple(g for g in structure.groups if g.code.upper() == code.upper())
    if place:
        groups = tuple(g for g in groups if g.residue.chain == place[0])
    if len(place) > 1:
        wanted = place[1].upper()
        groups = tuple(
            g for g in groups if f"{g.residue.number}{g.residue.insertion_code}".upper() == wanted
        )
    if not groups or len(place) > 2:
        raise PocketError(
            f"{structure.name}: no hetero group 'ligand:{rest}'; "
            f"the file has {_listing(structure.groups)}"
        )
    return groups


def _from_cavity(
    rest: str, structure: Structure, edge: float, ligands: tuple[HeteroGroup, ...]
) -> tuple[Pocket, tuple[HeteroGroup, ...]]:
    if rest and not (rest.isdecimal() and int(rest) > 0):
        raise PocketError(f"--pocket auto:{rest}: the rank must be a whole number from 1")
    rank = int(rest or 1)
    cavities = find_cavities(structure.receptor(ligands))
    if len(cavities) < rank:
        raise PocketError(
            f"{structure.name}: pocket {rank} asked for, {len(cavities)} found from the geometry; "
            "name residues or a centre instead"
        )
    cavity = cavities[rank - 1]
    pocket = Pocket(cavity.center, np.full(3, edge), f"geometric pocket {rank}")
    return pocket, _occupants(structure, ligands, cavity.alpha_centers, OVERLAP)


def _from_file(
    path: Path, structure: Structure, edge: float
) -> tuple[Pocket, tuple[HeteroGroup, ...]]:
    if file_suffix(path) not in RECORD_SUFFIXES:
        raise PocketError(
            f"--pocket {path}: expected a reference ligand with 3D coordinates, a file ending in "
            f"{', '.join(RECORD_SUFFIXES)}"
        )
    ligand = read_ligand(path)
    if not ligand.has_coords:
        raise PocketError(f"--pocket {path}: the reference ligand has no 3D coordinates")
    pocket = Pocket(ligand.coords.mean(0), np.full(3, edge), f"reference ligand {path.name}")
    near = _occupants(structure, structure.reposable, ligand.coords, OVERLAP)
    # also a cofactor in whose very place the reference stands
    others = [g for g in structure.groups if g not in near and not g.covalent and len(g.atoms) > 1]
    near += _occupants(structure, others, ligand.coords, SAME_PLACE)
    # or a peptide, which is no hetero group
    chains = [g for g in structure.standing_at(ligand.coords) if g.code == "chain"]
    return pocket, (*near, *chains)


def _from_center(
    spec: str,
    match: re.Match[str],
    structure: Structure,
    edge: float,
    ligands: tuple[HeteroGroup, ...],
) -> tuple[Pocket, tuple[HeteroGroup, ...]]:
    center = np.array([float(text) for text in match[1].split(",")])
    edges = np.array([float(text) for text in match[2].split(",")]) if match[2] else [edge]
    if len(center) != 3 or len(edges) not in (1, 3):
        raise PocketError(
            f"--pocket {spec!r}: expected three coordinates and one or three edges, "
            "'x,y,z[:edge]' or 'x,y,z:ex,ey,ez' in Å"
        )
    edges = np.broadcast_to(edges, 3)
    _check_edges(f"--pocket {spec!r}", edges)
    pocket = Pocket(center, edges, f"centre {spec}")
    reach = max(REACH, edges.min() / 4)
    return pocket, _occupants(structure, ligands, center[None], reach)


def _from_residues(
    spec: str, structure: Structure, edge: float, ligands: tuple[HeteroGroup, ...]
) -> tuple[Pocket, tuple[HeteroGroup, ...]]:
    atoms = structure.atoms
    named = [_find_residue(token, atoms) for token in spec.split(",")]
    every = np.concatenate([atoms.coords[where].astype(np.float64) for where in named])
    inner = [where[~np.isin(atoms.atom_names[where], BACKBONE)] for where in named]
    # Glycine has no side chain: its CA stands in for one.
    inner = [
        side if len(side) else where[atoms.atom_names[where] == "CA"]
        for side, where in zip(inner, named, strict=True)
    ]
    side_chains = atoms.coords[np.concatenate(inner)].astype(np.float64)
    center = side_chains.mean(0) if len(side_chains) else every.mean(0)
    edges = np.maximum(edge, 2 * (np.abs(every - center).max(0) + MARGIN))
    if edges.max() > MAX_EDGE:
        raise PocketError(
            f"--pocket {spec!r}: the residues need a box of {edges.max():.0f} Å, more than "
            f"{MAX_EDGE:.0f} Å; name residues of one site"
        )
    pocket = Pocket(center, edges, f"residues {spec}")
    reach = max(REACH, edge / 4)
    return pocket, _occupants(structure, ligands, center[None], reach)


def _find_residue(token: str, atoms: Protein) -> np.ndarray:
    """Return the atom indices of ``CHAIN:NUMBER[CODE]``."""
    match = _RESIDUE.fullmatch(token)
    assert match is not None  # checked by the caller
    chain, number, insertion_code = match[1], int(match[2]), match[3]
    in_chain = atoms.chains == chain
    if not in_chain.any():
        known = [name or "(blank: ':45')" for name in dict.fromkeys(atoms.chains.tolist())]
        raise PocketError(
            f"{atoms.name}: no chain {chain!r} for residue {token!r}; "
            f"chains in the file: {', '.join(known)}"
        )
    at_number = in_chain & (atoms.residue_numbers == number)
    found = at_number & (np.char.upper(atoms.insertion_codes.astype(str)) == insertion_code.upper())
    if not found.any():
        raise PocketError(
            f"{atoms.name}: no residue {token!r}; {_residue_listing(atoms, chain, number)}"
        )
    return np.flatnonzero(found)


def _residue_listing(atoms: Protein, chain: str, number: int) -> str:
    """Return what chain ``chain`` has around ``number``, in words."""
    inside = [(r, name) for r, name, _ in atoms.residues() if r.chain == chain]
    same = [f"{r} {name}" for r, name in inside if r.number == number]
    if same:
        return f"with that number there is {', '.join(same)}"
    near = sorted(inside, key=lambda item: (abs(item[0].number - number), item[0].number))[:4]
    ranges = _ranges(sorted({r.number for r, _ in inside}))
    return (
        f"chain {chain or '(blank)'} has residues {ranges}; nearest: "
        f"{', '.join(f'{r} {name}' for r, name in near)}"
    )


def _ranges(numbers: list[int]) -> str:
    """Return sorted numbers as ranges, at most six: ``1-40, 45-300``."""
    breaks = [k for k in range(1, len(numbers)) if numbers[k] != numbers[k - 1] + 1]
    bounds = list(zip([0, *breaks], [*breaks, len(numbers)], strict=True))
    parts = [
        f"{numbers[a]} to {numbers[b - 1]}" if b - a > 1 else f"{numbers[a]}" for a, b in bounds
    ]
    return ", ".join(parts[:6]) + (f" and {len(parts) - 6} more ranges" if len(parts) > 6 else "")


def _occupants(
    structure: Structure, groups: Sequence[HeteroGroup], points: np.ndarray, cutoff: float
) -> tuple[HeteroGroup, ...]:
    """Return the groups with an atom within ``cutoff`` Å of any of ``points``."""
    tree = cKDTree(points)
    return tuple(
        group
        for group in groups
        if (tree.query(structure.atoms.coords[group.atoms])[0] <= cutoff).any()
    )


def _check_edges(source: str, edges: np.ndarray) -> None:
    if not np.isfinite(edges).all() or edges.min() < MIN_EDGE or edges.max() > MAX_EDGE:
        raise PocketError(
            f"{source}: edges must lie between {MIN_EDGE:g} and {MAX_EDGE:g} Å, "
            f"got {', '.join(f'{e:g}' for e in edges)}"
        )


def _check_reach(spec: str, pocket: Pocket, structure: Structure) -> None:
    """Refuse a box that no protein atom reaches."""
    polymer = structure.atoms.coords[~structure.atoms.hetero].astype(np.float64)
    if not len(polymer):
        raise PocketError(f"{structure.name}: no protein residue found in the file")
    gap = np.maximum(np.maximum(pocket.lower - polymer, polymer - pocket.upper), 0.0)
    distance = float(np.linalg.norm(gap, axis=1).min())
    if distance > REACH:
        raise PocketError(
            f"--pocket {spec!r}: the nearest protein atom of {structure.name} is {distance:.1f} Å "
            f"outside the box; the protein spans {_span(polymer)}"
        )


def _span(points: np.ndarray) -> str:
    return " x ".join(
        f"{lo:.0f}..{hi:.0f}" for lo, hi in zip(points.min(0), points.max(0), strict=True)
    )


def _listing(groups: tuple[HeteroGroup, ...]) -> str:
    return ", ".join(str(group) for group in groups) or "none"
