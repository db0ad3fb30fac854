"""Which devices there are, which one to take, how much memory it has, and what its out-of-memory errors look like."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import torch

from napari_w2s._types import InputError

CPU_BUDGET_BYTES = 512 * 2**20
"""Activations of one tile on the CPU; more gains nothing, since the caches are long full."""


def available_devices() -> list[str]:
    """Return the devices that can be used here, best first, e.g. ``["cuda:0", "cuda:1", "cpu"]``."""
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_device(name: str = "auto", supported: tuple[str, ...] = ("cpu", "cuda", "mps")) -> torch.device:
    """Turn a name into a device that exists here.

    Parameters
    ----------
    name : str
        ``"auto"`` takes the first available device whose type is in `supported`.
    supported : tuple of str
        Device types that the model runs on. A model that does not run on the asked type runs on the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not on this machine.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(next(d for d in available if d.split(":")[0] in supported))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    wanted = f"{name}:0" if name == "cuda" else name
    if device is None or wanted not in available:
        raise InputError(f"There is no device {name!r} here. Choose one of: auto, {', '.join(available)}.")
    return torch.device(wanted) if device.type in supported else torch.device("cpu")


def memory_budget(device: torch.device) -> int:
    """Return how many bytes the activations of one batch of tiles may take on `device`."""
    if device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        return int(free * 0.6)
    if device.type == "mps":
        return int((torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()) * 0.5)
    return min(CPU_BUDGET_BYTES, available_memory() // 4)


def available_memory() -> int:
    """Return the bytes of main memory that can be had without swapping (a cautious guess where the system is mute)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    if sys.platform != "win32" and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 4 * 2**30


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        phrase in text for phrase in ("out of memory", "can't allocate memory", "failed to allocate")
    )


def release_cached(device: torch.device) -> None:
    """Give memory that torch keeps in reserve back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


@cache
def is_fast_in_bfloat16(device: torch.device) -> bool:
    """Tell whether the hardware computes bfloat16 natively, and so faster than float32.

    On Linux the processor's own flags say so; elsewhere a CPU counts as one that does not.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return False
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return bool({"amx_bf16", "avx512_bf16"} & set(flags.split()))
