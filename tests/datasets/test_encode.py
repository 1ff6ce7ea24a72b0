"""What goes into a store comes out again: chemistry exactly, coordinates to 0.005 Å."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molgen.datasets.complex import StoredComplex
from molgen.datasets.encode import EncodingRefusedError, encode_complex, pocket_chain
from molgen.datasets.encoding import ATOM_NAMES, COLUMNS, ELEMENTS, INDEX_FIELDS, RESIDUES
from molgen.datasets.rebuild import rebuild_ligand
from molgen.datasets.shard import read_entries, shard_bytes
from molgen.io import read_ligand, read_structure
from molgen.structure import Ligand, Protein

from .conftest import EXAMPLES, SMILES, write_ligand


@pytest.fixture(scope="module")
def protein() -> Protein:
    structure = read_structure(EXAMPLES / "6xg5.cif")
    return structure.receptor(structure.ligands)


@pytest.fixture(scope="module")
def ligand() -> Ligand:
    return read_ligand(EXAMPLES / "6xg5_TOP.sdf")


@pytest.mark.parametrize("name", SMILES)
def test_ligand_round_trip(
    name: str, protein: Protein, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.datasets.encode.CLASH", 0.0)  # put in the site without docking
    write_ligand(tmp_path / "ligand.sdf", SMILES[name])
    given = read_ligand(tmp_path / "ligand.sdf")
    stored = encode_complex(name, protein, given, 8.0)
    again = rebuild_ligand(stored)
    assert Chem.MolToSmiles(again) == Chem.MolToSmiles(Chem.MolFromSmiles(SMILES[name]))
    # Crystal stereo agrees with the geometry: assigning it anew from 3D changes nothing.
    Chem.AssignStereochemistryFrom3D(again)
    assert Chem.MolToSmiles(again) == given.smiles
    assert again.GetConformer().GetPositions() == pytest.approx(given.coords, abs=1e-4)


def test_receptor_columns_against_the_structure(protein: Protein, ligand: Ligand) -> None:
    stored = encode_complex("6xg5", protein, ligand, 10.0)
    distance = np.linalg.norm(protein.coords[:, None] - ligand.coords, axis=-1).min(1)
    residue = protein.residue_index()
    keep = np.isin(residue, residue[distance <= 10.0])  # whole residues
    pocket = protein.select(keep)
    assert stored.coords == pytest.approx(pocket.coords, abs=0.0051)
    assert [ELEMENTS[k] for k in stored.elements] == pocket.elements.tolist()
    known = [name if name in ATOM_NAMES else "?" for name in pocket.atom_names.tolist()]
    assert [ATOM_NAMES[k] for k in stored.atom_names] == known
    first = np.cumsum(stored.residue_sizes) - stored.residue_sizes
    assert first.tolist() == pocket.residue_starts().tolist()
    assert stored.residue_index.tolist() == pocket.residue_index().tolist()
    assert stored.residue_numbers.tolist() == pocket.residue_numbers[first].tolist()
    assert stored.residue_hetero.tolist() == pocket.hetero[first].astype(int).tolist()
    names = [n if n in RESIDUES else "UNK" for n in pocket.residue_names[first].tolist()]
    assert [RESIDUES[k] for k in stored.residue_types] == names


def test_shard_round_trip_is_exact_and_repeatable(
    protein: Protein, ligand: Ligand, tmp_path: Path
) -> None:
    stored = encode_complex("6xg5", protein, ligand, 6.0, conformers=2)
    assert stored.ligand_conformers.shape == (2, ligand.num_atoms, 3)
    ok = dict.fromkeys(INDEX_FIELDS, "") | {"id": "6xg5", "status": "ok"}
    bad = dict.fromkeys(INDEX_FIELDS, "") | {"id": "bad", "status": "failed"}
    content = shard_bytes([stored], [ok, bad], "print")
    assert content == shard_bytes([stored], [ok, bad], "print")
    (tmp_path / "shard").write_bytes(content)
    (again,) = read_entries(tmp_path / "shard")
    for field in fields(StoredComplex):
        left, right = getattr(stored, field.name), getattr(again, field.name)
        assert np.array_equal(left, right), field.name
        if field.name in COLUMNS and "int16" not in COLUMNS[field.name].dtype:
            assert right.dtype == COLUMNS[field.name].dtype
    with pytest.raises(ValueError, match="read-only"):
        again.coords[0] = 0


def test_a_copy_of_the_ligand_in_the_receptor_is_left_out(ligand: Ligand) -> None:
    whole = read_structure(EXAMPLES / "6xg5.cif").receptor()  # TOP still inside
    stored = encode_complex("6xg5", whole, ligand, 8.0)
    gap = np.linalg.norm(stored.coords[:, None] - ligand.coords, axis=-1).min()
    assert gap > 2.0


def test_refusals(protein: Protein, ligand: Ligand) -> None:
    flat = Ligand("flat", Chem.MolFromSmiles("CCO"))
    with pytest.raises(EncodingRefusedError) as caught:
        encode_complex("x", protein, flat, 8.0)
    assert caught.value.reason == "ligand_without_coordinates"
    on_top = Chem.Mol(ligand.mol)
    alpha = protein.coords[protein.atom_names == "CA"][0]
    shift = alpha - ligand.coords[0]
    for k, point in enumerate(ligand.coords):
        on_top.GetConformer().SetAtomPosition(k, (point + shift).tolist())
    with pytest.raises(EncodingRefusedError) as caught:
        encode_complex("x", protein, Ligand("on top", on_top), 8.0)
    assert caught.value.reason == "bonded_or_clashing"


def test_pocket_chain_reads_the_sequence(protein: Protein, ligand: Ligand) -> None:
    chain, sequence = pocket_chain(protein, ligand.coords)
    assert chain == "A"
    assert "MISLIAALAVDR" in sequence  # E. coli dihydrofolate reductase begins so (UniProt P0ABQ4)
