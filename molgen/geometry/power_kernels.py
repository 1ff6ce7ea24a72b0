"""Compiled loops of the power diagram (numba); `molgen.geometry.power_diagram` is the way in.

One after the other: neighbours from a cell list, the radical planes that cut each ball, every face
clipped once (by the ball with the lower index), its area and solid angles, and the cells from
these. All of it lives in one file because numba's on-disk cache does not notice changes in
callees of another file.
"""

# Shapes: n balls. A plane is its unit normal (rows 0 to 2) and its offset (row 3) from the centre
# of the ball it cuts.

from __future__ import annotations

import math

import numpy as np
from numba import njit

MIN_AREA = 1e-6
"""Å²; smaller faces are no contacts: cells that touch in an edge have them from rounding."""

_MIN_ARC = 1e-6  # rad; less free boundary than this is none
_SAME = 1e-6  # Å; centres closer than this are one
_CORNER2 = 1e-20  # Å²; corners of a face closer than the root of this are one
_SLIVER = 1e-9  # Å² at 1 Å from both centres; the solid angle of a smaller face is rounding
_BINS = 32  # of the offsets, when planes are sorted

# Sums keep their order, so results do not differ between runs; numpy's error model, as division by
# zero must not raise.
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(**_OPTIONS)
def diagram(xyz, radius):  # type: ignore[no-untyped-def]
    """Return pairs (contacts, 2), areas (contacts,), volumes (n,) and accessible areas (n,).

    Args:
        xyz: (n, 3) Å.
        radius: (n,) Å, with the probe.
    """
    n = len(xyz)
    first, members, distance2 = neighbours(xyz, radius)
    hidden = np.zeros(n, dtype=np.bool_)
    most = 0
    for i in range(n):
        most = max(most, first[i + 1] - first[i])
        for entry in range(first[i], first[i + 1]):
            hidden[i] |= _is_inside(i, members[entry], distance2[entry], radius)
    pairs = np.empty((8 * n + 16, 2), dtype=np.int32)
    areas = np.empty(8 * n + 16)
    count = 0
    flux, arcs, cones = np.zeros(n), np.zeros(n), np.zeros(n)
    faces = np.zeros(n, dtype=np.int64)
    other = np.empty(most, dtype=np.int64)
    planes = np.empty((4, most))
    x, y = np.empty(2 * most + 16), np.empty(2 * most + 16)
    for i in range(n):
        if hidden[i]:
            continue
        near = _radical_planes(i, xyz, radius, first, members, distance2, hidden, other, planes)
        flux[i] += 4.0 * math.pi
        for k in range(near):
            if planes[3, k] < 0.0:  # the centre is outside the cell
                flux[i] -= 4.0 * math.pi
                break
        start = count
        for k in range(near):
            j = other[k]
            if j < i:
                continue
            ti = planes[3, k]
            rho2 = radius[i] * radius[i] - ti * ti
            begin, corners = _clip_face(k, planes, near, rho2, x, y)
            if corners < 3:
                continue
            dx, dy, dz = xyz[j, 0] - xyz[i, 0], xyz[j, 1] - xyz[i, 1], xyz[j, 2] - xyz[i, 2]
            tj = math.sqrt(dx * dx + dy * dy + dz * dz) - ti
            area, angle_i, angle_j, arc = _measure(
                x, y, begin, corners, rho2, ti, tj, radius[i], radius[j]
            )
            if not area > _SLIVER * min(1.0, ti * ti, tj * tj):
                continue
            flux[i] -= angle_i
            flux[j] -= angle_j
            arcs[i] += arc
            arcs[j] += arc
            cones[i] += ti * area
            cones[j] += tj * area
            faces[i] += 1
            faces[j] += 1
            if area > MIN_AREA:
                if count == len(areas):
                    pairs, areas = _grow(pairs, areas)
                pairs[count, 0], pairs[count, 1], areas[count] = i, j, area
                count += 1
        _sort_rows(pairs, areas, start, count)
    volumes, sasa = np.zeros(n), np.zeros(n)
    for i in range(n):
        if hidden[i]:
            continue
        if faces[i] == 0 or arcs[i] > _MIN_ARC:
            sasa[i] = max(0.0, radius[i] * radius[i] * flux[i])
        volumes[i] = max(0.0, (cones[i] + radius[i] * sasa[i]) / 3.0)
    return pairs[:count].copy(), areas[:count].copy(), volumes, sasa


@njit(**_OPTIONS)
def neighbours(xyz, radius):  # type: ignore[no-untyped-def]
    """Return the balls that meet each ball: first entry of each (n + 1,), balls and distances².

    Cells are half as wide as the reach of two balls, or wider where they would be too many.
    """
    n = len(xyz)
    edge = radius.max()
    low, shape = np.empty(3), np.empty(3, dtype=np.int64)
    for d in range(3):
        low[d] = xyz[:, d].min()
    while True:
        total = 1.0
        for d in range(3):
            total *= math.floor((xyz[:, d].max() - low[d]) / edge) + 1.0
        if total <= 64.0 * n + 64.0:
            break
        edge *= 1.5
    reach = math.ceil(2.0 * radius.max() / edge)
    for d in range(3):
        shape[d] = int((xyz[:, d].max() - low[d]) / edge) + 1
    cell = np.empty((n, 3), dtype=np.int64)
    begin = np.zeros(shape[0] * shape[1] * shape[2] + 1, dtype=np.int64)
    for i in range(n):
        for d in range(3):
            cell[i, d] = int((xyz[i, d] - low[d]) / edge)
        begin[(cell[i, 0] * shape[1] + cell[i, 1]) * shape[2] + cell[i, 2] + 1] += 1
    for c in range(len(begin) - 1):
        begin[c + 1] += begin[c]
    # balls sorted by cell, so that a row of cells is one stretch of memory
    ball = np.empty(n, dtype=np.int64)
    sx, sy, sz, sr = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    free = begin.copy()
    for i in range(n):
        c = (cell[i, 0] * shape[1] + cell[i, 1]) * shape[2] + cell[i, 2]
        place = free[c]
        free[c] += 1
        ball[place] = i
        sx[place], sy[place], sz[place], sr[place] = xyz[i, 0], xyz[i, 1], xyz[i, 2], radius[i]
    first = np.zeros(n + 1, dtype=np.int64)
    members, distance2 = np.empty(64 * n, dtype=np.int64), np.empty(64 * n)
    count = 0
    for i in range(n):
        px, py, pz, ri = xyz[i, 0], xyz[i, 1], xyz[i, 2], radius[i]
        for cx in range(max(0, cell[i, 0] - reach), min(shape[0], cell[i, 0] + reach + 1)):
            for cy in range(max(0, cell[i, 1] - reach), min(shape[1], cell[i, 1] + reach + 1)):
                row = (cx * shape[1] + cy) * shape[2]
                start = begin[row + max(0, cell[i, 2] - reach)]
                end = begin[row + min(shape[2], cell[i, 2] + reach + 1)]
                if count + end - start > len(members):
                    more = 2 * len(members) + end - start
                    grown, grown2 = np.empty(more, dtype=np.int64), np.empty(more)
                    grown[:count], grown2[:count] = members[:count], distance2[:count]
                    members, distance2 = grown, grown2
                for place in range(start, end):
                    dx, dy, dz = sx[place] - px, sy[place] - py, sz[place] - pz
                    d2 = dx * dx + dy * dy + dz * dz
                    if d2 < (ri + sr[place]) ** 2 and ball[place] != i:
                        members[count], distance2[count] = ball[place], d2
                        count += 1
        first[i + 1] = count
    return first, members, distance2


@njit(**_OPTIONS)
def _is_inside(i, j, d2, radius):  # type: ignore[no-untyped-def]
    """Return whether ball ``j`` holds ball ``i``, or coincides with it and comes first."""
    gap = radius[j] - radius[i]
    if gap < 0.0 or d2 > (gap + _SAME) ** 2:
        return False
    return gap > 0.0 or j < i


@njit(**_OPTIONS)
def _radical_planes(i, xyz, radius, first, members, distance2, hidden, other, planes):  # type: ignore[no-untyped-def]
    """Write the balls whose radical planes cut ball ``i``, and these planes; return how many.

    They come by bins of the offset, the nearest first, since near planes cut most.
    """
    ri = radius[i]
    bins = np.zeros(_BINS + 1, dtype=np.int64)
    for entry in range(first[i], first[i + 1]):
        j = members[entry]
        d2 = distance2[entry]
        offset = (d2 + ri * ri - radius[j] * radius[j]) / (2.0 * math.sqrt(d2))
        if hidden[j] or not offset < ri:
            continue
        bins[int((offset + ri) / (2.0 * ri) * (_BINS - 0.001)) + 1] += 1
    for b in range(_BINS):
        bins[b + 1] += bins[b]
    for entry in range(first[i], first[i + 1]):
        j = members[entry]
        d2 = distance2[entry]
        d = math.sqrt(d2)
        offset = (d2 + ri * ri - radius[j] * radius[j]) / (2.0 * d)
        if hidden[j] or not offset < ri:
            continue
        b = int((offset + ri) / (2.0 * ri) * (_BINS - 0.001))
        place = bins[b]
        bins[b] += 1
        other[place] = j
        for axis in range(3):
            planes[axis, place] = (xyz[j, axis] - xyz[i, axis]) / d
        planes[3, place] = offset
    return bins[_BINS - 1]


@njit(**_OPTIONS)
def _clip_face(face, planes, near, rho2, x, y):  # type: ignore[no-untyped-def]
    """Write the corners of a face into ``x`` and ``y``; return the first one and their number.

    Coordinates are in the plane, about the centre of the disc of squared radius ``rho2``. The
    polygon reaches beyond the disc wherever the disc itself bounds the face. The two halves of
    ``x`` and ``y`` are used in turn. An empty face has 0 corners.
    """
    nx, ny, nz, t = planes[0, face], planes[1, face], planes[2, face], planes[3, face]
    # two unit vectors of the plane
    if abs(nx) < 0.6:
        scale = 1.0 / math.sqrt(ny * ny + nz * nz)
        ux, uy, uz = 0.0, nz * scale, -ny * scale
    else:
        scale = 1.0 / math.sqrt(nx * nx + ny * ny)
        ux, uy, uz = ny * scale, -nx * scale, 0.0
    vx, vy, vz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
    half = math.sqrt(rho2)
    x[0], x[1], x[2], x[3] = half, -half, -half, half
    y[0], y[1], y[2], y[3] = half, half, -half, -half
    here, end = 0, 4
    there = len(x) // 2
    limit = rho2
    for k in range(near):
        mx, my, mz = planes[0, k], planes[1, k], planes[2, k]
        cosine = mx * nx + my * ny + mz * nz
        w = planes[3, k] - t * cosine
        s2 = 1.0 - cosine * cosine
        if w * abs(w) >= limit * s2 or k == face:
            if s2 < 1e-12 and w < 1e-9 and cosine > 0.0 and k < face:
                return 0, 0  # one plane twice: the first has the face
            continue
        if w * abs(w) <= -rho2 * s2:
            return 0, 0
        a, b = mx * ux + my * uy + mz * uz, mx * vx + my * vy + mz * vz
        top = a * x[here] + b * y[here]
        for c in range(here + 1, end):
            top = max(top, a * x[c] + b * y[c])
        if top < w:
            continue
        kept = there
        x0, y0 = x[end - 1], y[end - 1]
        d0 = a * x0 + b * y0 - w
        for c in range(here, end):
            x1, y1 = x[c], y[c]
            d1 = a * x1 + b * y1 - w
            # always written, kept only where the edge crosses the line: no branch to mispredict
            part = d0 / (d0 - d1)
            x[kept], y[kept] = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
            kept += (d0 < 0.0) != (d1 < 0.0)
            x[kept], y[kept] = x1, y1
            kept += d1 < 0.0
            x0, y0, d0 = x1, y1, d1
        if kept < there + 3:
            return 0, 0
        here, there, end = there, here, kept
        farthest = 0.0
        for c in range(here, end):
            farthest = max(farthest, x[c] * x[c] + y[c] * y[c])
        limit = min(rho2, farthest)
    return here, end - here


@njit(**_OPTIONS)
def _measure(x, y, begin, corners, rho2, ti, tj, ri, rj):  # type: ignore[no-untyped-def]
    """Return area, solid angles from both centres (signed as the offsets) and free arc in rad.

    Every edge adds the part of its triangle with the disc's centre that is inside the disc: a
    triangle, or sectors before and after it. The triangle's solid angle is its angle at the disc's
    centre less what `_turn` adds up; the former sum to a full turn, less the sectors, where the
    polygon goes around the centre, and else to nothing. Where four cells meet, as in symmetric
    oligomers, corners coincide but for rounding: the edge between them has no direction.
    """
    twice, arc = 0.0, 0.0
    around = True
    i_re, i_im, i_turns = 1.0, 0.0, 0
    j_re, j_im, j_turns = 1.0, 0.0, 0
    hi, hj = abs(ti), abs(tj)
    px, py = x[begin + corners - 1], y[begin + corners - 1]
    for c in range(begin, begin + corners):
        qx, qy = x[c], y[c]
        dx, dy = qx - px, qy - py
        length2 = dx * dx + dy * dy
        if length2 < _CORNER2:
            continue
        p2, q2 = px * px + py * py, qx * qx + qy * qy
        ax, ay, bx, by = px, py, qx, qy
        segment = p2 <= rho2 and q2 <= rho2
        if not segment:
            along = px * dx + py * dy
            root = along * along - length2 * (p2 - rho2)
            if root > 0.0:
                root = math.sqrt(root)
                low, high = max(0.0, (-along - root) / length2), min(1.0, (root - along) / length2)
                if low < high:
                    segment = True
                    if low > 0.0:
                        ax, ay = px + low * dx, py + low * dy
                        arc += math.atan2(px * ay - py * ax, px * ax + py * ay)
                    if high < 1.0:
                        bx, by = px + high * dx, py + high * dy
                        arc += math.atan2(bx * qy - by * qx, bx * qx + by * qy)
            if not segment:
                arc += math.atan2(px * qy - py * qx, px * qx + py * qy)
        away = px * qy - py * qx + 0.0
        around &= away >= 0.0
        if segment:
            twice += ax * by - ay * bx
            length = math.sqrt(length2)
            away /= length
            sa, sb = (ax * dx + ay * dy) / length, (bx * dx + by * dy) / length
            ra, rb = ax * ax + ay * ay, bx * bx + by * by
            i_re, i_im, i_turns = _turn(i_re, i_im, i_turns, hi, away, sa, sb, ra, rb)
            j_re, j_im, j_turns = _turn(j_re, j_im, j_turns, hj, away, sa, sb, ra, rb)
        px, py = qx, qy
    whole = 2.0 * math.pi if around else 0.0
    si = whole - arc * hi / ri - math.atan2(i_im, i_re) - 2.0 * math.pi * i_turns
    sj = whole - arc * hj / rj - math.atan2(j_im, j_re) - 2.0 * math.pi * j_turns
    if ti < 0.0:
        si = -si
    if tj < 0.0:
        sj = -sj
    return 0.5 * (twice + rho2 * arc), si, sj, arc


@njit(**_OPTIONS)
def _turn(re, im, turns, height, away, sa, sb, ra, rb):  # type: ignore[no-untyped-def]
    """Return the direction (re, im) and its full turns after one more edge of a face.

    The edge adds the difference of atan(height s / (away distance)) at its two ends, s being the
    place along its line, ``away`` the line's distance from the foot of the ball's centre,
    ``height`` the centre's distance from the plane, and ``ra`` and ``rb`` the squared distances
    of the ends from the foot. As a product of complex numbers this needs no arctangent.
    """
    h2 = height * height
    wa, wb = math.sqrt(h2 + ra), math.sqrt(h2 + rb)
    sine = away * height * (sb * wa - sa * wb)
    cosine = away * away * wa * wb + h2 * sa * sb
    new_re, new_im = re * cosine - im * sine, re * sine + im * cosine
    if im >= 0.0 and new_im < 0.0 and sine >= 0.0:
        turns += 1
    elif im < 0.0 and new_im >= 0.0 and sine < 0.0:
        turns -= 1
    size = abs(new_re) + abs(new_im)
    if size > 0.0:
        return new_re / size, new_im / size, turns
    return re, im, turns


@njit(**_OPTIONS)
def _grow(pairs, areas):  # type: ignore[no-untyped-def]
    """Return copies of twice the length."""
    count = len(areas)
    more_pairs, more_areas = np.empty((2 * count, 2), dtype=np.int32), np.empty(2 * count)
    more_pairs[:count], more_areas[:count] = pairs, areas
    return more_pairs, more_areas


@njit(**_OPTIONS)
def _sort_rows(pairs, areas, start, end):  # type: ignore[no-untyped-def]
    """Sort rows ``start`` to ``end`` by the second ball, in place."""
    for row in range(start + 1, end):
        j, area = pairs[row, 1], areas[row]
        place = row
        while place > start and pairs[place - 1, 1] > j:
            pairs[place, 1], areas[place] = pairs[place - 1, 1], areas[place - 1]
            place -= 1
        pairs[place, 1], areas[place] = j, area
