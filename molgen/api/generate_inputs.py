"""What `molgen generate` starts from: the target with its pocket, and the ligands to dock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molgen.io import LigandRow, cocrystal_ligand, read_ligand, read_ligand_table, read_structure
from molgen.io import resolve_pocket as resolve
from molgen.io.ligand_table import CELL_SUFFIXES, TABLE_SUFFIXES
from molgen.io.paths import file_suffix, is_file
from molgen.io.pockets import default_spec, list_pockets
from molgen.structure import HeteroGroup, Pocket, Protein, Structure


@dataclass(frozen=True)
class Target:
    """A structure with the box to search.

    Attributes:
        structure: the file as read.
        box: where to search.
        removed: groups that are no part of the receptor.
        receptor: everything else.
        reposed: the co-crystal ligand that is posed anew; None when ligands were given.
        shown: the co-crystal ligand of the site, for the report; None where it is not known.
        pockets: the ranked geometric pockets, when the box is one of them.
    """

    structure: Structure
    box: Pocket
    removed: tuple[HeteroGroup, ...]
    receptor: Protein
    reposed: HeteroGroup | None = None
    shown: HeteroGroup | None = None
    pockets: tuple[dict[str, Any], ...] = ()


def read_target(pdb: str | Path, pocket: str | None, *, edge: float, repose: bool) -> Target:
    """Return the target; with ``repose`` its co-crystal ligand leaves the receptor as well.

    Raises:
        StructureError: the structure cannot be used.
        PocketError: the pocket cannot be honoured.
    """
    structure = read_structure(pdb)
    if pocket is None:
        pocket = default_spec(structure, repose=repose)
    box, removed = resolve(pocket, structure, edge=edge, repose=repose)
    at_ligand, reposed = _word(pocket) == "ligand", None
    if repose:
        every = (*removed, *structure.reposable)
        free = [group for group in every if not group.covalent]
        reposed = next(iter([*free, *every]), None)
        if at_ligand:
            reposed = removed[0]  # the one that the user named
        if reposed is not None and not any(group is reposed for group in removed):
            removed = (*removed, reposed)
    return Target(
        structure,
        box,
        removed,
        structure.receptor(removed),
        reposed,
        removed[0] if at_ligand else reposed,
        _ranked_pockets(structure, box, repose) if _word(pocket) == "auto" else (),
    )


def _word(pocket: str) -> str:
    return pocket.partition(":")[0].strip().lower()


def _ranked_pockets(structure: Structure, box: Pocket, repose: bool) -> tuple[dict[str, Any], ...]:
    """Return the geometric pockets, best first, JSON-ready; Å and Å³."""
    return tuple(
        {
            "rank": rank,
            "chosen": bool(np.allclose(cavity.center, box.center)),
            "score": round(float(cavity.score), 3),
            "volume": round(float(cavity.volume), 1),
            "center": [round(float(x), 3) for x in cavity.center],
            "residues": [str(residue) for residue in cavity.residues],
        }
        for rank, cavity in enumerate(list_pockets(structure, repose=repose), start=1)
    )


def read_ligands(source: str | Path | None, target: Target) -> tuple[list[LigandRow], bool]:
    """Return the ligands to dock and whether they came as a table.

    Args:
        source: SMILES or file; None is the co-crystal ligand of the target.
        target: read with ``repose`` when ``source`` is None.

    Raises:
        LigandError: a single ligand or the whole table cannot be used. A bad row of a table is a
            row with its error.
    """
    if source is None:
        structure = target.structure
        # asked without a group, the reader says which other candidates there are
        first = bool(structure.reposable) and structure.reposable[0] is target.reposed
        found = cocrystal_ligand(structure, None if first else target.reposed)
        return [LigandRow(1, found.name, found.smiles, found, None)], False
    suffix = file_suffix(Path(str(source).replace("\0", "")))
    if suffix in CELL_SUFFIXES or (suffix in TABLE_SUFFIXES and is_file(source)):
        rows = read_ligand_table(source)
        if suffix in CELL_SUFFIXES or len(rows) > 1:
            return rows, True
    found = read_ligand(source if isinstance(source, Path) else str(source))
    return [LigandRow(1, found.name, str(source), found, None)], False
