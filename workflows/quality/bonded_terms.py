"""Measure ideal distances, fixed torsions and phi/psi maps of residues on native structures.

    python workflows/quality/bonded_terms.py natives/*.pdb > molgen/energy/openmm_tables.py

Medians over complete residues; the spread is 1.4826 times the median absolute deviation. Pairs
one or two bonds apart are always kept, pairs further apart when their distance hardly varies
(rings, planar groups). A torsion is kept as fixed when it hardly varies (planar groups), and the
improper dihedral (centre, a, b, c) of every atom with three heavy neighbours.
"""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict

import numpy as np

from molgen.errors import MolgenError
from molgen.geometry.dihedral import dihedral
from molgen.io import read_protein
from molgen.vocabulary import RESIDUE_ATOMS

BONDED = 2.0  # Å: heavy atoms of one residue that are closer share a bond
RIGID = 0.035  # Å: spread below which a distant pair counts as rigid
PLANAR = 6.0  # degrees: spread below which a torsion counts as fixed
BINS = 24
KT = 0.6  # kcal/mol
STEP = 0.5  # kcal/mol per digit of a map

TITLE = "Ideal geometry of residues, measured on natives by workflows/quality/bonded_terms.py."

# next residue's atoms carry "+": the peptide group, once before proline and once before others
LINK = ("CA", "C", "O", "+N", "+CA", "+CD")


def wrap(angle: np.ndarray) -> np.ndarray:
    """Return angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def middle(values: np.ndarray) -> tuple[float, float]:
    """Return median and robust spread."""
    centre = float(np.median(values))
    return centre, 1.4826 * float(np.median(np.abs(values - centre)))


def circular(angles: np.ndarray) -> tuple[float, float]:
    """Return the circular median and robust spread in degrees."""
    mean = np.angle(np.exp(1j * angles).mean())
    centre, spread = middle(wrap(angles - mean))
    return float(np.degrees(wrap(np.asarray(mean + centre)))), float(np.degrees(spread))


def measure(name: str, atoms: tuple[str, ...], xyz: np.ndarray) -> list[str]:
    """Return table lines of one group of atoms; xyz (copies, atoms, 3), Å."""
    count = len(atoms)
    bonds: dict[int, set[int]] = defaultdict(set)
    distances = {}
    for i, j in itertools.combinations(range(count), 2):
        distances[i, j] = middle(np.linalg.norm(xyz[:, i] - xyz[:, j], axis=1))
        if distances[i, j][0] < BONDED:
            bonds[i].add(j)
            bonds[j].add(i)
    linked = "+N" in atoms  # terms within one residue stand under that residue
    lines = []

    def keep(*members: int) -> bool:
        own = [not atoms[m].startswith("+") for m in members]
        return not linked or (any(own) and not all(own))

    for (i, j), (value, spread) in distances.items():
        if not keep(i, j):
            continue
        kind = "bond" if j in bonds[i] else "angle" if bonds[i] & bonds[j] else "rigid"
        if kind != "rigid" or spread < RIGID:
            lines.append(f"{kind} {name} {atoms[i]} {atoms[j]} {value:.3f}")
    for i in range(count):
        for j, k, last in itertools.combinations(sorted(bonds[i]), 3):
            if keep(i, j, k, last):
                value, _ = circular(dihedral(xyz[:, i], xyz[:, j], xyz[:, k], xyz[:, last]))
                value = 0.0 if abs(value) < 5.0 else value
                quad = " ".join(atoms[m] for m in (i, j, k, last))
                lines.append(f"improper {name} {quad} {value:.1f}")
    for j, k in itertools.combinations(range(count), 2):
        if k not in bonds[j]:
            continue
        for i in sorted(bonds[j] - {k}):
            for last in sorted(bonds[k] - {j}):
                if i == last or not keep(i, j, k, last):
                    continue
                quad = (i, j, k, last)
                value, spread = circular(dihedral(*(xyz[:, m] for m in quad)))
                if spread < PLANAR and min(abs(value), 180 - abs(value)) < PLANAR:
                    value = 0.0 if abs(value) < 90 else 180.0
                    names = " ".join(atoms[m] for m in quad)
                    lines.append(f"torsion {name} {names} {value:.0f}")
    return lines


def gather(paths: list[str]) -> tuple[dict, dict]:
    """Return coordinates of complete groups and (phi, psi) of residues by class."""
    groups: dict[str, list[np.ndarray]] = defaultdict(list)
    torsions: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for path in paths:
        try:
            protein = read_protein(path)
        except MolgenError as error:
            print(error, file=sys.stderr)
            continue
        table = []
        for identifier, name, span in protein.residues():
            names = protein.atom_names[span].tolist()
            coords = protein.coords[span].astype(float)
            table.append((identifier, name, dict(zip(names, coords, strict=True))))
            if set(RESIDUE_ATOMS.get(name, ("?",))) <= set(names):
                groups[name].append(np.stack([table[-1][2][a] for a in RESIDUE_ATOMS[name]]))
            if {"CA", "C", "O", "OXT"} <= set(names):
                groups["END"].append(np.stack([table[-1][2][a] for a in ("CA", "C", "O", "OXT")]))
        for index, (one, two) in enumerate(itertools.pairwise(table)):
            if not joined(one[2], two[2]):
                continue
            is_proline = two[1] == "PRO"
            wanted = LINK if is_proline else LINK[:-1]
            both = one[2] | {f"+{key}": value for key, value in two[2].items()}
            if set(wanted) <= set(both):
                group = np.stack([both[a] for a in wanted])
                omega = dihedral(*(group[None, m] for m in (0, 1, 3, 4)))
                if abs(wrap(omega))[0] > np.pi / 2:
                    groups["LINK_PRO" if is_proline else "LINK"].append(group)
            if index and joined(table[index - 1][2], one[2]) and {"N", "CA", "C"} <= set(one[2]):
                n, ca, c = (one[2][a][None] for a in ("N", "CA", "C"))
                kind = one[1] if one[1] in ("GLY", "PRO") else "ANY"
                phi = dihedral(table[index - 1][2]["C"][None], n, ca, c)[0]
                torsions[kind].append((phi, dihedral(n, ca, c, two[2]["N"][None])[0]))
    return groups, torsions


def joined(one: dict, two: dict) -> bool:
    """Return whether a peptide bond leads from one residue to the other."""
    return "C" in one and "N" in two and float(np.linalg.norm(one["C"] - two["N"])) < 1.6


def energy_map(angles: list[tuple[float, float]]) -> list[str]:
    """Return -kT ln p over phi (rows) and psi, -180 to 165 degrees, as digits of STEP kcal/mol."""
    from scipy.ndimage import gaussian_filter

    fine = 4
    grid = wrap(np.array(angles)) + np.pi
    width = 2 * np.pi / BINS
    # bins are centred on the grid points of the map
    index = np.floor((grid / width + 0.5) * fine).astype(int) % (BINS * fine)
    counts = np.zeros((BINS * fine, BINS * fine))
    np.add.at(counts, (index[:, 0], index[:, 1]), 1.0)
    smooth = gaussian_filter(counts, 2.0, mode="wrap")
    smooth = smooth.reshape(BINS, fine, BINS, fine).mean((1, 3))
    value = -KT * np.log(smooth / smooth.max() + 1e-4)
    digits = np.clip(np.rint((value - value.min()) / STEP), 0, 9).astype(int)
    return ["".join(map(str, row)) for row in digits]


def main() -> None:
    """Print the tables as a Python module."""
    groups, torsions = gather(sys.argv[1:])
    atoms = {**RESIDUE_ATOMS, "END": ("CA", "C", "O", "OXT"), "LINK": LINK[:-1], "LINK_PRO": LINK}
    print(f'"""{TITLE}"""')
    print(
        "\n# Lines: kind, residue, atoms, value in Å or degrees. LINK joins a residue to the next"
    )
    print("# (its atoms carry a +), END is a carboxylate end.")
    lines: dict[str, list[str]] = {}
    for name in sorted(groups):
        if name in atoms:
            lines[name] = measure(name, atoms[name], np.stack(groups[name]))
            print(f"{name}: {len(groups[name])}", file=sys.stderr)
    print('TERMS = """')
    row = ""
    for line in itertools.chain.from_iterable(lines.values()):
        if row and len(row) + len(line) + 2 > 98:
            print(row)
            row = ""
        row += ("; " if row else "") + line
    print(row)
    print('"""')
    print(f"\nMAP_STEP = {STEP}")
    print('"""kcal/mol of one digit of a map."""')
    print("\n# -kT ln p(phi, psi): rows phi, columns psi, both from -180 to 165 degrees by 15.")
    print("MAPS = {")
    for kind in sorted(torsions):
        print(f'    "{kind}": """')
        print("\n".join(energy_map(torsions[kind])))
        print('""",')
    print("}")
    print('"""Class of residue to 24 lines of digits."""')


if __name__ == "__main__":
    main()
