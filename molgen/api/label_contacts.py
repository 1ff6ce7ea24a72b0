"""The use case `molgen label contacts`: contact counts and energies of crystal and labelled poses.

One file that the fit of the contact potential reads: it needs no chemistry package there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from molgen.datasets.pdbbind import RawEntry, find_entries
from molgen.energy.contacts import ContactPotential
from molgen.energy.vina_terms import VinaWeights, internal_energy
from molgen.errors import InputError, LigandError, MolgenError, OutputError, StoreError
from molgen.geometry.knots import KNOTS
from molgen.graphs.contact_histogram import contact_histogram
from molgen.graphs.contact_types import ligand_contacts, receptor_contacts
from molgen.graphs.torsion_tree import build_torsion_tree
from molgen.io import atomic_write, read_ligand, read_protein
from molgen.search.field import Potential, TypedReceptor
from molgen.search.preferences import torsion_strain
from molgen.search.search_sampler import receptor_energy
from molgen.structure import Ligand, Protein
from molgen.training.contact_data import ComplexContacts, save_contacts


def label_contacts(
    raw: str | Path,
    poses: Sequence[str | Path],
    out: str | Path,
    *,
    force: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Write the contacts of all complexes in ``raw`` to the file ``out``; return counts.

    Every complex gives the contacts of its crystal pose; those with poses in the folders ``poses``
    (``molgen label poses``) give their contacts, energies and RMSDs too. Complexes that cannot be
    read are counted as failed. ``force`` replaces a file that is there.

    Raises:
        OutputError: ``out`` is there already, or cannot be written.
        InputError: the collection or none of its complexes can be read, or a folder holds no
            labels.
    """
    from tqdm import tqdm

    if Path(out).exists() and not force:
        raise OutputError(f"{out}: is there already; --force replaces it")
    entries = find_entries(raw)
    folders = [Path(folder) for folder in poses]
    settings = [_fingerprint(folder) for folder in folders]
    found: list[ComplexContacts] = []
    failed = 0
    for entry in tqdm(entries, unit="complex", disable=not progress, dynamic_ncols=True):
        try:
            found.append(_contacts(entry, folders))
        except (MolgenError, RuntimeError, ValueError):
            failed += 1
    if not found:
        raise InputError(f"{raw}: none of the {len(entries)} complexes can be read")
    with atomic_write(out) as temporary:
        save_contacts(temporary, found, {"poses": " ".join(settings)})
    labelled = sum(len(entry.rmsd) > 0 for entry in found)
    return {"complexes": len(found), "with poses": labelled, "failed": failed}


def _fingerprint(folder: Path) -> str:
    """Return the fingerprint of the settings that made the labels of a folder."""
    try:
        return str(json.loads((folder / "labels.json").read_text("utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder}: holds no labels of molgen label poses") from None


def _contacts(entry: RawEntry, folders: Sequence[Path]) -> ComplexContacts:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if entry.protein is None or entry.ligand is None:
        raise LigandError("protein or ligand file missing")
    protein, ligand = read_protein(entry.protein), read_ligand(entry.ligand)
    crystal = ligand.coords[None]
    coords, rmsd = np.zeros((0, ligand.num_atoms, 3)), np.zeros(0, dtype=np.float32)
    is_native = np.zeros(0, dtype=bool)
    for folder in folders:
        path = folder / "entries" / f"{entry.id}.safetensors"
        if path.is_file():
            try:
                data = load_file(path)
            except SafetensorError as error:
                raise StoreError(f"{path}: labels cannot be read ({error})") from None
            coords = np.concatenate([coords, data["coords"].astype(np.float64)])
            rmsd = np.concatenate([rmsd, data["rmsd"]])
            is_native = np.concatenate([is_native, data["is_native"]])
    near = protein.select(protein.near(np.concatenate([crystal, coords]).reshape(-1, 3), KNOTS[-1]))
    tree = build_torsion_tree(ligand.mol)
    ordered = coords[:, tree.order]
    weights = VinaWeights()
    repulsion = internal_energy(ordered, tree.pairs, tree.types, weights.repulsion_only())
    internal = internal_energy(ordered, tree.pairs, tree.types, weights)
    plain = Potential(weights, ContactPotential.zero())
    vina = receptor_energy(TypedReceptor.of(near), ordered, tree, plain)
    return ComplexContacts(
        id=entry.id,
        rmsd=rmsd,
        is_native=is_native,
        vina=vina,
        repulsion=repulsion,
        attraction=internal - repulsion,
        strain=torsion_strain(ligand, coords),
        crystal=_histogram(near, ligand, crystal)[0],
        poses=_histogram(near, ligand, coords),
    )


def _histogram(receptor: Protein, ligand: Ligand, coords: np.ndarray) -> np.ndarray:
    return np.asarray(
        contact_histogram(
            np.ascontiguousarray(coords),
            ligand_contacts(ligand.mol).astype(np.int64),
            receptor.coords.astype(np.float64),
            receptor_contacts(receptor).astype(np.int64),
            ContactPotential.zero().curves.shape,
            KNOTS,
        )
    )
