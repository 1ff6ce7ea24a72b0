"""What `molgen relax` starts from: the receptor, and poses grouped by the ligand they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from molgen.errors import LigandError
from molgen.io import LigandRow, read_ligand, read_ligand_table, read_structure
from molgen.io.ligand_file import RECORD_SUFFIXES, finish_ligand
from molgen.io.paths import file_suffix
from molgen.io.rdkit_log import quiet_rdkit
from molgen.structure import HeteroGroup, Ligand, Protein

_SAME_PLACE = 2.0
"""Å between atoms of a pose and of a ligand in the structure, which then is no receptor."""
_MOST_WAYS = 1000
"""Ways to lay a template on a pose that are compared."""


@dataclass(frozen=True)
class RelaxTarget:
    """The receptor of the poses.

    Attributes:
        receptor: everything but the ligands that stand where poses stand.
        charges: (atoms,) formal charges that the file gives, e.
        removed: these ligands.
    """

    receptor: Protein
    charges: np.ndarray
    removed: tuple[HeteroGroup, ...]


@dataclass(frozen=True)
class PoseGroup:
    """Poses of one ligand.

    Attributes:
        name: of its first record.
        true: the graph that the poses must have.
        numbers: of the records in the file, from 1.
        poses: graph and heavy-atom coordinates of each.
        errors: record and reason, for those that cannot be used.
    """

    name: str
    true: Ligand | None
    numbers: tuple[int, ...]
    poses: tuple[Ligand, ...]
    errors: tuple[tuple[int, str], ...] = ()


def read_poses(path: str | Path, ligand: str | Path | None) -> list[PoseGroup]:
    """Return the records of a file of poses by ligand, in order of first appearance.

    Args:
        path: SDF, MOL or MOL2 with 3D coordinates.
        ligand: SMILES or file that every record must be; it gives bond orders and charges. By
            default every record is taken as it stands.

    Raises:
        LigandError: the file or ``ligand`` cannot be used. A bad record is an error of its group.
    """
    path = Path(path)
    if file_suffix(path) not in RECORD_SUFFIXES:
        raise LigandError(
            f"{path}: expected poses with 3D coordinates, a file ending in "
            f"{', '.join(RECORD_SUFFIXES)}"
        )
    template = read_ligand(ligand) if ligand is not None else None
    rows = [_checked(row, template, path) for row in read_ligand_table(path)]
    members: dict[str, list[LigandRow]] = {}
    for row in rows:
        own = row.ligand.smiles if row.ligand is not None else f"record {row.row}"
        members.setdefault(template.smiles if template else own, []).append(row)
    return [_group(found, template) for found in members.values()]


def _checked(row: LigandRow, template: Ligand | None, path: Path) -> LigandRow:
    """Return the row with the bond orders of ``template``, or with the reason why it is no pose."""
    where = f"{path.name} record {row.row}"
    if row.ligand is None:
        return row
    if not row.ligand.has_coords:
        return replace(row, ligand=None, error=f"{where}: no 3D coordinates; expected a pose")
    if template is None:
        return row
    try:
        if row.ligand.num_atoms != template.num_atoms:  # RDKit would take a part for the whole
            raise ValueError("other numbers of atoms")
        if _graph(row.ligand.mol) == _graph(template.mol):
            return row
        with quiet_rdkit():
            mol = _as_template(row.ligand.mol, template.mol)
            found = finish_ligand(mol, name=row.ligand.name, where=where)
        if _graph(found.mol) != _graph(template.mol):
            raise ValueError("another molecule")
    except (ValueError, RuntimeError):
        error = f"{where}: {row.ligand.smiles} is not the ligand {template.smiles}"
        return replace(row, ligand=None, error=error)
    return replace(row, ligand=replace(found, notes=row.ligand.notes))


def _as_template(mol: Chem.Mol, template: Chem.Mol) -> Chem.Mol:
    """Return the atoms of a pose with bonds, charges and hydrogens of the template.

    Of the ways to lay one skeleton on the other it takes that with most bonds as the pose has them,
    then that whose multiple bonds are shortest. RDKit's `AssignBondOrdersFromTemplate` leaves a
    charged pose as it is under a neutral template, and takes the first way there is.

    Raises:
        ValueError: other skeletons, or no valid molecule.
    """
    ways = _skeleton(mol).GetSubstructMatches(
        _skeleton(template), uniquify=False, maxMatches=_MOST_WAYS
    )
    if not ways or mol.GetNumBonds() != template.GetNumBonds():
        raise ValueError("another skeleton")
    points = mol.GetConformer().GetPositions()
    wanted = [
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), b.GetBondTypeAsDouble())
        for b in template.GetBonds()
    ]
    has = np.zeros((mol.GetNumAtoms(), mol.GetNumAtoms()))
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        has[i, j] = has[j, i] = bond.GetBondTypeAsDouble()

    def cost(way: tuple[int, ...]) -> tuple[int, float]:
        placed = [(way[i], way[j], order) for i, j, order in wanted]
        moved = sum(has[i, j] != order for i, j, order in placed)
        long = sum(order * np.linalg.norm(points[i] - points[j]) for i, j, order in placed)
        return int(moved), float(long)

    way = min(ways, key=cost)
    changed = Chem.RWMol(mol)
    for bond in template.GetBonds():
        ours = changed.GetBondBetweenAtoms(way[bond.GetBeginAtomIdx()], way[bond.GetEndAtomIdx()])
        ours.SetStereo(Chem.BondStereo.STEREONONE)
        ours.SetBondType(bond.GetBondType())
        ours.SetIsAromatic(bond.GetIsAromatic())
    for atom in template.GetAtoms():
        ours = changed.GetAtomWithIdx(way[atom.GetIdx()])
        ours.SetIsAromatic(atom.GetIsAromatic())
        ours.SetFormalCharge(atom.GetFormalCharge())
        ours.SetNumRadicalElectrons(atom.GetNumRadicalElectrons())
        ours.SetNumExplicitHs(atom.GetNumExplicitHs())
        ours.SetNoImplicit(atom.GetNoImplicit())
        ours.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    Chem.SanitizeMol(changed)
    return changed.GetMol()


def _skeleton(mol: Chem.Mol) -> Chem.Mol:
    """Return the atoms joined by single bonds, without charges, hydrogens and stereo."""
    bare = Chem.RWMol()
    for atom in mol.GetAtoms():
        bare.AddAtom(Chem.Atom(atom.GetAtomicNum()))
    for bond in mol.GetBonds():
        bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    return bare.GetMol()


def _graph(mol: Chem.Mol) -> str:
    """Return the SMILES without stereo and isotopes."""
    return str(Chem.MolToSmiles(mol, isomericSmiles=False))


def _group(rows: Sequence[LigandRow], template: Ligand | None) -> PoseGroup:
    usable = [row for row in rows if row.ligand is not None]
    first = usable[0].ligand if usable else None
    true = template
    if true is None and first is not None:
        true = first.without_coords()
    return PoseGroup(
        name=rows[0].name if first is None else first.name,
        true=true,
        numbers=tuple(row.row for row in usable),
        poses=tuple(row.ligand for row in usable if row.ligand is not None),
        errors=tuple((row.row, row.error or "") for row in rows if row.ligand is None),
    )


def read_relax_target(pdb: str | Path, groups: Sequence[PoseGroup]) -> RelaxTarget:
    """Return the receptor of a structure file without the ligands that the poses replace.

    A co-crystal ligand, or the cofactor that stands in for one, is left out where an atom of it
    lies within 2 Å of a pose, any other group or short chain where a pose stands in its very
    place; metals and other cofactors stay.

    Raises:
        StructureError: the structure cannot be used.
    """
    structure = read_structure(pdb)
    points = [pose.coords for group in groups for pose in group.poses]
    removed: tuple[HeteroGroup, ...] = ()
    if points:
        tree = cKDTree(np.concatenate(points))
        removed = tuple(
            group
            for group in structure.reposable
            if tree.query(structure.atoms.coords[group.atoms])[0].min() < _SAME_PLACE
        )
        places = {group.residue for group in removed}
        for coords in points:
            here = [g for g in structure.standing_at(coords) if g.residue not in places]
            removed += tuple(group for group in here if not group.covalent)
            places |= {group.residue for group in here}
    return RelaxTarget(structure.receptor(removed), structure.formal_charges(removed), removed)
