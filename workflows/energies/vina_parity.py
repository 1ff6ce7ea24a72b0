"""Score crystal poses with molgen and with the vina package and compare, kcal/mol.

    python workflows/energies/vina_parity.py DIR [DIR ...] [--count 50] [--open-rings]

DIR holds benchmark complexes as ``<ID>/<ID>_{protein.pdb,ligand.sdf}``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from meeko import MoleculePreparation, PDBQTWriterLegacy
from rdkit import Chem
from vina import Vina as VinaPackage

sys.path.insert(0, str(Path(__file__).parent))
from complexes import read_complexes

from molgen.energy.vina import Vina
from molgen.energy.vina_terms import VinaWeights
from molgen.graphs.energy_topology import build_energy_topology
from molgen.search.vina_peer import receptor_pdbqt
from molgen.structure import Complex


def vina_energies(complex_: Complex, mol: Chem.Mol, *, open_rings: bool) -> np.ndarray:
    """Return the energies of the vina package for the conformer of ``mol``, without any move.

    Columns: total, receptor, flexible, other, flexible intra, ligand intra, rotors, unbound.
    ``open_rings`` lets Meeko cut macrocycles, which makes their bonds rotors.
    """
    setup = MoleculePreparation(rigid_macrocycles=not open_rings).prepare(mol)[0]
    text, written, message = PDBQTWriterLegacy.write_string(setup)
    if not written:
        raise ValueError(message)
    vina = VinaPackage(sf_name="vina", cpu=1, seed=1, verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        receptor = Path(folder) / "receptor.pdbqt"
        receptor.write_text(receptor_pdbqt(complex_.protein))
        vina.set_receptor(str(receptor))
    pocket = complex_.pocket
    vina.compute_vina_maps(center=list(pocket.center), box_size=list(pocket.edges))
    vina.set_ligand_from_string(text)
    return np.asarray(vina.score())


def compare(complex_: Complex, open_rings: bool) -> dict[str, object]:
    """Return the energies of the crystal pose by both programs."""
    ligand = complex_.ligand
    energy = Vina().bind(build_energy_topology(ligand.mol, complex_.protein, complex_.pocket))
    coords = torch.as_tensor(ligand.coords)[None]
    ours = {name: float(value) for name, value in energy.terms(coords).items()}
    with_h = Chem.AddHs(ligand.mol, addCoords=True)
    vina = vina_energies(complex_, with_h, open_rings=open_rings)
    weight = VinaWeights().rotor
    return {
        "entry": complex_.protein.name,
        "atoms": ligand.num_atoms,
        "affinity": ours["affinity"],
        "vina_affinity": float(vina[0]),
        "inter": ours["inter"],
        "vina_inter": float(vina[1]),
        "intra": ours["intra"],
        "vina_intra": float(vina[5]),
        "rotors": (energy.rotor_divisor - 1.0) / weight,
        "vina_rotors": (float(vina[1] / vina[0]) - 1.0) / weight,
    }


def main() -> None:
    """Write the comparison and print Pearson R and mean absolute difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("parity.csv"))
    parser.add_argument("--open-rings", action="store_true", help="cut macrocycles as Meeko does")
    options = parser.parse_args()
    rows = []
    for complex_ in read_complexes(options.folders, options.count, edge=30.0):
        try:
            rows.append(compare(complex_, options.open_rings))
        except Exception as error:  # one complex that vina refuses must not end the table
            print(f"skipped {complex_.name}: {error}", file=sys.stderr)
            continue
        pd.DataFrame(rows).to_csv(options.out, index=False)
    table = pd.DataFrame(rows)
    weight = VinaWeights().rotor
    for who in ("", "vina_"):
        divisor = 1.0 + weight * table[f"{who}rotors"]
        table[f"{who}total"] = (table[f"{who}inter"] + table[f"{who}intra"]) / divisor
    print(f"{len(table)} complexes")
    print("| energy | Pearson R | mean abs. difference | largest |")
    print("|---|---|---|---|")
    for name in ("affinity", "inter", "intra", "total", "rotors"):
        ours, vina = table[name].to_numpy(), table[f"vina_{name}"].to_numpy()
        gap = np.abs(ours - vina)
        r = np.corrcoef(ours, vina)[0, 1]
        print(f"| {name} | {r:.4f} | {gap.mean():.3f} | {gap.max():.3f} |")


if __name__ == "__main__":
    main()
