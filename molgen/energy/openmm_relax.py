"""Minimisation of a ligand and the side chains round it, in the rest of the pocket held fixed.

The ligand has MMFF94, the protein AMBER ff14SB, and what is between them Lennard-Jones with
AMBER's combination rule and Coulomb. Charges are screened the same way everywhere, by a
dielectric that grows with distance (4 an Å by default): there is no solvent, and bare charges
would pull every acid onto the next base.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openmm
from rdkit import Chem
from scipy.spatial import cKDTree

from molgen.energy import openmm as border
from molgen.energy.lennard_jones import ligand_lennard_jones
from molgen.energy.mmff import MmffTerms, mmff_terms
from molgen.energy.openmm_mmff import BUFFER, COULOMB, mmff_forces
from molgen.energy.openmm_pocket import BondedTerms, PocketAtoms
from molgen.energy.relax_settings import RelaxSettings

LIGAND, INTERACTION, PROTEIN, HELD = 0, 1, 2, 3
"""Force groups: inside the ligand, between it and the rest, inside the protein, restraints."""

# soft is 0 at the end; above it atoms that overlap push each other with a bounded force
_PAIR = (
    f"eps*x*(x-2)+{COULOMB}*charge/(dielectric*(d+{BUFFER}+2*soft)^2);x=best^6/(d^6+soft*best^6)"
)
_SOFT = 0.2
LIGAND_MAY_MOVE = 2.0
"""Å beyond the cutoff at which a ligand atom still has its pairs listed."""


@dataclass(frozen=True)
class RelaxedPose:
    """Outcome of one minimisation; energies are without restraints, kcal/mol.

    Attributes:
        coords: (atoms, 3) float64 Å, the ligand with hydrogens.
        before, after: total energy of what may move, at the start and at the end.
        interaction_before, interaction_after: between ligand and receptor.
        strain_before, strain_after: MMFF94 energy of the ligand.
        moved: (moved,) atoms of the receptor that could move.
        moved_coords: (moved, 3) Å, where they are now.
    """

    coords: np.ndarray
    before: float
    after: float
    interaction_before: float
    interaction_after: float
    strain_before: float
    strain_after: float
    moved: np.ndarray
    moved_coords: np.ndarray


class LigandField:
    """One ligand, typed once for all its poses."""

    def __init__(self, mol: Chem.Mol) -> None:
        """Type a sanitised molecule with explicit hydrogens.

        Raises:
            LigandError: MMFF94 has no parameters for it.
        """
        self.terms: MmffTerms = mmff_terms(mol)
        self.lennard_jones = ligand_lennard_jones(mol, self.terms.alike)
        self.heavy = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()])
        self.masses = np.array([atom.GetMass() for atom in mol.GetAtoms()])


def relax_pose(
    ligand: LigandField,
    coords: np.ndarray,
    pocket: PocketAtoms,
    settings: RelaxSettings,
    platform: str,
    what: str,
) -> RelaxedPose:
    """Return the minimum next to a pose (atoms, 3) Å, hydrogens included.

    Args:
        pocket: the receptor, at least where the pose is.
        platform: of OpenMM.
        what: opens messages.

    Raises:
        StructureError: the minimisation diverged.
        DeviceError: the platform does not work.
    """
    start = border.check_coords(coords, ligand.terms.num_atoms, what)
    model = PoseSystem(ligand, start, pocket, settings)
    context = border.make_context(
        model.system,
        openmm.VerletIntegrator(0.001),
        platform,
        settings.threads,
        deterministic=True,
    )
    context.setPositions(border.to_nm(model.start))
    before = _energies(context, what)
    for soft, steps in ((_SOFT, settings.soften), (0.0, settings.iterations)):
        if steps:
            context.setParameter("soft", soft)
            border.minimise(context, steps, settings.tolerance, what)
    after = _energies(context, what)
    final = border.read_coords(context, what).astype(np.float64)
    atoms = ligand.terms.num_atoms
    rows = np.flatnonzero(model.moves & (model.source >= 0))
    return RelaxedPose(
        coords=final[:atoms],
        before=sum(before),
        after=sum(after),
        interaction_before=before[INTERACTION],
        interaction_after=after[INTERACTION],
        strain_before=before[LIGAND],
        strain_after=after[LIGAND],
        moved=model.source[rows],
        moved_coords=final[atoms:][rows],
    )


def _energies(context: openmm.Context, what: str) -> tuple[float, float, float]:
    """Return the energies of ligand, interaction and protein, kcal/mol."""
    ligand, between, protein = (
        border.read_energy(context, what, groups={group})
        for group in (LIGAND, INTERACTION, PROTEIN)
    )
    return ligand, between, protein


class PoseSystem:
    """The system of one pose: the ligand first, then what of the pocket it can feel.

    Attributes:
        system: all forces, in the groups above.
        start: (ligand and pocket atoms, 3) Å.
        source: (pocket atoms,) index in the receptor, -1 for added atoms.
        moves: (pocket atoms,) bool.
    """

    def __init__(
        self, ligand: LigandField, coords: np.ndarray, pocket: PocketAtoms, settings: RelaxSettings
    ) -> None:
        self._settings = settings
        moves = _moving_atoms(pocket, coords[ligand.heavy], settings.flexible)
        # side chains move by about an Å, and the ligand by two at most
        active = np.concatenate([coords, pocket.coords[moves]])
        gaps, _ = cKDTree(active).query(pocket.coords, distance_upper_bound=settings.cutoff + 2.0)
        kept = np.flatnonzero(np.isfinite(gaps))
        place = np.full(len(pocket), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        self.moves, self.source = moves[kept], pocket.source[kept]
        self.start = np.concatenate([coords, pocket.coords[kept]])
        self.system = openmm.System()
        for mass in ligand.masses.tolist():
            self.system.addParticle(mass)
        for moving in self.moves.tolist():
            self.system.addParticle(12.0 if moving else 0.0)  # no mass: OpenMM holds it
        offset = ligand.terms.num_atoms
        for force in mmff_forces(
            ligand.terms, screening="distance", dielectric=settings.dielectric
        ):
            self._add(force, LIGAND)
        pairs, params = _between(
            ligand, pocket, kept, self.start, settings.cutoff + LIGAND_MAY_MOVE
        )
        self._add(_pair_force(pairs, params, settings.dielectric), INTERACTION)
        if self.moves.any():
            for force in _inside(pocket, kept, place, self.moves, offset, settings):
                self._add(force, PROTEIN)
        self._hold(ligand, pocket, kept, offset)

    def _add(self, force: openmm.Force, group: int) -> None:
        force.setForceGroup(group)
        self.system.addForce(force)

    def _hold(
        self, ligand: LigandField, pocket: PocketAtoms, kept: np.ndarray, offset: int
    ) -> None:
        """Pull backbone, side chains and ligand to where they are."""
        main = np.flatnonzero(self.moves & pocket.backbone[kept])
        side = np.flatnonzero(self.moves & pocket.side_chain[kept])
        own = np.flatnonzero(ligand.heavy)
        for atoms, strength in (
            (main + offset, self._settings.backbone),
            (side + offset, self._settings.side_chain),
            (own, self._settings.ligand),
        ):
            if len(atoms) and strength:
                targets = border.to_nm(self.start[atoms])
                self._add(border.pull_force(atoms, targets, strength), HELD)


def _moving_atoms(pocket: PocketAtoms, points: np.ndarray, flexible: float) -> np.ndarray:
    """Return the atoms of residues with a side-chain atom within ``flexible`` Å, (atoms,) bool."""
    if flexible <= 0 or not pocket.side_chain.any():
        return np.zeros(len(pocket), dtype=bool)
    side = np.flatnonzero(pocket.side_chain)
    gaps, _ = cKDTree(points).query(pocket.coords[side], distance_upper_bound=flexible)
    chosen = np.unique(pocket.residue[side[np.isfinite(gaps)]])
    return np.isin(pocket.residue, chosen) & pocket.movable


def _between(
    ligand: LigandField, pocket: PocketAtoms, kept: np.ndarray, start: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of ligand and receptor atoms, and their parameters."""
    atoms = ligand.terms.num_atoms
    near = cKDTree(start[:atoms]).query_ball_tree(cKDTree(start[atoms:]), cutoff)
    one = np.repeat(np.arange(atoms), [len(row) for row in near])
    two = np.concatenate([np.array(row, dtype=np.int64) for row in near])
    charge = ligand.terms.charges[one] * pocket.charges[kept][two]
    shapes = _mixed(ligand.lennard_jones[one], pocket.lennard_jones[kept][two])
    return np.column_stack([one, two + atoms]), np.column_stack([charge, shapes])


def _inside(
    pocket: PocketAtoms,
    kept: np.ndarray,
    place: np.ndarray,
    moves: np.ndarray,
    offset: int,
    settings: RelaxSettings,
) -> list[openmm.Force]:
    """Return AMBER's terms that a moving atom feels."""
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    torsions = openmm.PeriodicTorsionForce()
    for terms, add in (
        (pocket.bonds, bonds.addBond),
        (pocket.angles, angles.addAngle),
        (pocket.torsions, torsions.addTorsion),
    ):
        atoms, params = _felt(terms, place, moves)
        for members, values in zip((atoms + offset).tolist(), params.tolist(), strict=True):
            if len(members) == 4:
                add(*members, int(values[0]), *values[1:])
            else:
                add(*members, *values)
    known, own = _felt(BondedTerms(pocket.pairs, pocket.pair_params), place, moves)
    coords, count = pocket.coords[kept], len(kept)
    near = cKDTree(coords).query_pairs(settings.cutoff, output_type="ndarray").astype(np.int64)
    near = near[moves[near].any(axis=1)]
    known.sort(axis=1)
    near.sort(axis=1)
    near = near[~np.isin(near @ [count, 1], known @ [count, 1])]
    near = near[np.lexsort((near[:, 1], near[:, 0]))]
    charges, shapes = pocket.charges[kept], pocket.lennard_jones[kept]
    apart = np.column_stack(
        [charges[near].prod(axis=1), _mixed(shapes[near[:, 0]], shapes[near[:, 1]])]
    )
    scaled = own[:, ::2].any(axis=1)
    pairs = np.concatenate([near, known[scaled]]) + offset
    return [
        bonds,
        angles,
        torsions,
        _pair_force(pairs, np.concatenate([apart, own[scaled]]), settings.dielectric),
    ]


def _mixed(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return distance and depth of the minimum of pairs, (pairs, 2), by AMBER's rule."""
    return np.column_stack([one[:, 0] + two[:, 0], np.sqrt(one[:, 1] * two[:, 1])])


def _felt(
    terms: BondedTerms, place: np.ndarray, moves: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms with a moving atom, in the numbering of the system without the ligand."""
    atoms = place[terms.atoms]
    felt = (atoms >= 0).all(axis=1)
    felt[felt] = moves[atoms[felt]].any(axis=1)
    return atoms[felt], terms.params[felt]


def _pair_force(pairs: np.ndarray, params: np.ndarray, dielectric: float) -> openmm.Force:
    """Return the force of listed pairs: an order of magnitude faster than interaction groups."""
    force = openmm.CustomBondForce(border.in_angstrom(_PAIR))
    for name in ("charge", "best", "eps"):
        force.addPerBondParameter(name)
    force.addGlobalParameter("dielectric", dielectric)
    force.addGlobalParameter("soft", 0.0)
    for (i, j), values in zip(pairs.tolist(), params.tolist(), strict=True):
        force.addBond(i, j, values)
    return force
