"""Compiled inner loops of the CPU search (numba): energy, analytic gradient, BFGS, Monte Carlo.

A pose is a state vector: position of the root fragment (3, Å), orientation as a unit quaternion
(4, w first) and torsions (radians from the template). Gradients are six rigid-body components
(force on the position, torque as a rotation vector in the receptor frame) followed by the
torsions, so a step is applied on the manifold and the quaternion never drifts. The scheme is that
of AutoDock Vina (Trott & Olson 2010); every function is checked against the torch energies.

All of it lives in one file because numba's on-disk cache does not notice changes in callees of
another file.
"""

# Shapes: n atoms, t torsions, p pairs, k conformers. Ligand and field travel as tuples because
# numba compiles those without a class.

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

WALL = 5.0
"""Slope in kcal/mol/Å of the penalty outside the box, per atom."""

# No reassociation: sums must not depend on memory layout or thread count, or the same seed would
# not give the same poses.
_FAST = {
    "cache": True,
    "fastmath": {"nnan", "ninf", "nsz", "arcp", "contract", "afn"},
    "nogil": True,
}


@njit(parallel=True, **_FAST)
def build_grids(coords, types, origin, shape, spacing, tables, density, cutoff):  # type: ignore[no-untyped-def]
    """Return interaction grids, (kinds, nx, ny, nz) float32 kcal/mol.

    Args:
        coords: (atoms, 3) receptor atoms, sorted by x.
        types: (atoms,) row of each atom in ``tables``.
        origin: (3,) first grid point, Å.
        shape: (3,) points along each axis.
        spacing: Å between points.
        tables: (receptor types, bins, kinds) pair energies.
        density: bins per Å.
        cutoff: Å.
    """
    kinds = tables.shape[2]
    grids = np.zeros((kinds, shape[0], shape[1], shape[2]), dtype=np.float32)
    nx, ny, nz = shape[0], shape[1], shape[2]
    for ix in prange(nx):
        _grid_slab(
            coords, types, origin, spacing, tables, density, cutoff, grids, ix, ny, nz, kinds
        )
    return grids


@njit(**_FAST)
def _grid_slab(  # type: ignore[no-untyped-def]
    coords, types, origin, spacing, tables, density, cutoff, grids, ix, ny, nz, kinds
):
    cut2 = cutoff * cutoff
    x = origin[0] + ix * spacing
    first = np.searchsorted(coords[:, 0], x - cutoff)
    last = np.searchsorted(coords[:, 0], x + cutoff)
    near = np.empty(last - first, dtype=np.int64)
    total = np.empty((nz, kinds), dtype=np.float64)
    for iy in range(ny):
        y = origin[1] + iy * spacing
        count = 0
        for atom in range(first, last):
            flat = (coords[atom, 0] - x) ** 2 + (coords[atom, 1] - y) ** 2
            if flat < cut2:
                near[count] = atom
                count += 1
        total[:] = 0.0
        for entry in range(count):
            atom = near[entry]
            flat = (coords[atom, 0] - x) ** 2 + (coords[atom, 1] - y) ** 2
            reach = math.sqrt(cut2 - flat)
            low = max(0, int(math.ceil((coords[atom, 2] - reach - origin[2]) / spacing)))
            high = min(nz - 1, int(math.floor((coords[atom, 2] + reach - origin[2]) / spacing)))
            table = tables[types[atom]]
            for iz in range(low, high + 1):
                dz = origin[2] + iz * spacing - coords[atom, 2]
                place = math.sqrt(flat + dz * dz) * density
                bin_ = int(place)
                part = place - bin_
                for kind in range(kinds):
                    total[iz, kind] += (1.0 - part) * table[bin_, kind] + part * table[
                        bin_ + 1, kind
                    ]
        for kind in range(kinds):
            for iz in range(nz):
                grids[kind, ix, iy, iz] = total[iz, kind]


@njit(**_FAST)
def place_atoms(state, template, axis, span, out):  # type: ignore[no-untyped-def]
    """Write the coordinates (n, 3) of a pose into ``out``."""
    n = template.shape[0]
    out[:, :] = template
    for t in range(axis.shape[0] - 1, -1, -1):  # leaves first: the axes are still in place
        angle = state[7 + t]
        a, b = axis[t, 0], axis[t, 1]
        ux, uy, uz = out[b, 0] - out[a, 0], out[b, 1] - out[a, 1], out[b, 2] - out[a, 2]
        norm = 1.0 / math.sqrt(ux * ux + uy * uy + uz * uz)
        ux, uy, uz = ux * norm, uy * norm, uz * norm
        c, s = math.cos(angle), math.sin(angle)
        d = 1.0 - c
        r00, r01, r02 = c + ux * ux * d, ux * uy * d - uz * s, ux * uz * d + uy * s
        r10, r11, r12 = uy * ux * d + uz * s, c + uy * uy * d, uy * uz * d - ux * s
        r20, r21, r22 = uz * ux * d - uy * s, uz * uy * d + ux * s, c + uz * uz * d
        bx, by, bz = out[b, 0], out[b, 1], out[b, 2]
        for i in range(span[t, 0], span[t, 1]):
            x, y, z = out[i, 0] - bx, out[i, 1] - by, out[i, 2] - bz
            out[i, 0] = bx + r00 * x + r01 * y + r02 * z
            out[i, 1] = by + r10 * x + r11 * y + r12 * z
            out[i, 2] = bz + r20 * x + r21 * y + r22 * z
    w, x, y, z = state[3], state[4], state[5], state[6]
    r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    r10, r11, r12 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    r20, r21, r22 = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    for i in range(n):
        x, y, z = out[i, 0], out[i, 1], out[i, 2]
        out[i, 0] = state[0] + r00 * x + r01 * y + r02 * z
        out[i, 1] = state[1] + r10 * x + r11 * y + r12 * z
        out[i, 2] = state[2] + r20 * x + r21 * y + r22 * z


@njit(**_FAST)
def field_energy(xyz, kind, grids, origin, inverse, force):  # type: ignore[no-untyped-def]
    """Return the receptor energy of one pose and write its gradient (n, 3) into ``force``.

    Trilinear interpolation; outside the box the value at the wall plus a linear penalty.
    """
    nx, ny, nz = grids.shape[1], grids.shape[2], grids.shape[3]
    energy = 0.0
    for i in range(xyz.shape[0]):
        gx = (xyz[i, 0] - origin[0]) * inverse
        gy = (xyz[i, 1] - origin[1]) * inverse
        gz = (xyz[i, 2] - origin[2]) * inverse
        px, py, pz = 0.0, 0.0, 0.0
        if gx < 0.0:
            px, gx = gx, 0.0
        elif gx > nx - 1.001:
            px, gx = gx - (nx - 1.001), nx - 1.001
        if gy < 0.0:
            py, gy = gy, 0.0
        elif gy > ny - 1.001:
            py, gy = gy - (ny - 1.001), ny - 1.001
        if gz < 0.0:
            pz, gz = gz, 0.0
        elif gz > nz - 1.001:
            pz, gz = gz - (nz - 1.001), nz - 1.001
        ix, iy, iz = int(gx), int(gy), int(gz)
        fx, fy, fz = gx - ix, gy - iy, gz - iz
        grid = grids[kind[i]]
        c000, c001 = grid[ix, iy, iz], grid[ix, iy, iz + 1]
        c010, c011 = grid[ix, iy + 1, iz], grid[ix, iy + 1, iz + 1]
        c100, c101 = grid[ix + 1, iy, iz], grid[ix + 1, iy, iz + 1]
        c110, c111 = grid[ix + 1, iy + 1, iz], grid[ix + 1, iy + 1, iz + 1]
        c00, c01 = c000 + fz * (c001 - c000), c010 + fz * (c011 - c010)
        c10, c11 = c100 + fz * (c101 - c100), c110 + fz * (c111 - c110)
        c0, c1 = c00 + fy * (c01 - c00), c10 + fy * (c11 - c10)
        z0 = (c001 - c000) + fy * ((c011 - c010) - (c001 - c000))
        z1 = (c101 - c100) + fy * ((c111 - c110) - (c101 - c100))
        y0, y1 = c01 - c00, c11 - c10
        energy += c0 + fx * (c1 - c0) + (abs(px) + abs(py) + abs(pz)) * (WALL / inverse)
        force[i, 0] = (c1 - c0) * inverse if px == 0.0 else (WALL if px > 0 else -WALL)
        force[i, 1] = (y0 + fx * (y1 - y0)) * inverse if py == 0.0 else (WALL if py > 0 else -WALL)
        force[i, 2] = (z0 + fx * (z1 - z0)) * inverse if pz == 0.0 else (WALL if pz > 0 else -WALL)
    return energy


@njit(**_FAST)
def internal_energy(xyz, pairs, row, tables, density, cutoff, force):  # type: ignore[no-untyped-def]
    """Return the energy of the moving pairs of one pose and add its gradient to ``force``."""
    energy = 0.0
    cut2 = cutoff * cutoff
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        dx, dy, dz = xyz[i, 0] - xyz[j, 0], xyz[i, 1] - xyz[j, 1], xyz[i, 2] - xyz[j, 2]
        r2 = dx * dx + dy * dy + dz * dz
        if r2 >= cut2:
            continue
        r = math.sqrt(r2)
        place = r * density
        bin_ = int(place)
        low, high = tables[row[p], bin_], tables[row[p], bin_ + 1]
        energy += low + (place - bin_) * (high - low)
        scale = (high - low) * density / max(r, 1e-6)
        force[i, 0] += scale * dx
        force[i, 1] += scale * dy
        force[i, 2] += scale * dz
        force[j, 0] -= scale * dx
        force[j, 1] -= scale * dy
        force[j, 2] -= scale * dz
    return energy


@njit(**_FAST)
def pose_energy(state, conformer, ligand, field, xyz, force, gradient):  # type: ignore[no-untyped-def]
    """Return the energy of a pose; write its coordinates and gradient (6 + t).

    ``ligand`` is (conformers, axis, span, kind, pairs, row, torsion tables) and ``field``
    (grids, origin, inverse spacing, pair tables, density, cutoff).
    """
    conformers, axis, span, kind, pairs, row, torsion_energy = ligand
    grids, origin, inverse, tables, density, cutoff = field
    place_atoms(state, conformers[conformer], axis, span, xyz)
    energy = field_energy(xyz, kind, grids, origin, inverse, force)
    energy += internal_energy(xyz, pairs, row, tables, density, cutoff, force)

    gradient[:] = 0.0
    for i in range(xyz.shape[0]):
        ax, ay, az = xyz[i, 0] - state[0], xyz[i, 1] - state[1], xyz[i, 2] - state[2]
        fx, fy, fz = force[i, 0], force[i, 1], force[i, 2]
        gradient[0] += fx
        gradient[1] += fy
        gradient[2] += fz
        gradient[3] += ay * fz - az * fy
        gradient[4] += az * fx - ax * fz
        gradient[5] += ax * fy - ay * fx
    preference = torsion_energy[conformer]
    bins = preference.shape[1]
    for t in range(axis.shape[0]):
        a, b = axis[t, 0], axis[t, 1]
        bx, by, bz = xyz[b, 0], xyz[b, 1], xyz[b, 2]
        tx, ty, tz = 0.0, 0.0, 0.0
        for i in range(span[t, 0], span[t, 1]):
            x, y, z = xyz[i, 0] - bx, xyz[i, 1] - by, xyz[i, 2] - bz
            tx += y * force[i, 2] - z * force[i, 1]
            ty += z * force[i, 0] - x * force[i, 2]
            tz += x * force[i, 1] - y * force[i, 0]
        ux, uy, uz = bx - xyz[a, 0], by - xyz[a, 1], bz - xyz[a, 2]
        norm = 1.0 / math.sqrt(ux * ux + uy * uy + uz * uz)
        place = state[7 + t] * (bins / (2.0 * math.pi))
        low = int(math.floor(place))
        part = place - low
        e0, e1 = preference[t, low % bins], preference[t, (low + 1) % bins]
        energy += e0 + part * (e1 - e0)
        gradient[6 + t] = (ux * tx + uy * ty + uz * tz) * norm
        gradient[6 + t] += (e1 - e0) * (bins / (2.0 * math.pi))
    return energy


@njit(**_FAST)
def move(state, step, scale, out):  # type: ignore[no-untyped-def]
    """Write ``state`` displaced by ``scale * step`` (6 + t) into ``out``."""
    for d in range(3):
        out[d] = state[d] + scale * step[d]
    rx, ry, rz = scale * step[3], scale * step[4], scale * step[5]
    angle = math.sqrt(rx * rx + ry * ry + rz * rz)
    if angle > 1e-12:
        s = math.sin(0.5 * angle) / angle
        qw, qx, qy, qz = math.cos(0.5 * angle), s * rx, s * ry, s * rz
    else:
        qw, qx, qy, qz = 1.0, 0.5 * rx, 0.5 * ry, 0.5 * rz
    w, x, y, z = state[3], state[4], state[5], state[6]
    out[3] = qw * w - qx * x - qy * y - qz * z
    out[4] = qw * x + qx * w + qy * z - qz * y
    out[5] = qw * y - qx * z + qy * w + qz * x
    out[6] = qw * z + qx * y - qy * x + qz * w
    norm = 1.0 / math.sqrt(out[3] ** 2 + out[4] ** 2 + out[5] ** 2 + out[6] ** 2)
    for d in range(3, 7):
        out[d] *= norm
    for t in range(step.shape[0] - 6):
        out[7 + t] = state[7 + t] + scale * step[6 + t]


@njit(**_FAST)
def minimize(state, conformer, ligand, field, iterations, max_step, work):  # type: ignore[no-untyped-def]
    """Minimise ``state`` in place by BFGS with backtracking and return its energy.

    ``max_step`` bounds every component of a trial step (Å or radians). ``work`` is from
    `workspace`.
    """
    xyz, force, gradient, new_gradient, step, change, new_state, hessian, product = work
    d = gradient.shape[0]
    energy = pose_energy(state, conformer, ligand, field, xyz, force, gradient)
    hessian[:, :] = 0.0
    for i in range(d):
        hessian[i, i] = 1.0
    for iteration in range(iterations):
        largest, slope = 0.0, 0.0
        for i in range(d):
            total = 0.0
            for j in range(d):
                total -= hessian[i, j] * gradient[j]
            step[i] = total
            slope += total * gradient[i]
            largest = max(largest, abs(total))
        if slope >= 0.0 or largest < 1e-5:
            break
        alpha = min(1.0, max_step / largest)
        accepted = False
        new_energy = energy
        for _ in range(8):
            move(state, step, alpha, new_state)
            new_energy = pose_energy(new_state, conformer, ligand, field, xyz, force, new_gradient)
            if new_energy <= energy + 1e-4 * alpha * slope:
                accepted = True
                break
            alpha *= 0.5
        if not accepted:
            break
        gain = energy - new_energy
        yp, yhy, yy = 0.0, 0.0, 0.0
        for i in range(d):
            change[i] = new_gradient[i] - gradient[i]
            yp += alpha * step[i] * change[i]
            yy += change[i] * change[i]
        energy = new_energy
        state[:] = new_state
        gradient[:] = new_gradient
        if gain < 1e-3 and iteration > 2:
            break
        if yp < 1e-10:
            continue
        if iteration == 0:
            for i in range(d):
                hessian[i, i] = yp / yy
        for i in range(d):
            total = 0.0
            for j in range(d):
                total += hessian[i, j] * change[j]
            product[i] = total
            yhy += total * change[i]
        weight = (1.0 + yhy / yp) / yp
        for i in range(d):
            si = alpha * step[i]
            for j in range(d):
                sj = alpha * step[j]
                hessian[i, j] += weight * si * sj - (product[i] * sj + si * product[j]) / yp
    return energy


@njit(**_FAST)
def workspace(atoms, torsions):  # type: ignore[no-untyped-def]
    """Return the scratch arrays of `minimize`."""
    d = 6 + torsions
    return (
        np.empty((atoms, 3)), np.empty((atoms, 3)), np.empty(d), np.empty(d), np.empty(d),
        np.empty(d), np.empty(d + 1), np.empty((d, d)), np.empty(d),
    )  # fmt: skip


@njit(parallel=True, **_FAST)
def minimize_all(states, conformer, ligand, field, iterations, max_step):  # type: ignore[no-untyped-def]
    """Minimise every state (poses, 7 + t) in place; return energies (poses,)."""
    count = states.shape[0]
    energies = np.empty(count)
    for pose in prange(count):
        work = workspace(ligand[0].shape[1], states.shape[1] - 7)
        energies[pose] = minimize(
            states[pose], conformer[pose], ligand, field, iterations, max_step, work
        )
    return energies


@njit(parallel=True, **_FAST)
def place_all(states, conformer, ligand):  # type: ignore[no-untyped-def]
    """Return the coordinates of every state, (poses, n, 3)."""
    out = np.empty((states.shape[0], ligand[0].shape[1], 3))
    for pose in prange(states.shape[0]):
        place_atoms(states[pose], ligand[0][conformer[pose]], ligand[1], ligand[2], out[pose])
    return out


@njit(**_FAST)
def _turn_about(state, centre, rx, ry, rz, out):  # type: ignore[no-untyped-def]
    """Write ``state`` rotated about ``centre`` by a rotation vector into ``out``."""
    step = np.zeros(state.shape[0] - 1)
    step[3], step[4], step[5] = rx, ry, rz
    move(state, step, 1.0, out)
    angle = math.sqrt(rx * rx + ry * ry + rz * rz)
    if angle < 1e-9:
        return
    ux, uy, uz = rx / angle, ry / angle, rz / angle
    c, s = math.cos(angle), math.sin(angle)
    x, y, z = state[0] - centre[0], state[1] - centre[1], state[2] - centre[2]
    along = (ux * x + uy * y + uz * z) * (1.0 - c)
    out[0] = centre[0] + c * x + s * (uy * z - uz * y) + along * ux
    out[1] = centre[1] + c * y + s * (uz * x - ux * z) + along * uy
    out[2] = centre[2] + c * z + s * (ux * y - uy * x) + along * uz


@njit(**_FAST)
def mutate(state, conformer, conformers, xyz, out):  # type: ignore[no-untyped-def]
    """Write a random change of ``state`` into ``out`` and return the conformer to use.

    One of: a shift by up to 1 Å an axis, small turn, half turn, new torsion, other conformer.
    """
    torsions = state.shape[0] - 7
    out[:] = state
    choice = np.random.random()
    centre = np.zeros(3)
    for i in range(xyz.shape[0]):
        for d in range(3):
            centre[d] += xyz[i, d] / xyz.shape[0]
    if torsions > 0 and choice < torsions / (torsions + 3.0):
        count = 1 if np.random.random() < 0.7 else 2
        for _ in range(count):
            t = int(np.random.random() * torsions)
            if np.random.random() < 0.6:
                out[7 + t] = (2.0 * np.random.random() - 1.0) * math.pi
            else:
                out[7 + t] += np.random.normal() * 0.6
        if np.random.random() < 0.5:
            return conformer
    choice = np.random.random()
    if choice < 0.3:
        for d in range(3):
            out[d] += 2.0 * np.random.random() - 1.0
    elif choice < 0.85:
        x, y, z = np.random.normal(), np.random.normal(), np.random.normal()
        norm = math.sqrt(x * x + y * y + z * z) + 1e-9
        angle = math.pi if choice > 0.65 else np.random.random() * 1.2
        _turn_about(out.copy(), centre, x / norm * angle, y / norm * angle, z / norm * angle, out)
    else:
        return int(np.random.random() * conformers.shape[0])
    return conformer


@njit(parallel=True, **_FAST)
def monte_carlo(  # type: ignore[no-untyped-def]
    states, conformer, energies, ligand, field, seeds, steps, iterations, max_step, temperature
):
    """Run one Monte-Carlo-with-minimisation chain from every state (Li & Scheraga 1987).

    Returns:
        every minimum visited: states (chains, steps, 7 + t), conformers and energies
        (chains, steps).
    """
    chains, size = states.shape
    found = np.empty((chains, steps, size))
    found_conformer = np.empty((chains, steps), dtype=np.int64)
    found_energy = np.empty((chains, steps))
    for chain in prange(chains):
        np.random.seed(seeds[chain])
        work = workspace(ligand[0].shape[1], size - 7)
        current, trial = states[chain].copy(), np.empty(size)
        energy, shape = energies[chain], conformer[chain]
        xyz = np.empty((ligand[0].shape[1], 3))
        for s in range(steps):
            place_atoms(current, ligand[0][shape], ligand[1], ligand[2], xyz)
            trial_shape = mutate(current, shape, ligand[0], xyz, trial)
            trial_energy = minimize(trial, trial_shape, ligand, field, iterations, max_step, work)
            found[chain, s] = trial
            found_conformer[chain, s] = trial_shape
            found_energy[chain, s] = trial_energy
            if trial_energy < energy or np.random.random() < math.exp(
                (energy - trial_energy) / temperature
            ):
                current[:] = trial
                energy, shape = trial_energy, trial_shape
    return found, found_conformer, found_energy


@njit(parallel=True, **_FAST)
def receptor_energies(coords, receptor, row, kind, tables, density, cutoff):  # type: ignore[no-untyped-def]
    """Return the receptor energy of every pose summed over atom pairs, (poses,) kcal/mol.

    ``receptor`` (atoms, 3) is sorted by x; ``tables`` is that of `build_grids`.
    """
    poses, n = coords.shape[0], coords.shape[1]
    energies = np.zeros(poses)
    cut2 = cutoff * cutoff
    for p in prange(poses):
        total = 0.0
        for i in range(n):
            x, y, z = coords[p, i, 0], coords[p, i, 1], coords[p, i, 2]
            first = np.searchsorted(receptor[:, 0], x - cutoff)
            last = np.searchsorted(receptor[:, 0], x + cutoff)
            for j in range(first, last):
                r2 = (receptor[j, 0] - x) ** 2 + (receptor[j, 1] - y) ** 2
                r2 += (receptor[j, 2] - z) ** 2
                if r2 < cut2:
                    place = math.sqrt(r2) * density
                    bin_ = int(place)
                    low, high = tables[row[j], bin_, kind[i]], tables[row[j], bin_ + 1, kind[i]]
                    total += low + (place - bin_) * (high - low)
        energies[p] = total
    return energies


@njit(parallel=True, **_FAST)
def internal_energies(coords, pairs, row, tables, density, cutoff):  # type: ignore[no-untyped-def]
    """Return the internal energy of every pose, (poses,) kcal/mol."""
    energies = np.zeros(coords.shape[0])
    for p in prange(coords.shape[0]):
        force = np.zeros((coords.shape[1], 3))
        energies[p] = internal_energy(coords[p], pairs, row, tables, density, cutoff, force)
    return energies
