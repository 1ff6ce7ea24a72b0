"""The co-crystal ligand of a structure with its crystal coordinates and bond orders.

Bond orders come from the file's own ``_chem_comp_bond``, else from the shipped component table,
else from a template ligand; stereo always comes from the coordinates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem, rdDetermineBonds
from rdkit.Geometry import Point3D

from molgen.errors import LigandError
from molgen.io.components import component_smiles
from molgen.io.groups import list_groups
from molgen.io.ligand_file import finish_ligand
from molgen.io.rdkit_log import quiet_rdkit
from molgen.structure.assembly import HeteroGroup, Structure
from molgen.structure.ligand import Ligand

HOW_TO_SUPPLY = "give the ligand as SMILES or SDF (--ligand) as the template of its bond orders"


def cocrystal_ligand(
    structure: Structure, group: HeteroGroup | None = None, template: Ligand | None = None
) -> Ligand:
    """Return a group of the structure as a ligand, atoms in file order, crystal coordinates.

    Args:
        structure: as read by `read_structure`.
        group: which group; by default the largest candidate, the first in the file on a tie.
        template: a ligand of the same graph, used when file and table do not know the component.

    Raises:
        LigandError: no candidate; a covalent ligand; a part of a larger one; atoms missing; or
            unknown bond orders (the message says how to supply them).
    """
    notes: list[str] = []
    if group is None:
        candidates = structure.reposable
        if not candidates:
            raise LigandError(
                f"{structure.name}: no co-crystal ligand; give one with --ligand "
                f"(groups there: {list_groups(structure)})"
            )
        group = candidates[0]
        if len(candidates) > 1:
            others = ", ".join(str(other) for other in candidates[1:])
            notes.append(f"co-crystal ligand {group} taken; other candidates: {others}")
    where = f"{structure.name}: ligand {group}"
    if group.covalent:
        raise LigandError(
            f"{where} is covalently bonded to the protein; covalent ligands are not supported "
            f"(groups there: {list_groups(structure)})"
        )
    if group.partners:
        raise LigandError(
            f"{where} is bonded to {', '.join(str(g) for g in structure.molecule(group)[1:])}: a "
            "part of a larger ligand; give the whole as --ligand FILE and as --pocket FILE"
        )
    mol, source = _with_bond_orders(structure, group, template, where)
    notes.append(f"co-crystal ligand {group}: bond orders from {source}")
    found = finish_ligand(mol, name=group.code, where=where)
    return Ligand(found.name, found.mol, (*notes, *found.notes))


def _with_bond_orders(
    structure: Structure, group: HeteroGroup, template: Ligand | None, where: str
) -> tuple[Chem.Mol, str]:
    """Try the sources in order; return the molecule and which source served."""
    smiles = component_smiles(group.code)
    sources: list[tuple[str, Callable[[], Chem.Mol]]] = []
    if group.bonds:
        sources.append(("the file", lambda: _from_bond_table(structure, group)))
    if smiles is not None:
        sources.append(
            ("the component table", lambda: _from_template(structure, group, _parse(smiles)))
        )
    if template is not None:
        sources.append(("the given ligand", lambda: _from_template(structure, group, template.mol)))
    reasons = []
    for name, build in sources:
        try:
            return build(), name
        except LigandError as problem:
            reasons.append(f"{name}: {problem}")
    if smiles is not None and len(reasons) == 1 and not group.bonds:
        # a placeholder such as LIG or UNL names another molecule in the table
        reasons[0] += f", so {group.code} is another molecule there"
    if not reasons:
        raise LigandError(f"{where}: bond orders are unknown; {HOW_TO_SUPPLY}")
    advice = "" if template is not None else f"; {HOW_TO_SUPPLY}"
    raise LigandError(f"{where}: no usable bond orders ({'; '.join(reasons)}){advice}")


def _parse(smiles: str) -> Chem.Mol:
    with quiet_rdkit():
        mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise LigandError("its SMILES cannot be read")
    return mol


def _bare_atoms(structure: Structure, group: HeteroGroup) -> Chem.RWMol:
    """Return the atoms of the group with their coordinates and no bonds."""
    mol = Chem.RWMol()
    conformer = Chem.Conformer(len(group.atoms))
    conformer.Set3D(True)
    for index, atom in enumerate(group.atoms):
        mol.AddAtom(Chem.Atom(str(structure.atoms.elements[atom])))
        x, y, z = (round(float(value), 4) for value in structure.atoms.coords[atom])
        conformer.SetAtomPosition(index, Point3D(x, y, z))
    mol.AddConformer(conformer)
    return mol


def _from_bond_table(structure: Structure, group: HeteroGroup) -> Chem.Mol:
    """Build the molecule from the file's component bonds, matched by atom name."""
    names = [str(name) for name in structure.atoms.atom_names[group.atoms]]
    index = {name: i for i, name in enumerate(names)}
    if len(index) < len(names):
        twice = [name for name, number in Counter(names).items() if number > 1]
        raise LigandError(f"atom names are not unique ({' '.join(twice[:8])})")
    known = {name for first, second, _ in group.bonds for name in (first, second)}
    missing = sorted(known - set(names))
    if missing:
        raise LigandError(
            f"{len(missing)} heavy atoms are missing in the crystal ({' '.join(missing[:12])})"
        )
    extra = sorted(set(names) - known)
    if extra:
        raise LigandError(f"atoms that the component does not have ({' '.join(extra[:12])})")
    mol = _bare_atoms(structure, group)
    orders = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
    for first, second, order in group.bonds:
        if not mol.GetBondBetweenAtoms(index[first], index[second]):
            mol.AddBond(index[first], index[second], orders[order])
    for name, charge in group.charges:
        if name in index:
            mol.GetAtomWithIdx(index[name]).SetFormalCharge(charge)
    try:
        with quiet_rdkit():
            Chem.SanitizeMol(mol)
    except (Chem.MolSanitizeException, ValueError) as problem:
        raise LigandError(f"bonds make no valid molecule ({problem})") from None
    return mol.GetMol()


def _from_template(structure: Structure, group: HeteroGroup, template: Chem.Mol) -> Chem.Mol:
    """Give the atoms, connected by distance, the bond orders of a template graph."""
    with quiet_rdkit():
        template = Chem.RemoveAllHs(template)
        Chem.RemoveStereochemistry(template)
    template.RemoveAllConformers()
    mol = _bare_atoms(structure, group)
    _compare_formulas(mol, template)
    try:
        with quiet_rdkit():
            rdDetermineBonds.DetermineConnectivity(mol, useVdw=True)
            _drop_longest_extra_bonds(mol, template)
            for atom in mol.GetAtoms():
                atom.SetNoImplicit(False)
                atom.SetNumRadicalElectrons(0)
            assigned = AllChem.AssignBondOrdersFromTemplate(template, mol.GetMol())
            Chem.SanitizeMol(assigned)
    except (ValueError, RuntimeError) as problem:
        first = str(problem).splitlines()[0] if str(problem) else "no match"
        raise LigandError(f"its graph does not fit the crystal coordinates ({first})") from None
    return assigned


def _compare_formulas(mol: Chem.Mol, template: Chem.Mol) -> None:
    have = Counter(atom.GetSymbol() for atom in mol.GetAtoms())
    want = Counter(atom.GetSymbol() for atom in template.GetAtoms() if atom.GetAtomicNum() > 1)
    if have == want:
        return
    parts = []
    if want - have:
        parts.append(f"missing in the crystal: {_count(want - have)}")
    if have - want:
        parts.append(f"more in the crystal: {_count(have - want)}")
    raise LigandError(f"heavy atoms differ ({'; '.join(parts)})")


def _count(elements: Counter[str]) -> str:
    return " ".join(f"{symbol}{number}" for symbol, number in sorted(elements.items()))


def _drop_longest_extra_bonds(mol: Chem.RWMol, template: Chem.Mol) -> None:
    """Remove the longest bonds while there are more than the template has.

    Crystal geometry can bring two unbonded atoms close enough to look bonded.
    """
    coords = mol.GetConformer().GetPositions()
    while mol.GetNumBonds() > template.GetNumBonds():
        length = {
            (b.GetBeginAtomIdx(), b.GetEndAtomIdx()): float(
                np.linalg.norm(coords[b.GetBeginAtomIdx()] - coords[b.GetEndAtomIdx()])
                / _radii_sum(b)
            )
            for b in mol.GetBonds()
        }
        mol.RemoveBond(*max(length, key=lambda pair: length[pair]))


def _radii_sum(bond: Chem.Bond) -> float:
    table = Chem.GetPeriodicTable()
    return float(
        table.GetRcovalent(bond.GetBeginAtom().GetAtomicNum())
        + table.GetRcovalent(bond.GetEndAtom().GetAtomicNum())
    )
