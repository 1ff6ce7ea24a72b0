"""What the learned SCF energy is good for.

First, how far labelled energies and gaps change from the embedded conformer of a ligand to others:
a table of docs/energies.md.
Then whether following the gradient of ``scf_energy`` lowers the GFN2-xTB energy that it stands for:
crystal poses of held-out ligands, shaken by 0.1 Å, are minimised with the learned term, with the
geometry term, and with both, and computed before and after.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem

from molgen.datasets.energy_labels import KINDS, EnergyLabels
from molgen.datasets.ligand_conformers import make_conformers
from molgen.datasets.rebuild import rebuild_ligand
from molgen.datasets.store import Store
from molgen.energy import ENERGIES, WeightedSum
from molgen.energy.learned import ScfEnergy
from molgen.energy.xtb import single_point
from molgen.graphs.energy_topology import build_energy_topology
from molgen.units import KCAL_PER_EV

NOISE = 0.1  # Å


def changes(labels: EnergyLabels) -> None:
    """Print medians of what changes from the embedded conformer to the others."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for ligand in labels:
        kinds = [KINDS[k] for k in ligand.kinds]
        if "embedded" not in kinds:
            continue
        base = kinds.index("embedded")
        for k, kind in enumerate(kinds):
            if k != base:
                rise = ligand.energies[k] - ligand.energies[base]
                share = abs(rise / ligand.energies[base])
                gap = abs(ligand.gaps[k] - ligand.gaps[base]) / KCAL_PER_EV
                found.setdefault(kind, []).append((rise, share, gap, ligand.noise[k]))
    rows = {kind: np.array(values) for kind, values in found.items()}
    shaken = rows["shaken"]
    for low, high in ((0.02, 0.03), (0.045, 0.055), (0.09, 0.1)):
        rows[f"shaken by {low} to {high} Å"] = shaken[
            (shaken[:, 3] >= low) & (shaken[:, 3] <= high)
        ]
    print(f"{len(labels)} ligands; conformers, energy kcal/mol, share of the total, gap eV")
    for kind, values in rows.items():
        rise, share, gap = np.median(values[:, :3], axis=0)
        print(f"{kind:28s} {len(values):5d} {rise:8.1f} {share:9.5f} {gap:6.2f}")


def computed(mol: Chem.Mol, coords: np.ndarray) -> float:
    """Return the GFN2-xTB energy of heavy atoms at ``coords`` with relaxed hydrogens, kcal/mol."""
    copy = Chem.Mol(mol)
    copy.GetConformer().SetPositions(np.ascontiguousarray(coords, dtype=np.float64))
    full, made = make_conformers(copy, 1, 0)
    numbers = np.array([atom.GetAtomicNum() for atom in full.GetAtoms()])
    return single_point(numbers, made[0].coords, Chem.GetFormalCharge(full)).energy


def minimised(energy: torch.nn.Module, coords: torch.Tensor, steps: int) -> torch.Tensor:
    """Return the pose after steps of L-BFGS down the energy."""
    place = coords.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([place], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = energy(place[None])[0]
        value.backward()
        return value

    optimizer.step(closure)
    return place.detach()


def guidance(store: Store, ids: list[str], checkpoint: str, steps: int) -> None:
    """Print what minimising with each term does to the computed energy."""
    learned = ScfEnergy(checkpoint)
    terms = {
        "scf_energy": learned,
        "geometry": ENERGIES["geometry"](),
        "both": WeightedSum((("scf", 1.0, learned), ("geometry", 1.0, ENERGIES["geometry"]()))),
    }
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ("shaken", *terms)}
    for name in ids:
        mol = rebuild_ligand(store[name])
        topology = build_energy_topology(mol)
        crystal = torch.from_numpy(store[name].ligand_coords.astype(np.float64))
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(crystal.shape, generator=generator, dtype=torch.float64)
        start = crystal + NOISE * noise
        native = computed(mol, crystal.numpy())
        rows["shaken"].append((computed(mol, start.numpy()) - native, NOISE * 3**0.5))
        for term, options in terms.items():
            found = minimised(options.bind(topology), start, steps)
            moved = float((found - start).square().sum(-1).mean().sqrt())
            rows[term].append((computed(mol, found.numpy()) - native, moved))
    print(f"\n{len(ids)} ligands, {steps} steps; energy over the crystal pose, kcal/mol: median")
    print("and quartiles; moved by, Å; below the start")
    before = np.array(rows["shaken"])[:, 0]
    for term, values in rows.items():
        over, moved = np.array(values).T
        low, middle, high = np.percentile(over, [25, 50, 75])
        better = int((over < before).sum())
        print(
            f"{term:12s} {middle:8.1f} {low:8.1f} {high:8.1f} {np.median(moved):6.2f} {better:4d}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--checkpoint", default="energies-1")
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    labels = EnergyLabels(options.labels)
    changes(labels)
    held = [
        name for name in (options.split / "test.txt").read_text().split() if name in labels.rows
    ]
    chosen = np.random.default_rng(0).permutation(held)[: options.count].tolist()
    guidance(Store(options.store), chosen, options.checkpoint, options.steps)


if __name__ == "__main__":
    main()
