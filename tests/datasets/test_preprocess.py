"""From a folder of complexes to a store: outcomes, resuming after a kill, refusing, reading."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from molgen.api.preprocess import preprocess
from molgen.cli.preprocess import command
from molgen.datasets.builder import BuildOptions
from molgen.datasets.splits import SplitOptions
from molgen.datasets.store import Store
from molgen.errors import ConfigError, InputError, OutputError, StoreError

OUTCOMES = {
    "1aaa": "",
    "2bbb": "",
    "3noligand": "no_ligand_file",
    "4noprotein": "no_protein_file",
    "5badligand": "ligand_unreadable",
    "6badprotein": "protein_unreadable",
    "7faraway": "no_contact",
}


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_entry_has_an_outcome(raw: Path, tmp_path: Path) -> None:
    result = preprocess(raw, tmp_path / "store", workers=1)
    assert (result.entries, result.usable) == (7, 2)
    assert result.outcomes["ok"] == 2 and sum(result.outcomes.values()) == 7
    store = Store(tmp_path / "store")
    assert {row["id"]: row["reason"] for row in store.table} == OUTCOMES
    assert all(row["detail"] for row in store.table if row["status"] != "ok")
    assert not any(str(raw) in row["detail"] for row in store.table)
    assert store.manifest["outcomes"] == result.outcomes
    assert len(store) == 2 and store.ids == ("1aaa", "2bbb")
    assert [entry.id for entry in store.load_all()] == ["1aaa", "2bbb"]
    assert store["2bbb"].num_ligand_atoms == int(store.rows["2bbb"]["ligand_atoms"]) == 21
    assert store[-1] is store["2bbb"] and store[:1] == [store["1aaa"]]
    with pytest.raises(StoreError, match="did you mean '2bbb'"):
        store["2bbx"]
    store.verify()


def test_workers_interruptions_and_leftovers_do_not_change_a_byte(
    raw: Path, tmp_path: Path
) -> None:
    small = BuildOptions(shard_size=2)
    preprocess(raw, tmp_path / "one", options=small, workers=1)
    preprocess(raw, tmp_path / "two", options=small, workers=2)
    wanted = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == wanted
    # As a kill leaves it: some shards, a half-written one, no index and no manifest.
    for name in ("manifest.json", "index.csv", "shard-00001.safetensors"):
        (tmp_path / "two" / name).unlink()
    (tmp_path / "two" / ".shard-00001.safetensors.abc").write_bytes(b"half")
    with pytest.raises(StoreError, match="not finished"):
        Store(tmp_path / "two")
    preprocess(raw, tmp_path / "two", options=small, workers=1, resume=True)
    assert contents(tmp_path / "two") == wanted


SLOW_BUILD = """
import sys, time
from pathlib import Path
from molgen.datasets import builder
from molgen.datasets.pdbbind import find_entries
encode = builder.build_entry
def slow(raw, options):
    time.sleep(0.2)
    return encode(raw, options)
builder.build_entry = slow
builder.build_store(find_entries(sys.argv[1]), sys.argv[2], builder.BuildOptions(shard_size=1))
"""


def test_kill_minus_nine_and_resume(raw: Path, tmp_path: Path) -> None:
    preprocess(raw, tmp_path / "whole", options=BuildOptions(shard_size=1), workers=1)
    cut = tmp_path / "cut"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SLOW_BUILD), raw, cut])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(cut.glob("shard-*")):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(cut.glob("shard-*")) and not (cut / "manifest.json").exists()
    preprocess(raw, cut, options=BuildOptions(shard_size=1), workers=1, resume=True)
    assert contents(cut) == contents(tmp_path / "whole")


def test_a_used_folder_is_refused(raw: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    preprocess(raw, store, workers=1)
    with pytest.raises(OutputError, match="--resume to continue or --force"):
        preprocess(raw, store, workers=1)
    with pytest.raises(StoreError, match="other entries or options"):
        preprocess(raw, store, options=BuildOptions(cutoff=6), workers=1, resume=True)
    with pytest.raises(StoreError, match="other entries or options"):
        preprocess(raw, store, limit=1, workers=1, resume=True)
    result = preprocess(raw, store, limit=1, workers=1, force=True)
    assert result.entries == 1 and len(Store(store)) == 1
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be used"):
        preprocess(raw, tmp_path / "file", workers=1)


def test_excluded_entries_have_an_outcome_and_conformers_are_stored(
    raw: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "listed.txt"
    listed.write_text("2BBB_LIG\n")
    given = [raw, "--out", tmp_path / "store", "--conformers", "2", "--workers", "1"]
    given += ["--exclude", listed, "--exclude", "benchmarks"]
    said = CliRunner().invoke(command, [str(part) for part in given])
    assert said.exit_code == 0 and "1  excluded" in said.output, said.output
    store = Store(tmp_path / "store")
    reasons = {row["id"]: row["reason"] for row in store.table}
    assert store.ids == ("1aaa",) and reasons["2bbb"] == "excluded"
    found = store["1aaa"].ligand_conformers
    assert found.shape == (2, 21, 3) and np.abs(found.mean(1)).max() < 0.01
    # two conformers, not one twice
    assert np.abs(found[0] - found[1]).max() > 0.1
    with pytest.raises(StoreError, match="other entries or options"):
        preprocess(raw, tmp_path / "store", workers=1, resume=True)


def test_a_store_among_the_complexes_is_refused(raw: Path) -> None:
    with pytest.raises(OutputError, match="where it would be taken for complexes"):
        preprocess(raw, raw / "store")


def test_bad_options(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="conformers"):
        BuildOptions(conformers=-1)
    with pytest.raises(ConfigError, match="cutoff"):
        BuildOptions(cutoff=0)
    with pytest.raises(ConfigError, match="workers"):
        preprocess(raw, tmp_path / "s", workers=0)
    with pytest.raises(ConfigError, match="limit"):
        preprocess(raw, tmp_path / "s", limit=0)


def test_damage_is_noticed(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    preprocess(raw, folder, workers=1)
    shard = folder / "shard-00000.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for read in (Store.verify, Store.load_all):
        with pytest.raises(StoreError, match="shard-00000.*differs from the manifest"):
            read(Store(folder))
    table = (folder / "index.csv").read_text()
    (folder / "index.csv").write_text(table.replace("1aaa", "1aab"))
    with pytest.raises(StoreError, match="index.csv: content differs"):
        Store(folder)
    (folder / "index.csv").write_text(table)
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="shard"):
        Store(folder).load_all()
    shard.unlink()
    with pytest.raises(StoreError, match="missing"):
        Store(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(StoreError, match="version 99"):
        Store(folder)


def test_splits_are_written_and_can_be_added_later(raw: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    preprocess(raw, store, workers=1)
    half = SplitOptions("random", seed=5, fractions=(0.5, 0.0, 0.5))
    result = preprocess(raw, store, workers=1, resume=True, split=half)
    assert result.splits == {"train": 1, "val": 0, "test": 1}
    lists = store / "splits" / "random-seed5"
    ids = [(lists / f"{part}.txt").read_text() for part in ("train", "val", "test")]
    assert sorted("".join(ids).split()) == ["1aaa", "2bbb"] and ids[1] == ""


def test_a_time_split_without_years_is_refused_before_the_work(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no entry of .* has a year"):
        preprocess(raw, tmp_path / "store", workers=1, split=SplitOptions("time"))
    assert not (tmp_path / "store").exists()


def test_command(raw: Path, tmp_path: Path) -> None:
    arguments = [str(raw), "--out", str(tmp_path / "s"), "--workers", "1"]
    done = CliRunner().invoke(command, [*arguments, "--split", "sequence", "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["usable"] == 2 and answer["outcomes"]["no_contact"] == 1
    plain = CliRunner().invoke(command, [*arguments, "--resume"])
    assert plain.output.startswith("2 of 7 complexes")
    both = CliRunner().invoke(command, [*arguments, "--resume", "--force"])
    assert both.exit_code == 2 and "exclude" in both.output


def test_reading_needs_numpy_and_safetensors_only(raw: Path, tmp_path: Path) -> None:
    preprocess(raw, tmp_path / "store", workers=1)
    code = """
    import sys
    from importlib.abc import MetaPathFinder
    class Refuse(MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("rdkit", "Bio", "gemmi", "scipy", "pandas", "openmm"):
                raise ImportError(name)
    sys.meta_path.insert(0, Refuse())
    from molgen.datasets.store import Store
    print(len(Store(sys.argv[1]).load_all()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path / "store"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "2", done.stderr
