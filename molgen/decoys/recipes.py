"""Recipes: which errors a decoy gets, from nearly right to the wrong fold.

A recipe turns the native backbone into a `Draft`: a moved backbone and how the rest is to be built
on it (side chains, relaxation, dynamics). Severities are drawn so that the decoys of one native
spread over the whole range of CAD-scores that server models show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from molgen.decoys import moves
from molgen.decoys.backbone_geometry import (
    InternalCoordinates,
    backbone_from_torsions,
    internal_coordinates,
)
from molgen.decoys.folding import backbone_on_trace, fold_trace, globule_radius

Effort = Literal["packed", "poor", "scrambled"]
_EFFORTS: tuple[Effort, ...] = ("packed", "poor", "scrambled")

MELT_TEMPERATURES = (350.0, 900.0)  # K, of the heavy-atom field


@dataclass(frozen=True)
class Draft:
    """A decoy before side chains.

    Attributes:
        backbone: (residues, 4, 3) Å.
        packing: effort of the side-chain packer, a name it knows.
        native_share: of the side chains, how many keep the shape they have in the native.
        relaxation: "full", "brief" or "none".
        temperature: K of the dynamics before relaxation; 0 for none.
        steps: of the dynamics.
        contacts: (contacts, 2) residues whose CA atoms the dynamics pulls together.
        distances: (contacts,) Å, how near.
        keep_folds: hold helices and strands at their dihedral angles during the dynamics.
    """

    backbone: np.ndarray
    packing: Effort = "packed"
    native_share: float = 0.0
    relaxation: str = "full"
    temperature: float = 0.0
    steps: int = 0
    contacts: np.ndarray | None = None
    distances: np.ndarray | None = None
    keep_folds: bool = False


@dataclass(frozen=True)
class Native:
    """What a recipe starts from.

    Attributes:
        backbone: (residues, 4, 3) Å.
        folds: secondary structure of every residue, see `moves.secondary_structure`.
        greasy: hydropathy of every residue (Kyte & Doolittle, J. Mol. Biol. 1982, 157, 105).
        others: backbones of unrelated natives, for threading.
    """

    backbone: np.ndarray
    folds: np.ndarray
    greasy: np.ndarray
    others: Sequence[np.ndarray] = field(default_factory=tuple)


HYDROPATHY = {
    "ALA": 1.8, "ARG": -4.5, "ASN": -3.5, "ASP": -3.5, "CYS": 2.5, "GLN": -3.5, "GLU": -3.5,
    "GLY": -0.4, "HIS": -3.2, "ILE": 4.5, "LEU": 3.8, "LYS": -3.9, "MET": 1.9, "PHE": 2.8,
    "PRO": -1.6, "SER": -0.8, "THR": -0.7, "TRP": -0.9, "TYR": -1.3, "VAL": 4.2,
}  # fmt: skip

Recipe = Callable[[Native, np.random.Generator], Draft]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _packing(rng: np.random.Generator) -> Effort:
    return _EFFORTS[int(rng.choice(3, p=[0.7, 0.2, 0.1]))]


def _relaxation(rng: np.random.Generator) -> str:
    return str(rng.choice(["full", "brief", "none"], p=[0.85, 0.12, 0.03]))


def _finish(backbone: np.ndarray, rng: np.random.Generator) -> Draft:
    packing = _packing(rng)
    settled = rng.random() < 0.35  # wrong models may be well packed
    return Draft(
        backbone,
        temperature=300.0 if settled else 0.0,
        steps=int(rng.integers(50, 300)) if settled else 0,
        packing=packing,
        # templates and good rotamer libraries give servers about half of the right rotamers
        native_share=float(rng.uniform(0.0, 0.8)) if packing == "packed" else 0.0,
        relaxation=_relaxation(rng),
    )


def repacked(native: Native, rng: np.random.Generator) -> Draft:
    """The native backbone with side chains packed anew."""
    return _finish(native.backbone, rng)


def relaxed(native: Native, rng: np.random.Generator) -> Draft:
    """The native after the relaxation of all decoys, so that its traces mean nothing."""
    return Draft(native.backbone, native_share=1.0)


def near_native(native: Native, rng: np.random.Generator) -> Draft:
    """Soft normal modes, 0.4 to 2.5 Å."""
    return _finish(moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.4, 2.5), rng), rng)


def distant_template(native: Native, rng: np.random.Generator) -> Draft:
    """Normal modes and a smooth random displacement, as from a distant homologue."""
    backbone = moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.5, 2.0), rng)
    backbone = moves.smooth_field(
        backbone, _log_uniform(rng, 0.6, 4.0), rng, length=rng.uniform(4.0, 12.0)
    )
    return _finish(backbone, rng)


def _pick_segment(native: Native, rng: np.random.Generator) -> tuple[int, int]:
    found = moves.segments(native.folds)
    n = len(native.backbone)
    if found and rng.random() < 0.8:
        start, stop = found[int(rng.integers(len(found)))]
        if rng.random() < 0.3:  # two or three neighbours in the chain move together
            later = [pair for pair in found if pair[0] >= stop][: int(rng.integers(1, 3))]
            stop = later[-1][1] if later else stop
        return start, stop
    length = int(rng.integers(4, max(5, min(30, n // 3))))
    start = int(rng.integers(0, n - length + 1))
    return start, start + length


def shifted_register(native: Native, rng: np.random.Generator) -> Draft:
    """One to four segments out of register by up to five residues, on a template-like backbone."""
    backbone = moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.3, 1.5), rng)
    for _ in range(int(rng.integers(1, 5))):
        start, stop = _pick_segment(native, rng)
        by = int(rng.integers(1, 6)) * (1 if rng.random() < 0.5 else -1)
        backbone = moves.shift_register(backbone, start, stop, by)
    return _finish(backbone, rng)


def moved_segments(native: Native, rng: np.random.Generator) -> Draft:
    """Helices, strands or stretches displaced as rigid bodies."""
    backbone = moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.3, 1.5), rng)
    count = int(rng.integers(1, max(2, 2 + len(moves.segments(native.folds)) // 2)))
    severity = _log_uniform(rng, 0.8, 6.0)
    for _ in range(count):
        start, stop = _pick_segment(native, rng)
        backbone = moves.move_segment(
            backbone, start, stop, rng, shift=severity * rng.uniform(0.3, 1.0),
            angle=min(severity * rng.uniform(0.02, 0.15), 1.2), flank=int(rng.integers(2, 6)),
        )  # fmt: skip
    return _finish(backbone, rng)


def moved_domains(native: Native, rng: np.random.Generator) -> Draft:
    """The chain bent at one or two hinges in loops."""
    backbone = moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.3, 1.2), rng)
    loops = np.flatnonzero(native.folds == moves.LOOP)
    loops = loops[(loops > 5) & (loops < len(backbone) - 6)]
    if len(loops):
        for hinge in rng.choice(loops, size=min(int(rng.integers(1, 3)), len(loops))):
            backbone = moves.move_tail(backbone, int(hinge), rng, angle=rng.uniform(0.2, 1.6))
    return _finish(backbone, rng)


def _new_torsions(native: Native, picked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the backbone with phi and psi of ``picked`` residues drawn from other loops of it."""
    inner = internal_coordinates(native.backbone)
    loops = np.flatnonzero(native.folds == moves.LOOP)
    donors = rng.choice(loops if len(loops) > 3 else np.arange(len(native.backbone)), len(picked))
    phi, psi = inner.phi.copy(), inner.psi.copy()
    noise = rng.normal(scale=0.25, size=(2, len(picked)))
    for angles, extra in ((phi, noise[0]), (psi, noise[1])):
        new = angles[donors] + extra
        angles[picked] = np.where(np.isfinite(new), new, angles[picked])
    return _rebuilt(phi, psi, inner, native)


def _rebuilt(
    phi: np.ndarray, psi: np.ndarray, inner: InternalCoordinates, native: Native
) -> np.ndarray:
    return backbone_from_torsions(phi, psi, inner.omega, inner).astype(native.backbone.dtype)


def rebuilt_loops(native: Native, rng: np.random.Generator) -> Draft:
    """Up to half of the loops rebuilt with dihedral angles of other loops, ends closed."""
    backbone = moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.3, 1.0), rng)
    loops = [pair for pair in moves.runs(native.folds == moves.LOOP) if pair[1] - pair[0] >= 3]
    share = rng.uniform(0.1, 0.9)
    for start, stop in loops:
        if rng.random() > share:
            continue
        first, last = max(start - 1, 1), min(stop + 1, len(backbone) - 1)
        moved = replace(native, backbone=backbone)
        rebuilt = _new_torsions(moved, np.arange(first, last), rng)
        rebuilt = _superpose(rebuilt, backbone, max(first - 3, 0), first)
        if last >= len(backbone) - 2:  # a tail hangs free
            backbone = np.concatenate([backbone[:first], rebuilt[first:]])
        else:
            backbone = moves.blend_ends(rebuilt, backbone, first, last)
    return _finish(backbone, rng)


def _superpose(mobile: np.ndarray, fixed: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return ``mobile`` moved so that residues start..stop lie on those of ``fixed``."""
    from scipy.spatial.transform import Rotation

    a, b = mobile[start:stop, :3].reshape(-1, 3), fixed[start:stop, :3].reshape(-1, 3)
    if len(a) < 3:
        return mobile
    rotation, _ = Rotation.align_vectors(b - b.mean(0), a - a.mean(0))
    return ((mobile - a.mean(0)) @ rotation.as_matrix().T + b.mean(0)).astype(fixed.dtype)


def noisy_torsions(native: Native, rng: np.random.Generator) -> Draft:
    """Gaussian noise on phi and psi, larger in loops: the right pieces, a drifting fold."""
    inner = internal_coordinates(native.backbone)
    scale = _log_uniform(rng, 0.01, 0.15)
    sigma = np.where(native.folds == moves.LOOP, 3.0 * scale, scale)
    phi = inner.phi + rng.normal(size=len(sigma)) * sigma
    psi = inner.psi + rng.normal(size=len(sigma)) * sigma
    return _finish(_rebuilt(phi, psi, inner, native), rng)


def threaded_with_gaps(native: Native, rng: np.random.Generator) -> Draft:
    """The sequence on its own fold with wrong insertions and deletions."""
    backbone = moves.normal_mode_move(native.backbone, _log_uniform(rng, 0.3, 2.0), rng)
    return _finish(
        moves.thread(
            backbone, len(backbone), rng, offset=int(rng.integers(-2, 3)),
            indels=int(rng.integers(1, 8)), keep=native.folds != moves.LOOP,
        ), rng,
    )  # fmt: skip


def _burial(backbone: np.ndarray) -> np.ndarray:
    """Return how many CA atoms lie within 10 Å of where CB points, (residues,)."""
    ca = backbone[:, 1]
    outward = 2.0 * ca - backbone[:, 0] - backbone[:, 2]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    tip = ca + 3.0 * outward
    return (np.linalg.norm(tip[:, None] - ca[None], axis=-1) < 10.0).sum(1).astype(np.float64)


def _fit(greasy: np.ndarray, burial: np.ndarray) -> float:
    """Return the correlation of hydropathy with burial: what makes a wrong model look right."""
    if greasy.std() == 0 or burial.std() == 0:
        return 0.0
    return float(np.corrcoef(greasy, burial)[0, 1])


def _extent(backbone: np.ndarray) -> float:
    """Return the radius of gyration over that of a globule of as many residues."""
    ca = backbone[:, 1]
    radius = float(np.sqrt(((ca - ca.mean(0)) ** 2).sum(1).mean()))
    return radius / globule_radius(len(ca))


def _threaded(native: Native, rng: np.random.Generator, tries: int, *, by_burial: bool) -> Draft:
    """Thread on the best of some windows of other proteins, by secondary structure and burial."""
    length = len(native.backbone)
    fitting = [b for b in native.others if 0.8 * length <= len(b) <= 2.5 * length]
    if not fitting:
        return threaded_with_gaps(native, rng)
    found: list[tuple[float, int, int]] = []
    for index in rng.choice(len(fitting), size=min(tries, len(fitting)), replace=False).tolist():
        template = fitting[index]
        folds = moves.secondary_structure(template)
        burial = _burial(template) if by_burial else folds
        for offset in {int(rng.integers(0, max(1, len(template) - length + 1))) for _ in range(6)}:
            window = slice(offset, min(offset + length, len(template)))
            size = window.stop - window.start
            value = float((folds[window] == native.folds[:size]).mean())
            if by_burial:
                value += _fit(native.greasy[:size], burial[window])
                value -= max(0.0, _extent(template[window]) - 1.1)
            found.append((value, index, offset))
    found.sort(reverse=True)
    _, index, offset = found[int(rng.integers(0, min(3, len(found))))]
    template = moves.normal_mode_move(fitting[index], _log_uniform(rng, 0.3, 1.5), rng)
    keep = moves.secondary_structure(template) != moves.LOOP
    backbone = moves.thread(
        template, length, rng, offset=offset, indels=int(rng.integers(0, 6)), keep=keep
    )
    if not by_burial:
        return _finish(backbone, rng)
    return Draft(backbone, temperature=float(rng.uniform(250.0, 350.0)),
                 steps=int(rng.integers(50, 400)))  # fmt: skip


def wrong_fold(native: Native, rng: np.random.Generator) -> Draft:
    """The sequence on the backbone of another protein, the best of a few by secondary structure."""
    return _threaded(native, rng, 12, by_burial=False)


def plausible_fold(native: Native, rng: np.random.Generator) -> Draft:
    """The sequence threaded where it fits best among many: wrong, but compact and well buried.

    Such models of good servers are the hardest to tell from right ones.
    """
    return _threaded(native, rng, 150, by_burial=True)


def melted(native: Native, rng: np.random.Generator) -> Draft:
    """Thermal unfolding in the heavy-atom field."""
    return Draft(
        native.backbone,
        temperature=float(rng.uniform(*MELT_TEMPERATURES)),
        steps=int(_log_uniform(rng, 200, 1500)),
    )


def refolded(native: Native, rng: np.random.Generator) -> Draft:
    """Folded anew from a noisy, incomplete contact map.

    The errors of contact-based servers: missing contacts, wrong ones, distances off by Ångströms.
    """
    ca = native.backbone[:, 1]
    distance = np.linalg.norm(ca[:, None] - ca[None], axis=-1)
    i, j = np.nonzero(np.triu(distance < 10.0, 4))
    keep = rng.random(len(i)) < _log_uniform(rng, 0.04, 0.9)
    i, j = i[keep], j[keep]
    # wrong contacts: some a few residues off, a handful out of the blue
    off = rng.random(len(i)) < rng.uniform(0.0, 0.25)
    moved = np.clip(j + off * rng.integers(-4, 5, len(j)), 0, len(ca) - 1)
    a, b = rng.integers(0, len(ca), (2, int(rng.integers(0, 5))))
    contacts = np.stack([np.concatenate([i, a]), np.concatenate([moved, b])], 1)
    distances = np.concatenate([distance[i, j], np.full(len(a), 8.0)])
    far = np.abs(contacts[:, 0] - contacts[:, 1]) > 3
    contacts, distances = contacts[far], distances[far]
    distances = np.maximum(
        distances + rng.normal(scale=rng.uniform(0.2, 1.5), size=len(distances)), 4.0
    )
    trace = fold_trace(
        native.backbone, native.folds, moves.LOOP, contacts, distances, rng,
        mirror=bool(rng.random() < 0.08),
    )  # fmt: skip
    return _annealed(trace, native, contacts, distances, rng)


def _annealed(
    trace: np.ndarray,
    native: Native,
    contacts: np.ndarray,
    distances: np.ndarray,
    rng: np.random.Generator,
) -> Draft:
    return Draft(
        backbone_on_trace(trace, native.backbone).astype(np.float32),
        packing=_packing(rng),
        relaxation=_relaxation(rng),
        temperature=float(rng.uniform(200.0, 500.0)),
        steps=int(rng.integers(50, 500)) if rng.random() < 0.5 else 0,
        contacts=contacts,
        distances=distances,
        keep_folds=bool(rng.random() < 0.8),
    )


def novel_fold(native: Native, rng: np.random.Generator) -> Draft:
    """The right helices and strands in a new arrangement: free modelling gone wrong.

    Strands are paired into sheets at random and helices packed on random neighbours; a share of
    the native contacts, from none to a third, pulls the other way.
    """
    best: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
    for _ in range(int(rng.integers(1, 6))):  # the best of some looks right where it is not
        contacts, distances = _arranged(native, rng)
        if not len(contacts):
            return refolded(native, rng)
        trace = fold_trace(native.backbone, native.folds, moves.LOOP, contacts, distances, rng)
        value = _fit(native.greasy, _burial(backbone_on_trace(trace, native.backbone)))
        if best is None or value > best[0]:
            best = value, trace, contacts, distances
    assert best is not None
    return _annealed(best[1], native, best[2], best[3], rng)


def _arranged(native: Native, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return contacts of a random arrangement of the helices and strands, and their distances."""
    parts = moves.segments(native.folds)
    n = len(native.backbone)
    rows: list[tuple[int, int, float]] = []
    strands = [p for p in parts if native.folds[p[0]] == moves.STRAND]
    helices = [p for p in parts if native.folds[p[0]] == moves.HELIX]
    order = [strands[int(k)] for k in rng.permutation(len(strands))]
    for (a, b), (c, d) in pairwise(order):
        if rng.random() < 0.15:
            continue  # another sheet
        parallel = rng.random() < 0.35
        slide = int(rng.integers(-2, 3))
        for step in range(min(b - a, d - c)):
            other = c + step + slide if parallel else d - 1 - step + slide
            if 0 <= other < n and abs(other - a - step) > 3:
                rows.append((a + step, other, float(rng.normal(5.2, 0.5))))
    for a, b in helices:
        others = [p for p in parts if p != (a, b)]
        picked = rng.permutation(len(others))[: int(rng.integers(1, 4))]
        for c, d in (others[int(k)] for k in picked):
            turned = rng.random() < 0.5
            for share in (0.2, 0.5, 0.8):
                own = int(a + share * (b - a - 1))
                other = int(c + (1.0 - share if turned else share) * (d - c - 1))
                rows.append((own, other, float(rng.normal(9.5, 1.0))))
    ca = native.backbone[:, 1]
    distance = np.linalg.norm(ca[:, None] - ca[None], axis=-1)
    i, j = np.nonzero(np.triu(distance < 9.0, 4))
    keep = rng.random(len(i)) < max(0.0, rng.uniform(-0.1, 0.3)) ** 1.5
    rows += zip(i[keep].tolist(), j[keep].tolist(), distance[i, j][keep].tolist(), strict=True)
    contacts = np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2)
    return contacts, np.maximum(np.array([row[2] for row in rows]), 4.2)


def low_resolution(native: Native, rng: np.random.Generator) -> Draft:
    """A coarse, clashing model: noise on every residue, rough side chains, little relaxation."""
    backbone = moves.smooth_field(native.backbone, _log_uniform(rng, 0.5, 5.0), rng, length=6.0)
    backbone = backbone + rng.normal(scale=rng.uniform(0.1, 0.6), size=(len(backbone), 1, 3))
    backbone = backbone * rng.uniform(0.92, 1.06)  # too dense or too loose
    return Draft(
        backbone.astype(np.float32),
        packing=_EFFORTS[int(rng.integers(1, 3))],
        relaxation=str(rng.choice(["none", "brief"])),
    )


RECIPES: dict[str, Recipe] = {
    "relaxed": relaxed,
    "repacked": repacked,
    "near_native": near_native,
    "distant_template": distant_template,
    "shifted_register": shifted_register,
    "moved_segments": moved_segments,
    "moved_domains": moved_domains,
    "rebuilt_loops": rebuilt_loops,
    "noisy_torsions": noisy_torsions,
    "threaded_with_gaps": threaded_with_gaps,
    "wrong_fold": wrong_fold,
    "plausible_fold": plausible_fold,
    "melted": melted,
    "refolded": refolded,
    "novel_fold": novel_fold,
    "low_resolution": low_resolution,
}
"""Recipes by the name that status.csv and models.csv give as ``kind``."""
