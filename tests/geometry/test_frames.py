from __future__ import annotations

import torch

from molgen.geometry.frames import backbone_frames, principal_axes
from molgen.geometry.rotations import matrix_from_quaternion, random_quaternions


def test_axes_by_hand():
    # CA at (1, 1, 1), N 1.5 Å along x, C in the xy plane
    backbone = torch.tensor([[[2.5, 1.0, 1.0], [1.0, 1.0, 1.0], [0.5, 2.4, 1.0]]])
    torch.testing.assert_close(backbone_frames(backbone)[0], torch.eye(3))


def test_frames_are_right_handed_and_turn_with_the_atoms():
    generator = torch.Generator().manual_seed(0)
    backbone = torch.randn(20, 4, 3, generator=generator, dtype=torch.float64)
    frames = backbone_frames(backbone)
    unit = torch.eye(3, dtype=torch.float64).expand(20, 3, 3)
    torch.testing.assert_close(frames @ frames.mT, unit)
    torch.testing.assert_close(torch.linalg.det(frames), torch.ones(20, dtype=torch.float64))
    turn = matrix_from_quaternion(random_quaternions(1, generator).double())[0]
    torch.testing.assert_close(backbone_frames(backbone @ turn.T + 3.0), frames @ turn.T)


def test_points_in_one_place_have_no_axes():
    line = torch.tensor([[[1.0, 0, 0], [0, 0, 0], [2.0, 0, 0]], [[0.0, 0, 0]] * 3])
    line.requires_grad_()
    frames = backbone_frames(line)
    assert frames.isfinite().all()
    assert frames[0, 0].tolist() == [1.0, 0.0, 0.0]
    assert (frames[0, 1:] == 0).all() and (frames[1] == 0).all()
    frames.sum().backward()
    assert line.grad is not None and line.grad.isfinite().all()


def test_principal_axes_turn_with_the_cloud():
    generator = torch.Generator().manual_seed(1)
    cloud = torch.randn(200, 3, generator=generator, dtype=torch.float64).exp()
    axes = principal_axes(cloud)
    torch.testing.assert_close(axes @ axes.T, torch.eye(3, dtype=torch.float64))
    assert float(torch.linalg.det(axes)) > 0
    spread = ((cloud - cloud.mean(0)) @ axes.T).var(0)
    assert spread[0] > spread[1] > spread[2]
    for turn in matrix_from_quaternion(random_quaternions(5, generator).double()):
        torch.testing.assert_close(principal_axes(cloud @ turn.T + 4.0), axes @ turn.T)


def test_a_cloud_without_extent_has_the_axes_of_its_file():
    torch.testing.assert_close(principal_axes(torch.zeros(0, 3)), torch.eye(3))
    assert principal_axes(torch.ones(3, 3)).isfinite().all()
