"""The checks of the `posebusters` package, run quickly on many poses of one ligand.

Which checks run, and their thresholds, are read from the YAML configurations the package ships.
Its own functions do the work; what differs from ``PoseBusters.bust`` is only what is computed
once instead of once a pose, and how much of the receptor a check gets to see:

* distance-geometry bounds depend on the graph alone: the package makes them for the first pose,
  the others are compared with the same numbers;
* receptor checks look no further than 6 Å, so they get the atoms within 8 Å, of the kind that
  the check keeps; with no such atom the package's answer is known. Distances are compared with
  numpy, by the package's definition, without its table of details;
* the internal-energy check averages 50 minimised conformers. Where a pose is ten times below or
  above the threshold against the first two, and their energies are clearly positive, the others
  do not change the verdict and are not made.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from rdkit import Chem
from scipy.spatial.distance import cdist

from molgen.errors import DependencyError
from molgen.scoring.receptor import ReceptorView

_SEARCH = 8.0  # Å; the package looks 6 Å from heavy atoms and 4.8 Å from hydrogens
_PACKAGE_SEARCH = 6.0  # Å, the package's default where its configuration says nothing
_FEW = 2  # conformers of the quick energy verdict
# How many times off the threshold a pose must be for the quick verdict. For 126 ligands of the
# development sets the mean of 50 was 0.92 to 1.39 times the lower energy of two, 0.79 to 1.29
# times the higher.
_MARGIN = 3.0
_CLEARLY_POSITIVE = 5.0  # kcal/mol

Results = dict[str, Any]


def version() -> str:
    """Return the version of the `posebusters` package.

    Raises:
        DependencyError: it is not installed.
    """
    return str(_package().__version__)


def _package() -> Any:
    try:
        import posebusters
    except ImportError as error:
        raise DependencyError(
            "the validity checks need the posebusters package: pip install posebusters"
        ) from error
    return posebusters


@lru_cache(maxsize=4)
def modules(config: str) -> tuple[dict[str, Any], ...]:
    """Return the modules of a configuration that ships with the package ("dock", "redock")."""
    import yaml

    _package()
    text = resources.files("posebusters").joinpath(f"config/{config}.yml").read_text("utf-8")
    # "redock" lists the internal energy twice, once without an output
    found = yaml.safe_load(text)["modules"]
    return tuple(module for module in found if module.get("chosen_binary_test_output"))


def column(module: dict[str, Any], output: str) -> str:
    """Return the name that the package's table gives to one output of a module."""
    name = module.get("rename_outputs", {}).get(output, output + module.get("rename_suffix", ""))
    return str(name).lower().replace(" ", "_")


class Busters:
    """One ligand graph, one receptor, many poses.

    ``run`` calls one module on one pose and returns its results as the package would.
    Poses given to one instance must share graph and atom order.
    """

    def __init__(
        self, receptor: ReceptorView | None, true: Chem.Mol | None, threads: int = 0
    ) -> None:
        _package()
        from posebusters.posebusters import module_dict

        self._functions = module_dict
        self._receptor = receptor
        self._true = true
        self._threads = threads
        self._cache: dict[Any, Any] = {}
        self._special: dict[str, Callable[..., Results]] = {
            "loading": self._loading,
            "inchi_convertible": self._inchi,
            "distance_geometry": self._geometry,
            "energy_ratio": self._energy,
            "intermolecular_distance": self._distance,
            "volume_overlap": self._overlap,
        }

    def run(self, module: dict[str, Any], pose: Chem.Mol) -> Results:
        """Return the results of ``module`` for ``pose``; an empty dict if an input is missing."""
        name, parameters = module["function"], module.get("parameters", {})
        if name in self._special:
            return self._special[name](pose, parameters)
        function = self._functions[name]
        given = {"mol_pred": pose, "mol_true": self._true, "mol_cond": None}
        wanted = {key: given[key] for key in inspect.signature(function).parameters if key in given}
        if any(value is None for value in wanted.values()):
            return {}
        return dict(function(**wanted, **parameters)["results"])

    def _loading(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Results:
        return {
            "mol_pred_loaded": True,
            "mol_true_loaded": self._true is not None,
            "mol_cond_loaded": self._receptor is not None,
        }

    def _inchi(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Results:
        if "inchi" not in self._cache:
            self._cache["inchi"] = self._functions["inchi_convertible"](pose)["results"]
        return dict(self._cache["inchi"])

    def _geometry(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Results:
        if "bounds" not in self._cache:
            first = self._functions["distance_geometry"](pose, **parameters)
            if "details" not in first:  # one atom, or not sanitisable: nothing to reuse
                return dict(first["results"])
            self._cache["bounds"] = {kind: _pairs(t) for kind, t in first["details"].items()}
        xyz = pose.GetConformer().GetPositions()
        beyond = {
            kind: _beyond(xyz, pairs, low, high, signed=kind != "angles")
            for kind, (pairs, low, high) in self._cache["bounds"].items()
        }
        bond, angle = parameters["threshold_bad_bond_length"], parameters["threshold_bad_angle"]
        return {
            "bond_lengths_within_bounds": bool((np.abs(beyond["bonds"]) <= bond).all()),
            "bond_angles_within_bounds": bool((beyond["angles"] <= angle).all()),
            "no_internal_clash": bool((beyond["clash"] >= -parameters["threshold_clash"]).all()),
        }

    def _energy(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Results:
        from posebusters.tools.inchi import get_inchi
        from posebusters.tools.molecules import add_hydrogens_with_uff_positions, hydrate_radicals
        from rdkit.Chem.rdForceFieldHelpers import (
            UFFGetMoleculeForceField,
            UFFHasAllMoleculeParams,
        )

        threshold = float(parameters["threshold_energy_ratio"])
        if "energy inchi" not in self._cache:
            full = Chem.AddHs(hydrate_radicals(Chem.Mol(pose)))
            typed = UFFHasAllMoleculeParams(full)
            self._cache["energy inchi"] = get_inchi(full) if typed else None
        inchi = self._cache["energy inchi"]
        if inchi is None:
            return {"energy_ratio_passes": math.nan}
        few = _ensemble(inchi, _FEW, self._threads)
        if few is not None and min(few) > _CLEARLY_POSITIVE:
            # placing hydrogens better can only lower the energy, so the upper bound decides
            full = Chem.AddHs(hydrate_radicals(Chem.Mol(pose)), addCoords=True)
            highest = UFFGetMoleculeForceField(full, confId=0).CalcEnergy()
            if highest / min(few) <= threshold / _MARGIN:
                return {"energy_ratio_passes": True}
        _, _, observed = add_hydrogens_with_uff_positions(Chem.Mol(pose))
        if few is not None and min(few) > _CLEARLY_POSITIVE:
            if observed / min(few) <= threshold / _MARGIN:
                return {"energy_ratio_passes": True}
            if observed / max(few) > threshold * _MARGIN:
                return {"energy_ratio_passes": False}
        many = _ensemble(inchi, parameters["ensemble_number_conformations"], self._threads)
        mean = sum(many) / len(many) if many else math.nan
        ratio = observed / (mean or 1e-10)
        passes = ratio <= threshold if math.isfinite(ratio) else math.nan
        return {"mol_pred_energy": observed, "energy_ratio": ratio, "energy_ratio_passes": passes}

    def _distance(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Results:
        around = self._around(pose, parameters)
        if around is None:
            return {"not_too_far_away": False, "no_clashes": True}
        heavy = [atom.GetAtomicNum() != 1 for atom in pose.GetAtoms()]
        mine, theirs = (m.GetConformer().GetPositions() for m in (pose, around))
        gaps = cdist(mine[heavy], theirs)
        near = gaps.min(axis=0) <= parameters.get("search_distance", _PACKAGE_SEARCH)
        gaps = gaps[:, near]
        kind = parameters["radius_type"]
        touch = _radii(pose, kind)[heavy][:, None] + _radii(around, kind)[near][None, :]
        limit = parameters["clash_cutoff"] * parameters["radius_scale"]
        return {
            "not_too_far_away": bool(gaps.size and gaps.min() <= parameters["max_distance"]),
            "no_clashes": not (gaps < limit * touch).any(),
        }

    def _overlap(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Results:
        around = self._around(pose, parameters)
        if around is None:
            return {"no_volume_clash": True}
        return dict(self._functions["volume_overlap"](pose, around, **parameters)["results"])

    def _around(self, pose: Chem.Mol, parameters: dict[str, Any]) -> Chem.Mol | None:
        assert self._receptor is not None, "modules with a receptor are left out without one"
        return self._receptor.near(pose, tuple(parameters["ignore_types"]), _SEARCH)


def _radii(mol: Chem.Mol, kind: str) -> np.ndarray:
    table = Chem.GetPeriodicTable()
    radius = {"vdw": table.GetRvdw, "covalent": table.GetRcovalent}[kind]
    return np.asarray([radius(atom.GetAtomicNum()) for atom in mol.GetAtoms()])


def _pairs(table: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = np.asarray(list(table["atom_pair"]), dtype=np.int64).reshape(-1, 2)
    return pairs, table["lower_bound"].to_numpy(float), table["upper_bound"].to_numpy(float)


def _beyond(
    xyz: np.ndarray, pairs: np.ndarray, low: np.ndarray, high: np.ndarray, signed: bool
) -> np.ndarray:
    """Relative distance outside the bounds: negative below, positive above, 0 within."""
    length = np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1)
    below = np.where(length < low, (length - low) / low, 0.0)
    beyond = np.where(length > high, (length - high) / high, below)
    return beyond if signed else np.abs(beyond)


@lru_cache(maxsize=256)
def _ensemble(inchi: str, count: int, threads: int) -> tuple[float, ...] | None:
    """Energies of ``count`` minimised conformers as the package makes them; None if it cannot."""
    from posebusters.modules.energy_ratio import MolFromInchi, new_conformation

    try:
        made = new_conformation(MolFromInchi(inchi), count, threads)
    except (AssertionError, RuntimeError, ValueError):
        return None
    return tuple(float(energy) for energy in made["energies"])
