"""Which device a search runs on."""

from __future__ import annotations

from pathlib import Path

from molgen.errors import DeviceError


def resolve_device(name: str) -> str:
    """Return "cpu" or "cuda[:N]" for "auto", "cpu" or "cuda[:N]".

    "auto" imports torch only where an NVIDIA driver is present: the CPU search does not need it.

    Raises:
        DeviceError: unknown name, or the device is not there.
    """
    if name == "cpu" or (name == "auto" and not Path("/dev/nvidiactl").exists()):
        return "cpu"
    kind, colon, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise DeviceError(f"device {name!r} is not known; expected auto, cpu or cuda[:N]")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    if int(number or 0) >= count:
        there = f"{count} CUDA device(s)" if count else "no CUDA device"
        raise DeviceError(f"device {name!r} is not there; this machine has {there}")
    return name
