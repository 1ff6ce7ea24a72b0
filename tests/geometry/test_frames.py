from __future__ import annotations

import torch

from molgen.geometry.frames import backbone_frames
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
