"""Where the ranking by confidence is right and where not: by bins, and the worst cases.

    python workflows/ranking/bins.py ROWS --set NAME=STORE:FOLDER ... --train STORE --poses DIR ...

ROWS is written by evaluate.py, FOLDER holds <id>/<id>_protein.pdb and _ligand.sdf of each complex.
Similarity to training is that to any labelled complex: Tanimoto of Morgan fingerprints (radius 2,
2048 bits), and the share of the shorter pocket chain's words of four residues. Intervals: Wilson.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from molgen.datasets.sequences import words
from molgen.datasets.store import Store
from molgen.io import read_ligand, read_structure
from molgen.metrics.success import proportion

NEAR = 4.0
"""Å between a ligand atom and a cofactor or metal."""
WORST = 10


@dataclass(frozen=True)
class Case:
    """A complex with what the rankings made of it, and what may make it hard."""

    id: str
    best: float
    energy: float
    taken: float
    confidence: float
    ligand: float
    pocket: float
    rotatable: int
    cofactor: bool


BINS: dict[str, list[tuple[str, Callable[[Case], bool]]]] = {
    "most similar ligand of training": [
        ("Tanimoto below 0.4", lambda c: c.ligand < 0.4),
        ("0.4 to 0.6", lambda c: 0.4 <= c.ligand < 0.6),
        ("0.6 and more", lambda c: c.ligand >= 0.6),
    ],
    "most similar pocket chain of training": [
        ("below 0.25 (another cluster)", lambda c: c.pocket < 0.25),
        ("0.25 to 0.9", lambda c: 0.25 <= c.pocket < 0.9),
        ("0.9 and more", lambda c: c.pocket >= 0.9),
    ],
    "rotatable bonds": [
        ("0 to 3", lambda c: c.rotatable <= 3),
        ("4 to 6", lambda c: 4 <= c.rotatable <= 6),
        ("7 to 9", lambda c: 7 <= c.rotatable <= 9),
        ("10 and more", lambda c: c.rotatable >= 10),
    ],
    "cofactor or metal within 4 Å": [
        ("yes", lambda c: c.cofactor),
        ("no", lambda c: not c.cofactor),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--set", action="append", required=True, metavar="NAME=STORE:FOLDER")
    parser.add_argument("--train", type=Path, required=True, metavar="STORE")
    parser.add_argument("--poses", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    places = {name: text.partition(":") for name, _, text in
              (given.partition("=") for given in options.set)}  # fmt: skip
    labelled = {p.stem for folder in options.poses for p in folder.glob("entries/*.safetensors")}
    known = [row for row in Store(options.train).rows.values() if row["id"] in labelled]
    prints = [fingerprint(row["smiles"]) for row in known]
    chains = [words(row["sequence"]) for row in known]
    stores = {name: Store(store) for name, (store, _, _) in places.items()}
    cases = []
    with options.rows.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            facts = stores[row["set"]].rows[row["id"]]
            folder = Path(places[row["set"]][2]) / row["id"]
            like = DataStructs.BulkTanimotoSimilarity(fingerprint(facts["smiles"]), prints)
            mol = Chem.MolFromSmiles(facts["smiles"])
            cases.append(
                Case(
                    row["id"], float(row["best_rmsd"]), float(row["energy_rmsd"]),
                    float(row["confidence_rmsd"]), float(row["confidence"]), max(like),
                    max(shared(words(facts["sequence"]), other) for other in chains),
                    rdMolDescriptors.CalcNumRotatableBonds(mol), has_cofactor(folder),
                )
            )  # fmt: skip
    print("| bin | complexes | by confidence, % | by energy, % | best of 40, % |")
    print("|---|---|---|---|---|")
    for title, bins in BINS.items():
        print(f"| **{title}** | | | | |")
        for name, inside in bins:
            members = [case for case in cases if inside(case)]
            if members:
                print(line(name, members))
    print("\n| complex | confidence | RMSD, Å | by energy | best of 40 | cofactor |")
    print("|---|---|---|---|---|---|")
    wrong = sorted((c for c in cases if c.taken > 2.0), key=lambda c: -c.confidence)
    for case in wrong[:WORST]:
        print(
            f"| {case.id} | {case.confidence:.2f} | {case.taken:.1f} | {case.energy:.1f} "
            f"| {case.best:.1f} | {'yes' if case.cofactor else 'no'} |"
        )


def line(name: str, members: list[Case]) -> str:
    """Return a row of the table."""
    shares = [
        proportion([value(case) <= 2.0 for case in members]).percent()
        for value in (lambda c: c.taken, lambda c: c.energy, lambda c: c.best)
    ]
    return f"| {name} | {len(members)} | {' | '.join(shares)} |"


def fingerprint(smiles: str) -> DataStructs.ExplicitBitVect:
    """Return the Morgan fingerprint of a ligand."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    return generator.GetFingerprint(Chem.MolFromSmiles(smiles))


def shared(one: set[str], other: set[str]) -> float:
    """Return the share of the shorter chain's words that the other has."""
    return len(one & other) / max(1, min(len(one), len(other)))


def has_cofactor(folder: Path) -> bool:
    """Tell whether a hetero group other than the ligand is near its crystal pose."""
    structure = read_structure(folder / f"{folder.name}_protein.pdb")
    ligand = read_ligand(folder / f"{folder.name}_ligand.sdf").coords
    for group in structure.groups:
        atoms = structure.atoms.coords[group.atoms]
        if np.linalg.norm(atoms[:, None] - ligand[None], axis=-1).min() < NEAR:
            return True
    return False


if __name__ == "__main__":
    main()
