"""Configs: what is accepted, what is refused and how the message names the place."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal, Optional

import pytest

from molgen import config
from molgen.errors import ConfigError, MolgenError


@dataclasses.dataclass(frozen=True)
class Search:
    rounds: int = config.limited(4, min=1, max=100)
    rate: float = config.limited(0.1, above=0.0)
    clash: float = config.limited(1.0, min=0, below=10)


@dataclasses.dataclass(frozen=True)
class Settings:
    search: Search = Search()
    name: str = "run"
    keep: bool = True
    sampler: Literal["search", "vina"] = "search"
    level: Literal[1, 2] = 1
    cap: float | None = None
    old_style: Optional[int] = None  # noqa: UP045
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sizes: tuple[int, ...] = config.limited((1, 2), min=1)
    weights: dict[str, float] = config.limited({"clash": 1.0}, min=0.0)
    nested: tuple[tuple[str, int], ...] = ()
    maybe: Search | None = None

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError("name and sampler do not fit")


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_input_the_defaults_stand():
    assert config.load(Settings) == Settings()


def test_a_file_changes_only_what_it_says(tmp_path):
    path = written(
        tmp_path,
        "search: {rounds: 7, rate: 1e-3}\nsampler: vina\nlevel: 2\ncap: 3\ncenter: [1, 2.5, -3]\n"
        "sizes: [4]\nweights: {a: 1, b: 2.5}\nnested: [[x, 1]]\nmaybe: {rounds: 2}\nkeep: false\n",
    )
    loaded = config.load(Settings, path)
    assert loaded == Settings(
        search=Search(rounds=7, rate=0.001),
        sampler="vina",
        level=2,
        cap=3.0,
        center=(1.0, 2.5, -3.0),
        sizes=(4,),
        weights={"a": 1.0, "b": 2.5},
        nested=(("x", 1),),
        maybe=Search(rounds=2),
        keep=False,
    )
    assert isinstance(loaded.cap, float) and isinstance(loaded.center[0], float)


@dataclasses.dataclass(frozen=True)
class Light:
    search: Search = Search(rounds=1, rate=0.9)  # other defaults than those of Search
    weight: float = 1.0


def test_a_section_keeps_the_defaults_that_its_owner_gave_it():
    loaded = config.load(Light, overrides={"search.rate": 0.1})
    assert loaded == Light(search=Search(rounds=1, rate=0.1))
    assert config.build(Light, {"search": {}}) == Light()


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_is_the_defaults(tmp_path, text):
    assert config.load(Settings, written(tmp_path, text)) == Settings()


def test_overrides_go_before_the_file_key_by_key(tmp_path):
    path = written(tmp_path, "search: {rounds: 7, rate: 0.5}\nname: file\n")
    loaded = config.load(Settings, path, {"search.rounds": 9, "sampler": "vina"})
    assert loaded.search == Search(rounds=9, rate=0.5)
    assert (loaded.name, loaded.sampler) == ("file", "vina")


def test_a_message_names_the_file_only_where_that_is_to_blame(tmp_path):
    path = written(tmp_path, "search: {rounds: 7}\n")
    with pytest.raises(ConfigError) as caught:
        config.load(Settings, path, {"search.rounds": 0})
    assert str(caught.value).startswith("search.rounds: must be at least 1")
    with pytest.raises(ConfigError) as caught:
        config.load(Settings, path, {"sizes": [1, "a"]})
    assert str(caught.value).startswith("sizes[1]: must be a whole number")
    path.write_text("search: {rounds: 0}\n")
    with pytest.raises(ConfigError, match=r"settings\.yaml: search\.rounds: must be at least 1"):
        config.load(Settings, path, {"name": "given"})
    path.write_text("name: 3\nsearch: {rouds: 3}\n")
    with pytest.raises(ConfigError, match=r"settings\.yaml: search\.rouds: unknown key"):
        config.load(Settings, path, {"name": "given", "search.rounds": 2})


def test_nested_and_dotted_overrides_are_the_same():
    nested = config.load(Settings, overrides={"search": {"rounds": 9}})
    assert nested == config.load(Settings, overrides={"search.rounds": 9})


def test_merge_leaves_its_arguments_alone():
    base = {"search": {"rounds": 1}}
    config.merge(base, {"search.rounds": 2})
    assert base == {"search": {"rounds": 1}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"serch": {}}, r"serch: unknown key \(did you mean 'search'\?\)"),
        ({"search": {"round": 1}}, r"search\.round: unknown key \(did you mean 'rounds'\?\)"),
        ({"search": {"zzz": 1}}, r"search\.zzz: unknown key \(known: clash, rate, rounds\)"),
        ({3: 1}, r"3: unknown key"),
        ({"search": 3}, r"search: must hold keys and values, not 3"),
        ({"search": None}, r"search: must hold keys and values, not nothing"),
        ({"search": {"rounds": 1.0}}, r"search\.rounds: must be a whole number, not 1\.0"),
        ({"search": {"rounds": True}}, r"search\.rounds: must be a whole number, not True"),
        ({"search": {"rounds": "4"}}, r"search\.rounds: must be a whole number, not '4'"),
        ({"search": {"rounds": None}}, r"search\.rounds: must be a whole number, not nothing"),
        ({"search": {"rounds": 0}}, r"search\.rounds: must be at least 1, not 0"),
        ({"search": {"rounds": 101}}, r"search\.rounds: must be at most 100, not 101"),
        ({"search": {"rate": 0}}, r"search\.rate: must be above 0\.0, not 0\.0"),
        ({"search": {"clash": 10}}, r"search\.clash: must be below 10, not 10\.0"),
        ({"search": {"rate": True}}, r"search\.rate: must be a number, not True"),
        ({"search": {"rate": float("nan")}}, r"search\.rate: must be a finite number"),
        ({"search": {"rate": float("inf")}}, r"search\.rate: must be a finite number"),
        ({"search": {"rate": 10**400}}, r"search\.rate: must be a finite number"),
        ({"maybe": {"rounds": 0}}, r"maybe\.rounds: must be at least 1"),
        ({"name": 3}, r"name: must be text, not 3"),
        ({"keep": 1}, r"keep: must be true or false, not 1"),
        ({"keep": "yes"}, r"keep: must be true or false, not 'yes'"),
        ({"sampler": "serch"}, r"sampler: must be one of 'search', 'vina', not 'serch' .*'search'"),
        ({"sampler": 3}, r"sampler: must be one of 'search', 'vina', not 3"),
        ({"sampler": ["search"]}, r"sampler: must be one of .* not a list"),
        ({"level": True}, r"level: must be one of 1, 2, not True"),
        ({"level": 1.0}, r"level: must be one of 1, 2, not 1\.0"),
        ({"cap": "x"}, r"cap: must be a number, not 'x'"),
        ({"old_style": 1.5}, r"old_style: must be a whole number"),
        ({"center": [1, 2]}, r"center: must be a list of 3, not of 2"),
        ({"center": 1}, r"center: must be a list, not 1"),
        ({"center": "1,2,3"}, r"center: must be a list, not '1,2,3'"),
        ({"center": [1, 2, "z"]}, r"center\[2\]: must be a number, not 'z'"),
        ({"sizes": [1, 0]}, r"sizes\[1\]: must be at least 1, not 0"),
        ({"weights": [1]}, r"weights: must hold keys and values, not a list"),
        ({"weights": {"a": "b"}}, r"weights\.a: must be a number, not 'b'"),
        ({"weights": {1: 2.0}}, r"weights: keys must be text, not 1"),
        ({"weights": {"a": -1}}, r"weights\.a: must be at least 0\.0, not -1\.0"),
        ({"nested": [["x", 1], ["y"]]}, r"nested\[1\]: must be a list of 2, not of 1"),
        ({"name": "forbidden"}, r"name and sampler do not fit"),
    ],
)
def test_what_the_dataclass_does_not_say_is_refused(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config.build(Settings, values)
    assert isinstance(caught.value, MolgenError) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search: {rounds: 0}\n", r"settings\.yaml: search\.rounds: must be at least 1"),
        ("a: [1\n", r"settings\.yaml is not valid YAML"),
        ("- a\n- b\n", r"settings\.yaml must hold keys and values, not a list"),
        ("just words\n", r"must hold keys and values, not 'just words'"),
        ("name: a\nname: b\n", r"key 'name' stands twice"),
        ("[1, 2]: a\n", r"a key must be one word"),
        ("name: !!python/object/apply:os.getcwd []\n", r"not valid YAML"),
        ("keep: !!bool maybe\n", r"settings\.yaml is not valid YAML"),
        ("name: !!timestamp abc\n", r"settings\.yaml is not valid YAML"),
        ("search: {rate: !!float abc}\n", r"settings\.yaml is not valid YAML"),
        (f"search: {{rounds: {'9' * 5000}}}\n", r"settings\.yaml is not valid YAML"),
        ("sampler: off\n", r"sampler: must be one of 'search', 'vina', not 'off'"),
        ("name: 12:30\nkeep: yes\n", r"keep: must be true or false, not 'yes'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config.load(Settings, written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_config_errors(tmp_path):
    with pytest.raises(ConfigError, match="cannot read config file"):
        config.load(Settings, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot read config file"):
        config.load(Settings, tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ConfigError, match="not UTF-8"):
        config.load(Settings, binary)
    deep = tmp_path / "deep.yaml"
    deep.write_text("[" * 20000)
    with pytest.raises(ConfigError, match="not valid YAML"):
        config.load(Settings, deep)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("010", 10),
        ("+3", 3),
        ("12:30", "12:30"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("2026-01-02", "2026-01-02"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("A:45", "A:45"),
    ],
)
def test_scalars_read_as_yaml_1_2_says(tmp_path, text, value):
    read = config.read_yaml(written(tmp_path, f"key: {text}\n"))["key"]
    assert read == value and type(read) is type(value)


def test_an_override_below_a_plain_value_is_refused(tmp_path):
    path = written(tmp_path, "search: 3\n")
    with pytest.raises(ConfigError, match="search: must hold keys and values"):
        config.load(Settings, path, {"search.rounds": 2})


def test_required_fields_must_be_given():
    @dataclasses.dataclass(frozen=True)
    class Strict:
        count: int

    with pytest.raises(ConfigError, match="count: must be given"):
        config.build(Strict, {})


def test_to_dict_is_json_and_builds_the_same_config():
    settings = Settings(search=Search(rounds=9), center=(1.0, 2.0, 3.0), maybe=Search())
    plain = json.loads(json.dumps(config.to_dict(settings)))
    assert plain["center"] == [1.0, 2.0, 3.0] and plain["search"]["rounds"] == 9
    assert config.build(Settings, plain) == settings


def test_check_refuses_a_config_made_by_hand():
    assert config.check(Settings()) == Settings()
    with pytest.raises(ConfigError, match=r"search\.rounds: must be at least 1"):
        config.check(Settings(search=Search(rounds=-1)))


def test_fingerprint_follows_the_values():
    assert config.fingerprint(Settings()) == config.fingerprint(Settings(name="run"))
    assert config.fingerprint(Settings()) != config.fingerprint(Settings(name="other"))


def test_a_default_dict_is_not_shared():
    first, second = Settings(), Settings()
    first.weights["clash"] = 5.0
    assert second.weights == {"clash": 1.0}


def test_an_unsupported_annotation_is_our_bug_not_the_users():
    @dataclasses.dataclass(frozen=True)
    class Odd:
        either: int | str = 1

    with pytest.raises(TypeError):
        config.build(Odd, {"either": 1})
