"""From logits to probabilities: Platt scaling, fitted on held-out complexes.

A term for the softmax over the poses of a ligand joins it: of poses with the same logit, the one
without rivals is right more often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Calibrated(nn.Module):
    """A model of logits with a calibration, which is none until `calibrate`."""

    slope: Tensor
    offset: Tensor
    share: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))
        self.register_buffer("share", torch.zeros(()))

    def probability(self, logit: np.ndarray, field: np.ndarray | None = None) -> np.ndarray:
        """Return the calibrated probabilities of the poses of one ligand.

        Args:
            logit: (poses,) of the network.
            field: (poses,) bool, those that every pose is judged among; by default all.
        """
        every = torch.from_numpy(np.asarray(logit, dtype=np.float64))
        rivals = every if field is None else every[torch.from_numpy(field)]
        return np.asarray(self.calibrated(every, rivals).numpy())

    def calibrated(self, logit: Tensor, rivals: Tensor) -> Tensor:
        """Return the probabilities of logits that are judged among those of ``rivals``."""
        share = _share(logit, rivals)
        return torch.sigmoid(self.slope * logit + self.share * share + self.offset)

    def calibrate(self, logits: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> None:
        """Fit slope, offset and the factor on the softmax on the poses of held-out complexes.

        Platt, *Probabilistic outputs for support vector machines*, 1999; every complex counts the
        same.
        """
        weight = np.concatenate([np.full(len(one), 1.0 / len(one)) for one in logits])
        each = [torch.from_numpy(np.asarray(one, dtype=np.float64)) for one in logits]
        x, share = torch.cat(each), torch.cat([_share(one, one) for one in each])
        y = torch.from_numpy(np.concatenate(right)).double()
        w = torch.from_numpy(weight / weight.sum())
        line = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = nn.functional.binary_cross_entropy_with_logits(
                line[0] * x + line[1] + line[2] * share, y, weight=w, reduction="sum"
            )
            value.backward()
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        self.slope.fill_(float(line[0].detach()))
        self.offset.fill_(float(line[1].detach()))
        self.share.fill_(float(line[2].detach()))


def _share(logit: Tensor, rivals: Tensor) -> Tensor:
    """Return the softmax of ``logit`` among ``rivals``; 1 for a pose that is surer than they."""
    return torch.exp(logit - rivals.logsumexp(0)).clamp(max=1.0)
