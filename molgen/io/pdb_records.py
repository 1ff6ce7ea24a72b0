"""Records of PDB text that make a parser stop early or refuse the file.

``END`` stands in the middle where files were put one behind the other, as in
``cat protein.pdb ligand.pdb``; ANISOU records lose their atom where lines were filtered.
"""

from __future__ import annotations

from molgen.io.pdb_elements import is_atom

_UNUSED = (b"ANISOU", b"SIGATM", b"SIGUIJ")
"""About the atom before them; molgen reads none of it."""


def as_one_file(content: bytes) -> tuple[bytes, list[str]]:
    """Return PDB text with the atoms behind an ``END`` record, without anisotropic records.

    What follows an ``END`` is left out where most of its atoms were there before, another frame of
    the same, and in a file with MODEL records. The notes say what was done.
    """
    lines = content.splitlines(keepends=True)
    kept = [line for line in lines if line[:6] not in _UNUSED]
    plain = content if len(kept) == len(lines) else b"".join(kept)
    ends = [k for k, line in enumerate(kept) if line[:6].rstrip() == b"END"]
    if not ends or not any(is_atom(line) for line in kept[ends[0] :]):
        return plain, []
    if any(line[:6] == b"MODEL " for line in kept):  # models are told by their own records
        behind = sum(is_atom(line) for line in kept[ends[0] :])
        note = f"{behind} atom records behind an END record left out: the file has MODEL records"
        return plain, [note]
    seen: set[bytes] = set()
    parts: list[bytes] = []
    added = dropped = 0
    for begin, end in zip([0, *(k + 1 for k in ends)], [*ends, len(kept)], strict=True):
        part = kept[begin:end]
        places = [line[12:27] for line in part if is_atom(line)]
        if 2 * sum(place in seen for place in places) > len(places):
            dropped += 1
            continue
        added += len(places) if seen else 0
        seen.update(places)
        parts += part
    notes = []
    if added:
        notes.append(f"{added} atom records behind an END record read too")
    if dropped:
        notes.append(f"{dropped} frames behind END records left out")
    return b"".join([*parts, b"END\n"]), notes
