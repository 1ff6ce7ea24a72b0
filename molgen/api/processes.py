"""Which of the processes of one training run this is."""

from __future__ import annotations

import os
from collections.abc import Mapping


def first_process(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether this is the process of a run that writes and speaks.

    torchrun numbers processes over all machines (RANK), so does SLURM (SLURM_PROCID); Lightning's
    own launcher numbers machines (NODE_RANK) and processes on each (LOCAL_RANK).

    Args:
        environment: variables; by default those of this process.
    """
    given = os.environ if environment is None else environment
    if "RANK" in given:
        return given["RANK"] == "0"
    return all(given.get(k, "0") == "0" for k in ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))
