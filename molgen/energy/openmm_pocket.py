"""The protein round a pocket in AMBER ff14SB, and what else is bound to it, ready to relax in.

Standard residues near the pocket are completed with missing atoms and hydrogens and typed by
AMBER ff14SB (Maier et al., J. Chem. Theory Comput. 2015, 11, 3696). Everything else of the
receptor (metals, cofactors, modified residues, nucleic acids) is a fixed group: Lennard-Jones and
formal charges on the atoms that the file has, no bonds. Monatomic ions take AMBER's own
parameters (Joung & Cheatham 2008; Li & Merz 2013) from OpenMM's copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import openmm
from openmm import app
from scipy.spatial import cKDTree

from molgen.energy.lennard_jones import group_lennard_jones
from molgen.energy.openmm import read_nonbonded, to_angstrom
from molgen.energy.openmm_completion import atom_rows, complete_protein
from molgen.energy.openmm_topology import peptide_links
from molgen.errors import StructureError
from molgen.structure.protein import Protein
from molgen.vocabulary import METALS, STANDARD_RESIDUES

BACKBONE = ("N", "CA", "C", "O", "OXT")
_TERMINAL = ("OXT", "H2", "H3")
_LONGEST_PEPTIDE = 2.5  # Å
_METAL_BOND = 2.9
"""Å within which a histidine nitrogen or a cysteine sulphur binds a metal."""


class BondedTerms(NamedTuple):
    """Terms of one kind: atoms (terms, n) and OpenMM's own parameters, (terms, m)."""

    atoms: np.ndarray
    params: np.ndarray


@dataclass(frozen=True)
class PocketAtoms:
    """Atoms round a pocket, hydrogens included; Å, kcal/mol, e.

    Attributes:
        coords: (atoms, 3) float64.
        elements: (atoms,).
        charges: (atoms,).
        lennard_jones: (atoms, 2) half distance and depth of the minimum.
        source: (atoms,) index in the receptor; -1 for what was added.
        residue: (atoms,) ordinal in the receptor.
        backbone: (atoms,) bool, heavy atoms of the main chain.
        side_chain: (atoms,) bool, heavy atoms of side chains that may move.
        movable: (atoms,) bool, atoms of residues that may move at all.
        bonds, angles, torsions: of AMBER.
        pairs: (pairs, 2) atoms that are one to three bonds apart.
        pair_params: (pairs, 3) charge product, distance and depth of the minimum; zeros where the
            pair feels nothing.
        notes: what could not be modelled as protein.
    """

    coords: np.ndarray
    elements: np.ndarray
    charges: np.ndarray
    lennard_jones: np.ndarray
    source: np.ndarray
    residue: np.ndarray
    backbone: np.ndarray
    side_chain: np.ndarray
    movable: np.ndarray
    bonds: BondedTerms
    angles: BondedTerms
    torsions: BondedTerms
    pairs: np.ndarray
    pair_params: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.coords)


def pocket_atoms(
    receptor: Protein,
    points: np.ndarray,
    reach: float,
    *,
    formal_charges: np.ndarray | None = None,
    ph: float = 7.0,
    seed: int = 0,
) -> PocketAtoms:
    """Return the atoms of all residues and groups within ``reach`` Å of ``points``; takes seconds.

    Args:
        receptor: heavy atoms; incomplete residues are completed.
        points: (points, 3) Å, the atoms of the poses.
        reach: Å from a point to the nearest atom of a residue.
        formal_charges: (atoms,) e, of fixed groups; ions know their own.
        ph: at which hydrogens are added.
        seed: of the first places of atoms that are added.

    Raises:
        StructureError: nothing of the receptor is near, or a residue cannot be completed or typed.
    """
    distance, _ = cKDTree(points).query(receptor.coords, distance_upper_bound=reach)
    residue = receptor.residue_index()
    near = np.zeros(residue[-1] + 1, dtype=bool)
    near[residue[np.isfinite(distance)]] = True
    if not near.any():
        raise StructureError(f"{receptor.name}: no receptor atom within {reach:g} Å of the poses")
    standard, said = _standard(receptor)
    group = near & ~standard
    charges = np.zeros(len(receptor)) if formal_charges is None else np.asarray(formal_charges)
    fixed = _fixed_groups(receptor, np.flatnonzero(group[residue]), charges)
    core = near & standard
    if not core.any():
        return fixed
    protein = _amber_part(receptor, core, standard, ph, seed)
    notes = tuple(said[ordinal] for ordinal in np.flatnonzero(group).tolist() if ordinal in said)
    return _join(protein, fixed, notes)


def _standard(receptor: Protein) -> tuple[np.ndarray, dict[int, str]]:
    """Return which residues AMBER can model, (residues,) bool, and why not for those of chains."""
    found, said = [], {}
    for ordinal, (identifier, name, span) in enumerate(receptor.residues()):
        known = name in STANDARD_RESIDUES and not receptor.hetero[span.start]
        whole = {"N", "CA", "C"} <= set(receptor.atom_names[span].tolist())
        found.append(known and whole)
        if known and not whole:
            said[ordinal] = f"{name} {identifier} lacks backbone atoms and is held fixed"
        elif not known and not receptor.hetero[span.start]:
            said[ordinal] = f"{name} {identifier} is no standard amino acid and is held fixed"
    return np.array(found), said


def _amber_part(
    receptor: Protein, core: np.ndarray, standard: np.ndarray, ph: float, seed: int
) -> PocketAtoms:
    """Return the residues of ``core`` typed by AMBER, with a frozen neighbour at every cut."""
    linked = _links(receptor) & standard[:-1] & standard[1:]
    chosen = core.copy()
    chosen[1:] |= core[:-1] & linked
    chosen[:-1] |= core[1:] & linked
    owner = receptor.residue_index()
    rows = np.flatnonzero(chosen[owner])
    part = receptor.select(rows)
    ordinals = np.flatnonzero(chosen)
    joined = linked[ordinals[:-1]] & (np.diff(ordinals) == 1)
    variants = _variants(receptor, ordinals)
    topology, positions_nm = complete_protein(part, ph, joined=joined, variants=variants, seed=seed)
    system = _amber_system(topology, receptor, ordinals)
    atoms = list(topology.atoms())
    names = np.array([atom.name for atom in atoms])
    elements = np.array([atom.element.symbol for atom in atoms])
    residue = ordinals[[atom.residue.index for atom in atoms]]
    source = np.full(len(atoms), -1, dtype=np.int64)
    source[atom_rows(part, topology)] = rows
    charges, lennard_jones, pairs, pair_params = read_nonbonded(system)
    cut = np.isin(residue, ordinals[_false_ends(receptor, ordinals, joined)])
    border = ~core[residue]
    # a chain end that is none in the protein: no charges, no atoms that only an end has
    silent = border | (cut & np.isin(names, (*BACKBONE, "H", "HA", *_TERMINAL)))
    charges[silent] = 0.0
    pair_params[silent[pairs].any(axis=1), 0] = 0.0
    lennard_jones[cut & (source < 0) & np.isin(names, _TERMINAL), 1] = 0.0
    heavy = elements != "H"
    backbone = heavy & np.isin(names, BACKBONE)
    return PocketAtoms(
        coords=to_angstrom(positions_nm),
        elements=elements,
        charges=charges,
        lennard_jones=lennard_jones,
        source=source,
        residue=residue,
        backbone=backbone,
        side_chain=heavy & ~backbone & ~border,
        movable=~border,
        bonds=_terms(system, openmm.HarmonicBondForce, 2),
        angles=_terms(system, openmm.HarmonicAngleForce, 3),
        torsions=_terms(system, openmm.PeriodicTorsionForce, 4),
        pairs=pairs,
        pair_params=pair_params,
    )


def _links(receptor: Protein) -> np.ndarray:
    """Return which residues have a peptide bond to the next that is not drawn across a gap."""
    linked = peptide_links(receptor)
    spans = [span for _, _, span in receptor.residues()]
    for i in np.flatnonzero(linked).tolist():
        one, two = spans[i], spans[i + 1]
        carbon = receptor.coords[one][receptor.atom_names[one] == "C"]
        nitrogen = receptor.coords[two][receptor.atom_names[two] == "N"]
        gaps = np.linalg.norm(carbon[:, None] - nitrogen[None], axis=-1)
        linked[i] = gaps.min(initial=np.inf) < _LONGEST_PEPTIDE
    return linked


def _false_ends(receptor: Protein, ordinals: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """Return which of the chosen residues end a piece but not the chain, (chosen,) bool."""
    residues = list(receptor.residues())
    first = np.append(True, ~joined)
    last = np.append(~joined, True)
    false = np.zeros(len(ordinals), dtype=bool)
    for place, ordinal in enumerate(ordinals.tolist()):
        identifier, _, span = residues[ordinal]
        starts = ordinal == 0 or residues[ordinal - 1][0].chain != identifier.chain
        ends = "OXT" in receptor.atom_names[span]
        false[place] = (first[place] and not starts) or (last[place] and not ends)
    return false


def _variants(receptor: Protein, ordinals: np.ndarray) -> list[str | None]:
    """Return the protonation of residues that bind a metal; None where hydrogens are free."""
    metals = receptor.coords[np.isin(receptor.elements, sorted(METALS))]
    variants: list[str | None] = [None] * len(ordinals)
    if not len(metals):
        return variants
    tree = cKDTree(metals)
    residues = list(receptor.residues())
    for place, ordinal in enumerate(ordinals.tolist()):
        _, name, span = residues[ordinal]
        if name not in ("HIS", "CYS"):
            continue
        gaps, _ = tree.query(receptor.coords[span])
        bound = set(receptor.atom_names[span][gaps < _METAL_BOND].tolist())
        if name == "CYS" and "SG" in bound:
            variants[place] = "CYX"
        elif name == "HIS" and bound & {"ND1", "NE2"}:
            variants[place] = "HIE" if "ND1" in bound else "HID"
    return variants


def _amber_system(topology: app.Topology, receptor: Protein, ordinals: np.ndarray) -> openmm.System:
    field = app.ForceField("amber14/protein.ff14SB.xml")
    unknown = field.getUnmatchedResidues(topology)
    if unknown:
        identifier, name, _ = list(receptor.residues())[ordinals[unknown[0].index]]
        raise StructureError(
            f"{receptor.name}: AMBER ff14SB has no template for residue {name} {identifier} as it "
            "is bonded in the file"
        )
    try:
        return field.createSystem(topology, nonbondedMethod=app.NoCutoff)
    except ValueError as error:
        raise StructureError(f"{receptor.name}: no AMBER parameters: {error}") from error


def _terms(system: openmm.System, kind: type, width: int) -> BondedTerms:
    """Return the atoms and parameters of all forces of one kind, in OpenMM's own units."""
    rows, values = [], []
    get = {2: "Bond", 3: "Angle", 4: "Torsion"}[width]
    for force in system.getForces():
        if isinstance(force, kind):
            for index in range(getattr(force, f"getNum{get}s")()):
                found = getattr(force, f"get{get}Parameters")(index)
                rows.append(found[:width])
                values.append([getattr(v, "_value", v) for v in found[width:]])
    columns = 3 if width == 4 else 2
    return BondedTerms(
        np.array(rows, dtype=np.int64).reshape(-1, width),
        np.array(values, dtype=np.float64).reshape(-1, columns),
    )


def _fixed_groups(receptor: Protein, rows: np.ndarray, charges: np.ndarray) -> PocketAtoms:
    """Return atoms without bonds: Lennard-Jones by element, ions with their own parameters."""
    owner = receptor.residue_index()
    lennard_jones = group_lennard_jones(receptor.elements[rows])
    charge = np.array(charges[rows], dtype=np.float64)
    size = np.bincount(owner, minlength=1)
    for place, row in enumerate(rows.tolist()):
        symbol = str(receptor.elements[row])
        alone = size[owner[row]] == 1
        if not alone and symbol not in METALS:
            continue
        found = ion_parameters(str(receptor.residue_names[row]) if alone else symbol, symbol)
        if found is not None:
            lennard_jones[place] = found[1:]
            charge[place] = found[0] if alone and not charge[place] else charge[place]
    count = len(rows)
    no = np.zeros(count, dtype=bool)
    return PocketAtoms(
        coords=receptor.coords[rows].astype(np.float64),
        elements=receptor.elements[rows],
        charges=charge,
        lennard_jones=lennard_jones,
        source=rows,
        residue=owner[rows],
        backbone=no,
        side_chain=no,
        movable=no,
        bonds=BondedTerms(np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2))),
        angles=BondedTerms(np.zeros((0, 3), dtype=np.int64), np.zeros((0, 2))),
        torsions=BondedTerms(np.zeros((0, 4), dtype=np.int64), np.zeros((0, 3))),
        pairs=np.zeros((0, 2), dtype=np.int64),
        pair_params=np.zeros((0, 3)),
    )


def ion_parameters(code: str, symbol: str) -> tuple[float, float, float] | None:
    """Return charge (e), half distance (Å) and depth (kcal/mol) of an ion; None if not known.

    Args:
        code: its component code ("ZN", "FE2").
        symbol: its element, the code of which serves where the component is not known.
    """
    element = app.Element.getBySymbol(symbol)
    field = app.ForceField("amber14/tip3p.xml")
    for name in dict.fromkeys((code.upper(), symbol.upper(), symbol)):
        topology = app.Topology()
        residue = topology.addResidue(name, topology.addChain())
        topology.addAtom(name, element, residue)
        try:
            system = field.createSystem(topology, residueTemplates={residue: name})
        except (ValueError, KeyError):
            continue
        charges, lennard_jones, _, _ = read_nonbonded(system)
        half, depth = lennard_jones[0].tolist()
        return float(charges[0]), half, depth
    return None


def _join(one: PocketAtoms, two: PocketAtoms, notes: tuple[str, ...]) -> PocketAtoms:
    """Return the atoms of both; only ``one`` has bonds."""
    both = {
        name: np.concatenate([getattr(one, name), getattr(two, name)])
        for name in (
            "coords", "elements", "charges", "lennard_jones", "source", "residue", "backbone",
            "side_chain", "movable",
        )
    }  # fmt: skip
    return PocketAtoms(
        **both,
        bonds=one.bonds,
        angles=one.angles,
        torsions=one.torsions,
        pairs=one.pairs,
        pair_params=one.pair_params,
        notes=notes,
    )
