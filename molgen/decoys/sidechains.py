"""Side chains on a backbone: ideal geometry, library rotamers, packed well, badly or not at all.

Nothing of a native side chain enters, so models built here do not tell native from decoy by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from molgen.config import check, limited
from molgen.decoys.backbone_geometry import bonded_to_next, place_oxygen
from molgen.decoys.packing import pack
from molgen.decoys.rotamers import GRID, SidechainTable, sidechain_table
from molgen.decoys.sidechain_templates import CHIS, RESIDUES, SLOTS
from molgen.errors import StructureError
from molgen.geometry.dihedral import dihedral
from molgen.structure.protein import Protein
from molgen.vocabulary import RESIDUE_ATOMS


@dataclass(frozen=True)
class PackingConfig:
    """How side chains are searched.

    Attributes:
        quality: "packed" searches fully; "poor" draws rotamers by backbone and visits every
            residue once; "scrambled" draws them blind to all other atoms.
        temperature: of the last sweep, in units of the energy; 0 takes the best.
        start: temperature of the first sweep of "packed".
        sweeps: visits to every residue of "packed".
        polish: sweeps of small turns of "packed".
        contacts: weight of contact energies against those of rotamers.
        window: rotamers rarer than the commonest by a factor exp(window) are left out.
        chi_noise: standard deviation of the angles around those of the library, degrees.
    """

    quality: Literal["packed", "poor", "scrambled"] = "packed"
    temperature: float = limited(0.0, min=0.0)
    start: float = limited(2.0, min=0.0)
    sweeps: int = limited(12, min=1, max=1000)
    polish: int = limited(2, min=0, max=1000)
    contacts: float = limited(0.5, min=0.0)
    window: float = limited(5.0, above=0.0)
    chi_noise: float = limited(0.0, min=0.0, max=180.0)


class ModelAtoms(NamedTuple):
    """Heavy atoms of a chain in the order of `RESIDUE_ATOMS`, residue by residue.

    Attributes:
        coords: (atoms, 3) float32 Å.
        residue: (atoms,) int64 residue of every atom.
        names: (atoms,) PDB atom names.
        chi: (residues, 4) float64 radians, NaN where undefined or kept.
    """

    coords: np.ndarray
    residue: np.ndarray
    names: np.ndarray
    chi: np.ndarray


POLISH_TRIES, POLISH_TURN = 6, math.radians(7.0)


def build_sidechains(
    sequence: np.ndarray,
    backbone: np.ndarray,
    rng: np.random.Generator,
    config: PackingConfig | None = None,
    *,
    fixed: np.ndarray | None = None,
    given: np.ndarray | None = None,
    table: SidechainTable | None = None,
) -> ModelAtoms:
    """Return all heavy atoms of ``sequence`` on ``backbone``.

    Missing O are placed. Chain breaks are seen from the distance of C and the next N; phi and psi
    next to one count as unknown.

    Args:
        sequence: (residues,) residue types, index into `RESIDUES`.
        backbone: (residues, 3 or 4, 3) N, CA, C, O in Å.
        config: see `PackingConfig`.
        fixed: (residues,) bool; side chains that are taken from ``given``.
        given: (atoms, 3) Å in the layout of the result; read where ``fixed`` is set.
        table: another rotamer library.

    Raises:
        StructureError: shapes that do not fit, unknown residue types, atoms that are not numbers.
        ConfigError: a config out of its limits.
    """
    config = check(config or PackingConfig())
    table = table or sidechain_table()
    sequence = np.asarray(sequence, dtype=np.int64)
    full = place_oxygen(np.asarray(backbone, dtype=np.float64))
    n = len(full)
    if sequence.shape != (n,) or (n and (sequence.min() < 0 or sequence.max() >= len(RESIDUES))):
        raise StructureError(
            f"sequence of shape {sequence.shape} for {n} residues of backbone: expected one type "
            f"of 0 to {len(RESIDUES) - 1} for each"
        )
    residue, slot = atom_layout(sequence)
    coords = np.zeros((n, SLOTS, 3))
    free = np.ones(n, dtype=bool)
    if fixed is not None:
        free = ~_checked_fixed(fixed, given, residue, n)
        kept = ~free[residue]
        coords[residue[kept], slot[kept]] = np.asarray(given, dtype=np.float64)[kept]
    coords[:, :4] = full
    sweeps, polish = {"packed": (config.sweeps, config.polish), "poor": (1, 0)}.get(
        config.quality, (0, 0)
    )
    temperature = np.full(sweeps + 1, 1.0)
    if config.quality == "packed":
        # a straight line to the last sweep but one third, which stays at the end
        fall = np.clip(np.arange(sweeps + 1) / max(1.0, 0.7 * sweeps), 0.0, 1.0)
        temperature = config.start + (config.temperature - config.start) * fall
    chi = pack(
        sequence,
        coords,
        free,
        torsion_cells(full),
        tuple(table),
        rng.normal(size=(n, CHIS)) * math.radians(config.chi_noise),
        rng.permuted(np.tile(np.arange(n), (sweeps, 1)), axis=1),
        rng.random((sweeps + 1, n)),
        temperature,
        rng.normal(size=(polish, n, POLISH_TRIES, CHIS)) * POLISH_TURN,
        (config.contacts, config.window, float(config.quality != "scrambled")),
    )
    names = np.array([atom for t in sequence for atom in RESIDUE_ATOMS[RESIDUES[t]]])
    return ModelAtoms(coords[residue, slot].astype(np.float32), residue, names, chi)


def atom_layout(sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return residue and slot of every heavy atom of ``sequence``, (atoms,) int64 both."""
    sizes = np.array([len(RESIDUE_ATOMS[name]) for name in RESIDUES])[sequence]
    residue = np.repeat(np.arange(len(sequence)), sizes)
    slot = np.arange(len(residue)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return residue, slot


def model_protein(
    sequence: np.ndarray,
    atoms: ModelAtoms,
    *,
    name: str = "model",
    chain: str = "A",
    numbers: np.ndarray | None = None,
) -> Protein:
    """Return the atoms as a `Protein`.

    Args:
        numbers: (residues,) author residue numbers; 1, 2, ... by default.
    """
    count = len(atoms.coords)
    if numbers is None:
        numbers = np.arange(1, len(sequence) + 1)
    codes = np.array(RESIDUES)[np.asarray(sequence, dtype=np.int64)]
    return Protein(
        name=name,
        coords=atoms.coords.copy(),
        elements=np.array([atom[0] for atom in atoms.names]),
        atom_names=atoms.names.copy(),
        residue_names=codes[atoms.residue],
        residue_numbers=np.asarray(numbers)[atoms.residue].astype(np.int32),
        insertion_codes=np.full(count, ""),
        chains=np.full(count, chain),
        hetero=np.zeros(count, dtype=bool),
    )


def torsion_cells(backbone: np.ndarray) -> np.ndarray:
    """Return the cell of the rotamer library of every residue, (residues, 2) int64.

    The row past the last phi stands for unknown phi or psi.
    """
    n = len(backbone)
    cells = np.zeros((n, 2), dtype=np.int64)
    cells[:, 0] = GRID
    inner = np.arange(1, n - 1)
    bonded = bonded_to_next(backbone)
    inner = inner[bonded[inner - 1] & bonded[inner]]
    a, b, c = (backbone[inner, column] for column in range(3))
    phi = dihedral(backbone[inner - 1, 2], a, b, c)
    psi = dihedral(a, b, c, backbone[inner + 1, 0])
    for column, angle in enumerate((phi, psi)):
        place = np.rint((np.degrees(angle) + 180.0) / (360.0 / GRID))
        cells[inner, column] = place.astype(np.int64) % GRID
    return cells


def _checked_fixed(
    fixed: np.ndarray, given: np.ndarray | None, residue: np.ndarray, n: int
) -> np.ndarray:
    fixed = np.asarray(fixed, dtype=bool)
    if fixed.shape != (n,):
        raise StructureError(f"fixed has shape {fixed.shape}, expected ({n},)")
    if given is None or np.shape(given) != (len(residue), 3):
        raise StructureError(
            f"fixed side chains need their atoms: given has shape "
            f"{None if given is None else np.shape(given)}, expected ({len(residue)}, 3)"
        )
    if not np.isfinite(np.asarray(given)[fixed[residue]]).all():
        raise StructureError("given holds NaN or infinity in a fixed residue")
    return fixed
