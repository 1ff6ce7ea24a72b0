"""Values from the formulas of low degree, from e3nn and from the original's own output."""

from __future__ import annotations

import math

import pytest
import torch
from e3nn import o3

from molgen.errors import ConfigError
from molgen.geometry.harmonics import real_harmonics


def directions(count: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    points = torch.randn(count, 3, generator=generator, dtype=dtype)
    return torch.nn.functional.normalize(points, dim=1)


def columns(order: int) -> list[tuple[int, int]]:
    return [
        (n, m) for n in range(order) for m in (*range(-1, -n - 1, -1), *range(n + 1))
    ]  # fmt: skip


def test_low_degrees_by_hand():
    unit = directions(50)
    x, y, z = unit.T
    values = real_harmonics(unit, 3)
    first = math.sqrt(3 / (4 * math.pi))
    second = math.sqrt(15 / (4 * math.pi))
    root2 = math.sqrt(2)
    expected = [
        torch.full_like(x, 1 / math.sqrt(4 * math.pi)),
        root2 * first * y, first * z, -root2 * first * x,
        root2 * second * y * z, -root2 * second * x * y,
        math.sqrt(5 / (16 * math.pi)) * (3 * z**2 - 1),
        -root2 * second * x * z, root2 * second * (x**2 - y**2) / 2,
    ]  # fmt: skip
    torch.testing.assert_close(values, torch.stack(expected, dim=1))


@pytest.mark.parametrize("order", [1, 2, 5, 10, 12])
def test_equals_e3nn_up_to_signs_and_scale(order):
    unit = directions(200)
    # e3nn takes its second axis for the polar one
    theirs = o3.spherical_harmonics(
        list(range(order)), unit[:, [1, 2, 0]], normalize=False, normalization="integral"
    )
    ours = real_harmonics(unit, order)
    assert ours.shape == (200, order**2)
    for column, (n, m) in enumerate(columns(order)):
        sign = (-1) ** m if m > 0 else (-1) ** (m + 1)
        factor = sign * math.sqrt(2) if m else 1.0
        torch.testing.assert_close(
            ours[:, column], factor * theirs[:, n * n + n + m], rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize("order", [4, 16, 25])
def test_addition_theorem_holds_at_any_degree(order):
    # sum over m of Y_lm(a) Y_lm(b) = (2l + 1) / 4π P_l(a·b), the extra √2 taken out
    a, b = directions(30), directions(60)[30:]
    scale = torch.tensor([math.sqrt(0.5) if m else 1.0 for _, m in columns(order)])
    product = real_harmonics(a, order) * real_harmonics(b, order) * scale.square()
    cosine = (a * b).sum(1)
    legendre = [torch.ones_like(cosine), cosine]
    for n in range(2, order):
        legendre.append(((2 * n - 1) * cosine * legendre[-1] - (n - 1) * legendre[-2]) / n)
    for n in range(order):
        total = product[:, n * n : (n + 1) ** 2].sum(1)
        torch.testing.assert_close(total, (2 * n + 1) / (4 * math.pi) * legendre[n])


def test_gradient_is_right_also_at_the_poles():
    unit = directions(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: real_harmonics(v, 6), unit)
    poles = torch.tensor([[0.0, 0, 1], [0, 0, -1], [0, 0, 0]], dtype=torch.float64)
    poles.requires_grad_()
    real_harmonics(poles, 10).sum().backward()
    assert poles.grad is not None and poles.grad.isfinite().all()


def test_use_in_inference_does_not_spoil_later_training():
    # a degree that no other test asks for: nothing of it is cached yet
    with torch.inference_mode():
        real_harmonics(directions(3), 40)
    unit = directions(4).requires_grad_()
    real_harmonics(unit, 40).sum().backward()
    assert unit.grad is not None and unit.grad.isfinite().all()


def test_keeps_the_element_type_and_takes_no_edges():
    assert real_harmonics(directions(3, torch.float32), 5).dtype == torch.float32
    assert real_harmonics(torch.zeros(0, 3), 5).shape == (0, 25)


def test_orders_below_one_are_refused():
    with pytest.raises(ConfigError, match="order 0"):
        real_harmonics(torch.zeros(1, 3), 0)
