"""YAML to frozen nested dataclasses, refusing whatever the dataclass does not say.

A config is a frozen dataclass whose fields are int, float, str, bool, `Literal`, `Optional`,
``tuple[...]``, ``dict[str, float]`` or another config. Defaults live there and nowhere else;
limits stand in the field's metadata (`limited`). Errors carry the dotted path of the key.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

from molgen.errors import ConfigError, suggest
from molgen.yaml_reader import ConfigLoader

T = TypeVar("T")

_BOUNDS = {
    "min": (lambda value, bound: value >= bound, "at least"),
    "max": (lambda value, bound: value <= bound, "at most"),
    "above": (lambda value, bound: value > bound, "above"),
    "below": (lambda value, bound: value < bound, "below"),
}


def limited(
    default: Any,
    *,
    min: float | None = None,
    max: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Return a dataclass field whose numbers `build` checks: min/max inclusive, above/below not.

    In a tuple or dict field the limits hold for every element.
    """
    limits = {"min": min, "max": max, "above": above, "below": below}
    metadata = {key: bound for key, bound in limits.items() if bound is not None}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def load(cls: type[T], path: str | Path | None = None, overrides: Mapping | None = None) -> T:
    """Return a ``cls`` from its defaults, then the YAML file, then ``overrides``.

    ``overrides`` may be nested or use dotted keys (``{"search.rounds": 4}``).

    Raises:
        ConfigError: unreadable file, unknown key, wrong type or value.
    """
    given = read_yaml(path) if path is not None else {}
    try:
        return build(cls, merge(given, overrides or {}))
    except ConfigError as error:
        raise located(error, path, overrides or {}) from None


def located(error: ConfigError, path: str | Path | None, overrides: Mapping) -> ConfigError:
    """Return the error with the file in front, unless ``overrides`` gave the value it is about."""
    value: Any = merge({}, overrides)
    for part in str(error).partition(":")[0].split("."):
        key = part.partition("[")[0]  # an element of a list
        if not isinstance(value, Mapping) or key not in value:
            return ConfigError(f"{path}: {error}") if path is not None else error
        value = value[key]
    return error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigError: the file is missing, no YAML, holds no mapping or a key twice.
    """
    path = Path(path)
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=ConfigLoader)  # a SafeLoader
    except OSError as error:
        raise ConfigError(f"cannot read config file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"config file {path} is not UTF-8 text") from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        # the last three: values that do not fit a tag such as !!int, or numbers without end
        detail = " ".join(str(error).split())
        raise ConfigError(f"config file {path} is not valid YAML: {detail}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"config file {path} must hold keys and values, not {_say(loaded)}")
    return loaded


def merge(base: Mapping, overrides: Mapping) -> dict[str, Any]:
    """Return ``base`` with ``overrides`` laid over it, mapping by mapping, dotted keys unfolded."""
    merged = {key: _unfold_value(value) for key, value in base.items()}
    for key, value in overrides.items():
        head, dot, rest = key.partition(".") if isinstance(key, str) else (key, "", "")
        value = {rest: value} if dot else value
        below = merged.get(head)
        if isinstance(value, Mapping):
            if below is not None and not isinstance(below, Mapping) and dot:
                raise ConfigError(f"{head}: must hold keys and values, not {_say(below)}")
            value = merge(below if isinstance(below, Mapping) else {}, value)
        merged[head] = value
    return merged


def build(cls: type[T], values: Any, path: str = "", base: T | None = None) -> T:
    """Return a ``cls`` made from ``values``; keys that are left out keep their defaults.

    Args:
        path: dotted key under which ``values`` stands, for messages.
        base: holds the defaults where the config around it has some of its own.

    Raises:
        ConfigError: unknown or missing key, wrong type, value out of range.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path or 'config'}: must hold keys and values, not {_say(values)}")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    arguments = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"{_join(path, key)}: unknown key{suggest(str(key), fields)}")
        where = _join(path, key)
        default = getattr(base, key, fields[key].default)
        arguments[key] = _convert(hints[key], value, where, default)
        _check_limits(arguments[key], fields[key].metadata, where)
    missing = [name for name, field in fields.items() if name not in arguments and _required(field)]
    if missing and base is None:
        raise ConfigError(f"{_join(path, missing[0])}: must be given")
    try:
        if base is not None:
            return dataclasses.replace(base, **arguments)  # type: ignore[type-var]
        return cls(**arguments)
    except ValueError as error:  # from a __post_init__ that compares fields
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None


def check(config: T) -> T:
    """Return ``config`` when types and limits hold; for configs made by hand, not from YAML.

    Raises:
        ConfigError: as `build`.
    """
    return build(type(config), to_dict(config))


def to_dict(config: Any) -> dict[str, Any]:
    """Return the config as JSON-ready nested dicts and lists; `build` takes them back."""
    return {
        field.name: _plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.init
    }


def fingerprint(config: Any) -> str:
    """Return the SHA-256 of the config's values; equal configs have equal fingerprints."""
    text = json.dumps(to_dict(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _convert(hint: Any, value: Any, path: str, default: Any = None) -> Any:
    """Return ``value`` as the annotated type, or raise with the path."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        options = [item for item in inner if item is not type(None)]
        if len(options) != 1 or len(inner) != 2:
            raise TypeError(f"{path}: a config field cannot be {hint}")
        return None if value is None else _convert(options[0], value, path, default)
    if origin is Literal:
        # 1 == True in Python: compare the types as well.
        if any(value == item and type(value) is type(item) for item in inner):
            return value
        near = suggest(value, inner) if isinstance(value, str) and _all_text(inner) else ""
        choices = ", ".join(map(repr, inner))
        raise ConfigError(f"{path}: must be one of {choices}, not {_say(value)}{near}")
    if origin is tuple:
        return _convert_tuple(inner, value, path)
    if origin is dict:
        return _convert_dict(inner, value, path)
    if dataclasses.is_dataclass(hint):
        section = typing.cast(type, hint)
        return build(section, value, path, default if isinstance(default, section) else None)
    return _convert_plain(hint, value, path)


def _convert_tuple(inner: tuple, value: Any, path: str) -> tuple:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{path}: must be a list, not {_say(value)}")
    if len(inner) == 2 and inner[1] is Ellipsis:
        inner = (inner[0],) * len(value)
    if len(inner) != len(value):
        raise ConfigError(f"{path}: must be a list of {len(inner)}, not of {len(value)}")
    pairs = enumerate(zip(inner, value, strict=True))
    return tuple(_convert(hint, item, f"{path}[{i}]") for i, (hint, item) in pairs)


def _convert_dict(inner: tuple, value: Any, path: str) -> dict:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}: must hold keys and values, not {_say(value)}")
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: keys must be text, not {_say(key)}")
    return {key: _convert(inner[1], item, _join(path, key)) for key, item in value.items()}


def _convert_plain(hint: Any, value: Any, path: str) -> Any:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if hint not in names:
        raise TypeError(f"{path}: a config field cannot be {hint}")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ConfigError(f"{path}: must be a finite number, not {_say(value)}")
        return number
    if type(value) is hint:
        return value
    raise ConfigError(f"{path}: must be {names[hint]}, not {_say(value)}")


def _check_limits(value: Any, limits: Mapping, path: str) -> None:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            _check_limits(item, limits, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_limits(item, limits, _join(path, key))
    elif isinstance(value, int | float):
        for name, (holds, words) in _BOUNDS.items():
            if name in limits and not holds(value, limits[name]):
                raise ConfigError(f"{path}: must be {words} {limits[name]}, not {value}")


def _required(field: dataclasses.Field) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _unfold_value(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _all_text(items: tuple) -> bool:
    return all(isinstance(item, str) for item in items)


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _say(value: Any) -> str:
    """Return a short description of a value for a message."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
