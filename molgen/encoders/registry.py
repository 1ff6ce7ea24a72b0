"""The protein encoders by name, and what all of them have in common.

An encoder is a module with

* ``Config``: a frozen dataclass with its options and their defaults;
* ``irreps_out``: what its features are under rotation (e3nn notation);
* ``forward(graph) -> Float[Tensor, "nodes features"]``: features of every residue of a graph;
* ``prepare(natives)``, if it counts something on native structures before it is trained.

A new encoder is one file and one row of the table; the contract suite then tests it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from molgen.config import build
from molgen.registry import Registry

ENCODERS = Registry(
    "encoder",
    {
        "spherical": "molgen.encoders.spherical:Spherical",
        "message_passing": "molgen.encoders.message_passing:MessagePassing",
        "gated_contacts": "molgen.encoders.gated_contacts:GatedContacts",
    },
)

TARGET_ENCODERS = Registry(
    "target encoder",
    {
        "egnn": "molgen.encoders.target_egnn:TargetEgnn",
        "spherical": "molgen.encoders.target_spherical:TargetSpherical",
        "tensor_field": "molgen.encoders.target_tensor_field:TargetTensorField",
    },
)
"""Encoders of the atoms and residues around a ligand: ``forward(TargetGraph)`` gives features
(complexes, nodes, features), ``width_out`` scalars and then ``vectors_out`` vectors of three
numbers each. All have the options ``width`` and ``blocks``."""


def build_encoder(name: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a new encoder; ``options`` are fields of its ``Config``, the rest its defaults.

    Raises:
        RegistryError: no encoder of this name.
        ConfigError: unknown option, wrong type or value.
    """
    encoder = ENCODERS[name]
    return encoder(build(encoder.Config, options or {}, f"encoder {name}"))


def build_target_encoder(name: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a new target encoder; as `build_encoder`."""
    encoder = TARGET_ENCODERS[name]
    return encoder(build(encoder.Config, options or {}, f"target encoder {name}"))
