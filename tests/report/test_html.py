"""The report page: complete, closed to the network, every text escaped."""

from __future__ import annotations

import json
import re

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdDepictor

from molgen.errors import OutputError
from molgen.io.sdf import sdf_record
from molgen.report.depiction import depict
from molgen.report.html import ReportEntry, surest_first, write_report

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"


def entry(name: str = "aspirin", smiles: str = "CC(=O)Oc1ccccc1C(=O)O", **changes) -> ReportEntry:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol.SetProp("_Name", name)
    table = [
        {"rank": 1, "score": -7.5, "posebusters_pass": True, "vina": -7.1, "strain": 0.5},
        {
            "rank": 2,
            "score": -6.0,
            "posebusters_pass": False,
            "posebusters_failed": "bond_lengths,minimum_distance_to_protein",
            "vina": -6.2,
            "strain": -0.001,
        },
    ]
    fields = {
        "name": name,
        "ligand_mol": mol,
        "poses_sdf_text": sdf_record(mol, {"score": -7.5}) + sdf_record(mol),
        "table": table,
    }
    return ReportEntry(**(fields | changes))


def page(tmp_path, entries, **changes) -> str:
    arguments = {"title": "Run", "run": {"seed": 0}, "receptor_pdb": "REMARK empty\n"} | changes
    write_report(tmp_path / "report.html", entries=entries, **arguments)
    return (tmp_path / "report.html").read_text("utf-8")


def data_of(text: str) -> dict:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(match.group(1))


def test_one_ligand(tmp_path):
    text = page(tmp_path, [entry()], units={"score": "kcal/mol"})
    data = data_of(text)
    assert len(data["poses"]["0"]) == 2 and data["first"] == 0
    assert all(block.rstrip().endswith("M  END") for block in data["poses"]["0"])
    assert "−7.50" in text and "bond lengths, minimum distance to protein" in text
    assert "−0.00" not in text
    assert 'class="badge good">valid' in text and 'class="badge bad">invalid' in text
    assert "<small>kcal/mol</small>" in text and "<svg viewBox" in text
    assert 'class="ligands"' not in text  # no overview for one ligand


def test_poses_without_a_title_and_rows_without_verdicts(tmp_path):
    untitled = entry(name="")
    table = [{"rank": 1, "score": -7.5, "posebusters_pass": True, "posebusters_failed": None}]
    text = page(tmp_path, [entry(name="", table=table)])
    blocks = data_of(text)["poses"]["0"]
    assert untitled.poses_sdf_text.startswith("\n") and len(blocks) == 2
    assert all(Chem.MolFromMolBlock(block) is not None for block in blocks)


def test_a_name_that_is_no_text_is_written_with_marks(tmp_path):
    assert "prot?.pdb" in page(tmp_path, [entry()], run={"pdb": "prot\udcff.pdb"})


def test_no_network(tmp_path):
    text = page(tmp_path, [entry()])
    assert "default-src 'none'" in text and "connect-src" not in text
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(?:src|href)\s*=\s*['\"]", own)
    assert "@import" not in own and "url(" not in own


@pytest.mark.parametrize("text", [EVIL, "<!--", "a & b \u2028 \"'"])
def test_everything_is_escaped(tmp_path, text):
    evil = entry(name=text, reason=text, notes=[text], status=text)
    evil = ReportEntry(**{**vars(evil), "table": [{"rank": 1, text: text, "score": text}]})
    written = page(
        tmp_path,
        [evil, entry()],
        title=text,
        run={text: text, "nested": {text: text}},
        receptor_pdb="REMARK " + text,
        reference_sdf=text,
        units={text: text},
    )
    assert "<script>alert" not in written and "<img src" not in written
    assert written.count("</script>") == 3  # data, library, viewer
    assert data_of(written)["receptor"] == "REMARK " + text


def test_many_ligands_stay_bounded(tmp_path):
    entries = [entry(f"lig{k}") for k in range(40)]
    entries.append(ReportEntry("bad", "failed", "no 3D embedding"))
    text = page(tmp_path, entries, max_3d=3)
    assert len(data_of(text)["poses"]) == 3
    assert text.count("<tr data-ligand=") == 41
    assert "no 3D embedding" in text and "40</b> ligands" not in text and "41</b> ligands" in text
    assert "3D data is left out" in text
    assert len(text) < 1_500_000


def test_nothing_to_show(tmp_path):
    text = page(tmp_path, [ReportEntry("bad", "failed", "unreadable")])
    assert "unreadable" in text and "3Dmol" in text and len(text) < 60_000
    assert "0</b> ligands" in page(tmp_path, [])


def test_the_surest_ligand_comes_first_whatever_its_score():
    sure, unsure = [{"confidence": 0.9, "score": -5.0}], [{"confidence": 0.2, "score": -9.0}]
    assert sorted([[], unsure, sure], key=surest_first) == [sure, unsure, []]


def test_undrawable_molecule_has_no_drawing():
    assert depict(Chem.MolFromSmiles("CN(C)(C)(C)C", sanitize=False)) == ""
    assert "<path" not in depict(Chem.Mol())
    assert "<path" in depict(Chem.MolFromSmiles("CCO"))
    assert "currentColor" in depict(Chem.MolFromSmiles("CCO"))
    assert not rdDepictor.GetPreferCoordGen()  # layouts outside reports stay what they were
    assert "script" not in depict(Chem.MolFromSmiles("c1ccncc1"))


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(tmp_path / "file" / "report.html", title="", run={}, entries=[])
