"""Which of several processes this one is, and how many may be started. Costs neither torch nor Lightning."""

from __future__ import annotations

import os
from collections.abc import Sequence

from napari_w2s._types import InputError
from napari_w2s.engine.cluster import default_workers


def leads() -> bool:
    """Tell whether this process speaks for all that train together: it alone writes and prints.

    Told by what launchers set: torchrun, SLURM, or Lightning itself, on any node.
    """
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "GROUP_RANK", "LOCAL_RANK"))


def check_processes(devices: int | str | Sequence[int]) -> None:
    """Refuse more processes on this machine's processor than it has cores.

    Each has a copy of the network, the images and the libraries; too many take all memory, and then the system ends
    them without a word. Where another launcher starts the processes, their number is its business.

    Parameters
    ----------
    devices : int, str or sequence of int
        As given to Lightning.

    Raises
    ------
    InputError
        Naming what would do.
    """
    if any(name in os.environ for name in ("LOCAL_RANK", "SLURM_PROCID")):
        return
    if isinstance(devices, str):
        count = int(devices) if devices.isdecimal() else 1
    else:
        count = devices if isinstance(devices, int) else len(devices)
    cores = default_workers()
    if count > cores:
        raise InputError(
            f"{count} processes are too many for this machine, whose processor has {_cores(cores)}: each needs one, "
            f"and memory of its own. Take at most --devices {cores}, or more machines with --num-nodes."
        )


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
