"""Parsing PDB and mmCIF text into one flat table of atoms, as the file gives them.

gemmi parses and its `FlatStructure` hands whole columns over, which is several times faster than
walking Biopython's tree (``workflows/structures/readers.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from molgen.errors import StructureError
from molgen.io.paths import file_stem, file_suffix, read_bytes
from molgen.io.pdb_elements import is_atom, with_elements
from molgen.io.pdb_records import as_one_file
from molgen.vocabulary import METALS, RESIDUE_ATOMS, WATERS

CIF_SUFFIXES = (".cif", ".mmcif", ".pdbx")
PDB_SUFFIXES = (".pdb", ".ent", ".pdb1", ".brk")

_CIF_MARK = re.compile(rb"^(data_|loop_|_atom_site\.)", re.MULTILINE)
_PDB_MARK = re.compile(rb"^(ATOM  |HETATM)", re.MULTILINE)
_PDB_GROUP = re.compile(rb"^HET    (...)", re.MULTILINE)

# Columns are bytes: a byte outside ASCII (mostly in a name or a title) becomes one "?".
_TO_ASCII = bytes(code if code < 128 else ord("?") for code in range(256))

_BYTE_ORDER = b"\xef\xbb\xbf"

BondTable = dict[str, tuple[tuple[str, str, int], ...]]
ChargeTable = dict[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class AtomTable:
    """Atoms in file order; text columns are numpy byte strings (at most 8 characters).

    Attributes:
        coords: (atoms, 3) float64, Å.
        elements: symbols with gemmi's spelling ("C", "Zn", "D", "X" for unknown).
        hetatm: True for HETATM records.
        polymer: 1 polymer, 0 not a polymer, -1 the file does not say.
        altlocs: b"" where there is none.
    """

    coords: np.ndarray
    elements: np.ndarray
    names: np.ndarray
    resnames: np.ndarray
    resnums: np.ndarray
    icodes: np.ndarray
    chains: np.ndarray
    altlocs: np.ndarray
    occupancy: np.ndarray
    hetatm: np.ndarray
    polymer: np.ndarray
    models: np.ndarray

    def __len__(self) -> int:
        return len(self.coords)

    def select(self, keep: np.ndarray) -> AtomTable:
        """Return the atoms where ``keep`` (mask or indices) is set."""
        return replace(self, **{f.name: getattr(self, f.name)[keep] for f in fields(self)})

    def starts(self) -> np.ndarray:
        """Return the first atom of each residue, (residues,) int64."""
        change = np.ones(len(self), dtype=bool)
        change[1:] = False
        for column in (self.resnums, self.chains, self.icodes, self.resnames, self.models):
            change[1:] |= column[1:] != column[:-1]
        return np.flatnonzero(change)


@dataclass(frozen=True)
class ParsedFile:
    """What a structure file holds: atoms, declared links and component tables.

    Attributes:
        links: pairs of (chain, number, insertion code, atom name) joined by a covalent bond.
        bonds: heavy-atom bonds of each non-polymer component, from ``_chem_comp_bond``.
        charges: formal charges other than zero of their atoms.
        residues: how many the sequences in the file name.
        unseen: how many of these have no atoms in the first model.
        absent: codes of groups that the file lists, but has no atoms of; no waters.
        notes: what was left out or read beyond what the format says.
    """

    name: str
    atoms: AtomTable
    links: tuple[tuple[tuple[str, int, str, str], tuple[str, int, str, str]], ...] = ()
    bonds: BondTable = field(default_factory=dict)
    charges: ChargeTable = field(default_factory=dict)
    residues: int = 0
    unseen: int = 0
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse_structure(path: str | Path) -> ParsedFile:
    """Parse a PDB or mmCIF file, plain or gzip, told apart by content.

    Raises:
        StructureError: missing, empty, truncated, not a structure, or coordinates that are not
            numbers (with the line).
    """
    path = Path(path)
    content = read_bytes(path, StructureError).removeprefix(_BYTE_ORDER).translate(_TO_ASCII)
    if b"\n" not in content:  # lines as on a Macintosh of old
        content = content.replace(b"\r", b"\n")
    name = file_stem(path)
    if _is_cif(content, file_suffix(path), path):
        return _parse_cif(content, name, path)
    return parse_pdb(content, name, path)


def _is_cif(content: bytes, suffix: str, path: Path) -> bool:
    head = content[:200_000]
    looks_cif, looks_pdb = bool(_CIF_MARK.search(head)), bool(_PDB_MARK.search(content))
    if suffix in CIF_SUFFIXES or (looks_cif and not looks_pdb):
        if not looks_cif:
            raise StructureError(f"{path}: not an mmCIF file (no data_ block)")
        return True
    if not looks_pdb:
        raise StructureError(f"{path}: not a structure; expected PDB or mmCIF with atom records")
    if suffix == ".pdbqt":
        raise StructureError(f"{path}: PDBQT is not supported; give the PDB or mmCIF file")
    # An mmCIF file under a foreign suffix also has lines that start with ATOM.
    return bool(looks_cif and b"_atom_site." in content)


def parse_pdb(content: bytes, name: str, path: Path) -> ParsedFile:
    """Return what PDB text holds; ``path`` is named in errors, which are those of
    `parse_structure`.
    """
    _check_pdb_coordinates(content, path)
    head = content.partition(b"\nATOM  ")[0]  # lists stand before the atoms
    listed = [code.strip().decode() for code in _PDB_GROUP.findall(head)]
    broken = _broken_end(content)
    content, notes = as_one_file(content)
    try:
        # else two subunits under one name are merged, residue by residue
        text = with_elements(content).decode("ascii")
        structure = gemmi.read_pdb_string(text, split_chain_on_ter=True)
    except (RuntimeError, ValueError) as problem:
        raise StructureError(f"{path}: cannot be read as PDB ({_first_line(problem)})") from None
    atoms = _flatten(structure, path, says_polymer=False)
    counts = _sequence_counts(structure)
    absent = _absent(listed, atoms)
    return ParsedFile(
        name, atoms, _links(structure), {}, {}, *counts, absent, tuple(notes + broken)
    )


def _check_pdb_coordinates(content: bytes, path: Path) -> None:
    """Refuse atom records whose coordinate columns (31-54) are not three finite numbers."""
    lines = [line for line in content.splitlines() if is_atom(line)]
    columns = np.array([line[30:54].ljust(24) for line in lines], dtype="S24")
    try:
        # A cut line leaves blanks, which float() refuses like any other text.
        good = bool(np.isfinite(columns.view("S8").astype(np.float64)).all())
    except ValueError:
        good = False
    if good:
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if is_atom(line) and not _three_numbers(line[30:54].ljust(24)):
            shown = line.decode("ascii")[30:54]
            cut = len(line) < 54
            raise StructureError(
                f"{path}: line {number}: "
                + ("atom record is cut short" if cut else f"coordinates {shown!r} are not numbers")
            )


def _three_numbers(columns: bytes) -> bool:
    try:
        return all(np.isfinite(float(columns[i : i + 8])) for i in (0, 8, 16))
    except ValueError:
        return False


def _parse_cif(content: bytes, name: str, path: Path) -> ParsedFile:
    try:
        document = gemmi.cif.read_string(content.decode("ascii"))
    except (RuntimeError, ValueError) as problem:
        raise StructureError(
            f"{path}: truncated or damaged mmCIF ({_first_line(problem)})"
        ) from None
    block = next((b for b in document if b.find_loop("_atom_site.Cartn_x")), None)
    if block is None:
        raise StructureError(f"{path}: mmCIF has no atoms (_atom_site loop)")
    try:
        structure = gemmi.make_structure_from_block(block)
    except (RuntimeError, ValueError) as problem:
        raise StructureError(f"{path}: mmCIF atoms unreadable ({_first_line(problem)})") from None
    # Without a sequence or entity table every residue would pass as a non-polymer.
    says_polymer = bool(block.find_loop("_entity_poly_seq.entity_id")) or (
        block.find_value("_entity_poly.type") is not None
        or bool(block.find_loop("_entity_poly.type"))
    )
    atoms = _flatten(structure, path, says_polymer=says_polymer)
    codes = {code.decode() for code in np.unique(atoms.resnames[atoms.polymer != 1])}
    bonds, charges = _component_tables(block, codes)
    listed = [row.str(0) for row in block.find("_chem_comp.", ["id", "type"])
              if row.str(1).lower() == "non-polymer"]  # fmt: skip
    counts, absent = _sequence_counts(structure), _absent(listed, atoms)
    return ParsedFile(name, atoms, _links(structure), bonds, charges, *counts, absent)


def _absent(listed: Sequence[str], atoms: AtomTable) -> tuple[str, ...]:
    there = {code.decode() for code in np.unique(atoms.resnames)}
    return tuple(sorted(set(listed) - there - WATERS))


def _broken_end(content: bytes) -> list[str]:
    """Return a note where PDB text stops in the middle of an amino acid."""
    lines = content.rstrip()[-5000:].splitlines()
    if not is_atom(lines[-1]):
        return []
    name, place = lines[-1][17:20].strip().decode(), lines[-1][17:27]
    there = {line[12:16].strip().decode() for line in lines if line[17:27] == place}
    if there >= set(RESIDUE_ATOMS.get(name, ())):
        return []
    return [f"the last record of the file is of an unfinished {name}: is it cut short?"]


def _sequence_counts(structure: gemmi.Structure) -> tuple[int, int]:
    """Return how many residues the sequences name, and how many of them have no atoms."""
    polymers = [
        (entity, len(entity.full_sequence), list(entity.subchains))
        for entity in structure.entities
        if entity.entity_type == gemmi.EntityType.Polymer and entity.full_sequence
    ]
    if not polymers:
        return 0, 0
    by_place: dict[str, set[int | None]] = {}  # mmCIF: a residue says its place in the sequence
    by_chain: dict[str, set[str]] = {}  # PDB: SEQRES is by chain
    for chain in structure[0]:
        for residue in chain:
            if residue.label_seq is not None:
                by_place.setdefault(residue.subchain, set()).add(residue.label_seq)
            elif residue.het_flag == "A" or residue.name == "MSE":
                by_chain.setdefault(chain.name, set()).add(str(residue.seqid))
    named = unseen = 0
    for entity, length, subchains in polymers:
        if by_place:
            seen = [len(by_place.get(subchain, ())) for subchain in subchains]
        else:
            seen = [len(by_chain.get(entity.name, ()))]
        named += length * len(seen)
        unseen += sum(max(0, length - count) for count in seen)
    return named, unseen


def _first_line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:160]


def _flatten(structure: gemmi.Structure, path: Path, *, says_polymer: bool) -> AtomTable:
    if not len(structure) or not structure[0].count_atom_sites():
        raise StructureError(f"{path}: no atoms found, or atom columns of the format are missing")
    flat: Any = gemmi.FlatStructure(structure)  # its stubs leave the columns untyped
    flat.strings_as_numbers = False
    coords = np.array(flat.pos)
    if not np.isfinite(coords).all():
        bad = int(np.flatnonzero(~np.isfinite(coords).all(axis=1))[0])
        raise StructureError(
            f"{path}: atom {int(flat.serials[bad])} "
            f"({flat.atom_names[bad].decode()} of {flat.residue_names[bad].decode()} "
            f"{flat.chain_ids[bad].decode()}:{int(flat.resnums[bad])}): coordinates are not numbers"
        )
    kind = np.array(flat.entity_type)
    polymer = np.full(len(coords), -1, dtype=np.int8)
    if says_polymer:
        known = kind != gemmi.EntityType.Unknown.value
        polymer[known] = kind[known] == gemmi.EntityType.Polymer.value
    icodes = np.array(flat.icodes).view("S1")
    return AtomTable(
        coords=coords,
        elements=np.array(flat.element_names),
        names=np.array(flat.atom_names),
        resnames=np.array(flat.residue_names),
        resnums=_numbered(flat),
        icodes=np.where(icodes == b" ", b"", icodes),
        chains=np.array(flat.chain_ids),
        altlocs=np.array(flat.altlocs).view("S1"),
        occupancy=np.array(flat.occ),
        hetatm=np.array(flat.het_flags).view("S1") == b"H",
        polymer=polymer,
        models=np.array(flat.model_num),
    )


def _numbered(flat: Any) -> np.ndarray:
    """Return the residue numbers; where the file has none, residues are counted from 1.

    There a residue ends where chain or residue name change, or an atom name comes again.
    """
    numbers = np.array(flat.resnums).astype(np.int64)
    missing = numbers == np.iinfo(np.int32).min
    if not missing.any():
        return numbers.astype(np.int32)
    last: dict[bytes, int] = {}
    for chain, number in zip(flat.chain_ids[~missing], numbers[~missing], strict=True):
        last[bytes(chain)] = max(int(number), last.get(bytes(chain), 0))
    here: tuple[bytes, bytes] | None = None
    seen: set[bytes] = set()
    for k in np.flatnonzero(missing).tolist():
        chain, name = bytes(flat.chain_ids[k]), bytes(flat.atom_names[k])
        if here != (chain, bytes(flat.residue_names[k])) or name in seen:
            here, seen = (chain, bytes(flat.residue_names[k])), set()
            last[chain] = last.get(chain, 0) + 1
        seen.add(name)
        numbers[k] = last[chain]
    return numbers.astype(np.int32)


def _links(
    structure: gemmi.Structure,
) -> tuple[tuple[tuple[str, int, str, str], tuple[str, int, str, str]], ...]:
    found = []
    for link in structure.connections:
        if link.type in (gemmi.ConnectionType.MetalC, gemmi.ConnectionType.Hydrog):
            continue
        if link.asu == gemmi.Asu.Different:  # a bond to a symmetry copy that is not there
            continue
        found.append((_address(link.partner1), _address(link.partner2)))
    return tuple(found)


def _address(partner: gemmi.AtomAddress) -> tuple[str, int, str, str]:
    seqid = partner.res_id.seqid
    return partner.chain_name, seqid.num or 0, seqid.icode.strip(), partner.atom_name


_ORDERS = {"sing": 1, "doub": 2, "trip": 3, "1": 1, "2": 2, "3": 3}

_CHARGE_BY_VALENCE = {
    ("N", 4): 1,
    ("N", 2): -1,
    ("O", 1): -1,
    ("O", 3): 1,
    ("S", 1): -1,
    ("S", 3): 1,
    ("P", 4): 1,
    ("B", 4): -1,
}
"""Formal charge of an atom by the sum of its bond orders, hydrogens counted."""

_TOO_FEW = {("N", 2), ("O", 1), ("S", 1)}
"""Anions, or atoms whose hydrogens are not in the table."""


def _component_tables(block: gemmi.cif.Block, codes: set[str]) -> tuple[BondTable, ChargeTable]:
    """Return heavy-atom bonds and charges of the wanted components.

    Entry files of the wwPDB list every bond, those to hydrogen too, but no charges: these follow
    from the valence. Other programs write heavy atoms only, where a low valence means hydrogens.
    """
    text = gemmi.cif.as_string
    elements: dict[tuple[str, str], str] = {}
    charges: dict[str, dict[str, int]] = {}
    for row in block.find("_chem_comp_atom.", ["comp_id", "atom_id", "type_symbol", "?charge"]):
        code, atom = text(row[0]), text(row[1])
        elements[code, atom] = text(row[2]).upper()
        if code not in codes:
            continue
        if row.has(3) and row[3].lstrip("+-").isdigit():
            charges.setdefault(code, {})[atom] = int(row[3])
    bonds: dict[str, list[tuple[str, str, int]]] = {}
    valence: dict[tuple[str, str], int] = {}
    refused: set[str] = set()
    whole = False  # whether bonds to hydrogen are listed, of whatever component
    for row in block.find("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2", "value_order"]):
        code = text(row[0])
        whole = whole or any(elements.get((code, text(row[k]))) in ("H", "D") for k in (1, 2))
        if code not in codes:
            continue
        order = _ORDERS.get(text(row[3]).lower()[:4])
        if order is None:  # "arom" or "delo": not a Kekulé structure, the other sources serve
            refused.add(code)
            continue
        pair = (text(row[1]), text(row[2]))
        if not any(elements.get((code, atom), "").capitalize() in METALS for atom in pair):
            for atom in pair:  # bonds to metals do not count: coordinated sulfide stays S2-
                valence[code, atom] = valence.get((code, atom), 0) + order
        if not any(elements.get((code, atom)) in ("H", "D") for atom in pair):
            bonds.setdefault(code, []).append((*pair, order))
    for (code, atom), total in valence.items():
        guess = _CHARGE_BY_VALENCE.get((elements.get((code, atom), ""), total))
        if not whole and (elements.get((code, atom)), total) in _TOO_FEW:
            continue
        if guess is not None and code not in charges:
            charges.setdefault(code, {})
        if guess is not None:
            charges[code].setdefault(atom, guess)
    return (
        {code: tuple(rows) for code, rows in bonds.items() if code not in refused},
        {
            code: tuple((atom, charge) for atom, charge in table.items() if charge)
            for code, table in charges.items()
        },
    )
