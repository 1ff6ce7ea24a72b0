"""Signed volumes: the ideal tetrahedron, mirror images, slopes."""

import pytest
import torch

from molgen.geometry.volumes import unit_bonds, unit_volume, volume_slopes

F64 = torch.float64
CORNERS = torch.tensor([[[0.0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1]]], dtype=F64)
CENTRE = torch.tensor([[0, 1, 2, 3]])


def test_an_ideal_tetrahedron_has_0_77_and_its_mirror_image_the_other_sign():
    volume = unit_volume(CORNERS, CENTRE).item()
    assert abs(volume) == pytest.approx(4 / 3**1.5)
    assert unit_volume(CORNERS * torch.tensor([1.0, 1.0, -1.0]), CENTRE).item() == -volume
    assert unit_volume(CORNERS, torch.tensor([[0, 2, 1, 3]])).item() == -volume


def test_slopes_are_the_derivatives_and_padding_has_none():
    bonds = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=F64)
    bonds.requires_grad_()
    volume, slopes = volume_slopes(bonds)
    torch.testing.assert_close(volume, torch.linalg.det(bonds))
    torch.testing.assert_close(slopes, torch.autograd.grad(volume.sum(), bonds)[0])
    assert not unit_bonds(CORNERS[None], torch.zeros(1, 1, 4, dtype=torch.int64)).any()
