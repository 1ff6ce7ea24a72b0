"""Bonded and non-bonded terms of a protein of united heavy atoms, from its sequence alone."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import sparse

from molgen.energy.openmm_tables import TERMS
from molgen.errors import StructureError
from molgen.structure.protein import Protein, ResidueId
from molgen.vocabulary import RESIDUE_ATOMS

TRIGONAL = frozenset(
    "C ARG:CZ ASN:CG ASP:CG GLN:CD GLU:CD HIS:CG HIS:CD2 HIS:CE1 PHE:CG PHE:CD1 PHE:CD2 PHE:CE1 "
    "PHE:CE2 PHE:CZ TYR:CG TYR:CD1 TYR:CD2 TYR:CE1 TYR:CE2 TYR:CZ TRP:CG TRP:CD1 TRP:CD2 TRP:CE2 "
    "TRP:CE3 TRP:CZ2 TRP:CZ3 TRP:CH2".split()
)
DONORS = frozenset(
    "N ARG:NE ARG:NH1 ARG:NH2 ASN:ND2 GLN:NE2 HIS:ND1 HIS:NE2 LYS:NZ TRP:NE1 SER:OG THR:OG1 "
    "TYR:OH".split()
)
ACCEPTORS = frozenset(
    "O OXT ASN:OD1 ASP:OD1 ASP:OD2 GLN:OE1 GLU:OE1 GLU:OE2 HIS:ND1 HIS:NE2 SER:OG THR:OG1 "
    "TYR:OH".split()
)
POLAR = frozenset("C CA ARG:CD ARG:CZ ASN:CG ASP:CG GLN:CD GLU:CD LYS:CE HIS:CE1 HIS:CD2".split())
"""Carbons with little part in the attraction between non-polar atoms."""

RADII = {"C": 1.90, "N": 1.60, "O": 1.50, "S": 1.85}  # Å; half the distance of lowest energy
TRIGONAL_RADIUS = 1.75

# torsions about bonds that turn: minima staggered (3) or at right angles to a ring (2)
_CHI = {
    3: """ARG N CA CB CG; ARG CA CB CG CD; ARG CB CG CD NE; ASN N CA CB CG; ASP N CA CB CG;
        CYS N CA CB SG; GLN N CA CB CG; GLN CA CB CG CD; GLU N CA CB CG; GLU CA CB CG CD;
        HIS N CA CB CG; ILE N CA CB CG1; ILE CA CB CG1 CD1; LEU N CA CB CG; LEU CA CB CG CD1;
        LYS N CA CB CG; LYS CA CB CG CD; LYS CB CG CD CE; LYS CG CD CE NZ; MET N CA CB CG;
        MET CA CB CG SD; MET CB CG SD CE; PHE N CA CB CG; SER N CA CB OG; THR N CA CB OG1;
        TRP N CA CB CG; TYR N CA CB CG; VAL N CA CB CG1""",
    2: "HIS CA CB CG ND1; PHE CA CB CG CD1; TRP CA CB CG CD1; TYR CA CB CG CD1",
}

DISULFIDE = (2.04, 3.03)
"""SG-SG and CB-SG' distances, Å: medians of the Protein Data Bank (Engh & Huber 2001)."""
_DISULFIDE_LIMIT = 2.6
_PEPTIDE_LIMIT = 2.5


@dataclass(frozen=True)
class HeavyTerms:
    """Terms of one protein in Å, kcal/mol and radians; indices are atoms.

    Attributes:
        pairs: (pairs, 2) atoms whose distance is fixed; ``kind`` 0 bond, 1 angle, 2 rigid.
        lengths: (pairs,) Å.
        centres: (pairs,) atom between the two of an angle, -1 for other kinds.
        torsions: (torsions, 4).
        periodicity, phase, weight: (torsions,); E = weight k (1 + cos(n x - phase)); ``family``
            0 improper or planar, 1 peptide bond, 2 side chain.
        maps: class of residue ("ANY", "GLY", "PRO") to (residues, 5): C, N, CA, C, N.
        radius, nonpolar, donor, acceptor, sulphur: (atoms,) non-bonded parameters.
        excluded: (pairs, 2) pairs of at most three bonds.
        fourth: (pairs, 2) pairs of four bonds.
        backbone: (residues, 3) N, CA, C.
        joined: (residues - 1,) bool, a peptide bond to the next residue.
    """

    pairs: np.ndarray
    kind: np.ndarray
    lengths: np.ndarray
    centres: np.ndarray
    torsions: np.ndarray
    periodicity: np.ndarray
    phase: np.ndarray
    family: np.ndarray
    maps: dict[str, np.ndarray]
    radius: np.ndarray
    nonpolar: np.ndarray
    donor: np.ndarray
    acceptor: np.ndarray
    sulphur: np.ndarray
    excluded: np.ndarray
    fourth: np.ndarray
    backbone: np.ndarray
    joined: np.ndarray


def heavy_terms(protein: Protein, cis: Sequence[int] | None = None) -> HeavyTerms:
    """Return the terms of ``protein``; coordinates only tell disulphides, cis bonds and breaks.

    Residues are joined as `peptide_links` says.

    Args:
        protein: complete standard residues, OXT optional.
        cis: ordinals of residues whose peptide bond to the residue before may be cis or trans;
            None takes those that are cis in ``protein``.

    Raises:
        StructureError: a residue that is not standard, atoms missing, unknown or doubled.
    """
    residues = list(protein.residues())
    index = [_atom_index(protein, *residue) for residue in residues]
    joined = peptide_links(protein)
    before = _cis(protein, index, joined) if cis is None else {int(i) for i in cis}
    draft = _Draft()
    for name, atoms in zip((r[1] for r in residues), index, strict=True):
        draft.add(name, atoms)
        if "OXT" in atoms:
            draft.add("END", {key: atoms[key] for key in ("CA", "C", "O", "OXT")})
        for fold, chis in _chi().items():
            for chi in chis.get(name, ()):
                draft.torsion([atoms[a] for a in chi], fold, 0.0, 2)
    maps: dict[str, list[list[int]]] = defaultdict(list)
    for i in np.flatnonzero(joined):
        one, two = index[i], index[i + 1]
        kind = "LINK_PRO" if residues[i + 1][1] == "PRO" else "LINK"
        draft.add(kind, one | {f"+{k}": v for k, v in two.items()}, free=int(i) + 1 in before)
        if i and joined[i - 1]:
            name = residues[i][1] if residues[i][1] in ("GLY", "PRO") else "ANY"
            maps[name].append([index[i - 1]["C"], one["N"], one["CA"], one["C"], two["N"]])
    owner = protein.residue_index()
    for first, second in _disulfides(protein):
        draft.bridge((first, second), [index[owner[first]], index[owner[second]]])
    excluded, fourth = _neighbours(draft.bonds(), len(protein))
    pairs = np.array(draft.pairs, dtype=np.int64).reshape(-1, 2)
    quads = np.array(draft.quads, dtype=np.int64).reshape(-1, 4)
    return HeavyTerms(
        pairs=pairs,
        kind=np.array(draft.kinds, dtype=np.int64),
        lengths=np.array(draft.lengths),
        centres=_centres(pairs, np.array(draft.kinds, dtype=np.int64), draft.bonds()),
        torsions=quads,
        periodicity=np.array(draft.folds, dtype=np.int64),
        phase=np.array(draft.phases),
        family=np.array(draft.families, dtype=np.int64),
        maps={kind: np.array(rows, dtype=np.int64) for kind, rows in maps.items()},
        excluded=excluded,
        fourth=fourth,
        backbone=np.array([[a["N"], a["CA"], a["C"]] for a in index], dtype=np.int64),
        joined=joined,
        **_particles(protein),
    )


class _Draft:
    """Lists of terms that grow residue by residue."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []
        self.kinds: list[int] = []
        self.lengths: list[float] = []
        self.quads: list[list[int]] = []
        self.folds: list[int] = []
        self.phases: list[float] = []
        self.families: list[int] = []

    def add(self, group: str, atoms: dict[str, int], *, free: bool = False) -> None:
        """Add the table's terms of a residue or link; ``free`` lets its peptide bond be cis."""
        for kind, names, value in _table()[group]:
            members = [atoms[name] for name in names]
            if kind < 3:
                if not (free and names == ("CA", "+CA")):
                    self.pair(members[0], members[1], kind, value)
            elif kind == 3:
                self.torsion(members, 1, value + np.pi, 0)
            else:
                family = int(group.startswith("LINK"))
                self.torsion(members, *((2, np.pi) if free else (1, value + np.pi)), family)

    def pair(self, i: int, j: int, kind: int, length: float) -> None:
        self.pairs.append((i, j))
        self.kinds.append(kind)
        self.lengths.append(length)

    def torsion(self, quad: list[int], fold: int, phase: float, family: int) -> None:
        self.quads.append(quad)
        self.folds.append(fold)
        self.phases.append(phase)
        self.families.append(family)

    def bridge(self, sulphurs: tuple[int, int], index: list[dict[str, int]]) -> None:
        self.pair(*sulphurs, 0, DISULFIDE[0])
        self.pair(index[0]["CB"], sulphurs[1], 1, DISULFIDE[1])
        self.pair(sulphurs[0], index[1]["CB"], 1, DISULFIDE[1])

    def bonds(self) -> np.ndarray:
        pairs = [p for p, kind in zip(self.pairs, self.kinds, strict=True) if kind == 0]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@cache
def _table() -> dict[str, list[tuple[int, tuple[str, ...], float]]]:
    """Return for every residue or link (kind, atom names, value in Å or radians)."""
    kinds = {"bond": 0, "angle": 1, "rigid": 2, "improper": 3, "torsion": 4}
    table: dict[str, list[tuple[int, tuple[str, ...], float]]] = defaultdict(list)
    for line in TERMS.replace("\n", ";").split(";"):
        if not line.strip():
            continue
        word, group, *names, text = line.split()
        if group == "END" and "OXT" not in names:
            continue
        kind, value = kinds[word], float(text)
        table[group].append((kind, tuple(names), value if kind < 3 else float(np.radians(value))))
    return table


@cache
def _chi() -> dict[int, dict[str, list[tuple[str, ...]]]]:
    found: dict[int, dict[str, list[tuple[str, ...]]]] = {}
    for fold, text in _CHI.items():
        found[fold] = defaultdict(list)
        for entry in text.split(";"):
            name, *quad = entry.split()
            found[fold][name].append(tuple(quad))
    return found


def _atom_index(protein: Protein, identifier: ResidueId, name: str, span: slice) -> dict[str, int]:
    label = f"{protein.name}: residue {name} {identifier}"
    if name not in RESIDUE_ATOMS:
        raise StructureError(f"{label} is not one of the 20 standard amino acids")
    names = protein.atom_names[span].tolist()
    missing = [atom for atom in RESIDUE_ATOMS[name] if atom not in names]
    if missing:
        raise StructureError(f"{label} lacks {', '.join(missing)}; expected complete residues")
    extra = sorted(set(names) - {*RESIDUE_ATOMS[name], "OXT"})
    if extra or len(set(names)) < len(names):
        raise StructureError(
            f"{label} holds {', '.join(extra) or 'an atom twice'}; expected each of "
            f"{' '.join(RESIDUE_ATOMS[name])} once (OXT may follow)"
        )
    return {atom: span.start + place for place, atom in enumerate(names)}


def peptide_links(protein: Protein) -> np.ndarray:
    """Return which residues are bound to the next, (residues - 1,) bool.

    Residues of one chain are, when their numbers follow one another or C-N is below 2.5 Å, unless
    the first ends in OXT. Residues may be incomplete.
    """
    residues = list(protein.residues())
    joined = np.zeros(max(len(residues) - 1, 0), dtype=bool)
    for i, ((one, _, first), (two, _, second)) in enumerate(itertools.pairwise(residues)):
        if one.chain != two.chain or "OXT" in protein.atom_names[first]:
            continue
        carbon = protein.coords[first][protein.atom_names[first] == "C"]
        nitrogen = protein.coords[second][protein.atom_names[second] == "N"]
        gap = np.linalg.norm(carbon[:, None] - nitrogen[None], axis=-1).min(initial=np.inf)
        joined[i] = two.number - one.number in (0, 1) or gap < _PEPTIDE_LIMIT
    return joined


def _cis(protein: Protein, index: list[dict[str, int]], joined: np.ndarray) -> set[int]:
    """Return residues whose peptide bond to the one before is cis: CA-CA near 2.9, not 3.8 Å."""
    found = set()
    for i in np.flatnonzero(joined):
        gap = protein.coords[index[i]["CA"]] - protein.coords[index[i + 1]["CA"]]
        if 2.5 < float(np.linalg.norm(gap)) < 3.3:
            found.add(int(i) + 1)
    return found


def _disulfides(protein: Protein) -> list[tuple[int, int]]:
    atoms = np.flatnonzero((protein.residue_names == "CYS") & (protein.atom_names == "SG"))
    gaps = np.linalg.norm(protein.coords[atoms][:, None] - protein.coords[atoms][None], axis=-1)
    near = [
        (float(gaps[i, j]), i, j)
        for i, j in zip(*(side.tolist() for side in np.triu_indices(len(atoms), 1)), strict=True)
    ]
    used: set[int] = set()
    found = []
    for gap, i, j in sorted(near):
        if gap < _DISULFIDE_LIMIT and not used & {i, j}:
            used |= {i, j}
            found.append((int(atoms[i]), int(atoms[j])))
    return found


def _neighbours(bonds: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of at most three bonds and pairs of exactly four."""
    ones = np.ones(len(bonds), dtype=np.int64)
    half = sparse.csr_matrix((ones, (bonds[:, 0], bonds[:, 1])), shape=(count, count))
    step = half + half.T
    reach = step + step @ step + step @ step @ step
    near = sparse.triu(reach, 1).tocoo()
    far = sparse.triu(step @ step @ step @ step, 1).tocoo()
    known = set((near.row.astype(np.int64) * count + near.col).tolist())
    keep = [k not in known for k in (far.row.astype(np.int64) * count + far.col).tolist()]
    fourth = np.stack([far.row, far.col], axis=1).astype(np.int64)[keep]
    return np.stack([near.row, near.col], axis=1).astype(np.int64), fourth


def _centres(pairs: np.ndarray, kind: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    adjacent: dict[int, set[int]] = defaultdict(set)
    for i, j in bonds.tolist():
        adjacent[i].add(j)
        adjacent[j].add(i)
    centres = np.full(len(pairs), -1, dtype=np.int64)
    for row in np.flatnonzero(kind == 1):
        i, j = pairs[row].tolist()
        centres[row] = min(adjacent[i] & adjacent[j], default=-1)
    return centres


def _particles(protein: Protein) -> dict[str, np.ndarray]:
    rows = []
    columns = (protein.residue_names, protein.atom_names, protein.elements)
    for residue, atom, element in zip(*(c.tolist() for c in columns), strict=True):
        keys = {atom, f"{residue}:{atom}"}
        carbon = element == "C"
        radius = TRIGONAL_RADIUS if carbon and keys & TRIGONAL else RADII[element]
        nonpolar = float((carbon and not keys & POLAR) or element == "S")
        donor = float(bool(keys & DONORS) and (residue, atom) != ("PRO", "N"))
        sulphur = float((residue, atom) == ("CYS", "SG"))
        rows.append((radius, nonpolar, donor, float(bool(keys & ACCEPTORS)), sulphur))
    names = ("radius", "nonpolar", "donor", "acceptor", "sulphur")
    table = np.array(rows).reshape(-1, len(names))
    return {name: table[:, column] for column, name in enumerate(names)}
