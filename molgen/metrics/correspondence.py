"""Which residue of a model is which residue of the reference.

Chain by chain: residue numbers are trusted where the names agree; otherwise the sequences are
aligned, which also finds numbers shifted by a constant. Chains of the same name go together when
they match, the others by the number of equal residues, each used once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from molgen.config import limited
from molgen.errors import StructureError
from molgen.geometry.kabsch import rotations
from molgen.structure.protein import Protein
from molgen.vocabulary import AMINO_ACID_LETTERS


@dataclass(frozen=True)
class CorrespondenceConfig:
    """When a model is taken for a model of the reference.

    Attributes:
        names_agree: share of the residue numbers two chains have in common at which the names
            must be equal for the numbers to be trusted.
        overlap: share of the shorter chain whose numbers must occur in the other.
        identity: share of the shorter chain that must find an equal residue.
    """

    names_agree: float = limited(0.9, min=0.0, max=1.0)
    overlap: float = limited(0.5, min=0.0, max=1.0)
    identity: float = limited(0.5, min=0.0, max=1.0)


@dataclass(frozen=True)
class Correspondence:
    """Matched residues of a reference and a model, in the order of the reference.

    Residues are counted over the polymer (``~hetero``) of each protein, from 0.

    Attributes:
        native: (pairs,) int64 residues of the reference, increasing.
        model: (pairs,) int64 residues of the model, each at most once.
        native_count: residues of the reference.
        model_count: residues of the model.
        identity: share of the pairs with equal names.
        notes: how they were matched where it was not by chain and number, what was left out.
    """

    native: np.ndarray
    model: np.ndarray
    native_count: int
    model_count: int
    identity: float
    notes: tuple[str, ...] = ()

    def model_of_native(self) -> np.ndarray:
        """Return for each residue of the reference its model residue or -1, (native_count,)."""
        partner = np.full(self.native_count, -1, dtype=np.int64)
        partner[self.native] = self.model
        return partner

    def native_of_model(self) -> np.ndarray:
        """Return for each residue of the model its reference residue or -1, (model_count,)."""
        partner = np.full(self.model_count, -1, dtype=np.int64)
        partner[self.model] = self.native
        return partner


@dataclass(frozen=True)
class _Chain:
    """One polymer chain: ordinals of its residues, (number, insertion code) and names of each."""

    label: str
    residues: np.ndarray
    numbers: tuple[tuple[int, str], ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def title(self) -> str:
        return f"chain {self.label}" if self.label.strip() else "the unnamed chain"


@dataclass(frozen=True)
class _Match:
    """Positions that correspond in two chains, (pairs,) each, and how they were found."""

    native: np.ndarray
    model: np.ndarray
    equal: int
    identity: float
    how: str = ""


def correspond(
    native: Protein, model: Protein, config: CorrespondenceConfig | None = None
) -> Correspondence:
    """Return which residues of ``model`` are which of ``native``.

    Raises:
        StructureError: a protein without polymer residues; no chain of the model matches a chain
            of the reference.
    """
    config = config or CorrespondenceConfig()
    references, natives = _chains(native)
    candidates, models = _chains(model)
    matches = _assign(references, candidates, config)
    if not matches:
        raise StructureError(_mismatch(native, model, references, candidates, config))
    if len(candidates) > 1:
        matches = _arranged(native, model, references, candidates, matches, config)
    pairs = np.concatenate(
        [
            np.stack([references[r].residues[match.native], candidates[c].residues[match.model]])
            for (r, c), match in matches.items()
        ],
        axis=1,
    )
    pairs = pairs[:, np.argsort(pairs[0], kind="stable")]
    equal = sum(match.equal for match in matches.values())
    return Correspondence(
        native=pairs[0],
        model=pairs[1],
        native_count=natives,
        model_count=models,
        identity=equal / pairs.shape[1],
        notes=_notes(references, candidates, matches, pairs.shape[1], natives, models, equal),
    )


def _chains(protein: Protein) -> tuple[list[_Chain], int]:
    polymer = protein.select(~protein.hetero)
    starts = polymer.residue_starts()
    if not len(starts):
        raise StructureError(f"{protein.name}: no polymer residues to compare")
    labels = polymer.chains[starts].astype(str)
    numbers = list(
        zip(
            polymer.residue_numbers[starts].tolist(),
            polymer.insertion_codes[starts].astype(str).tolist(),
            strict=True,
        )
    )
    names = polymer.residue_names[starts].astype(str).tolist()
    chains = []
    for label in dict.fromkeys(labels.tolist()):
        residues = np.flatnonzero(labels == label)
        chains.append(
            _Chain(
                label,
                residues,
                tuple(numbers[at] for at in residues),
                tuple(names[at] for at in residues),
            )
        )
    return chains, len(starts)


def _assign(
    references: list[_Chain], candidates: list[_Chain], config: CorrespondenceConfig
) -> dict[tuple[int, int], _Match]:
    """Return the chain pairs that go together, by (reference, candidate)."""
    chosen: dict[tuple[int, int], _Match] = {}
    for r, reference in enumerate(references):
        for c, candidate in enumerate(candidates):
            if reference.label == candidate.label:
                match = _match(reference, candidate, config)
                if match.identity >= config.identity:
                    chosen[r, c] = match
    left = [r for r in range(len(references)) if r not in {r for r, _ in chosen}]
    free = [c for c in range(len(candidates)) if c not in {c for _, c in chosen}]
    rest = {(r, c): _match(references[r], candidates[c], config) for r in left for c in free}
    # the most equal residues first, then in the order of the files
    for (r, c), match in sorted(rest.items(), key=lambda item: (-item[1].equal, item[0])):
        if match.identity >= config.identity and r in left and c in free:
            chosen[r, c] = match
            left.remove(r)
            free.remove(c)
    return chosen


def _arranged(
    native: Protein,
    model: Protein,
    references: list[_Chain],
    candidates: list[_Chain],
    matches: dict[tuple[int, int], _Match],
    config: CorrespondenceConfig,
) -> dict[tuple[int, int], _Match]:
    """Return the matches of the naming of equal chains that fits best.

    The copies of an oligomer may be named in any order. The first chain that has copies is laid on
    each of them in turn and the others go to the nearest; another naming than the given one is
    taken where it lowers the RMSD of all CA atoms after superposition by more than a hundredth.
    """
    alpha = _alpha_carbons(native), _alpha_carbons(model)
    best, chosen = _fit(references, candidates, matches, alpha), matches
    for r, c in sorted(matches):
        copies = [k for k, one in enumerate(candidates) if one.names == candidates[c].names]
        if len(copies) < 2:
            continue
        for anchor in copies:
            trial = _laid(references, candidates, matches, (r, anchor), alpha, config)
            found = _fit(references, candidates, trial, alpha)
            if len(trial) == len(matches) and found < 0.99 * best:
                best, chosen = found, trial
        break
    return dict(sorted(chosen.items()))


def _laid(
    references: list[_Chain],
    candidates: list[_Chain],
    matches: dict[tuple[int, int], _Match],
    anchor: tuple[int, int],
    alpha: tuple[np.ndarray, np.ndarray],
    config: CorrespondenceConfig,
) -> dict[tuple[int, int], _Match]:
    """Return the matches where two chains lie on each other and the others on their nearest."""
    r, c = anchor
    trial = {anchor: _match(references[r], candidates[c], config)}
    x = alpha[0][references[r].residues[trial[anchor].native]]
    y = alpha[1][candidates[c].residues[trial[anchor].model]]
    there = np.isfinite(x[:, 0]) & np.isfinite(y[:, 0])
    if there.sum() < 3:
        return matches
    start, end = x[there].mean(0), y[there].mean(0)
    turn = rotations(((x[there] - start).T @ (y[there] - end))[None])[0]
    centres = [np.nanmean(alpha[1][one.residues], axis=0) for one in candidates]
    for (s, d), match in sorted(matches.items()):
        if s == r:
            continue
        taken = {k for _, k in trial}
        free = [
            k
            for k, one in enumerate(candidates)
            if k not in taken and one.names == candidates[d].names
        ]
        own = alpha[0][references[s].residues[match.native]]
        place = (np.nanmean(own, axis=0) - start) @ turn.T + end
        if free:
            nearest = min(free, key=lambda k: float(np.linalg.norm(centres[k] - place)))
            trial[s, nearest] = _match(references[s], candidates[nearest], config)
    return trial


def _alpha_carbons(protein: Protein) -> np.ndarray:
    """Return the CA atom of every polymer residue, (residues, 3) Å, NaN where there is none."""
    polymer = protein.select(~protein.hetero)
    found = np.full((len(polymer.residue_starts()), 3), np.nan)
    alpha = polymer.atom_names == "CA"
    found[polymer.residue_index()[alpha]] = polymer.coords[alpha]
    return found


def _fit(
    references: list[_Chain],
    candidates: list[_Chain],
    matches: dict[tuple[int, int], _Match],
    places: tuple[np.ndarray, np.ndarray],
) -> float:
    """Return the RMSD of matched CA atoms after superposition, Å; 0 where there are too few."""
    of_native = [references[r].residues[match.native] for (r, _), match in matches.items()]
    of_model = [candidates[c].residues[match.model] for (_, c), match in matches.items()]
    x, y = places[0][np.concatenate(of_native)], places[1][np.concatenate(of_model)]
    there = np.isfinite(x[:, 0]) & np.isfinite(y[:, 0])
    if there.sum() < 3:
        return 0.0
    x, y = x[there] - x[there].mean(0), y[there] - y[there].mean(0)
    turn = rotations((x.T @ y)[None])[0]
    return float(np.sqrt(np.square(x @ turn.T - y).sum(1).mean()))


def _match(reference: _Chain, candidate: _Chain, config: CorrespondenceConfig) -> _Match:
    by_number = _by_number(reference, candidate, 0, config)
    if by_number is not None:
        return by_number
    aligned = _by_sequence(reference, candidate)
    if aligned is None:
        return _Match(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0.0)
    # a constant shift of the numbers places residues beside gaps better than an alignment
    shifts = [
        candidate.numbers[m][0] - reference.numbers[n][0]
        for n, m in zip(aligned.native, aligned.model, strict=True)
    ]
    values, counts = np.unique(shifts, return_counts=True)
    shifted = _by_number(reference, candidate, int(values[counts.argmax()]), config)
    if shifted is not None and shifted.equal >= aligned.equal:
        return shifted
    return aligned


def _by_number(
    reference: _Chain, candidate: _Chain, shift: int, config: CorrespondenceConfig
) -> _Match | None:
    position = {number: at for at, number in enumerate(candidate.numbers)}
    found = [position.get((number + shift, code), -1) for number, code in reference.numbers]
    there = np.asarray(found, dtype=np.int64)
    native = np.flatnonzero(there >= 0)
    shorter = min(len(reference), len(candidate))
    if not len(native) or len(native) < config.overlap * shorter:
        return None
    how = f"by number shifted by {shift}" if shift else ""
    match = _made(reference, candidate, native, there[native], how)
    return match if match.equal >= config.names_agree * len(native) else None


def _by_sequence(reference: _Chain, candidate: _Chain) -> _Match | None:
    blocks = _align(_sequence(reference), _sequence(candidate))
    if not blocks:
        return None
    native = np.concatenate([np.arange(begin, end) for (begin, end), _ in blocks])
    model = np.concatenate([np.arange(begin, end) for _, (begin, end) in blocks])
    return _made(reference, candidate, native, model, "by sequence alignment")


def _made(
    reference: _Chain, candidate: _Chain, native: np.ndarray, model: np.ndarray, how: str
) -> _Match:
    equal = sum(
        reference.names[n] == candidate.names[m] for n, m in zip(native, model, strict=True)
    )
    return _Match(native, model, equal, equal / min(len(reference), len(candidate)), how)


def _sequence(chain: _Chain) -> str:
    return "".join(AMINO_ACID_LETTERS.get(name, "X") for name in chain.names)


@lru_cache(maxsize=256)
def _align(reference: str, candidate: str) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """Return the aligned blocks of a global alignment with free ends, as (begin, end) pairs."""
    from Bio.Align import PairwiseAligner

    aligner = PairwiseAligner(mode="global")
    aligner.wildcard = "X"
    aligner.match_score, aligner.mismatch_score = 2.0, -1.0
    aligner.open_gap_score, aligner.extend_gap_score, aligner.end_gap_score = -5.0, -0.2, 0.0
    reference_blocks, candidate_blocks = aligner.align(reference, candidate)[0].aligned
    return tuple(
        ((int(a), int(b)), (int(c), int(d)))
        for (a, b), (c, d) in zip(reference_blocks, candidate_blocks, strict=True)
    )


def _mismatch(
    native: Protein,
    model: Protein,
    references: list[_Chain],
    candidates: list[_Chain],
    config: CorrespondenceConfig,
) -> str:
    best, r, c = max(
        ((_match(reference, candidate, config).identity, reference, candidate)
         for reference in references for candidate in candidates),
        key=lambda item: item[0],
    )  # fmt: skip
    return (
        f"reference {native.name} does not match the sequence of {model.name}: at best "
        f"{best:.0%} of the shorter of {r.title} ({len(r)} residues) and {c.title} of the model "
        f"({len(c)}) are equal; expected at least {config.identity:.0%}"
    )


def _notes(
    references: list[_Chain],
    candidates: list[_Chain],
    matches: dict[tuple[int, int], _Match],
    pairs: int,
    natives: int,
    models: int,
    equal: int,
) -> tuple[str, ...]:
    notes = []
    for (r, c), match in matches.items():
        said = [f"with {candidates[c].title} of the model"] * (
            references[r].label != candidates[c].label
        )
        said += [match.how] * bool(match.how)
        if said:
            notes.append(f"matched {references[r].title} of the reference {' '.join(said)}")
    used_r, used_c = {r for r, _ in matches}, {c for _, c in matches}
    for r, chain in enumerate(references):
        if r not in used_r:
            notes.append(f"{chain.title} of the reference has no counterpart in the model")
    for c, chain in enumerate(candidates):
        if c not in used_c:
            notes.append(f"{chain.title} of the model has no counterpart in the reference")
    if pairs < natives:
        notes.append(f"the model lacks {natives - pairs} of {natives} reference residues")
    if pairs < models:
        notes.append(f"the reference lacks {models - pairs} of {models} model residues")
    if equal < pairs:
        notes.append(f"{pairs - equal} of {pairs} matched residues differ in name")
    return tuple(notes)
