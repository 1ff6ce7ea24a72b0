"""Shipped weights: verified, then opened; never pickled.

A checkpoint is a folder with model.safetensors, config.json, SHA256SUMS and MODEL_CARD.md; where
it was trained on examples of some kind domain.json says of which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from molgen.errors import MolgenError, StoreError, suggest

Model = TypeVar("Model")

FORMAT = 1
"""Of config.json and the names of the tensors; other ones are refused."""

DOMAIN = "domain.json"
"""What a model was trained on: ``{name: [least, most]}``, and ``elements`` of ligands."""

_VERIFIED = ("model.safetensors", "config.json")


def checkpoint_folder(name: str) -> Path:
    """Return the folder of a checkpoint: that of a shipped one by its name, else a path.

    A folder that is called like a shipped checkpoint is meant by ``./name`` only.

    Raises:
        StoreError: neither exists.
    """
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    if name and Path(name).is_dir():
        return Path(name)
    raise StoreError(
        f"no checkpoint {name!r}, neither shipped nor a folder{suggest(name, shipped)}"
    )


def checkpoint_sum(name: str) -> str:
    """Return the SHA-256 of a checkpoint's list of sums: another one, another checkpoint.

    Raises:
        StoreError: no such checkpoint, or a folder without sums.
    """
    sums = checkpoint_folder(name) / "SHA256SUMS"
    try:
        return hashlib.sha256(sums.read_bytes()).hexdigest()
    except OSError as error:
        raise StoreError(f"{sums}: cannot be read ({error.strerror})") from None


def _shipped() -> dict[str, Path]:
    try:
        roots = [Path(str(resources.files("molgen.weights")))]
    except ModuleNotFoundError:  # run from the source tree without installation
        roots = [Path(__file__).resolve().parent.parent / "checkpoints"]
    return {
        folder.name: folder
        for root in roots
        for folder in sorted(root.iterdir())
        if (folder / "SHA256SUMS").is_file()
    }


def load_tensors(name: str, *, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the config and the arrays of a checkpoint after checking its SHA-256 sums.

    Raises:
        StoreError: missing, damaged, or of another kind or format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = checkpoint_folder(name)
    content = {file: _verified(folder, file) for file in _VERIFIED}
    try:
        config = json.loads(content["config.json"])
        found, layout = config["kind"], config["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder}: config.json is no checkpoint config ({error})") from None
    if found != kind:
        raise StoreError(f"{folder}: checkpoint is a {found!r}, expected {kind!r}")
    if layout != FORMAT:
        raise StoreError(f"{folder}: checkpoint has format {layout!r}; this molgen reads {FORMAT}")
    try:
        return config, load(content["model.safetensors"])
    except SafetensorError as error:
        raise StoreError(f"{folder}: model.safetensors cannot be read ({error})") from None


def outside_domain(name: str, elements: Sequence[int], charge: int) -> str:
    """Return what of a ligand a model has not seen in training, as domain.json says.

    Args:
        name: of a shipped checkpoint, or a folder.
        elements: atomic number of every heavy atom.
        charge: formal charge of the ligand.

    Returns:
        One line that names the checkpoint; "" where nothing is new, or nothing is known.

    Raises:
        StoreError: no such checkpoint, or its domain.json is damaged.
    """
    found = []
    with training_domain(name) as domain:
        if domain is None:
            return ""
        if new := sorted(set(elements) - set(domain["elements"])):
            from rdkit import Chem  # not where models are trained

            symbol = Chem.GetPeriodicTable().GetElementSymbol
            found.append(f"elements {', '.join(map(symbol, new))}")
        for title, key, value in (
            ("heavy atoms", "ligand_atoms", len(elements)),
            ("formal charge", "formal_charge", charge),
        ):
            low, high = domain.get(key, (value, value))
            if not low <= value <= high:
                found.append(f"{title} {value} (seen {low} to {high})")
    trained = checkpoint_folder(name).name
    return f"outside what {trained} was trained on: {'; '.join(found)}" if found else ""


@contextmanager
def training_domain(name: str) -> Iterator[dict[str, Any] | None]:
    """Give the content of a checkpoint's domain.json, if any, while it is made use of.

    Raises:
        StoreError: no such checkpoint, or the content is not what its user expects.
    """
    folder = checkpoint_folder(name)
    path, listed = folder / DOMAIN, DOMAIN in _sums(folder)
    # checkpoints of before have no sum of it
    content = _verified(folder, DOMAIN) if listed else path.read_bytes() if path.is_file() else b""
    try:
        yield json.loads(content) if content else None
    except StoreError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from None


def _sums(folder: Path) -> dict[str, str]:
    """Return the sums of a checkpoint's files by name."""
    try:
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        return {name: digest for digest, name in (line.split(None, 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: SHA256SUMS cannot be verified ({error})") from None


def _verified(folder: Path, file: str) -> bytes:
    sums = _sums(folder)
    try:
        content = (folder / file).read_bytes()
    except OSError as error:
        raise StoreError(f"{folder}: {file} cannot be verified ({error})") from None
    if hashlib.sha256(content).hexdigest() != sums.get(file):
        raise StoreError(f"{folder}: {file} does not match SHA256SUMS; the checkpoint is damaged")
    return content


def save_tensors(folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Write model.safetensors, config.json and SHA256SUMS into ``folder``.

    The domain of a model that was there before goes: `save_domain` writes the new one.
    """
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    (folder / DOMAIN).unlink(missing_ok=True)
    content = {
        "model.safetensors": save(tensors),
        "config.json": (json.dumps(config, indent=2) + "\n").encode(),
    }
    for file, data in content.items():
        (folder / file).write_bytes(data)
    _write_sums(folder, {file: hashlib.sha256(data).hexdigest() for file, data in content.items()})


def save_domain(folder: Path, domain: Mapping[str, Any]) -> None:
    """Write domain.json into the folder of a saved checkpoint, and its sum beside the others."""
    data = (json.dumps(domain, indent=2, allow_nan=False) + "\n").encode()
    (folder / DOMAIN).write_bytes(data)
    _write_sums(folder, _sums(folder) | {DOMAIN: hashlib.sha256(data).hexdigest()})


def _write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    lines = [f"{digest}  {file}\n" for file, digest in sums.items()]
    (folder / "SHA256SUMS").write_text("".join(lines))


def save_model(folder: Path, model: Any) -> None:
    """Write a torch module with a ``config()`` as `save_tensors` does, buffers included."""
    state = model.state_dict()
    arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in state.items()}
    save_tensors(folder, model.config(), arrays)


def load_model(name: str, *, kind: str, rebuild: Callable[[dict[str, Any]], Model]) -> Model:
    """Return the torch module of a checkpoint with its weights, in evaluation mode, on the CPU.

    Args:
        name: of a shipped checkpoint, or a folder.
        kind: expected in the config.
        rebuild: makes the module of a config.

    Raises:
        StoreError: no such checkpoint, damaged, of another kind, or it does not fit its config.
    """
    import torch

    config, tensors = load_tensors(name, kind=kind)
    try:
        model: Any = rebuild(config)
        state = {key: torch.from_numpy(np.array(value)) for key, value in tensors.items()}
        model.load_state_dict(state, strict=True)
    except (KeyError, TypeError, RuntimeError, MolgenError) as error:
        text = " ".join(str(error).split())
        raise StoreError(f"{name}: checkpoint does not fit this molgen ({text})") from None
    model.eval()
    return model  # type: ignore[no-any-return]
