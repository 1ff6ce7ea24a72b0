"""Writes the files beside this one from the output of the original S-GCN pipeline.

Usage: extract.py FOLDER, with the files balls, contacts, volumes, shelling, sh_order10.txt and
6KYTP_af2_noH.pdb in FOLDER (one row of sh_order*.txt for every ordered pair of residues, by the
first and then the second one).
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
from collections import defaultdict
from pathlib import Path

RESIDUES = 71
EVERY = 83  # of 4,970 pairs: 60 rows


def atom(text: str) -> tuple[int, str]:
    found = re.search(r"r<(-?\d+)>.*A<(\w+)>", text)
    assert found
    return int(found[1]), found[2]


def column(path: Path, place: int) -> dict[tuple[int, str], float]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {atom(row[0]): float(row[place]) for row in rows}


def write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])


def main(source: Path, out: Path) -> None:
    shutil.copy(source / "6KYTP_af2_noH.pdb", out / "6KYTP_af2.pdb")
    radii, volumes = column(source / "balls", 4), column(source / "volumes", 1)
    depths = column(source / "shelling", 1)
    sasa: dict[tuple[int, str], float] = defaultdict(float)
    areas: dict[tuple[int, int], float] = defaultdict(float)
    for line in (source / "contacts").read_text().splitlines():
        first, second, area = line.split()[:3]
        if second == "c<solvent>":
            sasa[atom(first)] = float(area)
            continue
        pair = sorted((atom(first)[0], atom(second)[0]))
        if pair[0] != pair[1]:
            areas[pair[0], pair[1]] += float(area)
    write(
        out / "atoms.csv",
        ["residue", "atom", "radius", "volume", "sasa", "buriedness"],
        [[*key, radii[key], volumes[key], sasa[key], int(depths[key])] for key in radii],
    )
    write(
        out / "contacts.csv",
        ["first", "second", "area"],
        [[*pair, f"{area:.4f}"] for pair, area in sorted(areas.items())],
    )
    pairs = [(a, b) for a in range(1, RESIDUES + 1) for b in range(1, RESIDUES + 1) if a != b]
    for order in (5, 10):
        lines = (source / f"sh_order{order}.txt").read_text().splitlines()[1:]
        rows: list[list[object]] = [
            [*pair, *line.split()] for pair, line in zip(pairs, lines, strict=True)
        ]
        names = [f"c{n}" for n in range(order**2)]
        write(out / f"harmonics{order}.csv", ["from", "to", *names], rows[::EVERY])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
