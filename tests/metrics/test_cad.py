"""CAD-scores against hand calculations, voronota and stored CAD-score-LT values."""

import csv
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from molgen.errors import ConfigError, StructureError
from molgen.metrics.cad import (
    CadConfig,
    ContactAreas,
    cad_score,
    global_cad_score,
    smooth_along_chains,
)

# voronota's scores; the script that made the file stands beside it
REFERENCE = json.loads((Path(__file__).parent / "data" / "cad_reference.json").read_text())
RAW = CadConfig(depth=0, smoothing=(1.0,))


def areas(rows) -> ContactAreas:
    table = np.asarray(rows, dtype=float).reshape(-1, 3)
    return ContactAreas(table[:, :2].astype(int), table[:, 2])


def random_areas(rng: np.random.Generator, residues: int = 60) -> ContactAreas:
    first, second = np.triu_indices(residues, 1)
    keep = rng.random(len(first)) < np.where(second - first < 5, 0.7, 0.05)
    pairs = np.stack([first, second], axis=1)[keep]
    return ContactAreas(pairs, rng.uniform(0.1, 40.0, len(pairs)))


def test_global_score_by_hand():
    # lost: 4 of 10 kept at 6, all 5 missing, min(|3 - 9|, 3) = 3 of 3; extra contact free
    target = areas([(0, 1, 10), (1, 2, 5), (2, 3, 3)])
    model = areas([(0, 1, 6), (2, 3, 9), (0, 3, 50)])
    assert global_cad_score(target, model) == pytest.approx(1 - (4 + 5 + 3) / 18)


def test_local_score_by_hand():
    target = areas([(0, 1, 10), (1, 2, 6), (3, 4, 4)])
    model = areas([(0, 1, 5), (1, 2, 6), (3, 4, 1)])
    chains = np.array(["A"] * 6)
    raw = cad_score(target, model, chains, RAW).local
    assert raw[:5] == pytest.approx([5 / 10, 11 / 16, 6 / 6, 1 / 4, 1 / 4])
    assert np.isnan(raw[5])  # no contact at all
    # 0, 1 and 2 reach every pair among themselves; 3 and 4 only their own
    pooled = cad_score(target, model, chains, CadConfig(smoothing=(1.0,))).local
    assert pooled[:5] == pytest.approx([11 / 16] * 3 + [1 / 4] * 2)
    smooth = cad_score(target, model, chains).local
    assert smooth[2] == pytest.approx((11 / 16 + 0.75 * (11 / 16 + 1 / 4)) / 2.5)
    assert smooth[4] == pytest.approx(1 / 4)


def test_smoothing_stays_within_chains_and_passes_over_gaps():
    values = np.array([0.0, 1.0, np.nan, 0.0, 1.0, 1.0])
    chains = np.array(["A", "A", "A", "A", "B", "B"])
    smooth = smooth_along_chains(values, chains, (1.0, 0.5))
    assert smooth[[0, 1, 3]] == pytest.approx([0.5 / 1.5, 1 / 2, 0.5 / 1.5])
    assert np.isnan(smooth[2])
    assert smooth[4:] == pytest.approx([1.0, 1.0])
    assert smooth_along_chains(values, chains, (1.0,))[1] == 1.0


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("depth 0, window 0", RAW),
        ("depth 1, window 0", CadConfig(1, (1.0,))),
        ("depth 1, window 2", CadConfig()),
        ("depth 2, window 3", CadConfig(2, (1.0, 1 - 1 / 9, 1 - 4 / 9))),
    ],
)
def test_agrees_with_voronota(key, config):
    found = cad_score(
        areas(REFERENCE["target"]),
        areas(REFERENCE["model"]),
        np.array(list(REFERENCE["chains"])),
        config,
    )
    value, *local = REFERENCE["scores"][key]
    assert found.value == pytest.approx(value, abs=6e-7)
    expected = np.array([np.nan if score is None else score for score in local])
    np.testing.assert_allclose(found.local, expected, atol=6e-7)


def test_a_structure_equals_itself_in_any_order():
    rng = np.random.default_rng(0)
    target = random_areas(rng)
    order = rng.permutation(len(target))
    pairs = target.pairs[order].copy()
    pairs[::2] = pairs[::2, ::-1]
    halves = ContactAreas(np.repeat(pairs, 2, axis=0), np.repeat(target.areas[order] / 2, 2))
    assert np.array_equal(halves.pairs, target.pairs)
    found = cad_score(target, halves, np.zeros(60))
    assert found.value == pytest.approx(1.0)
    assert found.local == pytest.approx(np.ones(60))


def test_falls_as_areas_are_disturbed():
    rng = np.random.default_rng(1)
    target = random_areas(rng)
    change = rng.normal(size=len(target))
    scores = [
        global_cad_score(target, ContactAreas(target.pairs, target.areas * np.exp(s * change)))
        for s in (0.0, 0.1, 0.3, 1.0)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1.0 and 0 <= scores[-1] < scores[1]


def test_renumbering_keeps_scores():
    rng = np.random.default_rng(2)
    target, model = random_areas(rng), random_areas(rng)
    before = cad_score(target, model, np.zeros(60), CadConfig(smoothing=(1.0,)))
    order = rng.permutation(60)
    after = cad_score(
        target.renumbered(order),
        model.renumbered(order),
        np.zeros(60),
        CadConfig(smoothing=(1.0,)),
    )
    assert after.value == pytest.approx(before.value)
    assert after.local[order] == pytest.approx(before.local)


def test_missing_and_additional_residues():
    target = areas([(0, 1, 4), (1, 2, 4), (2, 3, 4)])
    # the model lacks residue 3 and has a tail (its residues 3 and 4)
    model = areas([(0, 1, 4), (1, 2, 4), (2, 3, 9), (3, 4, 9)]).renumbered(
        np.array([0, 1, 2, -1, -1])
    )
    assert len(model) == 2
    found = cad_score(target, model, np.zeros(4), RAW)
    assert found.value == pytest.approx(2 / 3)
    assert found.local == pytest.approx([1, 1, 0.5, 0])
    beyond = areas([(0, 1, 4), (1, 2, 4), (2, 7, 9)])
    assert cad_score(target, beyond, np.zeros(4)).value == pytest.approx(2 / 3)


def test_refuses_what_makes_no_sense():
    with pytest.raises(StructureError, match="shape"):
        ContactAreas(np.zeros((2, 2), int), np.zeros(3))
    with pytest.raises(StructureError, match="0 or more"):
        ContactAreas(np.array([[0, 1]]), np.array([-1.0]))
    empty = areas([])
    with pytest.raises(StructureError, match="no contact area"):
        global_cad_score(empty, areas([(0, 1, 1)]))
    with pytest.raises(StructureError, match="2 residues are given"):
        cad_score(areas([(0, 2, 1)]), empty, np.zeros(2))
    with pytest.raises(StructureError, match="has no new number"):
        areas([(0, 2, 1)]).renumbered(np.arange(2))
    with pytest.raises(ConfigError, match="smoothing"):
        cad_score(areas([(0, 1, 1)]), empty, np.zeros(2), CadConfig(smoothing=()))
    assert cad_score(areas([(0, 1, 1)]), empty, np.zeros(2)).value == 0.0


def test_labels_a_hundred_models_a_second():
    rng = np.random.default_rng(3)
    target, model = random_areas(rng, 200), random_areas(rng, 200)
    chains = np.zeros(200)
    best = np.inf
    for _ in range(10):
        start = time.process_time()
        cad_score(target, model, chains)
        best = min(best, time.process_time() - start)
    assert best < 0.01


@pytest.mark.skipif(
    not os.environ.get("MOLGEN_QUALITY_PAIRS"),
    reason="MOLGEN_QUALITY_PAIRS names no folder <target>/{target.pdb,models,cad_global.tsv}",
)
def test_agrees_with_stored_scores_of_cad_score_lt():
    from molgen.graphs.model_contacts import model_contacts
    from molgen.io.structure_file import read_protein
    from molgen.metrics.compare import CompareConfig, compare_models

    def read(path):
        protein = read_protein(path)
        contacts, report = model_contacts(protein)
        found = ContactAreas(contacts.edge_nodes, contacts.edge_area)
        return protein, found.renumbered(np.flatnonzero(report.node >= 0))

    ours, stored = [], []
    folders = sorted(Path(os.environ["MOLGEN_QUALITY_PAIRS"]).iterdir())
    for folder in folders[:: int(os.environ.get("MOLGEN_QUALITY_PAIRS_STEP", "10"))]:
        native, native_areas = read(folder / "target.pdb")
        with (folder / "cad_global.tsv").open() as table:
            for row in list(csv.DictReader(table, delimiter="\t"))[:8]:
                model, model_areas = read(folder / "models" / row["model"])
                compared = compare_models(
                    native, model, native_areas, model_areas, CompareConfig(parts=("cad",))
                )
                ours.append(compared.cad)
                stored.append(float(row["residue_residue_cadscore"]))
    assert np.corrcoef(ours, stored)[0, 1] > 0.999
    assert np.abs(np.subtract(ours, stored)).max() < 1e-5  # the table has six decimals
