"""What all HTML reports share: templates, embedded files, numbers and data ready to print."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from typing import Any


@cache
def template(name: str) -> Any:
    """Return a Jinja template of the assets; it escapes every value."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(asset(name))


def is_plain(value: Any) -> bool:
    """Return whether a value fits one cell: text, a number, yes or no, nothing."""
    return isinstance(value, str | int | float | bool) or value is None


def show(value: Any) -> str:
    """Return a value as a reader expects it: two decimals, a real minus, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        # adding zero turns a rounded -0.0 into 0.0
        return f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if math.isfinite(value) else "–"
    return str(value)


def label(key: str) -> str:
    """Return the key of a table as a heading."""
    text = str(key).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def script_json(data: Any) -> str:
    """Return JSON that cannot end or open a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def asset(name: str) -> str:
    """Return the text of a file of the assets."""
    return resources.files("molgen.report").joinpath(f"assets/{name}").read_text("utf-8")
