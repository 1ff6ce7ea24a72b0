"""docs/settings.md shows every setting with its default."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from molgen.config import build, to_dict
from molgen.yaml_reader import ConfigLoader

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
SECTIONS = {
    "generate": "molgen.api.generate:GenerateConfig",
    "relax": "molgen.api.relax:RelaxRunConfig",
    "score": "molgen.api.score:ScoreConfig",
    "decoys": "molgen.api.decoys:DecoyConfig",
}


@pytest.mark.parametrize("command", SECTIONS)
def test_the_page_has_the_defaults_and_nothing_else(command):
    module, _, name = SECTIONS[command].partition(":")
    config = getattr(importlib.import_module(module), name)
    pattern = rf"## `molgen {command}`\n\n```yaml\n(.*?)```"
    text = re.search(pattern, PAGE.read_text("utf-8"), re.S).group(1)
    shown = yaml.load(text, Loader=ConfigLoader)
    assert shown == to_dict(config())
    assert build(config, shown) == config()
