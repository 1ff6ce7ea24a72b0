"""Making whole molecules of SDF records whose aromatic bonds lack hydrogens or are queries.

Bond type 4 with a ring/chain flag makes RDKit read a search pattern: it neither kekulises the
rings nor says so. Such records, and those where an aromatic N-H lost its hydrogen, are rebuilt
here as plain molecules.
"""

from __future__ import annotations

import re
from itertools import combinations

from rdkit import Chem

from molgen.errors import LigandError
from molgen.io.rdkit_log import quiet_rdkit

MAX_HYDROGENS = 3
"""Most aromatic N-H that are looked for."""

_PLAIN_BONDS = {
    Chem.BondType.SINGLE,
    Chem.BondType.DOUBLE,
    Chem.BondType.TRIPLE,
    Chem.BondType.AROMATIC,
}
# Some writers keep the hydrogen count of each atom as SMARTS in a data S-group.
_GROUP_ATOM = re.compile(r"^M  SAL\s+(\d+)\s+1\s+(\d+)\s*$", re.MULTILINE)
_GROUP_WITH_H = re.compile(r"^M  SED\s+(\d+) \[#7&h\{1-\}\]\s*$", re.MULTILINE)


def is_pattern(mol: Chem.Mol) -> bool:
    """Return whether RDKit read a search pattern where a molecule was meant."""
    return any(bond.HasQuery() for bond in mol.GetBonds())


def has_aromatic_bonds(mol: Chem.Mol) -> bool:
    """Return whether any bond is of the aromatic type."""
    return any(bond.GetBondType() == Chem.BondType.AROMATIC for bond in mol.GetBonds())


def rebuild_aromatic(mol: Chem.Mol, record: str) -> tuple[Chem.Mol, str]:
    """Return a sanitised plain molecule of the same atoms and bonds, and a note.

    Hydrogens go on aromatic nitrogens as the record's own hints say, else on the fewest, first
    in atom order, that give the rings a Kekulé structure.

    Raises:
        LigandError: a true pattern (atom lists, "single or double" bonds), no 3D coordinates to
            take the stereo from, or no such structure.
    """
    if any(atom.HasQuery() for atom in mol.GetAtoms()) or any(
        bond.GetBondType() not in _PLAIN_BONDS or "," in bond.GetSmarts() for bond in mol.GetBonds()
    ):
        raise LigandError("holds query atoms or bonds; expected one definite molecule")
    if not (mol.GetNumConformers() and mol.GetConformer().Is3D()):
        raise LigandError("aromatic bonds lack hydrogens; give Kekulé bonds or 3D coordinates")
    bare = _copy(mol)
    candidates = [
        atom.GetIdx()
        for atom in bare.GetAtoms()
        if atom.GetAtomicNum() == 7
        and atom.GetIsAromatic()
        and atom.GetDegree() == 2
        and atom.GetFormalCharge() == 0
    ]
    hinted = tuple(index for index in _hinted(record) if index in candidates)
    choices = [hinted] if hinted else []
    for number in range(MAX_HYDROGENS + 1):
        choices += combinations(candidates, number)
    for chosen in choices:
        found = _sanitised(bare, chosen)
        if found is not None:
            return found, _describe(chosen, hinted=chosen == hinted)
    raise LigandError("aromatic bonds have no Kekulé structure; give Kekulé bonds or a MOL2 file")


def _describe(chosen: tuple[int, ...], *, hinted: bool) -> str:
    if not chosen:
        return "search flags on the bonds of the record ignored"
    where = " ".join(f"N{index + 1}" for index in chosen)
    how = "as the record hints" if hinted else "by guess"
    return f"aromatic rings rebuilt, hydrogens on ring nitrogens {how}: {where}"


def _copy(mol: Chem.Mol) -> Chem.RWMol:
    """Return atoms, charges, bonds and coordinates without queries, aromaticity marked."""
    copy = Chem.RWMol()
    for atom in mol.GetAtoms():
        plain = Chem.Atom(atom.GetAtomicNum())
        plain.SetFormalCharge(atom.GetFormalCharge())
        copy.AddAtom(plain)
    for bond in mol.GetBonds():
        ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        copy.AddBond(*ends, bond.GetBondType())
        if bond.GetBondType() == Chem.BondType.AROMATIC:
            copy.GetBondBetweenAtoms(*ends).SetIsAromatic(True)
            for end in ends:
                copy.GetAtomWithIdx(end).SetIsAromatic(True)
    copy.AddConformer(mol.GetConformer(), assignId=True)
    if mol.HasProp("_Name"):
        copy.SetProp("_Name", mol.GetProp("_Name"))
    return copy


def _hinted(record: str) -> list[int]:
    """Return the atom indices of nitrogens that the record's S-groups give a hydrogen."""
    atom_of = {group: int(atom) - 1 for group, atom in _GROUP_ATOM.findall(record)}
    return [atom_of[group] for group in _GROUP_WITH_H.findall(record) if group in atom_of]


def _sanitised(bare: Chem.RWMol, with_hydrogen: tuple[int, ...]) -> Chem.Mol | None:
    trial = Chem.RWMol(bare)
    for index in with_hydrogen:
        atom = trial.GetAtomWithIdx(index)
        atom.SetNumExplicitHs(1)
        atom.SetNoImplicit(True)
    try:
        with quiet_rdkit():
            Chem.SanitizeMol(trial)
    except (Chem.MolSanitizeException, ValueError):
        return None
    return trial.GetMol()
