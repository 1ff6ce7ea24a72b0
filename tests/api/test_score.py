"""`molgen.api.score`: what a run writes, and what it makes of bad input."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from score_fixtures import (
    EXAMPLES,
    RESIDUES,
    moved,
    native,
    write_checkpoint,
    write_models,
)

from molgen.api.score import ScoreConfig, score
from molgen.checkpoints import save_domain
from molgen.errors import ConfigError, InputError, OutputError, StoreError
from molgen.io import write_pdb
from molgen.metrics.agreement import calibration, correlation


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = write_checkpoint(tmp_path_factory.mktemp("checkpoint"))
    return ScoreConfig(model=str(folder), device="cpu", plots="none")


@pytest.fixture
def models(tmp_path):
    return write_models(tmp_path / "in", 4)


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_of_models(models, config, tmp_path):
    out = tmp_path / "out"
    result = score([tmp_path / "in"], out, config=config, command="molgen score in")
    assert result.failed == () and result.incomplete == 0
    values = [record.predicted_cad for record in result.ranked]
    assert values == sorted(values, reverse=True) and all(0 < value < 1 for value in values)
    assert sorted(path.name for path in out.iterdir()) == [
        "models", "records.jsonl", "report.html", "residues.csv", "run.json", "scores.csv",
        "status.csv",
    ]  # fmt: skip
    rows = table(out / "scores.csv")
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert list(rows[0]) == [
        "rank", "model", "file", "predicted_cad", "residues", "scored_residues", "flags"
    ]  # fmt: skip
    assert {row["residues"] for row in rows} == {str(RESIDUES)}
    residues = table(out / "residues.csv")
    assert [row["model"] for row in residues[::RESIDUES]] == ["m0", "m1", "m2", "m3"]
    of_first = [float(row["predicted_cad"]) for row in residues[:RESIDUES]]
    scored = {row["model"]: float(row["predicted_cad"]) for row in rows}
    assert scored["m0"] == pytest.approx(np.mean(of_first), abs=1e-4)  # the mean over residues
    status = table(out / "status.csv")
    assert [row["status"] for row in status] == ["ok"] * 4
    assert len({row["sha256"] for row in status}) == 4
    run = json.loads((out / "run.json").read_text())
    assert run["command"] == "molgen score in" and run["models"] == 4 and "seed" not in run
    assert run["checkpoint"]["network"] == "sgcn_5" and len(run["checkpoint"]["sha256"]) == 64


def test_the_quality_stands_in_the_b_factors(models, config, tmp_path):
    out = tmp_path / "out"
    score(models[:1], out, config=config)
    rows = table(out / "residues.csv")
    found = gemmi.read_structure(str(out / "models" / "m0.pdb"))[0][0]
    assert len(found) == len(rows)
    for residue, row in zip(found, rows, strict=True):
        assert residue.seqid.num == int(row["number"]) and residue.name == row["residue"]
        for atom in residue:
            assert atom.b_iso == pytest.approx(100 * float(row["predicted_cad"]), abs=0.011)
    before = models[0].read_text().splitlines()
    after = (out / "models" / "m0.pdb").read_text().splitlines()
    assert [line[:60] + line[66:] for line in before] == [line[:60] + line[66:] for line in after]


def test_without_a_folder_nothing_is_written(models, config, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = score(models, config=config)
    assert len(result.ranked) == 4 and result.folder is None
    assert sorted(tmp_path.rglob("*")) == before


def test_mmcif_gzip_and_pdb_agree(config, tmp_path):
    write_pdb(tmp_path / "a.pdb", native())
    structure = gemmi.read_structure(str(tmp_path / "a.pdb"))
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(tmp_path / "b.cif"))
    (tmp_path / "c.pdb.gz").write_bytes(gzip.compress((tmp_path / "a.pdb").read_bytes()))
    result = score([tmp_path], tmp_path / "out", config=config)
    assert {record.model for record in result.ranked} == {"a", "b", "c"}
    assert len({round(record.predicted_cad, 5) for record in result.ranked}) == 1
    assert sorted(p.name for p in (tmp_path / "out/models").iterdir()) == [
        "a.pdb",
        "b.pdb",
        "c.pdb",
    ]


def test_with_a_reference(models, config, tmp_path):
    write_pdb(tmp_path / "native.pdb", native())
    out = tmp_path / "out"
    result = score(models, out, reference=tmp_path / "native.pdb", config=config)
    truth = {record.model: record.truth for record in result.ranked}
    # the native against itself; m1 to m3 are moved by more and more
    assert truth["m0"] == {key: 1.0 for key in ("true_cad", "true_lddt", "gdt_ts", "tm_score")}
    for key in truth["m0"]:
        values = [truth[f"m{number}"][key] for number in range(4)]
        assert values == sorted(values, reverse=True) and 0 < values[-1] < 1
    predicted = np.array([record.predicted_cad for record in result.ranked])
    true = np.array([record.truth["true_cad"] for record in result.ranked])
    expected = correlation(predicted, true)
    measured = result.agreement["measures"]["true_cad"]
    for name in ("pearson", "spearman", "kendall", "loss", "error"):
        assert measured[name] == pytest.approx(getattr(expected, name), abs=1e-4)
    assert result.agreement["calibration"] == [
        row._asdict() for row in calibration(predicted, true)
    ]
    rows = table(out / "residues.csv")
    local = np.array([[row["predicted_cad"], row["true_cad"]] for row in rows], dtype=float)
    assert result.agreement["residues"]["residues"] == len(local) == 4 * RESIDUES
    assert result.agreement["residues"]["pearson"] == pytest.approx(
        np.corrcoef(local.T)[0, 1], abs=1e-3
    )
    assert json.loads((out / "run.json").read_text())["inputs"]["reference"]["file"] == "native.pdb"


def test_a_reference_that_does_not_match(models, config, tmp_path):
    other = EXAMPLES / "7n03.cif.gz"
    with pytest.raises(InputError, match=r"no model could be compared: reference 7n03 does not"):
        score(models, tmp_path / "out", reference=other, config=config)
    assert all("does not match" in row["reason"] for row in table(tmp_path / "out/status.csv"))
    both = [*models[:1], other]
    result = score(both, tmp_path / "out2", reference=other, config=config)
    flags = {record.model: record.flags for record in result.ranked}
    assert "reference does not match" in flags["m0"] and result.incomplete == 1
    rows = {row["model"]: row for row in table(tmp_path / "out2/scores.csv")}
    assert rows["m0"]["true_cad"] == "" and float(rows["7n03"]["true_cad"]) == pytest.approx(1.0)


def test_a_reference_that_cannot_be_read(models, config, tmp_path):
    with pytest.raises(InputError, match="reference: .*none.pdb: no such file"):
        score(models, tmp_path / "out", reference=tmp_path / "none.pdb", config=config)
    assert not (tmp_path / "out").exists()


def test_a_model_shorter_than_the_reference(config, tmp_path):
    write_pdb(tmp_path / "native.pdb", native())
    write_pdb(tmp_path / "short.pdb", native().select(native().residue_index() < 30))
    result = score([tmp_path / "short.pdb"], reference=tmp_path / "native.pdb", config=config)
    record = result.ranked[0]
    assert "covers 30 of 40 reference residues" in record.flags
    assert record.truth["true_cad"] < 1.0 and record.truth["gdt_ts"] == pytest.approx(0.75)


def text_of(protein):
    return write_pdb(None, protein)


BAD = {
    "no_atoms.pdb": ("HEADER\nREMARK nothing\nEND\n", "not a structure; expected PDB or mmCIF"),
    "empty.pdb": ("", "file is empty"),
    "ca_only.pdb": (
        lambda: text_of(native().select(native().atom_names == "CA")),
        r"Cα-only model: of 40 residues, missing are N \(40\), C \(40\); expected N, CA and C",
    ),
    "tiny.pdb": (
        lambda: text_of(native().select(native().residue_index() < 3)),
        r"contacts between the 3 usable residues; expected at least 5",
    ),
    "fake.pdb.gz": ("no gzip, no atoms\n", "not a structure.*; it is no gzip file, in spite of"),
    "cut.pdb.gz": (
        lambda: gzip.compress(text_of(native()).encode())[:500],
        "gzip file is truncated or damaged",
    ),
    "water.pdb": (
        "HETATM    1  O   HOH A   1       1.000   2.000   3.000  1.00  0.00           O\n",
        "no protein found",
    ),
    "letters.pdb": (
        lambda: text_of(native()).replace("ATOM      1", "ATOM      1", 1).replace(
            text_of(native())[30:38], " nonsens", 1
        ),
        "are not numbers",
    ),
}  # fmt: skip


def write_bad(folder, name):
    content = BAD[name][0]
    content = content() if callable(content) else content
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_alone_and_among_others(name, config, tmp_path):
    bad = write_bad(tmp_path, name)
    with pytest.raises(InputError, match=f"none of 1 files could be scored: .*{BAD[name][1]}"):
        score([bad], config=config)
    write_pdb(tmp_path / "good.pdb", native())
    result = score([bad, tmp_path / "good.pdb"], tmp_path / "out", config=config)
    assert [record.model for record in result.ranked] == ["good"]
    rows = table(tmp_path / "out/status.csv")
    assert [row["status"] for row in rows] == ["failed", "ok"] and result.incomplete == 1
    assert "unexpected" not in rows[0]["reason"] and "\n" not in rows[0]["reason"]


def test_all_bad_still_leaves_the_reasons(config, tmp_path):
    bad = [write_bad(tmp_path, name) for name in ("no_atoms.pdb", "ca_only.pdb")]
    with pytest.raises(InputError, match="none of 2 files could be scored.*see .*status.csv"):
        score(bad, tmp_path / "out", config=config)
    assert len(table(tmp_path / "out/status.csv")) == 2


def test_several_models_in_a_file(config, tmp_path):
    parts = [text_of(moved(0.3 * number)).replace("END\n", "") for number in range(3)]
    parts[1] = text_of(native().select(native().atom_names == "CA")).replace("END\n", "")
    text = "".join(f"MODEL     {n:4d}\n{part}ENDMDL\n" for n, part in enumerate(parts, 1))
    (tmp_path / "nmr.pdb").write_text(text + "END\n")
    result = score([tmp_path / "nmr.pdb"], tmp_path / "out", config=config)
    assert {record.model for record in result.ranked} == {"nmr#1", "nmr#3"}
    assert [record.model for record in result.failed] == ["nmr#2"]
    assert [row["number"] for row in table(tmp_path / "out/status.csv")] == ["1", "2", "3"]
    written = sorted(path.name for path in (tmp_path / "out/models").iterdir())
    assert written == ["nmr#1.pdb", "nmr#3.pdb"]
    one = gemmi.read_structure(str(tmp_path / "out/models/nmr#3.pdb"))
    x = [atom.pos.x for residue in one[0][0] for atom in residue]
    assert len(one) == 1 and np.allclose(x, moved(0.6).coords[:, 0], atol=1e-3)


def test_duplicate_residues_are_said(config, tmp_path):
    lines = [line for line in text_of(native()).splitlines(True) if line.startswith("ATOM")]
    (tmp_path / "twice.pdb").write_text("".join(lines + lines[:50]))
    write_pdb(tmp_path / "once.pdb", native())
    result = score([tmp_path], tmp_path / "out", config=config)
    by_name = {record.model: record for record in result.ranked}
    assert by_name["twice"].flags == ("duplicate residues or atoms: first kept",)
    assert by_name["twice"].predicted_cad == by_name["once"].predicted_cad


def test_what_is_not_scored_is_masked_and_reported(config, tmp_path):
    names = native().residue_names.copy()
    names[native().residue_index() == 20] = "SEP"
    broken = replace(native(), residue_names=names)
    broken = broken.select(~((native().residue_index() == 10) & (native().atom_names == "C")))
    write_pdb(tmp_path / "a.pdb", broken)
    record = score([tmp_path / "a.pdb"], tmp_path / "out", config=config).ranked[0]
    assert record.flags == (
        "incomplete backbone: 1 residue",
        "non-standard: 1 residue",
        "missing heavy atoms: 1 residue",
    )
    assert (record.residues, record.scored) == (40, 38)
    rows = table(tmp_path / "out/residues.csv")
    assert [(at, row["reason"]) for at, row in enumerate(rows) if not row["predicted_cad"]] == [
        (10, "incomplete backbone (no C)"), (20, "non-standard residue SEP"),
    ]  # fmt: skip


def test_outside_the_training_domain(models, config, tmp_path):
    folder = write_checkpoint(tmp_path / "small")
    save_domain(folder, {"residues": [50, 500], "chains": [1, 4]})
    result = score(models[:1], config=replace(config, model=str(folder)))
    assert result.ranked[0].flags == ("outside training domain: 40 residues, trained on 50 to 500",)
    save_domain(folder, {"residues": 3})
    with pytest.raises(StoreError, match=r"domain\.json: cannot be read"):
        score(models[:1], config=replace(config, model=str(folder)))


def test_names_never_leave_the_folder(config, tmp_path):
    (tmp_path / "in").mkdir()
    text = text_of(native())
    for name in ("..pdb", ".. .. etc.pdb", "<script>.pdb", "a\nb.pdb", "x#2.pdb"):
        (tmp_path / "in" / name).write_text(text)
    out = tmp_path / "deep" / "out"
    result = score([tmp_path / "in" / name.name for name in (tmp_path / "in").iterdir()], out,
                   config=replace(config, plots="all"))  # fmt: skip
    assert len(result.ranked) == 5
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(out in path.parents or (tmp_path / "in") in path.parents for path in written)
    page = (out / "report.html").read_text()
    assert "<script>.pdb" not in page and "<b>5</b> scored" in page


def test_a_missing_checkpoint_lists_the_known(models, tmp_path):
    config = ScoreConfig(model="zzz", plots="none")
    with pytest.raises(StoreError, match=r"no checkpoint 'zzz'.*known: .*contacts-1"):
        score(models, tmp_path / "out", config=config)
    with pytest.raises(StoreError, match="checkpoint is a .*, expected 'quality'"):
        score(models, tmp_path / "out", config=ScoreConfig(model="contacts-1"))
    assert not (tmp_path / "out").exists()


def test_requests_that_make_no_sense(models, config, tmp_path):
    with pytest.raises(ConfigError, match="jobs must be at least 1"):
        score(models, jobs=0, config=config)
    with pytest.raises(ConfigError, match="resume needs the folder"):
        score(models, resume=True, config=config)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="is not empty; --resume"):
        score(models, tmp_path / "full", config=config)


def test_plots(models, config, tmp_path):
    out = tmp_path / "out"
    write_pdb(tmp_path / "native.pdb", native())
    score(models, out, reference=tmp_path / "native.pdb", config=replace(config, plots="auto"))
    names = ["overview.png", *(f"plots/m{number}.png" for number in range(4))]
    for name in names:
        assert (out / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "data:image/png;base64," in (out / "report.html").read_text()


@pytest.mark.slow
def test_an_assembly_of_5000_residues(config, tmp_path):
    """125 copies of a chain in a row: more than the PDB format has letters for."""
    copies, width = 125, float(np.ptp(native().coords[:, 0])) + 30.0
    write_pdb(tmp_path / "one.pdb", native())
    structure = gemmi.read_structure(str(tmp_path / "one.pdb"))
    structure.setup_entities()
    for number in range(1, copies):
        chain = structure[0][0].clone()
        chain.name = f"c{number}"
        for residue in chain:
            for atom in residue:
                atom.pos.x += number * width
        structure[0].add_chain(chain)
    structure.make_mmcif_document().write_file(str(tmp_path / "big.cif"))
    result = score([tmp_path / "big.cif"], tmp_path / "out", config=config)
    assert (result.ranked[0].residues, result.ranked[0].scored) == (5000, 5000)
    assert (tmp_path / "out/models/big.cif").is_file()
    rows = table(tmp_path / "out/residues.csv")
    assert len({row["chain"] for row in rows}) == copies
    # the copies do not touch each other, so they are all alike
    values = np.array([float(row["predicted_cad"]) for row in rows]).reshape(copies, -1)
    assert np.ptp(values, axis=0).max() < 0.01
