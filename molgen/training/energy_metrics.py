"""How far predicted ligand properties are off, beside simple baselines.

Every measure is one number a ligand, a mean absolute error over its conformers or atoms; ligands
count alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from molgen.training.energy_data import EnergyData, settled


class Prediction(NamedTuple):
    """What is predicted for the conformers of one ligand.

    Attributes:
        energy: (conformers,) kcal/mol, less the reference of the composition.
        gap: (conformers,) kcal/mol.
        charges: (conformers, atoms) e.
    """

    energy: np.ndarray
    gap: np.ndarray
    charges: np.ndarray


def errors(data: EnergyData, found: Mapping[int, Prediction]) -> dict[str, np.ndarray]:
    """Return measures by name, each with one number a ligand.

    level: mean energy of the conformers, kcal/mol. conformer: energies relative to that mean,
    kcal/mol. settled: the same without shaken conformers, of ligands with two others. order: share
    of pairs of conformers in the wrong order. gap: kcal/mol. charge: e.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for k, made in found.items():
        labels, true = data.labels[k], data.relative(k)
        values["level"].append(abs(made.energy.mean() - true.mean()))
        values["conformer"].append(_apart(made.energy, true))
        calm = settled(labels)
        if calm.sum() > 1:
            values["settled"].append(_apart(made.energy[calm], true[calm]))
        values["order"].append(_disorder(made.energy, true))
        values["gap"].append(float(np.abs(made.gap - labels.gaps).mean()))
        values["charge"].append(float(np.abs(made.charges - labels.charges).mean()))
    return {name: np.array(list_) for name, list_ in values.items()}


def baselines(
    data: EnergyData, train: Sequence[int], held: Sequence[int]
) -> dict[str, dict[str, np.ndarray]]:
    """Return errors on held-out ligands of what needs no network, by name of the baseline.

    constant: the mean of the training ligands, and no difference between conformers. composition:
    linear in the numbers of atoms of every element and the charge; charges are the mean of atoms of
    the same element, hydrogens, formal charge and neighbours. mmff: conformer energies of MMFF94s.
    """
    table = {"constant": _constant(data, train, held)}
    table["composition"] = _linear(data, train, held)
    mmff = {}
    for k in held:
        labels = data.labels[k]
        none = np.full(len(labels.gaps), np.nan)
        empty = np.full((len(none), len(labels.charges)), np.nan)
        mmff[k] = Prediction(labels.mmff, none, empty)
    found = errors(data, mmff)
    table["mmff"] = {name: found[name] for name in ("conformer", "settled", "order")}
    return table


def _constant(data: EnergyData, train: Sequence[int], held: Sequence[int]) -> dict[str, np.ndarray]:
    total = np.mean([data.labels[k].energies.mean() for k in train])
    gap = float(np.mean(np.concatenate([data.labels[k].gaps for k in train])))
    charge = float(np.mean(np.concatenate([data.labels[k].charges for k in train])))
    made = {}
    for k in held:
        labels = data.labels[k]
        base = labels.energies.mean() - data.relative(k).mean()
        made[k] = Prediction(
            np.full(len(labels.energies), total - base),
            np.full(len(labels.gaps), gap),
            np.full((len(labels.gaps), len(labels.charges)), charge),
        )
    return _without_order(errors(data, made))


def _linear(data: EnergyData, train: Sequence[int], held: Sequence[int]) -> dict[str, np.ndarray]:
    # offset: conformers lie above the lowest one, which the reference was fitted to
    above = float(np.mean([data.relative(k).mean() for k in train]))
    columns = np.concatenate([data.compositions, np.ones((len(data.ids), 1))], axis=1)
    gaps = np.array([data.labels[k].gaps.mean() for k in train])
    weights, *_ = np.linalg.lstsq(columns[list(train)], gaps, rcond=1e-10)
    kinds: dict[tuple[int, ...], list[float]] = defaultdict(list)
    for k in train:
        for key, charge in zip(_atom_kinds(data, k), data.labels[k].charges, strict=True):
            kinds[key].append(float(charge))
            kinds[key[:1]].append(float(charge))
    means = {key: float(np.mean(values)) for key, values in kinds.items()}
    made = {}
    for k in held:
        many = len(data.labels[k].energies)
        charges = [means.get(key, means.get(key[:1], 0.0)) for key in _atom_kinds(data, k)]
        made[k] = Prediction(
            np.full(many, above),
            np.full(many, float(columns[k] @ weights)),
            np.tile(charges, (many, 1)),
        )
    return _without_order(errors(data, made))


def _atom_kinds(data: EnergyData, position: int) -> list[tuple[int, ...]]:
    """Return (element, formal charge, hydrogens, neighbours) codes of every atom."""
    features = data.graphs[position].features[:, [0, 1, 5, 6]]
    return [tuple(row) for row in features.tolist()]


def _without_order(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in found.items() if name != "order"}


def _apart(made: np.ndarray, true: np.ndarray) -> float:
    return float(np.abs((made - made.mean()) - (true - true.mean())).mean())


def _disorder(made: np.ndarray, true: np.ndarray) -> float:
    first, second = np.triu_indices(len(true), 1)
    wrong = np.sign(made[first] - made[second]) != np.sign(true[first] - true[second])
    return float(wrong.mean())


def interval(values: np.ndarray) -> dict[str, float]:
    """Return the mean over ligands with its 95 % interval (normal approximation)."""
    mean = float(values.mean())
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"value": mean, "low": mean - half, "high": mean + half}
