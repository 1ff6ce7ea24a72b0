"""Measure side chains of native structures: templates, rotamers and contact energies.

    python workflows/quality/rotamers.py NATIVES molgen/decoys/data/sidechains.json

NATIVES is a folder of PDB files. The table holds

* for every side-chain atom the bond length, angle and torsion (beyond its chi) it is placed with:
  medians;
* rotamers: share, circular means and standard deviations of the chis of every bin, given the well
  of chi1; and the shares of the wells of chi1 on a grid of phi and psi (Gaussian kernel of 15
  degrees, three pseudo-observations), after Dunbrack & Karplus, J. Mol. Biol. 1993, 230, 543;
* energies of atoms of two kinds at a distance, of residues that are no neighbours along the chain:
  -ln of the pairs of native side-chain atoms over those of side chains with rotamers drawn from
  the library, all other residues as in the native structure. What backbone, composition and
  burial do to both cancels, so what is left decides between rotamers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from molgen.decoys.backbone_geometry import bonded_to_next, internal_coordinates
from molgen.decoys.rotamers import (
    GRID,
    REACH,
    SidechainTable,
    build_table,
    first_well,
    rotamer_bin,
)
from molgen.decoys.sidechain_templates import (
    FIRST_MOVING,
    KINDS,
    RESIDUES,
    SYMMETRIC,
    ResidueAtoms,
    atom_kinds,
    chi_count,
    placements,
    residue_atoms,
)
from molgen.decoys.sidechains import PackingConfig, atom_layout, build_sidechains
from molgen.geometry.dihedral import dihedral
from molgen.io.structure_file import read_protein
from molgen.vocabulary import RESIDUE_ATOMS

START, WIDTH = 2.0, 0.25
DRAWS, PSEUDO = 3, 3.0
SMALLEST_SHARE = 0.004
KERNEL = np.radians(15.0)
PRIOR = 3.0


def chis(name: str, coords: np.ndarray) -> np.ndarray:
    """Return the chi torsions of residues (residues, SLOTS, 3) of one type, radians."""
    rows = {}
    for row in placements(name):
        if row.chi and row.chi not in rows:
            rows[row.chi] = [row.first, row.second, row.third, row.slot]
    columns = [dihedral(*(coords[:, slot] for slot in rows[chi])) for chi in sorted(rows)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(coords), 0))


def circular_median(angle: np.ndarray) -> float:
    centre = np.angle(np.exp(1j * angle).mean())
    return float(centre + np.median(np.angle(np.exp(1j * (angle - centre)))))


def template(name: str, coords: np.ndarray) -> list:
    """Return [atom, length Å, angle and torsion beyond chi in degrees] of every atom."""
    turns = chis(name, coords)
    rows = []
    for row in placements(name):
        a, b, c, d = (coords[:, slot] for slot in (row.first, row.second, row.third, row.slot))
        arms = b - c, d - c
        cosine = (arms[0] * arms[1]).sum(1) / np.linalg.norm(arms, axis=2).prod(0)
        torsion = dihedral(a, b, c, d) - (turns[:, row.chi - 1] if row.chi else 0.0)
        length, angle = np.median(np.linalg.norm(arms[1], axis=1)), np.median(np.arccos(cosine))
        rows.append(
            [
                RESIDUE_ATOMS[name][row.slot],
                round(float(length), 3),
                round(float(np.degrees(angle)), 1),
                round(float(np.degrees(circular_median(torsion))), 1),
            ]
        )
    return rows


def rotamers(name: str, turns: np.ndarray) -> list:
    """Return [well of chi1, share in it, means and deviations in degrees] of every rotamer."""
    well, bins = first_well(name, turns[:, 0]), rotamer_bin(name, turns)
    rows = []
    for number in np.unique(bins):
        own = bins == number
        share = own.sum() / max((well == well[own][0]).sum(), 1)
        if share < SMALLEST_SHARE or own.sum() < 5:
            continue
        period = np.where(symmetric(name, turns.shape[1]), 2, 1)
        mean = np.angle(np.exp(1j * period * turns[own]).mean(0)) / period
        off = np.angle(np.exp(1j * period * (turns[own] - mean))) / period
        spread = np.clip(np.degrees(np.sqrt((off**2).mean(0))), 4.0, 25.0)
        numbers = [*np.degrees(mean).round(1), *spread.round(1)]
        rows.append([int(well[own][0]), round(float(share), 4), *map(float, numbers)])
    return rows


def symmetric(name: str, count: int) -> np.ndarray:
    """Return whether each chi is the same after half a turn, (count,) bool."""
    return np.arange(1, count + 1) == SYMMETRIC.get(name, 0)


def wells_on_grid(well: np.ndarray, phi: np.ndarray, psi: np.ndarray) -> dict:
    """Return per mille of each well overall and on the grid of phi and psi."""
    overall = np.bincount(well, minlength=3) / len(well)
    known = np.isfinite(phi) & np.isfinite(psi)
    hot = np.eye(3)[well[known]]
    centre = np.radians(np.arange(GRID) * (360.0 / GRID) - 180.0)

    def kernel(angle: np.ndarray) -> np.ndarray:
        return np.exp((np.cos(centre[:, None] - angle[known]) - 1.0) / KERNEL**2)

    near_phi, near_psi = kernel(phi), kernel(psi)
    count = np.stack([(near_phi * hot[:, k]) @ near_psi.T for k in range(3)])
    share = (count + PRIOR * overall[:, None, None]) / (count.sum(0) + PRIOR)
    mille = np.clip(np.round(1000 * share), 1, 999).astype(int)
    return {"overall": [round(float(p), 4) for p in overall], "grid": mille.tolist()}


def count_pairs(
    moved: np.ndarray, own: ResidueAtoms, kinds: np.ndarray, counts: np.ndarray
) -> None:
    """Add the pairs of a side-chain atom in ``moved`` and a native atom of another residue.

    Args:
        moved: (residues, SLOTS, 3) Å, NaN where there is no atom.
        counts: (kinds, kinds, bins), side-chain atom first.
    """
    kind = kinds[own.sequence]
    there = (kind >= 0) & np.isfinite(own.coords).all(axis=2)
    turned = there & np.isfinite(moved).all(axis=2)
    turned[:, :FIRST_MOVING] = False
    sides, all_atoms = np.nonzero(turned), np.nonzero(there)
    first, second = moved[sides], own.coords[all_atoms]
    near = cKDTree(first).sparse_distance_matrix(cKDTree(second), REACH, output_type="coo_matrix")
    i, j = sides[0][near.row], all_atoms[0][near.col]
    apart = np.abs(i - j) > 1
    place = np.clip((near.data[apart] - START) / WIDTH, 0, counts.shape[2] - 1).astype(int)
    pair = kind[sides][near.row[apart]], kind[all_atoms][near.col[apart]]
    np.add.at(counts, (*pair, place), 1)


def scrambled(own: ResidueAtoms, table: SidechainTable, rng: np.random.Generator) -> np.ndarray:
    """Return atoms (residues, SLOTS, 3) with rotamers drawn blind to other residues."""
    config = PackingConfig(quality="scrambled", chi_noise=10.0)
    model = build_sidechains(own.sequence, own.coords[:, :4], rng, config, table=table)
    coords = np.full_like(own.coords, np.nan)
    coords[atom_layout(own.sequence)] = model.coords
    return coords


def energies(native: np.ndarray, random: np.ndarray) -> list:
    """Return -ln(native / random) of pairs of kinds i <= j, bin by bin."""
    native, random = (counts + counts.transpose(1, 0, 2) for counts in (native, random))
    energy = -np.log((native + PSEUDO) / (random + PSEUDO))
    for place in range(energy.shape[2] - 2, -1, -1):  # too close to occur: no way back inwards
        unseen = random[:, :, place] < 4 * PSEUDO
        energy[:, :, place] = np.where(unseen, energy[:, :, place + 1] + 0.5, energy[:, :, place])
    rows, columns = np.triu_indices(len(KINDS))
    return energy[rows, columns].round(2).tolist()


def contacts(chains: list[ResidueAtoms], table: dict) -> list:
    """Return the contact energies, measured with the rotamers of ``table``."""
    bins = round((REACH - START) / WIDTH)
    silent = [[0.0] * bins] * (len(KINDS) * (len(KINDS) + 1) // 2)
    blind = build_table(table | {"contacts": {"start": START, "width": WIDTH, "energy": silent}})
    kinds, rng = atom_kinds(), np.random.default_rng(0)
    native, random = (np.zeros((len(KINDS), len(KINDS), bins)) for _ in range(2))
    for own in chains:
        count_pairs(own.coords, own, kinds, native)
        for _ in range(DRAWS):
            count_pairs(scrambled(own, blind, rng), own, kinds, random)
    return energies(native, random / DRAWS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("natives", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take one file of this many")
    parser.add_argument("--skip", type=int, default=0, help="leave out one file of this many")
    options = parser.parse_args()
    coords: dict[str, list] = {name: [] for name in RESIDUES}
    torsions: dict[str, list] = {name: [] for name in RESIDUES}
    files = sorted(options.natives.glob("*.pdb"))[:: options.every]
    if options.skip:
        files = [path for number, path in enumerate(files) if number % options.skip]
    chains = []
    for path in files:
        own = residue_atoms(read_protein(path))
        chains.append(own)
        backbone = own.coords[:, :3]
        inner, bonded = internal_coordinates(backbone), bonded_to_next(backbone)
        phi = np.where(np.roll(bonded, 1), inner.phi, np.nan)
        psi = np.where(bonded, inner.psi, np.nan)
        for kind, name in enumerate(RESIDUES):
            size = len(RESIDUE_ATOMS[name])
            mine = (own.sequence == kind) & np.isfinite(own.coords[:, :size]).all(axis=(1, 2))
            coords[name].append(own.coords[mine])
            torsions[name].append(np.stack([phi[mine], psi[mine]], axis=1))
    table: dict = {"structures": len(files), "residues": {}}
    for name in RESIDUES:
        points, turn = np.concatenate(coords[name]), np.concatenate(torsions[name])
        entry: dict = {"count": len(points), "atoms": template(name, points)}
        if chi_count(name):
            turns = chis(name, points)
            entry["rotamers"] = rotamers(name, turns)
            entry["chi1"] = wells_on_grid(first_well(name, turns[:, 0]), turn[:, 0], turn[:, 1])
        table["residues"][name] = entry
    table["contacts"] = {"start": START, "width": WIDTH, "energy": contacts(chains, table)}
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(compact(table), encoding="utf-8")


def compact(table: dict) -> str:
    """Return JSON with one line for every innermost list of lists, so that it can be read."""
    lines = []
    for name, entry in table["residues"].items():
        parts = ",\n   ".join(
            f'"{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in entry.items()
        )
        lines.append(f'  "{name}": {{{parts}}}')
    body = ",\n".join(lines)
    contacts = json.dumps(table["contacts"], separators=(",", ":"))
    return (
        f'{{"structures": {table["structures"]},\n "residues": {{\n{body}\n }},\n'
        f' "contacts": {contacts}}}\n'
    )


if __name__ == "__main__":
    main()
