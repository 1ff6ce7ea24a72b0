"""Numbers are worked out by hand from caps, discs and cubes, or come from voronotalt."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molgen.errors import InputError
from molgen.geometry.power_diagram import depth, power_diagram


def balls(seed: int, count: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((count, 3)) * size, rng.uniform(1.4, 2.1, count)


def cap(radius: float, offset: float) -> tuple[float, float]:
    """Return surface and volume that a plane at ``offset`` from the centre cuts off a ball."""
    height = radius - offset
    return 2 * math.pi * radius * height, math.pi * height**2 * (3 * radius - height) / 3


def test_no_ball_and_one_ball():
    nothing = power_diagram(np.zeros((0, 3)), np.zeros(0))
    assert nothing.pairs.shape == (0, 2) and nothing.volumes.shape == (0,)
    one = power_diagram(np.array([[1.0, 2.0, 3.0]]), np.array([1.6]), probe=1.4)
    assert one.pairs.shape == (0, 2)
    assert one.sasa[0] == pytest.approx(36 * math.pi)
    assert one.volumes[0] == pytest.approx(36 * math.pi)


@pytest.mark.parametrize("distance", [0.8, 1.5, 3.0, 5.2])
def test_two_balls_share_a_disc_and_lose_caps(distance):
    # R = 3.3 and 2.9; at 0.8 Å the plane passes behind the centre of the second one
    first, second = 3.3, 2.9
    result = power_diagram(
        np.array([[0.3, -0.2, 1.0], [0.3, distance - 0.2, 1.0]]), np.array([1.9, 1.5])
    )
    offset = (distance**2 + first**2 - second**2) / (2 * distance)
    assert result.pairs.tolist() == [[0, 1]]
    assert result.areas[0] == pytest.approx(math.pi * (first**2 - offset**2))
    for index, radius, plane in ((0, first, offset), (1, second, distance - offset)):
        surface, volume = cap(radius, plane)
        assert result.sasa[index] == pytest.approx(4 * math.pi * radius**2 - surface)
        assert result.volumes[index] == pytest.approx(4 / 3 * math.pi * radius**3 - volume)


def test_the_middle_of_three_in_a_row_is_a_slab():
    result = power_diagram(np.array([[0.0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]]), np.full(3, 1.6))
    # R = 3, planes 1 Å to either side: discs of radius √8; a zone of height 2
    assert result.pairs.tolist() == [[0, 1], [1, 2]]
    assert result.areas == pytest.approx(8 * math.pi)
    assert result.sasa[1] == pytest.approx(2 * math.pi * 3 * 2)
    assert result.volumes[1] == pytest.approx(2 * math.pi * (9 - 1 / 3))


@pytest.mark.parametrize("neighbours", ["six", "twenty-six"])
def test_a_ball_among_its_lattice_neighbours_has_a_cube(neighbours):
    # with all 26, faces meet in edges and corners of other cells: the degenerate case
    grid = np.stack(np.meshgrid(*[[0.0, -2.0, 2.0]] * 3, indexing="ij"), -1).reshape(-1, 3)
    if neighbours == "six":
        grid = grid[np.abs(grid).sum(1) <= 2]
    result = power_diagram(grid, np.full(len(grid), 1.6))
    mine = result.pairs[:, 0] == 0
    assert mine.sum() == 6
    assert result.areas[mine] == pytest.approx(4.0)
    assert result.volumes[0] == pytest.approx(8.0)
    assert result.sasa[0] == 0.0
    assert (result.sasa[1:] > 0).all()


def test_corners_of_many_cells_that_coincide():
    # eight balls on a cube: every inner corner and edge belongs to all or to four of them
    cube = np.stack(np.meshgrid(*[[0.0, 2.0]] * 3, indexing="ij"), -1).reshape(-1, 3)
    result = power_diagram(cube, np.full(8, 1.8))
    jitter = np.random.default_rng(0).normal(scale=1e-8, size=cube.shape)
    plain = power_diagram(cube + jitter, np.full(8, 1.8))
    assert result.sasa == pytest.approx(plain.sasa, abs=1e-4)
    assert result.volumes == pytest.approx(plain.volumes, abs=1e-4)
    assert np.ptp(result.sasa) < 1e-9


@pytest.mark.parametrize("origin", [0.0, 77.577, 100.0])
def test_symmetric_copies_are_measured_as_any_others(origin):
    # copies around a fourfold axis, rounded as in files, so that four cells meet along the axis
    rng = np.random.default_rng(3)
    for _ in range(100):
        ring = []
        for x, y, z in np.round(rng.uniform(-3.5, 3.5, (int(rng.integers(1, 5)), 3)), 3):
            ring += [[x, y, z], [-y, x, z], [-x, -y, z], [y, -x, z]]
        centres = np.round(np.array(ring) + np.array([origin, origin, 0.0]), 3)
        radii = np.repeat(rng.choice([1.49, 1.70, 1.75, 1.9], len(ring) // 4), 4)
        result = power_diagram(centres, radii)
        moved = power_diagram(centres + rng.normal(scale=1e-8, size=centres.shape), radii)
        assert result.sasa == pytest.approx(moved.sasa, abs=1e-3)
        assert result.volumes == pytest.approx(moved.volumes, abs=1e-3)


def test_polygons_with_arcs():
    # Four balls in a square of 2 Å: faces of neighbours are half discs, the diagonal has none.
    square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
    result = power_diagram(square, np.full(4, 1.6))
    assert result.pairs.tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]
    # the disc of radius √8 is cut 1 Å from its centre and keeps the larger part
    rho, h = math.sqrt(8), 1.0
    segment = rho**2 * math.acos(h / rho) - h * math.sqrt(rho**2 - h**2)
    assert result.areas == pytest.approx(math.pi * rho**2 - segment)
    assert result.sasa == pytest.approx(result.sasa[0])


def test_cells_fill_the_union():
    centres, radii = balls(3, 40, 7.0)
    result = power_diagram(centres, radii)
    rng = np.random.default_rng(0)
    points = rng.uniform(-4.0, 11.0, (200_000, 3))
    power = ((points[:, None] - centres[None]) ** 2).sum(-1) - (radii + 1.4) ** 2
    owner = np.where(power.min(1) < 0, power.argmin(1), -1)
    counted = np.bincount(owner + 1, minlength=41)[1:] * 15.0**3 / len(points)
    assert result.volumes.sum() == pytest.approx(counted.sum(), rel=0.01)
    # five standard errors of counting points
    error = np.sqrt(counted * 15.0**3 / len(points)) + 0.1
    assert (np.abs(result.volumes - counted) < 5 * error).all()
    # the surface of the union is the change of its volume with the probe
    step = 1e-4
    more, less = (power_diagram(centres, radii, 1.4 + s).volumes.sum() for s in (step, -step))
    assert result.sasa.sum() == pytest.approx((more - less) / (2 * step), rel=1e-5)


def test_order_place_and_turn_do_not_matter():
    centres, radii = balls(5, 60, 9.0)
    result = power_diagram(centres, radii)
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(60)
    other = power_diagram((centres @ turn + 7.0)[order], radii[order])
    assert other.volumes == pytest.approx(result.volumes[order], rel=1e-9)
    assert other.sasa == pytest.approx(result.sasa[order], rel=1e-9, abs=1e-9)
    pairs = np.sort(order[other.pairs], axis=1)
    again = {tuple(pair): area for pair, area in zip(pairs.tolist(), other.areas, strict=True)}
    assert sorted(again) == [tuple(pair) for pair in result.pairs.tolist()]
    for pair, area in zip(result.pairs.tolist(), result.areas, strict=True):
        assert again[tuple(pair)] == pytest.approx(area, rel=1e-8, abs=1e-9)


def test_the_same_input_gives_the_same_bits():
    centres, radii = balls(6, 200, 12.0)
    once, twice = power_diagram(centres, radii), power_diagram(centres.copy(), radii.copy())
    for first, second in zip(once, twice, strict=True):
        assert first.tobytes() == second.tobytes()


def test_coincident_balls_count_once():
    centres, radii = balls(7, 30, 6.0)
    alone = power_diagram(centres, radii)
    result = power_diagram(
        np.concatenate([centres, centres[:9]]), np.concatenate([radii, radii[:9]])
    )
    assert result.volumes[:30].tolist() == alone.volumes.tolist()
    assert (result.volumes[30:] == 0).all() and (result.sasa[30:] == 0).all()
    assert result.pairs.tolist() == alone.pairs.tolist()


def test_a_ball_inside_another_has_no_cell():
    result = power_diagram(
        np.array([[0.0, 0, 0], [0.1, 0, 0], [3.0, 0, 0]]), np.array([2.0, 1.5, 1.7])
    )
    assert result.volumes[1] == 0 and result.sasa[1] == 0
    assert result.pairs.tolist() == [[0, 2]]


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-5, 1e-2])
def test_heaps_of_balls_stay_finite(spread):
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(300, 3)) * spread
    for radii in (np.full(300, 1.7), rng.uniform(1.4, 2.0, 300)):
        result = power_diagram(centres, radii)
        assert all(np.isfinite(part).all() for part in result)
        largest = 4 / 3 * math.pi * (radii.max() + 1.4 + 5 * spread) ** 3
        assert 0 < result.volumes.sum() <= largest * 1.001  # ill-conditioned at 1e-5 Å


def test_a_lattice_of_equal_cells():
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 3, indexing="ij"), -1).reshape(-1, 3) * 1.5
    result = power_diagram(grid, np.full(len(grid), 1.7))
    inner = ((grid > 0.1) & (grid < 7.4)).all(1)
    assert result.volumes[inner] == pytest.approx(1.5**3)
    assert (result.sasa[inner] == 0).all() and (result.sasa[~inner] > 0).all()
    assert len(result.pairs) == 3 * 5 * 36


def test_far_apart_balls_take_little_memory():
    centres = np.array([[0.0, 0, 0], [9999.0, 9999, 9999], [1e7, 0, 0], [1e7, 2.0, 0]])
    result = power_diagram(centres, np.full(4, 1.6))
    assert result.pairs.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("centres", "radii", "said"),
    [
        (np.zeros((2, 2)), np.ones(2), "shape"),
        (np.zeros((2, 3)), np.ones(3), "shape"),
        (np.array([[np.nan, 0, 0]]), np.ones(1), "finite"),
        (np.zeros((1, 3)), np.array([-2.0]), "positive"),
    ],
)
def test_bad_input_is_refused(centres, radii, said):
    with pytest.raises(InputError, match=said):
        power_diagram(centres, radii)


@pytest.mark.parametrize(("seed", "count", "size"), [(0, 5, 4.0), (1, 60, 8.0), (2, 400, 19.0)])
def test_agrees_with_voronotalt(seed, count, size):
    voronotalt = pytest.importorskip("voronotalt", reason="voronotalt is not installed")
    centres, radii = balls(seed, count, size)
    result = power_diagram(centres, radii)
    rows = np.column_stack([centres, radii]).tolist()
    other = voronotalt.RadicalTessellation([voronotalt.Ball(*row) for row in rows], probe=1.4)
    ours = {tuple(p): a for p, a in zip(result.pairs.tolist(), result.areas, strict=True)}
    theirs = {
        (min(c.index_a, c.index_b), max(c.index_a, c.index_b)): c.area for c in other.contacts
    }
    for pair in set(ours) | set(theirs):
        assert ours.get(pair, 0.0) == pytest.approx(theirs.get(pair, 0.0), rel=1e-7, abs=2e-6)
    cells = np.array([(c.volume, c.sas_area) for c in other.cells])
    assert result.volumes == pytest.approx(cells[:, 0], rel=1e-6, abs=1e-5)
    assert result.sasa == pytest.approx(cells[:, 1], rel=1e-6, abs=1e-5)


def test_depth_counts_contacts_from_the_surface():
    pairs = np.array([[0, 1], [1, 2], [2, 3], [0, 4], [5, 6]])
    exposed = np.array([True, False, False, False, True, False, False])
    assert depth(pairs, exposed).tolist() == [1, 2, 3, 4, 1, 1, 1]
    assert depth(np.zeros((0, 2), dtype=np.int64), np.zeros(2, dtype=bool)).tolist() == [1, 1]
