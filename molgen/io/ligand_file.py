"""Reading one ligand from SMILES, SDF, MOL, MOL2 or a .smi file as a graph of heavy atoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from rdkit import Chem

from molgen.errors import LigandError
from molgen.io.aromatic import has_aromatic_bonds, is_pattern, rebuild_aromatic
from molgen.io.paths import file_stem, file_suffix, read_text
from molgen.io.rdkit_log import quiet_rdkit, rdkit_complaint
from molgen.structure.ligand import Ligand
from molgen.structure.stereo import open_places
from molgen.vocabulary import LIGAND_ELEMENTS

MAX_TESTED_ATOMS = 100
"""Heavy atoms above which docking is slow and untested; such a ligand carries a note."""

RECORD_SUFFIXES = (".sdf", ".sd", ".mol", ".mol2")
SMILES_SUFFIXES = (".smi", ".smiles", ".ism")
LIGAND_SUFFIXES = RECORD_SUFFIXES + SMILES_SUFFIXES

_MOL2_HEAD = "@<TRIPOS>MOLECULE"


def read_ligand(source: str | Path) -> Ligand:
    """Return the ligand in a file (first record) or in a SMILES string.

    An SDF that RDKit refuses is replaced by the MOL2 of the same name beside it, if there is
    one, as in PDBBind; the notes say so. Salts are cut to the largest fragment, hydrogens
    removed, stereo taken from 3D coordinates where there are any.

    Raises:
        LigandError: neither a readable file nor a SMILES; names the file and RDKit's reason.
    """
    path = _existing_file(source)
    if path is None:
        return _ligand_from_text(str(source))
    suffix = file_suffix(path)
    if suffix in SMILES_SUFFIXES:
        lines = smiles_lines(read_text(path, LigandError))
        if not lines:
            raise LigandError(f"{path}: holds no SMILES")
        ligand = ligand_from_smiles(lines[0], where=str(path), name=file_stem(path))
        return _note_others(ligand, path, len(lines))
    if suffix in RECORD_SUFFIXES:
        return _read_record_file(path, suffix)
    raise LigandError(
        f"{path}: {suffix or 'no'} suffix is not a ligand format; expected one of "
        f"{', '.join(LIGAND_SUFFIXES)}, a table (.csv, .tsv) or a SMILES string"
    )


def _existing_file(source: str | Path) -> Path | None:
    """Return the path meant by ``source``; None when it must be read as SMILES."""
    if isinstance(source, Path):
        return source
    if not source.strip():
        raise LigandError("ligand is empty; expected a file or a SMILES string")
    path = Path(source)
    try:
        exists = path.exists()
    except (OSError, ValueError):  # too long for a path, or holds NUL
        return None
    # "C" or "CCO" may be the name of something in the working folder: a SMILES goes first there.
    if exists and file_suffix(path) not in LIGAND_SUFFIXES and _parses(source):
        return None
    return path if exists else None


def _parses(text: str) -> bool:
    with quiet_rdkit():
        return Chem.MolFromSmiles(text) is not None


def _ligand_from_text(text: str) -> Ligand:
    try:
        return ligand_from_smiles(text, where=_shorten(text))
    except LigandError as problem:
        if _parses(text.split()[0]):
            raise
        if file_suffix(Path(text.replace("\0", ""))) in LIGAND_SUFFIXES:
            raise LigandError(f"{_shorten(text)}: no such file (and not a SMILES)") from None
        raise LigandError(
            f"{_shorten(text)!r} is neither an existing ligand file nor a valid SMILES ({problem})"
        ) from None


def _shorten(text: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= 80 else plain[:77] + "..."


def smiles_lines(text: str) -> list[str]:
    """Return the SMILES lines of a .smi file without blanks, comments and a header line."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    first = lines[0].replace(",", " ").split() if lines else []
    if not first or first[0].lower() not in ("smiles", "smile"):
        return lines
    # "smiles,name" is a header of two columns: the comma stands between them in every line
    return [line.replace(",", " ", 1) if "," in lines[0] else line for line in lines[1:]]


def smiles_title(text: str) -> str:
    """Return what stands behind the SMILES of a line and its CXSMILES extension; "" for nothing."""
    parts = text.strip().split(None, 1)
    title = parts[1].strip() if len(parts) > 1 else ""
    return title[1:].partition("|")[2].strip() if title.startswith("|") else title


def ligand_from_smiles(text: str, *, where: str, name: str = "") -> Ligand:
    """Return the ligand of ``SMILES [name]``; ``where`` is named in errors.

    Raises:
        LigandError: RDKit refuses the SMILES, or it holds no usable atom.
    """
    parts = text.strip().split(None, 1)
    if not parts:
        raise LigandError(f"{where}: SMILES is empty")
    label = smiles_title(text) or name or "ligand"
    with quiet_rdkit():
        mol = Chem.MolFromSmiles(parts[0])
        if mol is not None and len(parts) > 1 and parts[1].startswith("|"):
            mol = Chem.MolFromSmiles(text.strip()) or mol  # CXSMILES, where it is one
            mol.RemoveAllConformers()
    if mol is None:
        reason = rdkit_complaint(lambda: Chem.MolFromSmiles(parts[0]))
        raise LigandError(f"{where}: {reason or 'RDKit cannot read the SMILES'}")
    return finish_ligand(mol, name=label, where=where)


def _read_record_file(path: Path, suffix: str) -> Ligand:
    mol2 = suffix == ".mol2"
    sibling = path.with_name(f"{file_stem(path)}.mol2")  # also serves "x.sdf.gz"
    try:
        records = split_records(read_text(path, LigandError), mol2)
        if not records:
            raise LigandError(f"{path}: holds no molecule")
        ligand = ligand_from_record(
            records[0],
            where=str(path),
            name=file_stem(path),
            mol2=mol2,
            repair=not sibling.is_file(),
        )
        return _note_others(ligand, path, len(records))
    except LigandError as problem:
        if mol2 or not sibling.is_file():
            raise
        try:
            ligand = _read_record_file(sibling, ".mol2")
        except LigandError as second:
            raise LigandError(f"{problem}; and {second}") from None
        note = f"{path.name} could not be used ({_reason(problem, path)}); read {sibling.name}"
        return replace(ligand, notes=(note, *ligand.notes))


def _reason(problem: LigandError, path: Path) -> str:
    return str(problem).removeprefix(f"{path}: ")


def _note_others(ligand: Ligand, path: Path, number: int) -> Ligand:
    if number < 2:
        return ligand
    note = f"{path.name} holds {number} molecules; the first was read"
    return replace(ligand, notes=(*ligand.notes, note))


def split_records(text: str, mol2: bool) -> list[str]:
    """Return the mol blocks (with their data) of an SDF, or the molecules of a MOL2 file."""
    if mol2:
        return [_MOL2_HEAD + part for part in text.split(_MOL2_HEAD)[1:]]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    records: list[str] = []
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("$$$$"):
            records.append("\n".join(lines))
            lines = []
        else:
            lines.append(line)
    if any(line.strip() for line in lines):
        records.append("\n".join(lines))
    return records


def ligand_from_record(
    record: str, *, where: str, name: str = "", mol2: bool = False, repair: bool = True
) -> Ligand:
    """Return the ligand of one SDF or MOL2 record.

    Args:
        record: the text of one molecule.
        where: what errors name.
        name: label where the record has no title.
        mol2: the record is MOL2.
        repair: guess lost hydrogens of aromatic nitrogens rather than refuse the record.

    Raises:
        LigandError: RDKit refuses the record; the message carries its reason.
    """
    read = Chem.MolFromMol2Block if mol2 else Chem.MolFromMolBlock
    with quiet_rdkit():
        mol = read(record, removeHs=False)
    if mol is not None and not is_pattern(mol):
        mol, notes = _with_hydrogens(mol, where) if mol2 else (mol, ())
        ligand = _finish_record(mol, name, where)
        return replace(ligand, notes=(*notes, *ligand.notes))
    reason = ""
    if mol is None:
        reason = rdkit_complaint(lambda: read(record, removeHs=False))
        reason = reason or "RDKit cannot read the record"
        if _holds_bad_number(record):
            reason = f"coordinates hold NaN, infinity or no number; {reason}"
        with quiet_rdkit():
            mol = None if mol2 else read(record, removeHs=False, sanitize=False)
        if mol is None or not repair or not has_aromatic_bonds(mol):
            raise LigandError(f"{where}: {reason}")
    try:
        rebuilt, note = rebuild_aromatic(mol, record)
    except LigandError as problem:
        raise LigandError(f"{where}: {reason + '; ' if reason else ''}{problem}") from None
    ligand = _finish_record(rebuilt, name, where)
    return replace(ligand, notes=(note, *ligand.notes))


def _with_hydrogens(mol: Chem.Mol, where: str) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Return a molecule of a MOL2 record with the hydrogens that it lacks, and what was done.

    RDKit takes a MOL2 at its word: where hydrogens are left out it sees radicals, and ions where no
    hydrogen stands at all. Nothing that is docked is a radical, so these atoms get hydrogens.

    Raises:
        LigandError: there is no molecule of these atoms and bonds.
    """
    lacking = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetNumRadicalElectrons()]
    if not lacking:
        return mol, ()
    bare = all(atom.GetAtomicNum() != 1 for atom in mol.GetAtoms())
    whole = Chem.RWMol(mol)
    for atom in whole.GetAtoms():
        if not bare and atom.GetIdx() not in lacking:
            continue
        atom.SetNumRadicalElectrons(0)
        atom.SetNoImplicit(False)
        if bare and atom.GetFormalCharge() and not _stays_charged(atom):
            if atom.GetIsAromatic():  # the anion of pyrrole: N-H has no place but this
                atom.SetNumExplicitHs(-atom.GetFormalCharge())
            atom.SetFormalCharge(0)
    try:
        with quiet_rdkit():
            Chem.SanitizeMol(whole)
    except (Chem.MolSanitizeException, ValueError) as problem:
        raise LigandError(
            f"{where}: hydrogens are missing and cannot be added ({problem})"
        ) from None
    state = "; protonation is a guess" if bare else ""
    return whole.GetMol(), (f"MOL2 without {'any' if bare else 'all'} hydrogens: added{state}",)


def _stays_charged(atom: Chem.Atom) -> bool:
    """Tell whether no hydrogen changes a charge: four bonds of nitrogen, parts of nitro groups."""
    if atom.GetAtomicNum() == 7 and atom.GetTotalValence() == 4:
        return True
    return any(n.GetFormalCharge() == -atom.GetFormalCharge() for n in atom.GetNeighbors())


def _finish_record(mol: Chem.Mol, name: str, where: str) -> Ligand:
    title = mol.GetProp("_Name").strip() if mol.HasProp("_Name") else ""
    return finish_ligand(mol, name=title if title not in ("", "*****") else name, where=where)


def _holds_bad_number(record: str) -> bool:
    words = record.lower().split()
    return any(word.lstrip("-+") in ("nan", "inf", "infinity") or "****" in word for word in words)


def finish_ligand(mol: Chem.Mol, *, name: str, where: str) -> Ligand:
    """Return a `Ligand` of a sanitised molecule: one fragment, no hydrogens, stereo from 3D.

    Raises:
        LigandError: no heavy atom, a dummy or query atom, or coordinates that are not finite.
    """
    name = name or "ligand"
    notes: list[str] = []
    if not mol.GetNumHeavyAtoms():
        raise LigandError(f"{where}: ligand has no heavy atoms")
    mol = _keep_usable_conformer(mol, where, notes)
    if mol.GetNumConformers():
        Chem.AssignStereochemistryFrom3D(mol)
    mol, left = largest_fragment(mol)
    if left:
        notes.append(f"largest fragment kept, left out: {', '.join(left)}")
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0:
            raise LigandError(
                f"{where}: atom {atom.GetIdx() + 1} ({atom.GetSymbol()}) is of unknown element; "
                "expected a complete molecule"
            )
    if any(atom.GetAtomicNum() == 1 and atom.GetIsotope() for atom in mol.GetAtoms()):
        notes.append("hydrogen isotopes taken as hydrogen")
    try:
        with quiet_rdkit():
            mol = Chem.RemoveAllHs(mol)
            Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    except (Chem.MolSanitizeException, ValueError) as problem:
        raise LigandError(f"{where}: hydrogens cannot be removed ({problem})") from None
    mol = _without_stereo_groups(mol, notes)
    _note_limits(mol, notes)
    for prop in mol.GetPropNames(includePrivate=False):
        mol.ClearProp(prop)
    mol.SetProp("_Name", name)
    return Ligand(name, mol, tuple(notes))


def _keep_usable_conformer(mol: Chem.Mol, where: str, notes: list[str]) -> Chem.Mol:
    """Drop a flat or all-zero conformer, refuse one that is not finite."""
    if not mol.GetNumConformers():
        return mol
    coords = mol.GetConformer().GetPositions()
    if not np.isfinite(coords).all():
        raise LigandError(f"{where}: ligand coordinates hold NaN or infinity")
    if is_drawing(mol):
        mol = Chem.Mol(mol)
        mol.RemoveAllConformers()
        notes.append("coordinates are flat (all z = 0), taken as a 2D drawing and not used")
    elif len(coords) > 1 and not np.ptp(coords, axis=0).any():
        mol = Chem.Mol(mol)
        mol.RemoveAllConformers()
        notes.append("all atoms stand on one point; coordinates not used")
    return mol


def is_drawing(mol: Chem.Mol) -> bool:
    """Tell whether a molecule has no third dimension: no conformer, or every z is 0."""
    return not (mol.GetNumConformers() and np.any(mol.GetConformer().GetPositions()[:, 2]))


def largest_fragment(mol: Chem.Mol) -> tuple[Chem.Mol, list[str]]:
    """Return the largest fragment by heavy atoms, and the SMILES of the others, sorted."""
    if "." not in Chem.MolToSmiles(mol, canonical=False, isomericSmiles=False):
        return mol, []
    with quiet_rdkit():
        fragments = Chem.GetMolFrags(mol, asMols=True)
    best = max(fragments, key=lambda part: (part.GetNumHeavyAtoms(), _weight(part)))
    left = sorted(Chem.MolToSmiles(Chem.RemoveHs(part)) for part in fragments if part is not best)
    return best, left


def _weight(mol: Chem.Mol) -> float:
    return sum(atom.GetMass() for atom in mol.GetAtoms())


def _without_stereo_groups(mol: Chem.Mol, notes: list[str]) -> Chem.Mol:
    """Return the isomer that is drawn, where the input means a mixture or either of two."""
    groups = mol.GetStereoGroups()
    if not groups:
        return mol
    kinds = {Chem.StereoGroupType.STEREO_AND: "racemic", Chem.StereoGroupType.STEREO_OR: "relative"}
    for kind, word in kinds.items():
        atoms = [atom.GetIdx() for g in groups if g.GetGroupType() == kind for atom in g.GetAtoms()]
        if atoms:
            labels = ", ".join(_atom_label(mol, index) for index in sorted(atoms))
            notes.append(f"{word} stereo at {labels}: the isomer drawn stands for all")
    plain = Chem.RWMol(mol)
    plain.SetStereoGroups([])
    return plain.GetMol()


def _note_limits(mol: Chem.Mol, notes: list[str]) -> None:
    if places := open_places(mol):
        labels = ["=".join(_atom_label(mol, index) for index in place) for place in places]
        notes.append(f"stereo not given at {', '.join(labels)}: one isomer stands for all")
    if mol.GetNumAtoms() > MAX_TESTED_ATOMS:
        notes.append(
            f"{mol.GetNumAtoms()} heavy atoms: above {MAX_TESTED_ATOMS}, poses are slow to find "
            "and accuracy is untested"
        )
    if radicals := [a.GetIdx() for a in mol.GetAtoms() if a.GetNumRadicalElectrons()]:
        labels = [_atom_label(mol, index) for index in radicals]
        notes.append(f"radical at {', '.join(labels)}: no valid pose is to be expected")
    rare = {atom.GetSymbol() for atom in mol.GetAtoms()} - LIGAND_ELEMENTS
    if rare:
        notes.append(f"elements rarely seen in ligands: {', '.join(sorted(rare))}")


def _atom_label(mol: Chem.Mol, index: int) -> str:
    return f"{mol.GetAtomWithIdx(index).GetSymbol()}{index + 1}"
