"""Against the original S-GCN pipeline (data/sgcn_parity), Biopython, and on blemished models."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from Bio.PDB import PDBParser, calc_dihedral

from molgen.errors import StructureError
from molgen.geometry.frames import backbone_frames
from molgen.geometry.harmonics import real_harmonics
from molgen.graphs.model_contacts import _along_chain, model_contacts
from molgen.graphs.residue_graph import ATOM_TYPES, RESIDUES, ModelContacts, to_graph
from molgen.io.model_file import read_models
from molgen.structure import Protein
from molgen.vocabulary import RESIDUE_ATOMS

PARITY = Path(__file__).parent / "data" / "sgcn_parity"


def table(name: str) -> list[dict[str, str]]:
    with (PARITY / name).open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def protein() -> Protein:
    return next(read_models(PARITY / "6KYTP_af2.pdb"))[1]


@pytest.fixture(scope="module")
def contacts(protein) -> ModelContacts:
    return model_contacts(protein)[0]


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    rows = table("atoms.csv")
    columns = ("residue", "radius", "volume", "sasa", "buriedness")
    return {name: np.array([float(row[name]) for row in rows]) for name in columns}


def per_residue(values: np.ndarray, reference: dict[str, np.ndarray]) -> np.ndarray:
    return np.bincount(reference["residue"].astype(int) - 1, values)


def test_radii_are_those_of_the_pipeline(protein, reference):
    from molgen.graphs.protein_atoms import protein_atoms

    assert protein_atoms(protein).radii.tolist() == reference["radius"].tolist()


def test_accessible_areas_are_those_of_the_pipeline(contacts, reference):
    # Voronota's surface is 0.07 % larger than the exact one
    expected = per_residue(reference["sasa"], reference)
    assert contacts.atom_sasa == pytest.approx(reference["sasa"], abs=0.11)
    assert contacts.sasa == pytest.approx(expected, rel=1e-3, abs=0.21)
    assert contacts.sasa.sum() == pytest.approx(expected.sum(), rel=1e-3)


def test_volumes_are_those_of_the_pipeline(contacts, reference):
    # plane walls between cells here, curved ones there: 2 % at most for a residue
    expected = per_residue(reference["volume"], reference)
    assert contacts.volume == pytest.approx(expected, rel=0.025)
    assert contacts.volume.sum() == pytest.approx(expected.sum(), rel=1e-3)
    assert np.corrcoef(contacts.volume, expected)[0, 1] > 0.9998


def test_buriedness_is_that_of_the_pipeline(contacts, reference):
    expected = np.full(71, 255)
    np.minimum.at(
        expected, reference["residue"].astype(int) - 1, reference["buriedness"].astype(int)
    )
    assert contacts.buriedness.tolist() == expected.tolist()


def test_residue_contacts_are_those_of_the_pipeline(contacts):
    rows = table("contacts.csv")
    pairs = [[int(row["first"]) - 1, int(row["second"]) - 1] for row in rows]
    areas = np.array([float(row["area"]) for row in rows])
    assert contacts.edge_nodes.tolist() == pairs
    # the walls again: 2.4 % of the area in all, 1.6 Å² at most
    assert np.abs(contacts.edge_area - areas).max() < 1.7
    assert np.abs(contacts.edge_area - areas).sum() < 0.025 * areas.sum()
    assert np.corrcoef(contacts.edge_area, areas)[0, 1] > 0.999


@pytest.mark.parametrize("order", [5, 10])
def test_harmonics_are_those_of_the_pipeline(protein, contacts, order):
    rows = table(f"harmonics{order}.csv")
    assert len(rows) == 60
    expected = torch.tensor([[float(row[f"c{n}"]) for n in range(order**2)] for row in rows])
    first = torch.tensor([int(row["from"]) - 1 for row in rows])
    second = torch.tensor([int(row["to"]) - 1 for row in rows])
    backbone = torch.tensor(contacts.backbone)
    frames, ca = backbone_frames(backbone.double()), backbone[:, 1].double()
    direction = torch.nn.functional.normalize(ca[second] - ca[first], dim=1)
    values = real_harmonics(torch.einsum("eij,ej->ei", frames[first], direction), order)
    # four decimals, and the float32 coordinates
    torch.testing.assert_close(values, expected.double(), rtol=0, atol=7e-5)


def test_vocabularies_agree():
    assert ATOM_TYPES == tuple((r, a) for r in RESIDUES for a in RESIDUE_ATOMS[r])
    assert len(ATOM_TYPES) == 167
    assert tuple(sorted(RESIDUES)) == RESIDUES


def test_columns_fit_together(protein, contacts):
    c = contacts
    names = [ATOM_TYPES[t] for t in c.atom_type]
    there = zip(protein.residue_names.tolist(), protein.atom_names.tolist(), strict=True)
    assert names == [(r, "O" if a == "OXT" else a) for r, a in there]
    assert (c.atom_node == protein.residue_index()).all()
    assert (c.contact_atoms[:, 0] < c.contact_atoms[:, 1]).all()
    ends = np.sort(c.atom_node[c.contact_atoms], axis=1)
    assert (ends[:, 0] != ends[:, 1]).all()
    assert (c.edge_nodes[c.contact_edge] == ends).all()
    total = np.bincount(c.contact_edge, c.contact_area)
    assert c.edge_area == pytest.approx(total, rel=1e-5)
    assert c.sasa == pytest.approx(np.bincount(c.atom_node, c.atom_sasa), rel=1e-5, abs=1e-4)


def test_built_beta_carbons_are_where_real_ones_are(protein, contacts):
    keep = protein.atom_names != "CB"
    bare = model_contacts(protein.select(keep))[0]
    has_cb = contacts.residue_type != RESIDUES.index("GLY")
    gap = np.linalg.norm(bare.backbone[:, 3] - contacts.backbone[:, 3], axis=1)
    assert gap[has_cb].max() < 0.25 and gap[has_cb].mean() < 0.1
    length = np.linalg.norm(bare.backbone[:, 3] - bare.backbone[:, 1], axis=1)
    assert length == pytest.approx(1.53, abs=0.1) and length.mean() == pytest.approx(1.53, abs=0.02)


def test_torsions_agree_with_biopython(contacts):
    structure = PDBParser(QUIET=True).get_structure("model", PARITY / "6KYTP_af2.pdb")
    chain = list(structure[0]["A"])

    def angle(*atoms: tuple[int, str]) -> float:
        return calc_dihedral(*(chain[i][name].get_vector() for i, name in atoms))

    def error(found: np.ndarray, expected: list[float]) -> float:
        return float(np.abs(np.sin((found - expected) / 2)).max())  # -pi is pi

    for i in range(1, 70):
        phi = angle((i - 1, "C"), (i, "N"), (i, "CA"), (i, "C"))
        psi = angle((i, "N"), (i, "CA"), (i, "C"), (i + 1, "N"))
        omega = angle((i - 1, "CA"), (i - 1, "C"), (i, "N"), (i, "CA"))
        assert error(contacts.torsions[i, :3], [phi, psi, omega]) < 1e-5
    chi = {"LYS": "N CA CB CG CD CE NZ", "LEU": "N CA CB CG CD1", "THR": "N CA CB OG1"}
    for i, residue in enumerate(chain):
        path = chi.get(residue.get_resname(), "").split()
        count = max(0, len(path) - 3)
        angles = [angle(*((i, name) for name in path[k : k + 4])) for k in range(count)]
        if path:
            assert error(contacts.torsions[i, 3 : 3 + count], angles) < 1e-5
            assert np.isnan(contacts.torsions[i, 3 + count :]).all()
    assert np.isnan(contacts.torsions[0, [0, 2]]).all() and np.isnan(contacts.torsions[-1, 1])


def test_torsions_stop_at_a_chain_break(protein):
    keep = protein.residue_numbers != 30
    angles = model_contacts(protein.select(keep))[0].torsions
    assert np.isnan(angles[28, 1]) and np.isnan(angles[29, [0, 2]]).all()
    assert np.isfinite(angles[28, 0]) and np.isfinite(angles[29, 1])


def test_two_chains_stay_apart(protein):
    far = replace(protein, coords=protein.coords + np.float32(200.0), chains=np.full(544, "B"))
    columns = {
        name: np.concatenate([getattr(protein, name), getattr(far, name)])
        for name in Protein._array_fields()
    }
    both, report = model_contacts(Protein(name="dimer", **columns))
    alone = model_contacts(protein)[0]
    assert both.chain.tolist() == [0] * 71 + [1] * 71
    assert both.number.tolist() == [*alone.number.tolist()] * 2
    assert len(both.edge_area) == 2 * len(alone.edge_area)
    assert np.isnan(both.torsions[70, 1]) and np.isnan(both.torsions[71, 0])
    assert [str(residue) for residue in report.nodes()][70:72] == ["A:71", "B:1"]
    assert both.sasa[71:] == pytest.approx(alone.sasa, rel=1e-3, abs=1e-2)


def test_residues_that_cannot_be_nodes_are_said_and_fill_space(protein):
    names = protein.residue_names.copy()
    names[protein.residue_numbers == 10] = "SEP"
    keep = ~((protein.residue_numbers == 20) & np.isin(protein.atom_names, ["N", "C"]))
    result, report = model_contacts(replace(protein, residue_names=names).select(keep))
    whole = model_contacts(protein)[0]
    assert len(report) == 71 and len(result) == 69
    assert report.node[[9, 19]].tolist() == [-1, -1]
    assert report.node[[8, 10, 18, 20, 70]].tolist() == [8, 9, 17, 18, 68]
    assert report.reasons[9] == "non-standard residue SEP"
    assert report.reasons[19] == "incomplete backbone (no N, C)"
    assert sum(reason == "" for reason in report.reasons) == 69
    assert len(report.nodes()) == 69
    # the numbering along the chain stays, and so does what residue 10 covers
    assert result.number.tolist() == [n for n in range(1, 72) if n not in (10, 20)]
    assert result.sasa[8] == pytest.approx(whole.sasa[8], rel=0.02)
    assert (result.contact_edge == -1).any() and (result.atom_node == -1).any()
    ends = result.atom_node[result.contact_atoms]
    assert ((ends < 0).any(axis=1) == (result.contact_edge < 0)).all()
    assert result.atom_type.max() < len(ATOM_TYPES)


def test_atoms_of_other_names_and_hetero_groups(protein):
    names = protein.atom_names.copy()
    names[protein.atom_names == "CG"] = "CX"
    renamed = model_contacts(replace(protein, atom_names=names))[0]
    assert len(renamed) == 71 and renamed.atom_type.max() < len(ATOM_TYPES)
    hetero = protein.residue_numbers == 71
    assert len(model_contacts(replace(protein, hetero=hetero))[0]) == 70


def test_alpha_carbons_alone_are_refused(protein):
    with pytest.raises(StructureError, match=r"Cα-only model.*missing are N \(71\), C \(71\)"):
        model_contacts(protein.select(protein.atom_names == "CA"))


def test_no_chain_and_no_standard_residue_are_refused(protein):
    with pytest.raises(StructureError, match="no protein chain"):
        model_contacts(replace(protein, hetero=np.ones(len(protein), dtype=bool)))
    with pytest.raises(StructureError, match="no standard amino-acid residue"):
        model_contacts(replace(protein, residue_names=np.full(len(protein), "UNX")))


def test_too_few_contacts_are_refused(protein):
    with pytest.raises(StructureError, match="contacts between the 3 usable residues"):
        model_contacts(protein.select(protein.residue_numbers <= 3))


def test_coincident_atoms_do_not_break_it(protein):
    coords = protein.coords.copy()
    coords[protein.residue_numbers == 5] = coords[protein.residue_numbers == 5][0]
    result = model_contacts(replace(protein, coords=coords))[0]
    for name in ("volume", "sasa", "edge_area", "backbone"):
        assert np.isfinite(getattr(result, name)).all()


def test_graph_of_two_models(contacts, protein):
    small = model_contacts(protein.select(protein.residue_numbers <= 20))[0]
    graph = to_graph([contacts, small])
    nodes, edges = len(contacts), len(contacts.edge_area)
    assert len(graph) == nodes + 20 and graph.num_graphs == 2
    assert graph.graph.tolist() == [0] * nodes + [1] * 20
    half = graph.edge_index.shape[1] // 2
    assert half == edges + len(small.edge_area)
    assert (graph.edge_index[:, :half] == graph.edge_index[:, half:].flip(0)).all()
    assert (graph.edge_area[:half] == graph.edge_area[half:]).all()
    assert graph.edge_index[:, edges:half].min() >= nodes
    # every atom contact lies on the edge of its residues
    ends = graph.atom_node[graph.contact_atoms].sort(dim=0).values
    assert (graph.edge_index[:, graph.contact_edge] == ends).all()
    assert graph.scalars[0].tolist() == pytest.approx(
        [contacts.volume[0], contacts.buriedness[0], contacts.sasa[0]]
    )
    assert graph.to("cpu").num_graphs == 2
    alone = to_graph([small])
    assert (graph.torsions[nodes:].nan_to_num() == alone.torsions.nan_to_num()).all()
    assert len(to_graph([])) == 0 and to_graph([]).edge_index.shape == (2, 0)


def test_graph_keeps_contacts_of_no_edge(protein):
    names = protein.residue_names.copy()
    names[protein.residue_numbers == 10] = "SEP"
    odd = model_contacts(replace(protein, residue_names=names))[0]
    graph = to_graph([odd, odd])
    assert (graph.contact_edge == -1).sum() == 2 * (odd.contact_edge == -1).sum()
    assert (graph.atom_node == -1).sum() == 2 * (odd.atom_node == -1).sum()


def test_insertion_codes_are_places_along_the_chain():
    found = _along_chain(np.array([49, 50, 50, 50, 51, -3, -3]), np.array([0, 0, 0, 0, 0, 1, 1]))
    assert np.diff(found).tolist()[:4] == [1, 1, 1, 1] and found[6] - found[5] == 1
    plain = np.array([5, 4, 9, 1])
    assert _along_chain(plain, np.array([0, 0, 0, 1])).tolist() == plain.tolist()
